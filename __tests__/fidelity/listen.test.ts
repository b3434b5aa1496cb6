// server.listen() and server.close() in every form, right and wrong: the same calls on a server of node:http and on ours, and
// everything that can be seen of each. Where we differ on purpose the row says how, and why.

import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import fs from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attach, createServer } from 'express-fastcgi'
import { deferred } from '../support/wait'

const makers: Record<'node' | 'ours', () => http.Server> = { node: () => http.createServer(), ours: () => createServer() }
const both = ['node', 'ours'] as const

let folder: string
let count = 0
const open: net.Server[] = []

beforeAll(() => (folder = fs.mkdtempSync(join(tmpdir(), 'listen-'))))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))
// Our warning of a port that others reach has tests of its own.
beforeEach(() => void jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined))
afterEach(async () => {
  jest.restoreAllMocks()
  await Promise.all(open.splice(0).filter((server) => server.listening).map((server) => once(server.close(), 'close')))
})

function keep<T extends net.Server>(server: T): T {
  open.push(server)
  return server
}

const newPath = (): string => join(folder, String(++count))

/** Listening on 127.0.0.1, for what needs a port in use or a handle to share. */
async function occupied(): Promise<{ server: net.Server; port: number }> {
  const server = keep(net.createServer())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, port: (server.address() as net.AddressInfo).port }
}

interface Thrown {
  readonly name: string
  readonly code: unknown
}

function thrownBy(call: () => unknown): Thrown | undefined {
  try {
    call()
  } catch (error) {
    return { name: (error as Error).name, code: (error as NodeJS.ErrnoException).code }
  }
  return undefined
}

interface Outcome {
  readonly thrown: Thrown | undefined
  /** In order: the call's return, the events, the callback. */
  readonly log: readonly string[]
  /** Where it listens, without what differs from one run to the next. */
  readonly where: string
}

/** Ports, paths, addresses: what a row's arguments are made of, new for each of the two servers. */
interface Place {
  readonly path: string
  readonly used: { readonly server: net.Server; readonly port: number }
  /** Aborted before, and not aborted. */
  readonly aborted: AbortSignal
  readonly signal: AbortSignal
}

type Row = readonly [form: string, args: (place: Place) => unknown[], ours?: { readonly why: string } & Partial<Outcome>]

async function outcome(which: 'node' | 'ours', args: Row[1]): Promise<Outcome> {
  const server = keep(makers[which]())
  const used = await occupied()
  const place = { path: newPath(), used, aborted: AbortSignal.abort(), signal: new AbortController().signal }
  const log: string[] = []
  const settled = deferred()
  server.on('listening', () => {
    log.push('listening')
    settled.resolve()
  })
  server.on('error', ({ name, code, syscall }: NodeJS.ErrnoException) => {
    log.push(`error ${name} ${code} ${syscall}`)
    settled.resolve()
  })
  server.on('close', () => {
    log.push('close')
    settled.resolve()
  })
  function callback(this: unknown, ...given: unknown[]): void {
    log.push(`callback ${this === server} ${given.length}`)
  }
  const thrown = thrownBy(() => {
    const given = args(place).map((argument) => (argument === CALLBACK ? callback : argument))
    const returned = (server.listen as (...list: unknown[]) => unknown)(...given)
    log.push(`returned ${returned === server}`)
  })
  if (thrown === undefined) await settled.promise
  // Whatever is still to be said is said within a turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve))
  return { thrown, log, where: whereabouts(server, place) }
}

function whereabouts(server: http.Server, { path, used }: Place): string {
  const address = server.address()
  if (address === null) return 'nowhere'
  if (typeof address === 'string') return address.replace(path, 'the path')
  return `${address.family} ${address.address} ${address.port === used.port ? 'the port in use' : 'a free port'}`
}

const CALLBACK = Symbol('the callback')
/** Nothing of it may happen when the call throws. */
const refusedBy = (name: string, code: string): Partial<Outcome> => ({ thrown: { name, code }, log: [], where: 'nowhere' })

const noAddress = {
  why: 'without an address we look for one in the environment; any free port would be of no use to a web server',
  ...refusedBy('FastCGIError', 'FCGI_ERR_NO_LISTEN_ADDRESS'),
}
const loopback = { why: 'FastCGI has no authentication, so the default host is 127.0.0.1', where: 'IPv4 127.0.0.1 a free port' }

function test(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    // Always three: jest takes a parameter without a value for a callback.
    it.each(rows.map(([form, args, ours]) => [form, args, ours] as const))('%s', async (_form, args, difference) => {
      const node = await outcome('node', args)
      const ours = await outcome('ours', args)
      if (difference === undefined) {
        expect(ours).toEqual(node)
        return
      }
      const { why, ...expected } = difference
      expect(why).not.toBe('')
      expect(ours).toEqual({ ...node, ...expected })
      // A difference that is none any more is to be taken out of the list.
      expect(ours).not.toEqual(node)
    })
  })
}

test('listen() on a port', [
  ['(port, host)', () => [0, '127.0.0.1']],
  ['(port, host, callback)', () => [0, '127.0.0.1', CALLBACK]],
  ['(port, host, backlog)', () => [0, '127.0.0.1', 5]],
  ['(port, host, backlog, callback)', () => [0, '127.0.0.1', 5, CALLBACK]],
  ['(port, host, undefined, callback)', () => [0, '127.0.0.1', undefined, CALLBACK]],
  ['(port, host, backlog as text, callback)', () => [0, '127.0.0.1', '5', CALLBACK]],
  ['a callback that is not last is none', () => [0, '127.0.0.1', CALLBACK, 5]],
  ['a callback that is no function is none', () => [0, '127.0.0.1', 5, {}]],
  ['(port as text, host)', () => ['0', '127.0.0.1']],
  ['(port in hexadecimal, host)', () => ['0x0', '127.0.0.1']],
  ['(port with blanks, host)', () => [' 0 ', '127.0.0.1']],
  ['(port as text with an exponent, host)', () => ['0e3', '127.0.0.1']],
  ['(port, an IPv6 host)', () => [0, '::1', CALLBACK]],
  ['(port, every IPv4 address)', () => [0, '0.0.0.0', CALLBACK]],
  ['(port, every address)', () => [0, '::', CALLBACK]],
  ['(port, a name)', () => [0, 'localhost', CALLBACK]],
  ['({ port, host }, callback)', () => [{ port: 0, host: '127.0.0.1' }, CALLBACK]],
  ['({ port as text, host })', () => [{ port: '0', host: '127.0.0.1' }]],
  ['({ port, host, backlog, exclusive })', () => [{ port: 0, host: '127.0.0.1', backlog: 5, exclusive: true }]],
  ['({ port, host, ipv6Only })', () => [{ port: 0, host: '::1', ipv6Only: true }, CALLBACK]],
  ['({ host, port: null })', () => [{ host: '127.0.0.1', port: null }, CALLBACK]],
  ['({ path: undefined, port, host })', () => [{ path: undefined, port: 0, host: '127.0.0.1' }]],
  ['({ path, port, host }): the port', ({ path }) => [{ path, port: 0, host: '127.0.0.1' }, CALLBACK]],
  ['options without a prototype', () => [Object.assign(Object.create(null) as object, { port: 0, host: '127.0.0.1' })]],
  ['options with inherited values', () => [Object.create({ port: 0, host: '127.0.0.1' }) as object]],
])

test('listen() on a port without a host', [
  ['(port)', () => [0], loopback],
  ['(port, callback)', () => [0, CALLBACK], loopback],
  ['(port, backlog, callback)', () => [0, 5, CALLBACK], loopback],
  ['(port, undefined, callback)', () => [0, undefined, CALLBACK], loopback],
  ['(port, null, callback)', () => [0, null, CALLBACK], loopback],
  ["(port, '', callback)", () => [0, '', CALLBACK], loopback],
  ['({ port })', () => [{ port: 0 }], loopback],
  ['({ port, host: undefined })', () => [{ port: 0, host: undefined }], loopback],
])

test('listen() without an address', [
  ['()', () => [], noAddress],
  ['(callback)', () => [CALLBACK], noAddress],
  ['(undefined)', () => [undefined], noAddress],
  ['(undefined, callback): an environment variable that is not set', () => [undefined, CALLBACK], noAddress],
  ['(null)', () => [null], noAddress],
  ['(undefined, host, callback)', () => [undefined, '127.0.0.1', CALLBACK], noAddress],
  ['({ port: undefined })', () => [{ port: undefined }], noAddress],
  ['({ port: undefined, host })', () => [{ port: undefined, host: '127.0.0.1' }], noAddress],
])

test('listen() on a path', [
  ['(path)', ({ path }) => [path]],
  ['(path, callback)', ({ path }) => [path, CALLBACK]],
  ['(path, backlog, callback)', ({ path }) => [path, 5, CALLBACK]],
  ['({ path })', ({ path }) => [{ path }]],
  ['({ path, backlog, readableAll, writableAll }, callback)', ({ path }) => [{ path, backlog: 5, readableAll: true, writableAll: true }, CALLBACK]],
  ['({ path, exclusive }, callback)', ({ path }) => [{ path, exclusive: true }, CALLBACK]],
  ['({ path, host }): the path', ({ path }) => [{ path, host: '127.0.0.1' }, CALLBACK]],
  ['a name in the abstract namespace', ({ path }) => [`\0${path}`, CALLBACK]],
])

test('listen() on what listens already', [
  ['(server)', ({ used }) => [used.server]],
  ['(server, callback)', ({ used }) => [used.server, CALLBACK]],
  ['(handle, backlog, callback)', ({ used }) => [(used.server as unknown as { _handle: object })._handle, 5, CALLBACK]],
  ['({ handle })', ({ used }) => [{ handle: (used.server as unknown as { _handle: object })._handle }]],
  ['({ _handle })', ({ used }) => [{ _handle: (used.server as unknown as { _handle: object })._handle }, CALLBACK]],
])

test('listen() with a signal', [
  ['that is not aborted', ({ signal }) => [{ port: 0, host: '127.0.0.1', signal }, CALLBACK]],
  ['that was aborted before', ({ aborted }) => [{ port: 0, host: '127.0.0.1', signal: aborted }, CALLBACK]],
  ['that was aborted before, on a path', ({ path, aborted }) => [{ path, signal: aborted }, CALLBACK]],
  ['that is none', () => [{ port: 0, host: '127.0.0.1', signal: 'abort' }, CALLBACK]],
  ['that is null', () => [{ port: 0, host: '127.0.0.1', signal: null }, CALLBACK]],
])

test('listen() with what cannot be right', [
  ['a port above 65535', () => [65_536, '127.0.0.1', CALLBACK]],
  ['a negative port', () => [-1, '127.0.0.1']],
  ['a broken port', () => [1.5, '127.0.0.1']],
  ['NaN', () => [Number.NaN]],
  ['Infinity', () => [Number.POSITIVE_INFINITY]],
  ['a port as text above 65535', () => ['65536', CALLBACK]],
  ["''", () => ['']],
  ['a blank', () => [' ']],
  ['true', () => [true, CALLBACK]],
  ['false', () => [false]],
  ['a bigint', () => [9000n]],
  ['a symbol', () => [Symbol('port')]],
  ['{}', () => [{}, CALLBACK]],
  ['[]', () => [[]]],
  ['{ host } alone', () => [{ host: '127.0.0.1' }]],
  ["{ path: '' }", () => [{ path: '' }]],
  ['{ path: undefined }', () => [{ path: undefined }]],
  ['{ path: null }', () => [{ path: null }]],
  ['{ path: a number as text }', () => [{ path: '0' }]],
  ['{ path: a number }', () => [{ path: 5 }]],
  ["{ port: 'http' }", () => [{ port: 'http', host: '127.0.0.1' }]],
  ["{ port: '' }", () => [{ port: '', host: '127.0.0.1' }]],
  ['{ port: true }', () => [{ port: true, host: '127.0.0.1' }]],
  ['{ port: -1 }', () => [{ port: -1 }]],
  ['{ port: 65536 }', () => [{ port: 65_536 }]],
  ['{ port: NaN }', () => [{ port: Number.NaN }]],
  ['{ fd: -1 }', () => [{ fd: -1 }]],
  ["{ fd: '3' }", () => [{ fd: '3' }]],
  ['a Date', () => [new Date(0)]],
])

test('listen() on what the operating system refuses', [
  ['a port in use', ({ used }) => [used.port, '127.0.0.1', CALLBACK]],
  ['an address that is not of this machine', () => [0, '192.0.2.1', CALLBACK]],
  ['a host name that has no address', () => [0, 'no-such-host.invalid', CALLBACK]],
  ['a path in a folder that does not exist', ({ path }) => [`${path}/a/b`, CALLBACK]],
  [
    'a path that is too long',
    ({ path }) => [path + 'x'.repeat(200), CALLBACK],
    { why: 'node 20 listens on another, shorter path, which no web server would find', ...refusedBy('OptionError', 'FCGI_ERR_OPTION') },
  ],
  ['a file descriptor that is not open', () => [{ fd: 1_000 }, CALLBACK]],
  ['the file descriptor of a file', () => [{ fd: fileDescriptor() }, CALLBACK]],
])

const files: number[] = []
function fileDescriptor(): number {
  const fd = fs.openSync(__filename, 'r')
  files.push(fd)
  return fd
}
afterEach(() => {
  for (const fd of files.splice(0)) fs.closeSync(fd)
})

/** What a story on one server tells; told by node's and by ours it must be the same. */
function tell(title: string, story: (server: http.Server, log: string[], which: 'node' | 'ours') => void | Promise<void>): void {
  it(title, async () => {
    const told: Record<'node' | 'ours', string[]> = { node: [], ours: [] }
    for (const which of both) await story(keep(makers[which]()), told[which], which)
    expect(told.node).not.toHaveLength(0)
    expect(told.ours).toEqual(told.node)
  })
}

/** Listening on 127.0.0.1, any port. */
async function listens(server: http.Server): Promise<http.Server> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}

function noteEvents(server: http.Server, log: string[]): void {
  for (const event of ['listening', 'close', 'error']) {
    server.on(event, (error?: NodeJS.ErrnoException) => log.push(error === undefined ? event : `${event} ${error.code}`))
  }
}

function told(error: unknown): string {
  if (error === undefined) return 'nothing'
  const { name, code, message } = error as NodeJS.ErrnoException
  return `${name} ${code} ${message}`
}

/** Not `once`, which gives up at an 'error'. */
const listening = (server: http.Server): Promise<void> => new Promise((resolve) => server.once('listening', resolve))

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the order of things when listening starts', () => {
  tell('return, microtask, next tick, listeners and callback in the order added', async (server, log) => {
    server.on('listening', () => log.push('listener before'))
    server.listen(0, '127.0.0.1', () => log.push('callback'))
    server.on('listening', () => log.push('listener after'))
    server.prependListener('listening', () => log.push('prepended'))
    log.push(`listening ${server.listening}`, `address ${server.address() === null ? 'null' : 'known'}`)
    process.nextTick(() => log.push(`next tick ${server.listening}`))
    void Promise.resolve().then(() => log.push('microtask'))
    await once(server, 'listening')
    log.push(`listening ${server.listening}`, `address ${server.address() === null ? 'null' : 'known'}`)
  })

  tell('a host is looked up before: not listening yet when listen() returns', async (server, log) => {
    server.listen(0, 'localhost', () => log.push('callback'))
    log.push(`listening ${server.listening}`)
    await once(server, 'listening')
    log.push(`listening ${server.listening}`)
  })

  tell('a path: listening when listen() returns', async (server, log) => {
    const path = newPath()
    server.listen(path, () => log.push('callback'))
    log.push(`listening ${server.listening}`, `address ${server.address() === path}`)
    await once(server, 'listening')
  })

  tell('an error comes after listen() returned, and it can listen again in its listener', async (server, log) => {
    const { port } = await occupied()
    noteEvents(server, log)
    server.once('error', () => server.listen(0, '127.0.0.1', () => log.push('second callback')))
    const isListening = listening(server)
    server.listen(port, '127.0.0.1', () => log.push('first callback'))
    log.push(`returned, listening ${server.listening}`)
    await isListening
    log.push(`listeners ${server.listenerCount('listening')} ${server.listenerCount('error')}`)
  })

  tell('the error of a port in use', async (server, log) => {
    const { port } = await occupied()
    server.listen(port, '127.0.0.1')
    const [error] = (await once(server, 'error')) as [NodeJS.ErrnoException & { address: string; port: number }]
    log.push(Object.keys(error).sort().join(), error.name, `${error.code} ${error.errno} ${error.syscall} ${error.address} ${error.port === port}`)
    log.push(`listening ${server.listening}`, `address ${JSON.stringify(server.address())}`)
  })

  tell('what a refused call leaves behind', async (server, log) => {
    const refused = thrownBy(() => server.listen(65_536, () => log.push('callback of the refused call')))
    log.push(`${refused?.name} ${String(refused?.code)}`, `listening ${server.listening}`)
    server.listen(0, '127.0.0.1', () => log.push('callback'))
    await once(server, 'listening')
  })
})

describe('a second listen()', () => {
  tell('while it listens', async (server, log) => {
    await listens(server)
    try {
      server.listen(0, '127.0.0.1', () => log.push('never'))
    } catch (error) {
      log.push(told(error))
    }
    await turn()
    log.push(`listening ${server.listening}`, `listeners ${server.listenerCount('listening')}`)
  })

  tell('in the same tick', async (server, log) => {
    server.listen(0, '127.0.0.1', () => log.push('first'))
    log.push(JSON.stringify(thrownBy(() => server.listen(0, '127.0.0.1'))))
    await once(server, 'listening')
  })

  tell('with arguments that are wrong as well', async (server, log) => {
    await listens(server)
    log.push(JSON.stringify(thrownBy(() => server.listen(65_536))))
  })

  tell('after close(), in its callback', async (server, log) => {
    await listens(server)
    noteEvents(server, log)
    server.close(() => {
      log.push('closed')
      server.listen(0, '127.0.0.1', () => log.push('callback'))
    })
    await once(server, 'listening')
    log.push(`listening ${server.listening}`)
  })

  tell('right after close(), before its callback', async (server, log) => {
    await listens(server)
    noteEvents(server, log)
    server.close(() => log.push('closed'))
    server.listen(0, '127.0.0.1', () => log.push('callback'))
    await once(server, 'listening')
    await turn()
    log.push(`listening ${server.listening}`)
  })
})

describe('close()', () => {
  tell('returns the server, and says nothing at once', async (server, log) => {
    await listens(server)
    noteEvents(server, log)
    const returned = server.close((error) => log.push(`callback ${told(error)}`))
    log.push(`returned ${returned === server}`, `listening ${server.listening}`, `address ${JSON.stringify(server.address())}`)
    await once(server, 'close')
    await turn()
  })

  tell('a server that never listened', async (server, log) => {
    noteEvents(server, log)
    log.push(`returned ${server.close((error) => log.push(`callback ${told(error)}`)) === server}`)
    await turn()
    await turn()
  })

  tell('a second time', async (server, log) => {
    await listens(server)
    noteEvents(server, log)
    server.close((error) => log.push(`first ${told(error)}`))
    server.close((error) => log.push(`second ${told(error)}`))
    await once(server, 'close')
    await turn()
    server.close((error) => log.push(`third ${told(error)}`))
    await turn()
    await turn()
  })

  tell('in the tick of listen(): no callback, no listening', async (server, log) => {
    noteEvents(server, log)
    server.listen(0, '127.0.0.1', () => log.push('callback'))
    server.close((error) => log.push(`closed ${told(error)}`))
    await once(server, 'close')
    await turn()
    log.push(`listening ${server.listening}`)
  })

  tell('while a host is looked up', async (server, log) => {
    noteEvents(server, log)
    server.listen(0, 'localhost', () => log.push('callback'))
    server.close((error) => log.push(`closed ${told(error)}`))
    await once(server, 'close')
    await turn()
    log.push(`listening ${server.listening}`)
  })

  tell('with a callback that is no function', async (server, log) => {
    await listens(server)
    noteEvents(server, log)
    log.push(`thrown ${JSON.stringify(thrownBy(() => server.close('no function' as never)))}`)
    await once(server, 'close')
  })

  tell('Symbol.asyncDispose', async (server, log) => {
    await listens(server)
    noteEvents(server, log)
    await server[Symbol.asyncDispose]()
    log.push(`listening ${server.listening}`)
    await server[Symbol.asyncDispose]().catch((error: unknown) => log.push(told(error)))
    log.push('again')
  })

  tell('by an AbortSignal', async (server, log) => {
    const controller = new AbortController()
    noteEvents(server, log)
    await once(server.listen({ port: 0, host: '127.0.0.1', signal: controller.signal }), 'listening')
    controller.abort()
    log.push(`listening ${server.listening}`)
    await once(server, 'close')
  })

  tell('by an AbortSignal, in the tick of listen()', async (server, log) => {
    const controller = new AbortController()
    noteEvents(server, log)
    server.listen({ path: newPath(), signal: controller.signal }, () => log.push('callback'))
    controller.abort()
    log.push(`listening ${server.listening}`)
    await once(server, 'close')
    await turn()
  })

  tell('the socket file is gone, and the path can be used again', async (server, log, which) => {
    const path = newPath()
    await once(server.listen(path), 'listening')
    log.push(`there ${fs.existsSync(path)}`)
    await once(server.close(), 'close')
    log.push(`there ${fs.existsSync(path)}`)
    await once(keep(makers[which]()).listen(path), 'listening')
    log.push('again')
  })

  tell('refuses connections from then on', async (server, log) => {
    await listens(server)
    const { port } = server.address() as net.AddressInfo
    await once(server.close(), 'close')
    const [error] = (await once(net.connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
    log.push(String(error.code))
  })

  tell('closeIdleConnections() and closeAllConnections() of a server without connections', async (server, log) => {
    noteEvents(server, log)
    log.push(String(server.closeIdleConnections()), String(server.closeAllConnections()))
    await listens(server)
    log.push(String(server.closeIdleConnections()), String(server.closeAllConnections()), `listening ${server.listening}`)
  })
})

describe('what else is to be seen of a server', () => {
  tell('getConnections() gives 0 and later 1', async (server, log) => {
    const connections = (): Promise<number> =>
      new Promise((resolve, reject) => server.getConnections((error, number) => (error === null ? resolve(number) : reject(error))))
    log.push(`before ${await connections()}`)
    await listens(server)
    log.push(`idle ${await connections()}`)
    const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
    const [socket] = (await once(server, 'connection')) as [net.Socket]
    log.push(`connected ${await connections()}`, `a socket ${socket instanceof net.Socket}`)
    client.destroy()
    server.closeAllConnections()
    await once(server.close(), 'close')
    log.push(`closed ${await connections()}`)
  })

  tell('ref() and unref() return the server, at any time', async (server, log) => {
    log.push(`${server.unref() === server} ${server.ref() === server}`)
    await listens(server)
    log.push(`${server.unref() === server} ${server.ref() === server}`)
  })

  tell('setTimeout() returns the server and sets timeout', (server, log) => {
    const callback = (): void => undefined
    log.push(`${server.setTimeout(1_234, callback) === server}`, String(server.timeout), String(server.listeners('timeout').includes(callback)))
    log.push(`${server.setTimeout() === server}`, String(server.timeout))
  })

  tell('the classes', (server, log) => {
    log.push(`${server instanceof http.Server} ${server instanceof net.Server} ${server instanceof EventEmitter}`)
  })

  tell('the properties and their defaults', (server, log) => {
    for (const name of [
      'listening',
      'timeout',
      'headersTimeout',
      'requestTimeout',
      'maxHeadersCount',
      'maxRequestsPerSocket',
      'maxConnections',
      'httpAllowHalfOpen',
      'noDelay',
      'keepAlive',
    ] as const) {
      log.push(`${name} ${String((server as unknown as Record<string, unknown>)[name])}`)
    }
  })

  it('differs: keepAliveTimeout is 0, because the connections are the web server’s', () => {
    expect(makers.node().keepAliveTimeout).toBeGreaterThan(0)
    expect(makers.ours().keepAliveTimeout).toBe(0)
  })

  tell('no method is among what Object.keys() and console.log() show', (server, log) => {
    log.push(`methods: ${Object.entries(server).filter(([, value]) => typeof value === 'function').map(([name]) => name).join()}`)
  })

  tell("listeners of 'connection' and 'request'", (server, log) => {
    server.on('request', () => undefined)
    log.push(`${server.listenerCount('connection')} ${server.listenerCount('request')} ${server.listenerCount('listening')} ${server.listenerCount('error')}`)
  })
})

describe('a server that is a class of the application', () => {
  /** Frameworks wrap listen() and close() in a class; ours must go through them with the same arguments. */
  class Framework extends http.Server {
    readonly calls: string[] = []
    override listen(...args: unknown[]): this {
      this.calls.push(`listen ${args.map((argument) => typeof argument).join()}`)
      ;(super.listen as (...list: unknown[]) => unknown)(...args)
      return this
    }
    override close(callback?: (error?: Error) => void): this {
      this.calls.push(`close ${typeof callback}`)
      return super.close(callback)
    }
    override address(): net.AddressInfo | string | null {
      this.calls.push('address')
      return super.address()
    }
  }
  const make = { node: () => new Framework(), ours: () => attach(new Framework()) }

  it('its own listen() and close() are called, once, with what the application gave', async () => {
    const calls: Partial<Record<'node' | 'ours', string[]>> = {}
    for (const which of both) {
      const server = keep(make[which]())
      const isListening = listening(server)
      server.listen(0, '127.0.0.1', () => undefined)
      await isListening
      const closed = once(server, 'close')
      server.close(() => undefined)
      await closed
      calls[which] = server.calls.filter((call) => call !== 'address')
    }
    expect(calls.ours).toEqual(calls.node)
  })

  it('what its listen() returns is returned', async () => {
    const returned: boolean[] = []
    class Other extends http.Server {
      override listen(...args: unknown[]): this {
        ;(super.listen as (...list: unknown[]) => unknown)(...args)
        return 'another value' as never
      }
    }
    for (const server of [new Other(), attach(new Other())]) {
      const isListening = listening(keep(server))
      returned.push((server.listen(0, '127.0.0.1') as unknown) === 'another value')
      await isListening
    }
    expect(returned).toEqual([true, true])
  })

  it('a method put on the server afterwards is called, and can call ours', async () => {
    for (const which of both) {
      const server = keep(makers[which]())
      const { listen } = server
      const calls: unknown[][] = []
      server.listen = function (this: http.Server, ...args: unknown[]) {
        calls.push(args)
        return (listen as (...list: unknown[]) => http.Server).apply(this, args)
      } as typeof server.listen
      await once(server.listen(0, '127.0.0.1'), 'listening')
      expect(calls).toEqual([[0, '127.0.0.1']])
    }
  })

  it('http.Server.prototype.listen, called on it, listens', async () => {
    for (const which of both) {
      const server = keep(makers[which]())
      const isListening = listening(server)
      http.Server.prototype.listen.call(server, { port: 0, host: '127.0.0.1' })
      await isListening
      expect(server.address()).toMatchObject({ address: '127.0.0.1' })
      await once(http.Server.prototype.close.call(server), 'close')
    }
  })
})
