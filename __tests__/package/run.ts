// Runs a program to its end and keeps what it printed.
import { execFile } from 'node:child_process'

export interface Ran {
  readonly status: number
  /** Standard output and standard error, in that order. */
  readonly output: string
  readonly stdout: string
}

export function run(command: string, args: readonly string[], cwd: string, input = ''): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code
      // No number: the program could not be run at all, or a signal ended it.
      if (typeof status === 'number') resolve({ status, output: stdout + stderr, stdout })
      else reject(new Error(`${command} ${args.join(' ')} did not run`, { cause: error }))
    })
    child.stdin?.end(input)
  })
}

/** As {@link run}, for what must succeed: the output is in the error otherwise. */
export async function succeed(command: string, args: readonly string[], cwd: string, input = ''): Promise<string> {
  const { status, output, stdout } = await run(command, args, cwd, input)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit status ${status}\n${output}`)
  return stdout
}
