// Limits and time-outs of the server: their defaults, that they can be set at any time, and what they do to whom.

import type * as http from 'node:http'
import type { Scenario } from '../scenario'

const serverOf = (req: http.IncomingMessage): http.Server => (req.socket as unknown as { server: http.Server }).server

const NAMES = [
  'timeout',
  'headersTimeout',
  'requestTimeout',
  'maxHeadersCount',
  'maxRequestsPerSocket',
  'maxConnections',
  'listening',
  'httpAllowHalfOpen',
] as const

const values = (server: http.Server): Record<string, unknown> =>
  Object.fromEntries(NAMES.map((name) => [name, (server as unknown as Record<string, unknown>)[name]]))

export const scenarios: readonly Scenario[] = [
  {
    name: 'server limits: the defaults',
    app(req, res, stage) {
      stage.note('defaults', values(serverOf(req)))
      res.end('ok')
    },
  },
  {
    name: 'server limits: the options of createServer become properties',
    options: {
      headersTimeout: 20_000,
      requestTimeout: 40_000,
      keepAliveTimeout: 1_500,
      noDelay: false,
      keepAlive: true,
      keepAliveInitialDelay: 5,
      highWaterMark: 4_096,
    },
    app(req, res, stage) {
      const server = serverOf(req)
      stage.note('options', values(server), server.keepAliveTimeout)
      stage.note('sockets', res.writableHighWaterMark)
      res.end('ok')
    },
  },
  {
    name: 'server limits: properties can be set while it serves, and keep what was set',
    app(req, res, stage) {
      const server = serverOf(req)
      Object.assign(server, { headersTimeout: 1_000, requestTimeout: 2_000, keepAliveTimeout: 3_000, maxHeadersCount: 10, maxRequestsPerSocket: 7 })
      stage.note('set', values(server), server.keepAliveTimeout)
      res.end('ok')
    },
    client: async (client) => [(await client.request()).status, (await client.request()).status],
  },
  {
    name: 'server limits: maxRequestsPerSocket of 1 refuses none of the requests of a web server',
    setup(server, stage) {
      server.maxRequestsPerSocket = 1
      stage.watch('server', server, ['dropRequest'])
    },
    app(req, res, stage) {
      stage.note('request', req.url)
      res.end('ok')
    },
    async client(client) {
      const statuses: number[] = []
      for (const path of ['/1', '/2', '/3', '/4']) statuses.push((await client.request({ path })).status)
      return statuses
    },
  },
  {
    name: 'server limits: maxConnections, and drop for the one that is too many',
    setup(server, stage) {
      server.maxConnections = 1
      server.on('drop', () => stage.note('drop'))
    },
    app(req, res, stage) {
      stage.note('request', req.url)
      void stage.seen('over').then(() => res.end('ok'))
      stage.signal(`taken ${req.url}`)
    },
    async client(client, stage) {
      const first = client.request({ path: '/1' })
      await stage.seen('taken /1')
      const second = await client.request({ path: '/2' })
      stage.signal('over')
      return [(await first).status, second.status]
    },
    impossible: {
      haproxy: 'several requests share the one connection, so that none is too many; and HAProxy waits for one of node:http',
      gateway: 'the connections of the gateway are not those of its clients',
    },
  },
  {
    name: 'server limits: setTimeout() sets the property and adds the listener, which gets the socket of the request',
    setup(server, stage) {
      stage.note('returned', server.setTimeout(80, (socket) => {
        stage.note('timeout', socket.destroyed)
        socket.destroy()
      }) === server, server.timeout, server.listenerCount('timeout'))
    },
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'close'])
      stage.watch('res', res, ['finish', 'close'])
    },
    alone: 'the connection that is destroyed is one that others share',
    client: async (client) => (await client.request()).status === 200,
    until: ['req close', 'res close', 'timeout'],
  },
  {
    name: 'server limits: timeout is read when a request begins',
    app(req, res, stage) {
      const server = serverOf(req)
      if (req.url === '/1') {
        server.timeout = 80
        res.end('sets it')
        return
      }
      res.on('timeout', () => {
        stage.note('timeout')
        res.end('timed out')
      })
    },
    async client(client) {
      // A connection of its own for each: node gives a time-out to a connection when it is made.
      const one = await client.request({ path: '/1', fields: [['Connection', 'close']] })
      return one.body
    },
  },
  {
    name: 'server limits: the body of one request may be larger than any of them',
    setup(server) {
      server.maxHeadersCount = 5
      server.headersTimeout = 5_000
    },
    app(req, res, stage) {
      let length = 0
      req.on('data', (chunk: Buffer) => (length += chunk.length))
      req.on('end', () => {
        stage.note('length', length)
        res.end('ok')
      })
    },
    client: (client) => client.request({ method: 'POST', body: Buffer.alloc(300_000, 'x') }),
  },
]
