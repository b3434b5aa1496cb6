// Where the time of one contender goes: a processor profile of the application process alone, warmed up, by block and by self time.
//
// node bench/profile.mjs [--contender express-fastcgi] [--handler plain] [--case small] [--node 24] [--requests 40000] [--top 25]
//   [--flame FILE.svg]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, HEADERS, requestBytes } from './cases.mjs'
import { CONTENDERS } from './contenders.mjs'
import { blocks, flame, stacks } from './flame.mjs'
import { load } from './load.mjs'
import { startNginx } from './nginx.mjs'
import { ApplicationProcess } from './process.mjs'
import { nodeBinary } from './runtimes.mjs'

const { values } = parseArgs({
  options: {
    contender: { type: 'string', default: 'express-fastcgi' },
    handler: { type: 'string', default: 'plain' },
    case: { type: 'string', default: 'small' },
    headers: { type: 'string', default: 'browser' },
    node: { type: 'string', default: '24' },
    requests: { type: 'string', default: '40000' },
    top: { type: 'string', default: '25' },
    flame: { type: 'string' },
  },
})

const folder = mkdtempSync(join(tmpdir(), 'efcgi-profile-'))
const exchange = CASES[values.case]
const socket = join(folder, 'app.sock')
const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200']
const application = new ApplicationProcess(nodeBinary(Number(values.node)), values.contender, values.handler, socket, flags)
try {
  await application.listening()
  giveProcessor(application.pid)
  const nginx = await startNginx(join(folder, 'nginx'), [{ socket, site: { pass: CONTENDERS[values.contender].pass, kept: true } }])
  const requests = Number(values.requests)
  const request = requestBytes(exchange, HEADERS[values.headers])
  const send = (number) => load({ port: nginx.ports[0], request, answerLength: exchange.answer.length, connections: 32, requests: number })
  await send(exchange.warmUp)
  const before = await application.usage()
  const from = clock()
  await send(requests)
  const to = clock()
  const after = await application.usage()
  await nginx.stop()
  await application.stop()
  const perRequest = (after.cpuMicroseconds - before.cpuMicroseconds) / requests
  const what = `${values.contender}, ${values.handler}, ${values.case}, Node ${values.node}`
  process.stdout.write(`${what}: ${perRequest.toFixed(1)} µs CPU a request while profiled\n\n`)
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'))
  const root = stacks(JSON.parse(readFileSync(join(folder, file), 'utf8')), from, to)
  print(root, requests)
  if (values.flame !== undefined) writeFileSync(values.flame, flame(root, `One request: ${what}`, requests))
} finally {
  await application.stop()
  rmSync(folder, { recursive: true, force: true })
}

// V8 samples by the clock, so time in which the application is ready but does not run counts as its own: most of all in the write,
// which wakes nginx. So it has a processor of its own, and nginx and the load, which start or run here, have the others.
function giveProcessor(pid) {
  const processors = availableParallelism()
  if (processors === 1) return
  const quiet = { stdio: 'ignore' }
  execFileSync('taskset', ['-a', '-c', '-p', '0', String(pid)], quiet)
  execFileSync('taskset', ['-a', '-c', '-p', `1-${processors - 1}`, String(process.pid)], quiet)
}

/** Microseconds of the clock that V8 dates its samples by. */
function clock() {
  return Number(process.hrtime.bigint() / 1_000n)
}

function print(root, requests) {
  for (const { title, share } of blocks(root)) line(share * root.total, title)
  process.stdout.write('\n')
  const self = new Map()
  count(root)
  const sorted = [...self].sort(([, a], [, b]) => b - a).slice(0, Number(values.top))
  for (const [where, time] of sorted) line(time, where)

  function count({ name, where, self: time, children }) {
    const key = `${name}  ${where}`.trim()
    self.set(key, (self.get(key) ?? 0) + time)
    children.forEach(count)
  }

  function line(time, what) {
    const share = ((100 * time) / root.total).toFixed(1)
    process.stdout.write(`${share.padStart(5)} %  ${(time / requests).toFixed(2).padStart(7)} µs  ${what}\n`)
  }
}
