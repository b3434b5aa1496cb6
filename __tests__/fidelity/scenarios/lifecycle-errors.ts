// Errors thrown in listeners of the application: where they surface, and what becomes of the request. The harness notes `uncaughtException`.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer, Client, Scenario, Stage } from '../scenario'
import { arrived } from './request-bodies'
import { HAPROXY_KEEPS_QUIET } from './request-state'

const PARSER_IS_LOST = "an exception in node's HTTP parser leaves the connection useless, and the web server keeps it"
const shown = ({ status, reason, body, complete }: Answer): unknown[] => [status, reason, body, complete]
const ALONE = 'a connection that others share is not cut'

type Places = Record<string, (req: IncomingMessage, res: ServerResponse, thrower: () => never) => void>

/** Where it is thrown after the response: the client has its answer by then, or gets it all the same. */
const afterAnswer: Places = {
  'a listener of res finish': (_req, res, thrower) => void res.on('finish', thrower).end('answer'),
  'a listener of res close': (_req, res, thrower) => void res.on('close', thrower).end('answer'),
  'a listener of req close': (req, res, thrower) => {
    req.on('close', thrower)
    res.end('answer')
  },
  'a listener of res prefinish': (_req, res, thrower) => void res.on('prefinish', thrower).end('answer'),
  'the callback of end()': (_req, res, thrower) => void res.end('answer', thrower),
  'a listener of req end': (req, res, thrower) => {
    req.resume().on('end', thrower)
    res.end('answer')
  },
  'the listener of request, after end()': (_req, res, thrower) => {
    res.end('answer')
    thrower()
  },
  'process.nextTick': (_req, res, thrower) => {
    res.end('answer')
    process.nextTick(thrower)
  },
  setImmediate: (_req, res, thrower) => {
    res.end('answer')
    setImmediate(thrower)
  },
}

/** Where it is thrown before there is an answer: another listener, set before it, gives one. */
const beforeAnswer: Places = {
  'the listener of request': (_req, _res, thrower) => thrower(),
  'a listener of data': (req, _res, thrower) => void req.on('data', thrower),
  'a listener of end': (req, _res, thrower) => void req.resume().on('end', thrower),
  'a listener of readable': (req, _res, thrower) => void req.on('readable', thrower),
  'the callback of write()': (_req, res, thrower) => void res.write('a piece', thrower),
}

const postLeaving = async (client: Client, stage: Stage): Promise<unknown> => {
  const raw = await client.open()
  raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nContent-Length: 4\r\n\r\nbody`)
  await stage.seen('uncaughtException')
  // Nobody is going to answer any more, and nobody cuts the client off either.
  await stage.seen('looked')
  raw.leave()
  return 'left'
}

export const scenarios: readonly Scenario[] = [
  ...Object.entries(afterAnswer).map(
    ([place, set]): Scenario => ({
      name: `lifecycle errors: thrown in ${place}, beside an answer`,
      app(req, res, stage) {
        res.on('close', () => stage.note('res close', res.writableFinished))
        // Whether the body comes with the head is chance; here it has come.
        void arrived(req).then(() => {
          setImmediate(set, req, res, () => {
            stage.note('throws')
            throw new TypeError('thrown by the application')
          })
        })
      },
      client: (client) => client.request({ method: 'POST', body: 'body' }),
      // From node 24 on, a response whose callback of end() throws is never closed.
      until: place === 'the callback of end()' ? ['uncaughtException'] : ['res close', 'uncaughtException'],
    }),
  ),
  ...Object.entries(beforeAnswer).map(
    ([place, set]): Scenario => ({
      name: `lifecycle errors: thrown in ${place}, before an answer`,
      app(req, res, stage) {
        stage.watch('req', req, ['aborted', 'close'])
        stage.watch('res', res, ['finish', 'close'])
        void stage.seen('uncaughtException').then(() => {
          setImmediate(() => {
            stage.note('looked', req.destroyed, req.errored, res.destroyed, res.headersSent, res.writable)
          })
        })
        const thrower = (): never => {
          throw new TypeError('thrown by the application')
        }
        if (place === 'the listener of request') thrower()
        // Whether the body comes with the head is chance; here it has come.
        void arrived(req).then(() => setImmediate(set, req, res, thrower))
      },
      client: postLeaving,
      until: ['looked', 'res close'],
      impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    }),
  ),
  {
    name: 'lifecycle errors: after one was caught, the response can still be given',
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      void stage.seen('uncaughtException').then(() => {
        res.statusCode = 500
        res.end('an error page')
      })
      req.on('data', () => {
        throw new RangeError('in data')
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'body' }),
    until: ['res close', 'uncaughtException'],
  },
  {
    name: 'lifecycle errors: the next request is served as if nothing had been',
    app(req, res, stage) {
      if (req.url === '/throws') {
        void stage.seen('uncaughtException').then(() => res.end('after'))
        throw new Error('thrown')
      }
      stage.note('served', req.url)
      res.end('fine')
    },
    client: async (client) => [await client.request({ path: '/throws' }), await client.request({ path: '/next' })],
    until: ['uncaughtException', 'served'],
    impossible: { nginx: PARSER_IS_LOST, haproxy: PARSER_IS_LOST },
  },
  {
    name: 'lifecycle errors: an error event emitted on res without a listener',
    app(_req, res, stage) {
      try {
        res.emit('error', new Error('emitted'))
      } catch (error) {
        stage.note('thrown', (error as NodeJS.ErrnoException).code)
      }
      res.end('ok')
    },
  },
  {
    name: 'lifecycle errors: an error event emitted on req without a listener',
    app(req, res, stage) {
      try {
        req.emit('error', new Error('emitted'))
      } catch (error) {
        stage.note('thrown', (error as NodeJS.ErrnoException).code)
      }
      res.end('ok')
    },
  },
  {
    name: 'lifecycle errors: write after end without a listener of error',
    app(_req, res, stage) {
      res.on('close', () => stage.note('res close'))
      res.end('answer')
      stage.note('write', res.write('late'))
    },
    until: ['res close'],
  },
  {
    name: 'lifecycle errors: an error event emitted on the socket without a listener, after a piece was sent',
    app(req, res, stage) {
      stage.watch('res', res, ['close'])
      stage.watch('req', req, ['error', 'close'])
      const { socket } = req
      res.write('piece', () => {
        // Once what was written is with the web server.
        setTimeout(() => {
          stage.note('emitted', socket.emit('error', new Error('emitted')), socket.destroyed)
          stage.note('again', socket.emit('error', new Error('again')))
        }, 50)
      })
    },
    alone: ALONE,
    until: ['emitted', 'again', 'res close', 'req close'],
  },
  {
    name: 'lifecycle errors: an error event emitted on the socket before anything was sent',
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      stage.note('emitted', req.socket.emit('error', new Error('emitted')), req.socket.destroyed)
    },
    // Without its fields: the web server's Date.
    client: async (client) => shown(await client.request()),
    alone: ALONE,
    until: ['emitted', 'res close'],
  },
  {
    name: "lifecycle errors: an error event emitted on the socket goes to 'clientError' first, which decides",
    setup(server, stage) {
      server.on('clientError', (error, socket) => {
        stage.note('clientError', error, socket.destroyed)
        socket.end('HTTP/1.1 418 Teapot\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      })
    },
    app(req, res, stage) {
      stage.watch('res', res, ['close'])
      req.socket.on('error', (error) => stage.note('socket error', error))
      stage.note('emitted', req.socket.emit('error', new Error('emitted')))
    },
    client: async (client) => shown(await client.request()),
    until: ['emitted', 'res close'],
  },
  {
    name: "lifecycle errors: a method that node does not know goes to 'clientError', whose answer the client gets",
    setup(server, stage) {
      server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
        stage.note('clientError', error.name, error.code, error.message, socket.writable)
        socket.on('finish', () => stage.note('socket finish'))
        socket.on('close', () => stage.note('socket close'))
        socket.end('HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 9\r\n\r\nno method')
      })
    },
    app(_req, res, stage) {
      stage.note('request')
      res.end()
    },
    client: async (client) => shown(await client.request({ method: 'UNKNOWN_METHOD' })),
    until: ['socket close'],
    impossible: { gateway: 'the HTTP server in front of the gateway is node, and refuses it' },
  },
  {
    name: 'lifecycle errors: a method that node does not know, and nobody listens',
    app(_req, res, stage) {
      stage.note('request')
      res.end()
    },
    client: async (client) => (await client.request({ method: 'UNKNOWN_METHOD' })).status,
    until: [],
  },
]
