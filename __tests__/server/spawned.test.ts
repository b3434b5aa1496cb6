// Listening sockets that somebody else opened: fd 0 as spawn-fcgi and web servers pass it, fd 3 from systemd, and what is
// said when there is none.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { describeWith, program } from '../support/need'
import { connect, type RawAddress } from '../support/raw-client'
import { until } from '../support/wait'
import { APP, Child, type ChildOptions } from './children/child'

const GET = Buffer.concat([begin(1), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: '/hello' }), stdin(1)])

let folder: string
let child: Child | undefined

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fcgi-spawned-'))
})

afterEach(async () => {
  await child?.kill()
  child = undefined
  fs.rmSync(folder, { recursive: true })
})

function start(options: ChildOptions): Child {
  child = new Child(options)
  return child
}

async function answer(address: RawAddress): Promise<string> {
  const client = await connect(address)
  client.send(GET)
  const { body } = await client.response(1)
  client.destroy()
  return body.toString()
}

/** Starts a child with a listening socket as one of its file descriptors, which is its alone when this resolves. */
async function startWith(target: net.ListenOptions, options: (fd: number) => ChildOptions): Promise<{ one: Child; address: RawAddress }> {
  const listener = net.createServer()
  await new Promise<void>((resolve) => listener.listen(target, resolve))
  const address = listener.address()
  const one = start(options((listener as unknown as { _handle: { fd: number } })._handle.fd))
  // Closing a unix socket removes its file, which is the child's from now on.
  if (typeof address === 'string') fs.renameSync(address, `${address}.kept`)
  await new Promise((resolve) => listener.close(resolve))
  if (typeof address === 'string') fs.renameSync(`${address}.kept`, address)
  return { one, address }
}

const targets: [kind: string, target: () => net.ListenOptions][] = [
  ['a unix socket', () => ({ path: path.join(folder, 'app.sock') })],
  ['a TCP socket', () => ({ port: 0, host: '127.0.0.1' })],
]

describe('a listening socket on fd 0 (FCGI 2.2)', () => {
  it.each(targets)('%s is found by listen() without arguments', async (_kind, target) => {
    const { one, address } = await startWith(target(), (fd) => ({ stdin: fd }))
    await one.report('listening')
    expect(await answer(address)).toBe(`pid ${one.process.pid ?? 0} /hello`)
  })

  it.each([
    ['listen({ fd: 0 })', { args: [{ fd: 0 }] }],
    ['FASTCGI_LISTEN=fd:0', { env: { FASTCGI_LISTEN: 'fd:0' } }],
  ])('%s takes it as well', async (_form, options) => {
    const { one, address } = await startWith({ path: path.join(folder, 'app.sock') }, (fd) => ({ stdin: fd, ...options }))
    await one.report('listening')
    expect(await answer(address)).toBe(`pid ${one.process.pid ?? 0} /hello`)
  })
})

it.each<[string, string, number | undefined, number[]?, string?]>([
  ['Apache/2.4.71 (Debian)', 'END_REQUEST with appStatus 1: mod_fcgid kills the process of a connection that closes early', 1],
  ['Apache/2.4.71 (Debian)', 'the connection is closed when a length was announced: its client would take the next answer for the rest', undefined, [6], '/short-torso'],
  ['lighttpd/1.4.69', 'the connection is closed', undefined, [6]],
  ['nginx/1.22.1', 'the connection is closed, behind a record that nginx cannot take for the end', undefined, [6, 255]],
])('a response destroyed midway in a process that %s started: %s', async (software, _what, appStatus, types: number[] = [], url = '/torso') => {
  const { one, address } = await startWith({ path: path.join(folder, 'app.sock') }, (fd) => ({ stdin: fd }))
  await one.report('listening')
  const client = await connect(address)
  const variables = { REQUEST_METHOD: 'GET', REQUEST_URI: url, SERVER_SOFTWARE: software }
  client.send(begin(1, { keep: true }), params(1, variables), stdin(1))
  if (appStatus === undefined) {
    await client.closed
    expect(client.records().map(({ type }) => type)).toEqual(types)
  } else {
    expect((await client.response(1)).end).toEqual({ appStatus, protocolStatus: 0 })
  }
  client.destroy()
})

it('standard output and error that are closed (cgi-fcgi) are made safe before a connection could get their numbers', async () => {
  const socketPath = path.join(folder, 'app.sock')
  const one = start({ shell: 'exec "$@" 3>&1 1>&- 2>&-', env: { REPORT_FD: '3' }, args: [{ path: socketPath }] })
  await one.report('listening')
  if (process.platform === 'linux') {
    for (const fd of [1, 2]) expect(fs.readlinkSync(`/proc/${one.process.pid ?? 0}/fd/${fd}`)).toBe('/dev/null')
  }
  expect(await answer(socketPath)).toBe(`pid ${one.process.pid ?? 0} /hello`)
})

describe('a listening socket from systemd, fd 3 (sd_listen_fds(3))', () => {
  // LISTEN_PID has to be the pid of the process itself, which only a shell that becomes it can know beforehand.
  const shell = 'exec env LISTEN_FDS=1 LISTEN_PID=$$ "$@"'

  it.each(targets)('%s', async (_kind, target) => {
    const { one, address } = await startWith(target(), (fd3) => ({ fd3, shell }))
    expect((await one.report('listening')).pid).toBe(one.process.pid)
    expect(await answer(address)).toBe(`pid ${one.process.pid ?? 0} /hello`)
  })

  it('is not taken when it is meant for another process', async () => {
    const { one } = await startWith({ port: 0, host: '127.0.0.1' }, (fd3) => ({ fd3, env: { LISTEN_FDS: '1', LISTEN_PID: '1' } }))
    expect(await one.report('thrown')).toMatchObject({ code: 'FCGI_ERR_NO_LISTEN_ADDRESS' })
  })

  it('that is no socket is an error that names it', async () => {
    const one = start({ fd3: 'ignore', shell })
    expect(await one.report('thrown')).toMatchObject({ code: 'FCGI_ERR_NOT_A_LISTENER', message: expect.stringContaining('file descriptor 3') as string })
  })
})

describe('FASTCGI_LISTEN', () => {
  it('a path', async () => {
    const address = path.join(folder, 'app.sock')
    const one = start({ env: { FASTCGI_LISTEN: address } })
    expect(await one.report('listening')).toMatchObject({ address })
    expect(fs.statSync(address).mode & 0o777).toBe(0o660)
    expect(await answer(address)).toBe(`pid ${one.process.pid ?? 0} /hello`)
  })

  it.each(['0', '127.0.0.1:0', 'tcp://127.0.0.1:0'])('%s', async (address) => {
    const one = start({ env: { FASTCGI_LISTEN: address } })
    expect(await one.report('listening')).toMatchObject({ address: { address: '127.0.0.1' } })
  })

  it('does not replace an address in the code', async () => {
    const one = start({ args: [0], env: { FASTCGI_LISTEN: '/nowhere/app.sock' } })
    await one.report('listening')
  })

  it('that is no address stops the start and is named', async () => {
    const one = start({ env: { FASTCGI_LISTEN: 'app.sock' } })
    expect(await one.report('thrown')).toMatchObject({ code: 'FCGI_ERR_OPTION', message: expect.stringContaining('FASTCGI_LISTEN=app.sock') as string })
  })
})

describe('nothing to listen on', () => {
  it('fd 0 is /dev/null: says what was looked for', async () => {
    const report = await start({ stdin: 'ignore' }).report('thrown')
    expect(report).toMatchObject({ code: 'FCGI_ERR_NO_LISTEN_ADDRESS', listening: false })
    for (const part of ['FASTCGI_LISTEN', 'LISTEN_FDS', 'standard input', 'spawn-fcgi']) expect(report.message).toContain(part)
  })

  it('fd 0 is a file', async () => {
    const file = fs.openSync(__filename, 'r')
    try {
      expect(await start({ stdin: file }).report('thrown')).toMatchObject({ code: 'FCGI_ERR_NO_LISTEN_ADDRESS' })
    } finally {
      fs.closeSync(file)
    }
  })

  it('fd 0 is a connected socket, as node gives to its children: says that it does not listen', async () => {
    const report = await start({ stdin: 'pipe' }).report('error', 'thrown')
    expect(report.message).toContain('standard input is not a listening socket')
    expect(report.listening).toBe(false)
  })

  it.each([[0], [999]])('listen({ fd: %i }) of what is no socket is refused by number', async (fd) => {
    const report = await start({ args: [{ fd }] }).report('error')
    expect(report).toMatchObject({ code: 'EINVAL', message: expect.stringContaining(`file descriptor ${fd} is not a listening socket`) as string })
  })
})

describeWith('spawn-fcgi', 'real spawn-fcgi', () => {
  // It gives the application /dev/null as fds 1 and 2, so the report goes to a file of its own.
  const shellApp = (report: string): string => `exec env REPORT_FD=3 '${process.execPath}' '${APP}' 3>'${report}'`

  it.each([
    ['a unix socket', (): string[] => ['-s', path.join(folder, 'app.sock')]],
    ['a TCP socket', (port: number): string[] => ['-a', '127.0.0.1', '-p', String(port)]],
  ])('%s', async (_kind, flags) => {
    const port = await freePort()
    const script = path.join(folder, 'app.sh')
    const reportFile = path.join(folder, 'report')
    fs.writeFileSync(script, `#!/bin/sh\n${shellApp(reportFile)}\n`, { mode: 0o755 })
    // -n: it stays as our child and becomes the application.
    const spawned = spawn(program('spawn-fcgi'), ['-n', ...flags(port), '-f', script], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { PATH: process.env['PATH'] ?? '' },
    })
    const exited = new Promise((resolve) => spawned.once('exit', resolve))
    try {
      const address: RawAddress = flags(port)[0] === '-s' ? path.join(folder, 'app.sock') : port
      const client = await connectWhenThere(address, spawned)
      client.send(GET)
      expect((await client.response(1)).body.toString()).toBe(`pid ${spawned.pid ?? 0} /hello`)
      client.destroy()
      expect(fs.readFileSync(reportFile, 'utf8')).toContain('"event":"listening"')
    } finally {
      spawned.kill('SIGKILL')
      await exited
    }
  })
})

async function freePort(): Promise<number> {
  const listener = net.createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as net.AddressInfo
  await new Promise((resolve) => listener.close(resolve))
  return port
}

/** spawn-fcgi says nothing when it listens; that it does shows when a connection is accepted. */
async function connectWhenThere(address: RawAddress, spawned: { readonly exitCode: number | null }): Promise<Awaited<ReturnType<typeof connect>>> {
  return until('spawn-fcgi to listen', async () => {
    if (spawned.exitCode !== null) throw new Error('spawn-fcgi ended')
    return connect(address).catch(() => undefined)
  })
}
