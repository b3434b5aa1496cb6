// The server as an emitter: listeners that come and go, emit() wrapped or called by the application, and what 'connection'
// says of the socket that a request has.

import http from 'node:http'
import net from 'node:net'
import type { Client, Scenario } from '../scenario'

const serverOf = (req: http.IncomingMessage): http.Server => (req.socket as unknown as { server: http.Server }).server

/** One request after the other, each on a connection of its own; the bodies of the answers. */
const inTurn =
  (...paths: string[]) =>
  async (client: Client): Promise<string[]> => {
    const bodies: string[] = []
    for (const path of paths) bodies.push((await client.request({ path })).body)
    return bodies
  }

const WEBSOCKET = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
] as const

/** What 'connection' shows carries many clients, and no request's socket. */
const TRANSPORT = "the socket of 'connection' is the web server's connection, which many requests share; the answer is the same"

const NO_UPGRADE = 'HAProxy hands no upgrade on over FastCGI: it is an ordinary request; over HTTP it does'

export const scenarios: readonly Scenario[] = [
  {
    name: 'server events: a connection comes before its request, and is the socket of it',
    differs: { nginx: TRANSPORT, haproxy: TRANSPORT, gateway: TRANSPORT },
    alone: 'the connection of the request that the harness holds comes before',
    setup(server, stage) {
      let last: net.Socket | undefined
      server.on('connection', (socket: net.Socket) => {
        last = socket
        Object.assign(socket, { mark: 'set when it connected' })
        stage.note('connection', socket instanceof net.Socket, socket.destroyed, socket.writable)
      })
      server.on('request', (req, res) => {
        stage.note('request', req.socket === last, (req.socket as { mark?: string }).mark, res.socket === last)
        res.end('ok')
      })
    },
  },
  {
    name: 'server events: a listener for one request',
    setup(server, stage) {
      server.once('request', (req, res) => {
        stage.note('once', req.url)
        server.on('request', (again, answer) => {
          stage.note('on', again.url)
          answer.end('second')
        })
        res.end('first')
      })
    },
    client: inTurn('/1', '/2', '/3'),
  },
  {
    name: 'server events: a listener is replaced while a request is under way',
    setup(server, stage) {
      const old: http.RequestListener = (req, res) => {
        stage.note('old', req.url, server.listenerCount('request'))
        server.removeListener('request', old)
        server.on('request', replacement)
        setImmediate(() => res.end('old'))
      }
      const replacement: http.RequestListener = (req, res) => {
        stage.note('new', req.url)
        res.end('new')
      }
      server.on('request', old)
    },
    client: inTurn('/1', '/2'),
  },
  {
    name: 'server events: a listener added once it listens',
    setup(server, stage) {
      server.once('listening', () => {
        server.on('request', (req, res) => {
          stage.note('request', req.url)
          res.end('ok')
        })
      })
    },
    client: inTurn('/'),
  },
  {
    name: 'server events: emit() wrapped on the server, as tracers do',
    alone: 'the connection of the request that the harness holds would be seen too',
    setup(server, stage) {
      const emit = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean
      server.emit = ((event: string, ...args: unknown[]) => {
        if (event !== 'request') return emit(event, ...args)
        stage.note('before', args.length)
        const result = emit(event, ...args)
        stage.note('after', result)
        return result
      }) as typeof server.emit
    },
    app(_req, res, stage) {
      stage.note('listener')
      res.end('ok')
    },
  },
  {
    name: 'server events: emit() wrapped on the prototype, as instrumentation does',
    setup(server, stage) {
      const { emit } = http.Server.prototype
      http.Server.prototype.emit = function (this: http.Server, event: string | symbol, ...args: unknown[]) {
        if (this === server && event === 'request') stage.note('before', args[0] instanceof http.IncomingMessage, args[1] instanceof http.ServerResponse)
        return (emit as (...all: unknown[]) => boolean).call(this, event, ...args)
      } as typeof emit
      server.once('close', () => (http.Server.prototype.emit = emit))
    },
    app: (_req, res) => void res.end('ok'),
  },
  {
    name: 'server events: the application emits request again, with the url changed',
    setup(server, stage) {
      server.on('request', (req, res) => {
        stage.note('request', req.url)
        if (req.url === '/again') {
          res.end('the second time')
          return
        }
        req.url = '/again'
        stage.note('emitted', server.emit('request', req, res))
      })
    },
  },
  {
    name: 'server events: a request is handed to another server that does not listen',
    app(req, res, stage) {
      const other = http.createServer((inner, answer) => {
        stage.note('other', inner === req, answer === res, serverOf(inner) === other)
        answer.end('by the other server')
      })
      stage.note('emitted', other.emit('request', req, res))
    },
  },
  {
    name: 'server events: the first of two listeners throws',
    setup(server, stage) {
      server.on('request', (req, res) => {
        stage.note('first', req.url)
        res.end('answered before')
        throw new RangeError('thrown by the first')
      })
      server.on('request', () => stage.note('second is never called'))
    },
    until: ['uncaughtException'],
  },
  {
    name: 'server events: the second of two listeners throws',
    setup(server, stage) {
      server.on('request', (req, res) => {
        stage.note('first', req.url)
        res.end('answered before')
      })
      server.on('request', () => {
        throw new Error('thrown by the second')
      })
    },
    until: ['uncaughtException'],
  },
  {
    name: 'server events: something is thrown that is no error',
    app(_req, res) {
      res.end('ok')
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is the point
      throw 'a text'
    },
    until: ['uncaughtException'],
  },
  {
    name: 'server events: listenerCount, eventNames and what emit gives back',
    app(req, res, stage) {
      const server = serverOf(req)
      stage.note('request listeners', server.listenerCount('request'), server.listeners('request').length)
      stage.note('names', server.eventNames().includes('request'), server.eventNames().includes('close'))
      stage.note('emit', server.emit('nobody listens', 1))
      res.end('ok')
    },
  },
  {
    name: 'server events: an Upgrade that nobody takes is an ordinary request',
    app(req, res, stage) {
      stage.note('request', req.method, req.url, (req as http.IncomingMessage & { upgrade?: unknown }).upgrade)
      res.end('an ordinary answer')
    },
    async client(client) {
      const { status, body } = await client.request({ fields: WEBSOCKET })
      return [status, body]
    },
  },
  {
    name: 'server events: an Upgrade with a listener for it',
    setup(server, stage) {
      server.on('upgrade', (req: http.IncomingMessage, socket: net.Socket) => {
        stage.note('upgrade', req.url)
        socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      })
    },
    app(req, res, stage) {
      stage.note('request', req.url)
      res.end('an ordinary answer')
    },
    client: async (client) => (await client.request({ fields: WEBSOCKET })).status,
    differs: {
      haproxy: NO_UPGRADE,
    },
  },
  {
    name: 'server events: an Upgrade that switches protocols',
    setup(server, stage) {
      server.on('upgrade', (req: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
        stage.note('upgrade', req.url, req.complete, req.readableEnded, (req as { upgrade?: unknown }).upgrade, head.length)
        stage.note('socket', socket === req.socket, socket instanceof net.Socket, socket.readableFlowing, socket.readable, socket.writable)
        stage.watch('req', req, ['end', 'close', 'aborted', 'error'])
        stage.watch('socket', socket, ['end', 'finish', 'close', 'error', 'timeout'])
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
        socket.on('data', (chunk: Buffer) => {
          stage.note('data', chunk.toString())
          socket.end(`${chunk.toString()} yourself`)
        })
      })
    },
    app(req, res, stage) {
      stage.note('request', req.url)
      res.end('an ordinary answer')
    },
    async client(client) {
      const connection = await client.open()
      connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n${WEBSOCKET.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
      const { statusLine } = await connection.head()
      if (!statusLine.includes(' 101 ')) return statusLine
      connection.write('hello')
      return [statusLine, (await connection.rest()).toString()]
    },
    differs: { haproxy: NO_UPGRADE },
  },
  {
    name: 'server events: no clientError, dropRequest, connect or drop for ordinary requests',
    setup(server, stage) {
      stage.watch('server', server, ['clientError', 'dropRequest', 'connect', 'drop', 'error', 'timeout'])
    },
    app(req, res, stage) {
      stage.note('request', req.url)
      req.resume().on('end', () => res.end('ok'))
    },
    async client(client) {
      await client.request({ method: 'POST', body: 'x' })
      await client.request({ method: 'HEAD' })
      await client.request({ path: '/404' })
    },
  },
  {
    name: "server events: 'timeout' of a connection that is idle for keepAliveTimeout",
    setup(server, stage) {
      server.keepAliveTimeout = 100
      server.on('timeout', (socket) => {
        stage.note('server timeout', socket.destroyed)
        socket.destroy()
      })
    },
    app(_req, res) {
      res.end('ok')
    },
    alone: 'the other request would keep the connection busy',
    until: ['server timeout'],
  },
]
