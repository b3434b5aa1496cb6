// The README does what it says: its application answers FastCGI, its nginx block runs, its other examples work.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { listen } from 'express-fastcgi'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'
import { connect } from '../support/raw-client'
import { fenced, page, root } from './page'

const readme = page('README.md')
const examples = fenced(readme, 'js')
const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-readme-'))
const socketPath = join(folder, 'my-app.sock')
const cleanUp: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]

/** The only example that contains `part`, with the paths of the README moved into our folder. */
function example(part: string): string {
  const [found, ...more] = examples.filter((text) => text.includes(part))
  if (found === undefined || more.length > 0) throw new Error(`${more.length + 1} examples contain ${part}`)
  return found.replaceAll('/tmp/my-app.sock', socketPath).replaceAll('/run/my-app/app.sock', socketPath)
}

/** Runs a module of our own to its end in the consumer's folder. */
function runModule(name: string, code: string): string {
  writeFileSync(join(folder, name), code)
  const { status, stdout, stderr } = spawnSync(process.execPath, [name], { cwd: folder, encoding: 'utf8', timeout: 20_000 })
  if (status !== 0) throw new Error(`${name}: exit status ${status}\n${stderr}`)
  return stdout
}

let app: ChildProcess
let said = ''

beforeAll(async () => {
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', "(await import('./scripts/setup.mjs')).build()"], { cwd: root })
  expect(status).toBe(0)
  // What npm install would have made of it.
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules', 'express-fastcgi'))
  for (const name of ['express', 'supertest']) symlinkSync(dirname(require.resolve(`${name}/package.json`)), join(folder, 'node_modules', name))

  writeFileSync(join(folder, 'app.mjs'), example('app.get('))
  app = spawn(process.execPath, ['app.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = (): boolean => app.kill()
  process.once('exit', kill)
  cleanUp.push(async () => {
    process.off('exit', kill)
    if (app.exitCode !== null || app.signalCode !== null) return
    const exit = once(app, 'exit')
    kill()
    await exit
  })
  app.stdout!.setEncoding('utf8').on('data', (text: string) => (said += text))
  await Promise.race([
    once(app.stdout!, 'data'),
    once(app, 'exit').then(() => Promise.reject(new Error('the example ended before it listened'))),
  ])
}, 120_000)

afterAll(async () => {
  for (const step of cleanUp.reverse()) await step()
})

describe('the application of the README', () => {
  it('has about ten lines and says where it listens', () => {
    expect(example('app.get(').trimEnd().split('\n').length).toBeLessThanOrEqual(10)
    expect(said).toBe(`FastCGI on ${socketPath}\n`)
  })

  it('answers a FastCGI request', async () => {
    const client = await connect(socketPath)
    client.send(
      begin(1),
      params(1, {
        REQUEST_METHOD: 'GET', REQUEST_URI: '/', SERVER_PROTOCOL: 'HTTP/1.1',
        REMOTE_ADDR: '192.0.2.7', HTTP_HOST: 'example.com', HTTPS: 'on',
      }),
      stdin(1),
    )
    const { head, body, end } = await client.response(1)
    expect([head.status, JSON.parse(body.toString())]).toEqual([200, { hello: '192.0.2.7', host: 'example.com', secure: true }])
    expect(end).toEqual({ appStatus: 0, protocolStatus: 0 })
    expect(await client.closed).toBe('end')
  })
})

describeWith('nginx', 'the nginx block of the README', () => {
  const [block = '', ...more] = fenced(readme, 'nginx')
  // The application of the README, and one in this process whose connections can be counted.
  const addresses = [`unix:${socketPath}`, `unix:${join(folder, 'counted.sock')}`]
  let nginx: Nginx
  let connections = 0

  beforeAll(async () => {
    const counted = listen((_req, res) => res.end('counted'), join(folder, 'counted.sock'))
    counted.on('connection', () => connections++)
    cleanUp.push(() => counted.close().closeAllConnections())
    await once(counted, 'listening')
    nginx = await startNginx({
      ports: addresses.length,
      http: (ports) => addresses.map((address, index) => moved(address, ports[index]!).replaceAll('my_app', `my_app${index}`)).join('\n'),
    })
    cleanUp.push(() => nginx.stop())
  })

  /** The block with its two addresses changed, and nothing else. */
  function moved(address: string, port: number): string {
    return block.replace('server unix:/run/my-app/app.sock;', `server ${address};`).replace('listen 80;', `listen 127.0.0.1:${port};`)
  }

  it('is one block, whose addresses the test could change', () => {
    expect(more).toEqual([])
    const used = readFileSync(join(nginx.folder, 'nginx.conf'), 'utf8')
    for (const index of [0, 1]) {
      expect(used).toContain(`server ${addresses[index]};`)
      expect(used).toContain(`listen 127.0.0.1:${nginx.ports[index]};`)
    }
  })

  it('serves the application and keeps the port in Host, with the fastcgi_params of Debian', async () => {
    const host = `127.0.0.1:${nginx.ports[0]}`
    const response = await fetch(`http://${host}/`)
    expect([response.status, await response.json()]).toEqual([200, { hello: '127.0.0.1', host, secure: false }])
  })

  it('keeps its connection to the application', async () => {
    for (let request = 1; request <= 3; request++) {
      expect(await (await fetch(`http://127.0.0.1:${nginx.ports[1]}/`)).text()).toBe('counted')
    }
    expect(connections).toBe(1)
  })

  it('leaves nothing in the error log', () => {
    expect(nginx.errorLog()).not.toMatch(/\[(?:warn|error|crit|alert|emerg)\]/)
  })
})

describe('the other examples of the README', () => {
  const imports = "import http from 'node:http'\nimport express from 'express'\nimport { attach, cgiParams, createServer, listen } from 'express-fastcgi'\n"

  it('the supertest one passes with a right expectation, and fails with a wrong one', () => {
    const code = example('supertest')
    const define = "import express from 'express'\nconst app = express().get('/', (req, res) => res.send('hello'))\n"
    runModule('supertest.mjs', define + code)
    expect(() => runModule('wrong.mjs', define + code.replace('expect(200)', 'expect(201)'))).toThrow(/expected 201 "Created", got 200/)
    expect(code.trimEnd().split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(6)
  })

  it('the socket of a group is taken as an option', () => {
    const other = join(folder, 'group.sock')
    const code = example("group: 'www-data'").replace(socketPath, other).replace("'www-data'", String(process.getgid!()))
    const program = `${imports}import { statSync } from 'node:fs'
      const app = express()
      const server = ${code.trim()}
      server.on('listening', () => { console.log((statSync(${JSON.stringify(other)}).mode & 0o777).toString(8)); server.close() })`
    expect(runModule('group.mjs', program)).toBe('660\n')
  })

  it('attach() makes a FastCGI server of an http.Server', () => {
    const [line] = /attach\(http\.createServer\(handler\)\)\.listen\('[^']+'\)/.exec(readme)!
    const code = line.replace('/tmp/my-app.sock', join(folder, 'attached.sock'))
    const program = `${imports}import { gateway } from 'express-fastcgi/gateway'
      const handler = (req, res) => res.end(cgiParams(req).GATEWAY_INTERFACE)
      const server = ${code}
      const front = http.createServer(gateway(server)).listen(0, '127.0.0.1', async () => {
        console.log(await (await fetch('http://127.0.0.1:' + front.address().port)).text())
        for (const each of [front, server]) each.close().closeAllConnections()
      })`
    expect(runModule('attach.mjs', program)).toBe('CGI/1.1\n')
  })

  it('every example in JavaScript is run by one of these tests', () => {
    expect(examples).toHaveLength(3)
  })

  it('every npm command is a script of the package', () => {
    const { scripts, version } = JSON.parse(page('package.json')) as { scripts: Record<string, string>; version: string }
    const named = fenced(readme, 'sh').join('').match(/\bnpm (?:start|test|run [\w-]+)/g)!.map((command) => command.replace(/^npm (?:run )?/, ''))
    expect(named).toEqual(['start', 'start', 'test'])
    expect(named.filter((name) => !(name in scripts))).toEqual([])
    expect(readme).toContain(`express-fastcgi-${version}.tgz`)
  })

  it('the licence is there', () => {
    expect(existsSync(join(root, 'LICENSE'))).toBe(true)
    expect(page('LICENSE')).toMatch(/^MIT License\n\nCopyright \(c\) \d{4} express-fastcgi contributors\n/)
  })
})
