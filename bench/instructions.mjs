// How many instructions of user code a small answer takes, counted by valgrind: hardly different from run to run, whatever else the
// machine does. What they cost in time, and the kernel's part, it does not say; a bench does.
//
// node bench/instructions.mjs [--node 24] [--handler plain]      after npm run build; needs valgrind; a few minutes
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, HEADERS, requestBytes } from './cases.mjs'
import { BASELINE } from './contenders.mjs'
import { ApplicationProcess } from './process.mjs'
import { program } from './programs.mjs'
import { requestRecords } from './request-records.mjs'
import { nodeBinary } from './runtimes.mjs'

const CONNECTIONS = 16
/** Rounds of one request on each connection. The difference leaves out the start, and all that V8 compiles in the first rounds. */
const ROUNDS = [1_500, 2_500]
/** Compiling and collecting garbage take place where they are needed, on one thread. */
const NODE_FLAGS = ['--single-threaded', '--predictable-gc-schedule']
const REQUESTS = {
  [BASELINE]: requestBytes(CASES.small, HEADERS.browser),
  'express-fastcgi': requestRecords(CASES.small.path),
}

const { values } = parseArgs({ options: { node: { type: 'string', default: '24' }, handler: { type: 'string', default: 'plain' } } })
const folder = mkdtempSync(join(tmpdir(), 'fcgi-instructions-'))
try {
  for (const contender of Object.keys(REQUESTS)) {
    const [few, many] = await Promise.all(ROUNDS.map((rounds) => instructions(contender, rounds)))
    console.log(`${contender}: ${Math.round((many - few) / (CONNECTIONS * (ROUNDS[1] - ROUNDS[0])))} instructions a request`)
  }
} finally {
  rmSync(folder, { recursive: true })
}

/** Of a whole process that answers so many rounds. */
async function instructions(contender, rounds) {
  const name = join(folder, `${contender.replace(':', '-')}-${rounds}`)
  const valgrind = ['--quiet', '--tool=callgrind', '--smc-check=all-non-file', `--callgrind-out-file=${name}.out`]
  const application = new ApplicationProcess(program('valgrind'), contender, values.handler, `${name}.sock`, [...valgrind, nodeBinary(Number(values.node)), ...NODE_FLAGS])
  await application.listening()
  const sockets = Array.from({ length: CONNECTIONS }, () => net.connect(`${name}.sock`))
  const [first, ...others] = sockets
  const length = await lengthOfAnswer(first, REQUESTS[contender])
  await Promise.all([ask(first, REQUESTS[contender], length, rounds - 1), ...others.map((socket) => ask(socket, REQUESTS[contender], length, rounds))])
  for (const socket of sockets) socket.destroy()
  await application.stop()
  return Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(`${name}.out`, 'latin1'))[1])
}

/** It is written in one piece. */
async function lengthOfAnswer(socket, request) {
  socket.write(request)
  const [answer] = await once(socket, 'data')
  return answer.length
}

/** One request after the other. */
function ask(socket, request, length, times) {
  return new Promise((resolve, reject) => {
    let left = times * length
    let asked = 1
    socket.on('error', reject).on('close', () => reject(new Error('the connection was closed')))
    socket.on('data', (bytes) => {
      left -= bytes.length
      if (left <= 0) resolve()
      else if (left === (times - asked) * length) {
        asked++
        socket.write(request)
      }
    })
    socket.write(request)
  })
}
