// What the settings of a web server do to the application behind it: variants of one configuration take rounds in turn, all in front
// of the same process, so that only the setting differs. Needs Linux and wrk.
//
// node bench/tuning.mjs --server nginx|haproxy|apache2 [--group connections] [--rounds 7] [--seconds 1] [--connections 32] [--node 24]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, HEADERS } from './cases.mjs'
import { accepts, freePorts } from './ports.mjs'
import { cpuMicrosecondsOfTree } from './proc.mjs'
import { ApplicationProcess } from './process.mjs'
import { program, programVersions, providePrograms } from './programs.mjs'
import { nodeRuntime } from './runtimes.mjs'
import { median, ratios, spread } from './statistics.mjs'
import { figure, table } from './table.mjs'
import { SERVERS } from './tuning-servers.mjs'
import { SETTINGS } from './tuning-settings.mjs'

const WARM_UP_SECONDS = 2

const { values } = parseArgs({
  options: {
    server: { type: 'string', default: 'nginx' },
    group: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '32' },
    node: { type: 'string', default: '24' },
    headers: { type: 'string', default: 'browser' },
  },
})
const server = SERVERS[values.server]
const groups = SETTINGS[values.server]
if (server === undefined) throw new Error(`--server: "${values.server}" is none of ${Object.keys(SERVERS).join(', ')}`)
const chosen = values.group?.split(',') ?? Object.keys(groups)
const stranger = chosen.find((name) => !(name in groups))
if (stranger !== undefined) throw new Error(`--group: "${stranger}" is none of ${Object.keys(groups).join(', ')}`)

providePrograms([values.server, 'wrk'])
const node = nodeRuntime(Number(values.node))
process.stdout.write(`Node ${node.version}, ${programVersions([values.server]).join()}; ${values.rounds} rounds, ${values.connections} connections\n`)
for (const name of chosen) process.stdout.write(`\n${name}\n${report(await compare(groups[name]))}\n`)

/** @returns the variants with their rounds */
async function compare(group) {
  const folder = mkdtempSync(join(tmpdir(), 'efcgi-tuning-'))
  // Apache's workers run as another user.
  chmodSync(folder, 0o755)
  const ports = await freePorts(2 * group.length)
  const variants = group.map((variant, index) => ({
    exchange: 'small',
    ...variant,
    port: ports[2 * index],
    address: variant.transport === 'tcp' ? String(ports[2 * index + 1]) : join(folder, `${index}.sock`),
    rounds: [],
  }))
  const application = new ApplicationProcess(node.binary, 'express-fastcgi', 'plain', variants.map(({ address }) => address))
  let web
  try {
    await application.listening()
    for (const { transport, address } of variants) if (transport !== 'tcp') chmodSync(address, 0o666)
    web = await startServer(folder, variants)
    for (const variant of variants) await load(variant, folder, WARM_UP_SECONDS)
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const variant of variants) variant.rounds.push(await measured(variant, folder, application, web.pid))
    }
  } finally {
    await web?.stop()
    await application.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return variants
}

async function startServer(folder, variants) {
  const file = join(folder, 'server.conf')
  writeFileSync(file, server.configuration(folder, variants))
  const child = spawn(program(values.server), server.start(file, folder), { stdio: ['ignore', 'ignore', 'inherit'] })
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  await accepts({ port: variants[0].port, host: '127.0.0.1' }, child)
  return {
    pid: child.pid,
    async stop() {
      const exited = once(child, 'exit')
      kill()
      await exited
      process.off('exit', kill)
    },
  }
}

async function measured(variant, folder, application, webPid) {
  const before = await application.usage()
  const webBefore = cpuMicrosecondsOfTree(webPid)
  const { requests, seconds, failed } = await load(variant, folder, Number(values.seconds))
  const webAfter = cpuMicrosecondsOfTree(webPid)
  const after = await application.usage()
  return {
    cpu: (after.cpuMicroseconds - before.cpuMicroseconds) / requests,
    webCpu: (webAfter - webBefore) / requests,
    perSecond: requests / seconds,
    connections: (after.connections - before.connections) / requests,
    failed,
  }
}

async function load({ port, exchange }, folder, seconds) {
  const { path, body } = CASES[exchange]
  const script = join(folder, 'body.lua')
  if (body !== undefined) writeFileSync(script, `wrk.method = "POST"\nwrk.body = string.rep("x", ${body.length})\n`)
  const headers = HEADERS[values.headers].flatMap((header) => ['-H', header])
  const child = spawn(program('wrk'), [
    '-t1', `-c${values.connections}`, `-d${seconds}s`, ...headers, ...(body === undefined ? [] : ['-s', script]), `http://127.0.0.1:${port}${path}`,
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text) => { said += text })
  await once(child, 'close')
  const [, requests, taken] = /(\d+) requests in ([\d.]+)s/.exec(said) ?? []
  if (!(Number(requests) > 0)) throw new Error(`no request was answered: ${said}`)
  const [, ...socketErrors] = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(said) ?? []
  const wrong = [/Non-2xx or 3xx responses: (\d+)/.exec(said)?.[1] ?? 0, ...socketErrors]
  return { requests: Number(requests), seconds: Number(taken), failed: wrong.reduce((sum, number) => sum + Number(number), 0) }
}

function report(variants) {
  const [first] = variants
  const columns = ['setting', '>CPU µs/request', '>ratio', '>middle half', '>requests/s', '>ratio', '>web server CPU µs', '>connections/1000', '>failed']
  const series = (variant, key) => variant.rounds.map((round) => round[key])
  return table(columns, variants.map((variant) => {
    const cpu = ratios(series(variant, 'cpu'), series(first, 'cpu'))
    const perSecond = ratios(series(variant, 'perSecond'), series(first, 'perSecond'))
    const { from, to } = spread(cpu)
    return [
      variant.name,
      figure(median(series(variant, 'cpu'))),
      median(cpu).toFixed(2),
      `${from.toFixed(2)}-${to.toFixed(2)}`,
      median(series(variant, 'perSecond')).toFixed(0),
      median(perSecond).toFixed(2),
      figure(median(series(variant, 'webCpu'))),
      (1000 * median(series(variant, 'connections'))).toFixed(0),
      String(series(variant, 'failed').reduce((sum, number) => sum + number, 0)),
    ]
  }))
}
