// Units as they are printed: checked by systemd itself, and their command started by systemd-socket-activate.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DeploymentOptions } from '../../lib/cli/config/deployment'
import { askFastCGI } from '../register/application'
import { describeWith, program } from '../support/need'
import { freePorts } from '../support/ports'
import { type RawAddress } from '../support/raw-client'
import { until } from '../support/wait'
import { install, printedFile, printedFiles } from '../support/printed'
import { writeApplication } from './small-application'

let folder: string
const cleanUp: (() => unknown)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-systemd-'))
})

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
  rmSync(folder, { recursive: true, force: true })
})

describeWith('systemd-analyze', 'systemd-analyze verify', () => {
  it.each<[string, Partial<DeploymentOptions>]>([
    ['a unix socket', {}],
    ['a port', { listen: '9000' }],
    ['a port on IPv6, of any address', { listen: '[::]:9000', mount: '/shop' }],
    ['odd names', { listen: '/run/o d/%n $x "q"\\é.sock', app: '/srv/o\'d "q" $HOME %n \\é/server $x.js' }],
  ])('%s: accepts the units', (_what, options) => {
    // The folder of an application that is not there is no error, its program is.
    install(printedFiles('systemd', { app: '/srv/my-app/server.js', ...options }), folder)
    const { stdout, stderr, status } = spawnSync(program('systemd-analyze'), ['verify', '--man=no', join(folder, 'example.org.service'), join(folder, 'example.org.socket')], { encoding: 'utf8' })
    // It reads the units of the machine as well.
    const complaints = (stdout + stderr).split('\n').filter((line) => line.includes('example.org'))
    expect([complaints, status]).toEqual([[], 0])
  })
})

describe('what units cannot have', () => {
  it.each<[string, Partial<DeploymentOptions>, RegExp]>([
    ['a host name', { listen: 'localhost:9000' }, /systemd listens on addresses, not on names; 127\.0\.0\.1:9000/],
    ['a socket that ends with a blank', { listen: '/run/a ' }, /cannot end with a blank or a backslash/],
    ['a folder that ends with a backslash', { app: '/srv/a\\/server.js' }, /cannot end with a blank or a backslash/],
    ['a node with a quote', { node: '/opt/a"b/node' }, /--node .* quotes or backslashes/],
    ['an application in /tmp', { app: '/tmp/server.js' }, /--app \/tmp\/server\.js: .* a \/tmp of its own/],
  ])('%s', (_what, options, message) => {
    expect(() => printedFiles('systemd', { app: '/srv/server.js', ...options })).toThrow(message)
  })
})

it('node has to write machine code into its memory', () => {
  expect(printedFile('systemd', 'example.org.service', { app: '/srv/server.js' })).not.toMatch(/^MemoryDenyWriteExecute=/m)
})

describeWith('systemd-socket-activate', 'started by systemd-socket-activate', () => {
  interface Started {
    readonly child: ChildProcess
    output(): string
  }

  /** Plays systemd for the printed service. The process is the application's own from its first connection on. */
  function activate(addresses: readonly string[], appFolder: string, options: Partial<DeploymentOptions> = {}, more: readonly string[] = []): Started {
    // Written with the quotes that a blank needs.
    const app = '/srv/o d/server.js'
    const service = printedFile('systemd', 'example.org.service', { app, ...options }).replaceAll('/srv/o d', appFolder)
    const command = words(/^ExecStart=(.*)$/m.exec(service)![1]!)
    const environment = [...service.matchAll(/^Environment=(.*)$/gm)].map(([, setting]) => `--setenv=${setting}`)
    const child = spawn(program('systemd-socket-activate'), [...addresses.map((address) => `--listen=${address}`), ...environment, ...more, ...command], {
      cwd: appFolder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    cleanUp.push(() => ended(child, 'SIGKILL'))
    return { child, output: () => output }
  }

  it.each<[string, () => Promise<[address: string, target: RawAddress]>]>([
    ['a unix socket', () => Promise.resolve([join(folder, 'app.sock'), join(folder, 'app.sock')])],
    ['a port', async () => ofPort('127.0.0.1')],
  ])('%s: LISTEN_FDS is found, and LISTEN_FDNAMES makes no difference', async (_kind, address) => {
    const [listen, target] = await address()
    const appFolder = join(folder, 'o d é')
    mkdirSync(appFolder)
    writeApplication(appFolder)
    const { child } = activate([listen], appFolder, { mount: '/shop' }, ['--fdname=any'])
    const seen = JSON.parse(await answer(target, '/shop/environment')) as Record<string, string>
    expect(seen).toMatchObject({ LISTEN_FDS: '1', LISTEN_PID: String(child.pid), LISTEN_FDNAMES: 'any', NODE_ENV: 'production', FASTCGI_MOUNT: '/shop' })
  })

  it('two sockets: the servers of the application get one each, in order', async () => {
    writeApplication(folder)
    writeFileSync(
      join(folder, 'server.js'),
      `for (const name of ['one', 'two']) require('node:http').createServer((req, res) => res.end(name)).listen(0)`,
    )
    const sockets = ['1.sock', '2.sock'].map((name) => join(folder, name))
    activate(sockets, folder, {}, ['--fdname=second:first'])
    expect(await answer(sockets[0]!, '/')).toBe('one')
    expect(await askFastCGI(sockets[1]!)).toBe('two')
  })

  it('SIGTERM: the application ends with status 0', async () => {
    writeApplication(folder)
    const { child, output } = activate([join(folder, 'app.sock')], folder)
    await answer(join(folder, 'app.sock'), '/')
    await ended(child, 'SIGTERM')
    expect([child.exitCode, child.signalCode, output().includes('listening')]).toEqual([0, null, true])
  })

  async function answer(target: RawAddress, path: string): Promise<string> {
    return until('systemd-socket-activate to listen', () => askFastCGI(target, path).catch(() => undefined))
  }
})

async function ofPort(host: string): Promise<[string, RawAddress]> {
  const [port = 0] = await freePorts(1)
  return [`${host}:${port}`, port]
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await exit
}

/** The words of a command line, systemd.service(5). */
function words(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) => (quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '').replaceAll('%%', '%').replaceAll('$$', '$'))
}
