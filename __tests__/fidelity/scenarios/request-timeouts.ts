// setTimeout on req, res, socket and server: who hears of an idle connection, in which order, and what the client gets when nobody listens.
// The time-outs are short and nothing else happens, so there is no race: only who is told.

import type { Client, Scenario } from '../scenario'
import { HAPROXY_GATHERS, orNone } from './request-bodies'
import { socketState } from './request-state'

const SHORT = 30

const get = async (client: Client): Promise<unknown> => orNone(await client.request())
const ALONE = 'to see the connection closed'

export const scenarios: readonly Scenario[] = [
  {
    name: 'request timeout: res.setTimeout with a callback that answers',
    app(req, res, stage) {
      stage.watch('req', req, ['timeout'])
      stage.watch('res', res, ['finish', 'close'])
      const returned = res.setTimeout(SHORT, (socket?: unknown) => {
        stage.note('callback', socket === req.socket, res.headersSent, req.destroyed)
        res.statusCode = 503
        res.end('too slow')
      })
      stage.note('returned', returned === res)
    },
  },
  {
    name: 'request timeout: req.setTimeout of a complete request asks only the response',
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      const returned = req.setTimeout(SHORT, () => stage.note('req callback'))
      stage.note('returned', returned === req)
      res.on('timeout', () => {
        stage.note('res timeout', req.complete)
        res.end('too slow')
      })
    },
  },
  {
    name: "request timeout: nobody listens",
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      res.setTimeout(SHORT)
      res.on('close', () => stage.note('after', socketState(req.socket), Reflect.get(req, 'aborted'), res.destroyed, res.writableEnded))
    },
    client: get,
    alone: ALONE,
    until: ['req close', 'res close', 'after'],
  },
  {
    name: 'request timeout: nobody listens, after the head',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      res.setTimeout(SHORT)
      res.write('begun')
    },
    client: get,
    alone: ALONE,
    until: ['req close', 'res close'],
  },
  {
    name: 'request timeout: the order in which req, res, server and socket hear of it',
    setup(server, stage) {
      server.on('timeout', (socket) => stage.note('server timeout', socketState(socket).constructor === Object))
    },
    app(req, res, stage) {
      stage.watch('res', res, ['close'])
      // An upload that has not come keeps the request incomplete: else node does not ask req.
      req.on('timeout', (socket) => stage.note('req timeout', socket === req.socket))
      res.on('timeout', (socket) => stage.note('res timeout', socket === req.socket))
      req.socket.on('timeout', () => {
        stage.note('socket timeout', req.destroyed, req.socket.destroyed)
        req.socket.setTimeout(0)
        stage.signal('all')
        res.end('answer')
      })
      req.socket.setTimeout(SHORT)
      req.on('error', () => undefined)
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nContent-Length: 5\r\n\r\n12`)
      await stage.seen('all')
      const { statusLine } = await raw.head()
      raw.leave()
      return statusLine
    },
    impossible: { haproxy: HAPROXY_GATHERS },
  },
  {
    name: "request timeout: a listener on req alone keeps an incomplete request alive",
    app(req, res, stage) {
      stage.watch('res', res, ['close'])
      req.setTimeout(SHORT, () => {
        stage.note('req timeout', req.complete, req.socket.destroyed)
        req.socket.setTimeout(0)
        stage.signal('asked')
      })
      req.resume().on('end', () => res.end('all came'))
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nContent-Length: 5\r\n\r\n12`)
      await stage.seen('asked')
      raw.write('345')
      const { statusLine } = await raw.head()
      return statusLine
    },
    impossible: { haproxy: HAPROXY_GATHERS },
  },
  {
    name: "request timeout: a listener of 'timeout' on the socket alone does not keep it",
    app(req, res, stage) {
      stage.watch('socket', req.socket, ['timeout', 'close'])
      stage.watch('res', res, ['close'])
      req.socket.setTimeout(SHORT)
    },
    client: get,
    alone: ALONE,
    until: ['socket close', 'res close'],
  },
  {
    name: 'request timeout: the callback of socket.setTimeout',
    app(req, res, stage) {
      res.on('timeout', () => undefined)
      req.socket.setTimeout(SHORT, () => {
        stage.note('callback', req.socket.timeout, req.socket.destroyed)
        res.end('too slow')
      })
      stage.note('set', req.socket.timeout)
    },
  },
  {
    name: 'request timeout: server.setTimeout with a callback',
    setup(server, stage) {
      const returned = server.setTimeout(SHORT, (socket) => {
        stage.note('server timeout', socket.destroyed, socket.timeout)
        stage.signal('heard')
      })
      stage.note('returned', returned === server, server.timeout, server.listenerCount('timeout'))
    },
    app(req, res, stage) {
      void stage.seen('heard').then(() => {
        req.socket.setTimeout(0)
        res.end('late answer')
      })
    },
  },
  {
    name: 'request timeout: server.timeout without a listener',
    setup(server) {
      server.timeout = SHORT
    },
    app(req, res, stage) {
      stage.note('socket', req.socket.timeout)
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['finish', 'close'])
    },
    client: get,
    alone: ALONE,
    until: ['req close', 'res close'],
  },
  {
    name: 'request timeout: taken back before it comes',
    app(req, res, stage) {
      stage.watch('res', res, ['timeout', 'finish', 'close'])
      stage.watch('socket', req.socket, ['timeout'])
      res.setTimeout(1, () => stage.note('callback'))
      res.setTimeout(0)
      stage.note('socket', req.socket.timeout)
      setTimeout(() => res.end('answered'), SHORT)
    },
  },
  {
    name: 'request timeout: writing keeps it away',
    app(req, res, stage) {
      stage.watch('res', res, ['timeout', 'close'])
      res.setTimeout(2_000)
      res.write('one')
      stage.note('timeout', req.socket.timeout)
      setImmediate(() => res.end('two'))
    },
  },
  {
    name: 'request timeout: the listener may destroy the socket, as node would',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['close'])
      res.setTimeout(SHORT, (socket?: { destroy(): void }) => {
        stage.note('callback')
        socket?.destroy()
        stage.note('destroyed', req.destroyed, res.destroyed)
      })
    },
    client: get,
    alone: ALONE,
    until: ['req close', 'res close'],
  },
]
