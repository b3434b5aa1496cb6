// listen(): what it can serve, on which addresses, and what it says when that does not work.

import http from 'node:http'
import net from 'node:net'
import express from 'express'
import { attach, createServer, listen, type Server } from '../../lib'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'

const GET = Buffer.concat([begin(1), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: '/' }), stdin(1)])

const open: net.Server[] = []

afterEach(async () => {
  for (const server of open.splice(0)) {
    ;(server as Partial<http.Server>).closeAllConnections?.()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  jest.restoreAllMocks()
})

function keep<T extends net.Server>(server: T): T {
  open.push(server)
  return server
}

const listens = (server: net.Server): Promise<void> => new Promise((resolve) => server.once('listening', resolve))
const fails = (server: net.Server): Promise<NodeJS.ErrnoException> => new Promise((resolve) => server.once('error', resolve))
const addressOf = (server: net.Server): net.AddressInfo => server.address() as net.AddressInfo

async function answer(server: net.Server): Promise<string> {
  const client = await connect(addressOf(server))
  client.send(GET)
  const { body } = await client.response(1)
  client.destroy()
  return body.toString()
}

/** Warnings of ours while `during` runs. */
async function warnings(during: () => Promise<void>): Promise<{ code: unknown; message: string }[]> {
  const seen: { code: unknown; message: string }[] = []
  jest.spyOn(process, 'emitWarning').mockImplementation(((message: string, options: { code?: string }) => {
    seen.push({ code: options.code, message })
  }) as never)
  await during()
  return seen
}

describe('what listen() serves', () => {
  it.each<[what: string, app: () => Parameters<typeof listen>[0]]>([
    ['a request listener', () => (_req, res) => res.end('served')],
    ['an Express application', () => express().use((_req, res) => void res.send('served'))],
    ['a Koa application: an object with callback()', () => ({ callback: () => (_req: http.IncomingMessage, res: http.ServerResponse) => res.end('served') })],
    ['an http.Server', () => http.createServer((_req, res) => res.end('served'))],
    ['a Server of ours', () => createServer((_req, res) => res.end('served'))],
  ])('%s', async (_what, app) => {
    const server = keep(listen(app() as http.RequestListener, 0))
    expect(server).toBeInstanceOf(http.Server)
    await listens(server)
    expect(await answer(server)).toBe('served')
  })

  it('an http.Server is served in place: it is what listen() returns', async () => {
    const server = keep(http.createServer())
    expect(listen(server, 0)).toBe(server)
    await listens(server)
  })

  it("a Koa application's callback() keeps its this", async () => {
    class App {
      private readonly text = 'mine'
      callback(): http.RequestListener {
        return (_req, res) => res.end(this.text)
      }
    }
    const server = keep(listen(new App(), 0))
    await listens(server)
    expect(await answer(server)).toBe('mine')
  })

  it.each([undefined, null, 'app', 5, {}, { callback: 5 }, []])('%j is refused at once', (app) => {
    expect(() => listen(app as never, 0)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION', name: 'OptionError' }))
  })

  it('an http.Server that listens already is refused', async () => {
    const server = keep(http.createServer())
    server.listen(0, '127.0.0.1')
    await listens(server)
    expect(() => attach(server)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_ALREADY_LISTENING' }))
  })
})

describe('where it listens', () => {
  it.each<[form: string, start: (server: Server, done: () => void) => unknown]>([
    ['listen(port, callback)', (server, done) => server.listen(0, done)],
    ['listen(port, host, callback)', (server, done) => server.listen(0, '127.0.0.1', done)],
    ['listen(port, backlog, callback)', (server, done) => server.listen(0, 5, done)],
    ['listen(port, host, backlog, callback)', (server, done) => server.listen(0, '127.0.0.1', 5, done)],
    ['listen(options, callback)', (server, done) => server.listen({ port: 0 }, done)],
    ['listen("port", callback)', (server, done) => server.listen('0', done)],
  ])('%s: loopback, and the callback is called once', async (_form, start) => {
    const server = keep(createServer((_req, res) => res.end('served')))
    let calls = 0
    const isListening = listens(server)
    expect(start(server, () => calls++)).toBe(server)
    await isListening
    expect(addressOf(server)).toMatchObject({ address: '127.0.0.1', family: 'IPv4' })
    expect(calls).toBe(1)
    expect(await answer(server)).toBe('served')
  })

  it('a handle of another server is shared', async () => {
    const other = keep(net.createServer())
    other.listen(0, '127.0.0.1')
    await listens(other)
    const server = keep(createServer())
    server.listen(other)
    await listens(server)
    expect(addressOf(server).port).toBe(addressOf(other).port)
  })

  it('listens again after close(), and calls only the new callback', async () => {
    const server = keep(createServer((_req, res) => res.end('served')))
    const calls: string[] = []
    server.listen(0, () => calls.push('first'))
    await listens(server)
    await new Promise((resolve) => server.close(resolve))
    server.listen(0, () => calls.push('second'))
    await listens(server)
    expect(calls).toEqual(['first', 'second'])
    expect(await answer(server)).toBe('served')
  })

  it('a second listen() is refused, as by node, and the first goes on', async () => {
    const server = keep(createServer((_req, res) => res.end('served')))
    server.listen(0)
    await listens(server)
    expect(() => server.listen(0)).toThrow(expect.objectContaining({ code: 'ERR_SERVER_ALREADY_LISTEN' }))
    expect(await answer(server)).toBe('served')
  })
})

describe('when it cannot', () => {
  it('a port in use: says so and what to do; the other server is unharmed', async () => {
    const other = keep(createServer((_req, res) => res.end('other')))
    other.listen(0)
    await listens(other)
    const server = keep(createServer())
    server.listen(addressOf(other).port)
    const error = await fails(server)
    expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen' })
    expect(error.message).toContain('another process listens there already; stop it, or choose another port')
    expect(server.listening).toBe(false)
    expect(await answer(other)).toBe('other')
  })

  it('an address that is not of this machine', async () => {
    const server = keep(createServer({ allowedClients: ['192.0.2.7'] }))
    server.listen(0, '192.0.2.1')
    const error = await fails(server)
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL' })
    expect(error.message).toContain('no interface of this machine has that address')
  })

  it('every listener of the error gets the advice, once', async () => {
    const other = keep(net.createServer())
    other.listen(0, '127.0.0.1')
    await listens(other)
    const server = keep(createServer())
    const messages: string[] = []
    server.on('error', ({ message }) => messages.push(message))
    server.on('error', ({ message }) => messages.push(message))
    server.listen(addressOf(other).port)
    await fails(server)
    expect(messages).toHaveLength(2)
    for (const message of messages) expect(message.split('choose another port')).toHaveLength(2)
  })

  it('it can listen elsewhere afterwards', async () => {
    const other = keep(net.createServer())
    other.listen(0, '127.0.0.1')
    await listens(other)
    const server = keep(createServer((_req, res) => res.end('served')))
    server.listen(addressOf(other).port)
    await fails(server)
    server.listen(0)
    await listens(server)
    expect(await answer(server)).toBe('served')
  })
})

describe('a port that other machines reach', () => {
  it.each(['0.0.0.0', '::'])('%s: warns, and says what to do instead', async (host) => {
    const server = keep(createServer())
    const seen = await warnings(async () => {
      const isListening = listens(server)
      server.listen(0, host)
      await isListening
    })
    expect(seen).toEqual([{ code: 'FCGI_WARN_OPEN_PORT', message: expect.stringContaining(`listening on ${host} without allowedClients`) as string }])
    expect(seen[0]?.message).toContain('unix socket')
  })

  it('does not warn with allowedClients', async () => {
    const server = keep(createServer({ allowedClients: ['192.0.2.0/24'] }))
    const seen = await warnings(async () => {
      const isListening = listens(server)
      server.listen(0, '0.0.0.0')
      await isListening
    })
    expect(seen).toEqual([])
  })

  it.each(['127.0.0.1', 'localhost', undefined])('does not warn on %s', async (host) => {
    const server = keep(createServer())
    const seen = await warnings(async () => {
      const isListening = listens(server)
      server.listen({ port: 0, ...(host === undefined ? {} : { host }) })
      await isListening
    })
    expect(seen).toEqual([])
  })
})
