// How many connections one process may have open. Node raises its own limit to the hard one; that is all it can do.
import { execFileSync } from 'node:child_process'

/** What a process has open besides its connections. */
const OTHER_FILES = 200

/**
 * Makes room for so many connections, here and in what is started from here.
 *
 * @throws {Error} where the system does not let us
 */
export function allowFiles(connections) {
  const wanted = connections + OTHER_FILES
  const limit = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  if (limit === 'unlimited' || Number(limit) >= wanted) return
  try {
    execFileSync('prlimit', [`--pid=${process.pid}`, `--nofile=${wanted}:${wanted}`], { stdio: 'ignore' })
  } catch (cause) {
    throw new Error(`${connections} connections need "ulimit -Hn ${wanted}", here it is ${limit}; run the bench as root or raise it`, { cause })
  }
}
