// The end of a server while requests are under way: close(), closeAllConnections() and their like, and the packages that
// build a graceful end on the sockets they saw.

import type * as http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { promisify } from 'node:util'
import type { Client, Scenario, Stage } from '../scenario'

const ALONE = 'the server can only close when the request that the harness holds is gone'

/** Idle connections go soon, in node's server and in ours: the web server would keep them. */
const soon = (server: http.Server): void => {
  server.keepAliveTimeout = 50
}

/** The server of the request that is being answered. */
const serverOf = (req: http.IncomingMessage): http.Server => (req.socket as unknown as { server: http.Server }).server

const get = (client: Client): string => `GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`

/** A request that comes to nothing: cut off by node:http itself, a 502 of the web server or the gateway before it. */
const wasServed = async (client: Client): Promise<boolean> => {
  const { status, complete } = await client.request()
  return status === 200 && complete
}

/** Notes what close() says later. */
const closed = (stage: Stage, text: string) => (error?: Error): void => {
  if (error === undefined) stage.note(text)
  else stage.note(text, error)
}

/** What 'connection' shows carries many clients, and no request's socket. */
const TRANSPORT = "the socket of 'connection' is the web server's connection, which many requests share; the answer is the same"
/** The events are the same. */
const SOONER = "'close' comes in the check phase of the event loop, not in its close phase"

export const scenarios: readonly Scenario[] = [
  {
    name: 'server close: in the listener, before the answer',
    alone: ALONE,
    setup: (server, stage) => {
      soon(server)
      stage.watch('server', server, ['close'])
    },
    app(req, res, stage) {
      const server = serverOf(req)
      stage.watch('res', res, ['finish', 'close'])
      stage.note('returned', server.close(closed(stage, 'closed')) === server, server.listening)
      res.end('answered all the same')
    },
    until: ['res close', 'closed', 'server close'],
  },
  {
    name: 'server close: in the listener, after the answer',
    alone: ALONE,
    setup: (server, stage) => {
      soon(server)
      stage.watch('server', server, ['close'])
    },
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      res.end('answered')
      serverOf(req).close(closed(stage, 'closed'))
    },
    until: ['res close', 'closed', 'server close'],
  },
  {
    name: 'server close: a second time is an error, when the first is over',
    alone: ALONE,
    setup: (server, stage) => {
      soon(server)
      stage.watch('server', server, ['close'])
    },
    app(req, res, stage) {
      const server = serverOf(req)
      server.close(closed(stage, 'first'))
      server.close(closed(stage, 'second'))
      res.end()
    },
    until: ['first', 'second', 'server close'],
  },
  {
    name: 'server close: an answer that goes on for a while is finished',
    alone: ALONE,
    setup: soon,
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      const server = serverOf(req)
      res.write('begun, ')
      void stage.seen('begun').then(() => {
        server.close(closed(stage, 'closed'))
        setImmediate(() => {
          stage.note('later', res.write('gone on, '), res.destroyed)
          setImmediate(() => res.end('ended'))
        })
      })
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\n\r\n`)
      await raw.upTo('begun, ')
      stage.signal('begun')
      await raw.upTo('gone on, ')
      await raw.upTo('ended')
    },
    until: ['res close', 'closed'],
  },
  {
    name: 'server close: an upload that is being read is read to its end',
    alone: ALONE,
    impossible: { haproxy: 'HAProxy hands an upload of FastCGI on when it has it whole' },
    setup: soon,
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'end', 'close'])
      let length = 0
      req.once('data', () => {
        serverOf(req).close(closed(stage, 'closed'))
        stage.signal('closing')
      })
      req.on('data', (chunk: Buffer) => (length += chunk.length))
      req.on('end', () => res.end(`${length}`))
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nContent-Length: 20\r\nConnection: close\r\n\r\n0123456789`)
      await stage.seen('closing')
      raw.write('0123456789')
      const { statusLine } = await raw.head()
      return [statusLine, (await raw.rest()).toString('latin1')]
    },
    until: ['req close', 'closed'],
  },
  {
    name: 'server close: two requests at the same time, each is answered; only then is it closed',
    alone: ALONE,
    setup: soon,
    app(req, res, stage) {
      if (req.url === '/first') {
        void stage.seen('second').then(() => {
          serverOf(req).close(closed(stage, 'closed'))
          stage.note('first ends')
          res.end('first')
        })
        stage.signal('first')
      } else {
        stage.signal('second')
        void stage.seen('first answered').then(() => {
          stage.note('second ends')
          res.end('second')
        })
      }
    },
    async client(client, stage) {
      const first = client.request({ path: '/first' })
      await stage.seen('first')
      const second = client.request({ path: '/second' })
      const answers = [(await first).body]
      stage.signal('first answered')
      return [...answers, (await second).body]
    },
    until: ['closed'],
  },
  {
    name: 'server close: nobody gets in afterwards',
    alone: ALONE,
    impossible: { gateway: 'the client of node:http itself is refused by the operating system, the client of the gateway is not' },
    setup: soon,
    app(req, res, stage) {
      stage.note('request', req.url)
      serverOf(req).close(closed(stage, 'closed'))
      res.end('last')
    },
    async client(client, stage) {
      const { body } = await client.request({ path: '/last' })
      await stage.seen('closed')
      return [body, (await client.request({ path: '/too-late' })).status]
    },
    until: ['closed'],
  },
  {
    name: 'server close: listens again at the same place and serves',
    alone: ALONE,
    setup: soon,
    app(req, res, stage) {
      stage.note('request', req.url)
      res.end(req.url)
      if (req.url !== '/before') return
      const server = serverOf(req)
      const address = server.address() as string | AddressInfo
      server.close((error) => {
        stage.note('closed', error)
        server.listen(typeof address === 'string' ? { path: address } : { port: address.port, host: address.address }, () => {
          stage.note('listening again', server.listening)
        })
      })
    },
    async client(client, stage) {
      const { body } = await client.request({ path: '/before' })
      await stage.seen('listening again')
      return [body, (await client.request({ path: '/after' })).body]
    },
    until: ['listening again'],
  },
  {
    name: 'server close: by Symbol.asyncDispose',
    alone: ALONE,
    setup: soon,
    app(req, res, stage) {
      const server = serverOf(req)
      void server[Symbol.asyncDispose]().then(() => stage.note('disposed', server.listening))
      stage.note('disposing', server.listening)
      res.end('ok')
    },
    until: ['disposed'],
  },
  {
    name: 'server close: closeIdleConnections() leaves a request alone',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      stage.note('returned', serverOf(req).closeIdleConnections(), req.destroyed)
      setImmediate(() => res.end('answered'))
    },
    until: ['req close', 'res close'],
  },
  {
    name: 'server close: closeAllConnections() before the answer',
    differs: { nginx: SOONER, haproxy: SOONER, gateway: SOONER },
    alone: 'what the web server answers depends on whether others share the connection',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['finish', 'error', 'close'])
      stage.watch('socket', req.socket, ['close'])
      stage.note('returned', serverOf(req).closeAllConnections())
      setImmediate(() => stage.note('later', req.destroyed, res.destroyed, res.writableEnded, req.socket.destroyed))
    },
    client: wasServed,
    until: ['req close', 'res close', 'socket close', 'later'],
  },
  {
    name: 'server close: closeAllConnections() amid the answer',
    alone: 'what the web server does depends on whether others share the connection',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['finish', 'error', 'close'])
      res.writeHead(200, { 'Content-Length': '100' })
      res.write('begun')
      void stage.seen('begun').then(() => serverOf(req).closeAllConnections())
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(get(client))
      await raw.upTo('begun')
      stage.signal('begun')
      return (await raw.rest()).length
    },
    until: ['req close', 'res close'],
  },
  {
    name: 'server close: closeAllConnections() after close(), as a shutdown that lost its patience',
    alone: ALONE,
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      const server = serverOf(req)
      server.close(closed(stage, 'closed'))
      setImmediate(() => server.closeAllConnections())
    },
    client: wasServed,
    until: ['req close', 'res close', 'closed'],
  },
  {
    name: 'server close: a shutdown that ends the sockets without a request, as stoppable does',
    differs: { nginx: TRANSPORT, haproxy: TRANSPORT, gateway: TRANSPORT },
    alone: ALONE,
    setup(server, stage) {
      soon(server)
      const requests = new Map<Socket, number>()
      server.on('connection', (socket: Socket) => {
        requests.set(socket, 0)
        socket.once('close', () => requests.delete(socket))
      })
      server.on('request', (req, res) => {
        const { socket } = req
        stage.note('known', requests.has(socket))
        requests.set(socket, (requests.get(socket) ?? 0) + 1)
        res.once('finish', () => requests.set(socket, (requests.get(socket) ?? 0) - 1))
        server.close(closed(stage, 'closed'))
        for (const [tracked, count] of requests) if (count === 0) tracked.end()
        setImmediate(() => res.end('answered'))
      })
    },
    until: ['closed'],
  },
  {
    name: 'server close: a shutdown that destroys the sockets without a response, as http-terminator does',
    alone: ALONE,
    setup(server, stage) {
      soon(server)
      const sockets = new Set<Socket & { _httpMessage?: http.ServerResponse | null }>()
      server.on('connection', (socket: Socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      server.on('request', (_req, res) => {
        server.close(closed(stage, 'closed'))
        for (const socket of sockets) {
          const response = socket._httpMessage
          if (response === null || response === undefined) socket.destroy()
          else if (!response.headersSent) response.setHeader('connection', 'close')
        }
        setImmediate(() => res.end('answered'))
      })
    },
    until: ['closed'],
  },
  {
    name: 'server close: a shutdown that destroys every socket, as server-destroy does',
    alone: ALONE,
    setup(server, stage) {
      const sockets = new Set<Socket>()
      server.on('connection', (socket: Socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      server.on('request', (req, res) => {
        stage.watch('req', req, ['aborted', 'close'])
        stage.watch('res', res, ['finish', 'close'])
        server.close(closed(stage, 'closed'))
        for (const socket of sockets) socket.destroy()
      })
    },
    client: wasServed,
    until: ['req close', 'res close', 'closed'],
  },
  {
    name: 'server close: getConnections() while a request is under way, and when all is over',
    alone: ALONE,
    setup: soon,
    app(req, res, stage) {
      const server = serverOf(req)
      const connections = promisify(server.getConnections.bind(server))
      void connections().then((number) => {
        stage.note('under way', number)
        server.close(() => {
          void connections().then((last) => stage.note('over', last))
        })
        res.end('ok')
      })
    },
    until: ['over'],
  },
]
