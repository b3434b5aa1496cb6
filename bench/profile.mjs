// Where the time of one contender goes: a processor profile of the application process alone, by self time.
//
// node bench/profile.mjs [--contender express-fastcgi] [--handler plain] [--case small] [--node 24] [--requests 40000] [--top 25]
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, HEADERS, requestBytes } from './cases.mjs'
import { CONTENDERS } from './contenders.mjs'
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
  },
})

const folder = mkdtempSync(join(tmpdir(), 'efcgi-profile-'))
const exchange = CASES[values.case]
const socket = join(folder, 'app.sock')
const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200']
const application = new ApplicationProcess(nodeBinary(Number(values.node)), values.contender, values.handler, socket, flags)
try {
  await application.listening()
  const nginx = await startNginx(join(folder, 'nginx'), [{ socket, site: { pass: CONTENDERS[values.contender].pass, kept: true } }])
  const requests = Number(values.requests)
  const request = requestBytes(exchange, HEADERS[values.headers])
  const before = await application.usage()
  await load({ port: nginx.ports[0], request, answerLength: exchange.answer.length, connections: 32, requests })
  const after = await application.usage()
  await nginx.stop()
  await application.stop()
  const perRequest = (after.cpuMicroseconds - before.cpuMicroseconds) / requests
  const what = `${values.contender}, ${values.handler}, ${values.case}, Node ${values.node}`
  process.stdout.write(`${what}: ${perRequest.toFixed(1)} µs CPU a request while profiled\n\n`)
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'))
  print(JSON.parse(readFileSync(join(folder, file), 'utf8')), requests)
} finally {
  await application.stop()
  rmSync(folder, { recursive: true, force: true })
}

function print({ nodes, samples, timeDeltas }, requests) {
  const byId = new Map(nodes.map((node) => [node.id, name(node.callFrame)]))
  const self = new Map()
  samples.forEach((id, index) => self.set(byId.get(id), (self.get(byId.get(id)) ?? 0) + timeDeltas[index]))
  self.delete('(idle)')
  const total = [...self.values()].reduce((sum, time) => sum + time, 0)
  const sorted = [...self].sort(([, a], [, b]) => b - a).slice(0, Number(values.top))
  for (const [where, time] of sorted) {
    const share = ((100 * time) / total).toFixed(1)
    process.stdout.write(`${share.padStart(5)} %  ${(time / requests).toFixed(2).padStart(7)} µs  ${where}\n`)
  }
}

function name({ functionName, url, lineNumber }) {
  const file = url.startsWith('node:') ? url : basename(url)
  return `${functionName || '(anonymous)'}${file === '' ? '' : `  ${file}:${lineNumber + 1}`}`
}
