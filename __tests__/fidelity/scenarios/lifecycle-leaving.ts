// The client leaves, at each moment of a request: what the application is told, in which order, and what its calls do afterwards.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Client, Scenario, Stage } from '../scenario'
import { bytes } from './request-bodies'
import { HAPROXY_KEEPS_QUIET, reqState, resState, socketState } from './request-state'

/** Beside other requests HAProxy discards the output and tells nobody. */
const ALONE = 'to be told that the client left'

const REQ = ['aborted', 'end', 'error', 'close'] as const
const RES = ['finish', 'error', 'close'] as const

/** How a connection in the middle of something broke is the HTTP parser's to say (HPE_INVALID_EOF_STATE) or the kernel's (EPIPE): of the socket only 'close' is noted. */
function watchAll(req: IncomingMessage, res: ServerResponse, stage: Stage): void {
  stage.watch('req', req, REQ)
  stage.watch('res', res, RES)
  stage.watch('socket', req.socket, ['close'])
}

/** Notes every property once all has been told. */
function noteAfterwards(req: IncomingMessage, res: ServerResponse, stage: Stage): void {
  const { socket } = req
  void Promise.all([stage.seen('req close'), stage.seen('res close'), stage.seen('socket close')]).then(() => {
    setImmediate(() => {
      const { readable, writable, destroyed, closed } = socket
      stage.note('afterwards', reqState(req), resState(res), readable, writable, destroyed, closed)
    })
  })
}

const ALL_OVER = ['req close', 'res close', 'socket close', 'afterwards'] as const

/** A request written by hand, left as soon as the application has signalled `moment`. */
const leaving =
  (head: string, moment: string, body: string | Buffer = '') =>
  async (client: Client, stage: Stage): Promise<void> => {
    const raw = await client.open()
    raw.write(`${head}\r\nHost: ${client.host}\r\n${body === '' && !head.startsWith('POST') ? '' : 'Content-Length: 1000000\r\n'}\r\n`).write(body)
    await stage.seen(moment)
    raw.leave()
  }

/** Writes on until the response is closed: HAProxy notices nothing before something cannot be sent. */
function writeOn(res: ServerResponse): void {
  const more = (): void => {
    if (res.destroyed) return
    if (res.write('more '.repeat(1_000))) setImmediate(more)
    else res.once('drain', more)
  }
  more()
}

const calls: Record<string, (res: ServerResponse, done: (error?: Error | null) => void) => unknown> = {
  'write()': (res, done) => res.write('late', done),
  'end()': (res, done) => res.end('late', () => done()) === res,
  'end() without data': (res, done) => res.end(() => done()) === res,
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'lifecycle leaving: while the application waits',
    app(req, res, stage) {
      watchAll(req, res, stage)
      noteAfterwards(req, res, stage)
      stage.signal('waiting')
    },
    client: leaving('GET / HTTP/1.1', 'waiting'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ALL_OVER,
  },
  {
    name: 'lifecycle leaving: while the application waits, as the socket shows it',
    app(req, _res, stage) {
      const { socket } = req
      stage.watch('socket', socket, ['error', 'end', 'finish', 'close'])
      socket.on('close', () => stage.note('at close', socketState(socket)))
      stage.signal('waiting')
    },
    client: leaving('GET / HTTP/1.1', 'waiting'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['at close'],
  },
  {
    name: 'lifecycle leaving: while the application waits, and nobody listens on req for errors',
    app(req, res, stage) {
      res.on('close', () => stage.note('close', reqState(req), resState(res)))
      stage.signal('waiting')
    },
    client: leaving('GET / HTTP/1.1', 'waiting'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['close'],
  },
  {
    name: 'lifecycle leaving: while the application waits, after req was read to its end',
    app(req, res, stage) {
      watchAll(req, res, stage)
      noteAfterwards(req, res, stage)
      req.resume().on('close', () => stage.signal('read'))
    },
    client: leaving('GET / HTTP/1.1', 'read'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ALL_OVER,
  },
  {
    name: 'lifecycle leaving: after the head of the answer',
    app(req, res, stage) {
      watchAll(req, res, stage)
      noteAfterwards(req, res, stage)
      res.flushHeaders()
      void stage.seen('left').then(() => writeOn(res))
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await raw.head()
      raw.leave()
      stage.signal('left')
    },
    alone: ALONE,
    until: ALL_OVER,
  },
  {
    name: 'lifecycle leaving: mid answer, while the application writes on',
    app(req, res, stage) {
      stage.watch('req', req, REQ)
      stage.watch('res', res, RES)
      stage.watch('socket', req.socket, ['close'])
      writeOn(res)
      res.on('close', () => stage.note('at close', Reflect.get(req, 'aborted'), req.destroyed, res.destroyed, res.writableEnded, res.writableFinished, res.headersSent))
    },
    async client(client) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await raw.head()
      await raw.bytes(20_000)
      raw.leave()
    },
    alone: ALONE,
    until: ['req close', 'res close', 'socket close', 'at close'],
  },
  {
    name: 'lifecycle leaving: mid upload, while it is read',
    app(req, res, stage) {
      watchAll(req, res, stage)
      noteAfterwards(req, res, stage)
      req.on('data', () => stage.signal('some'))
    },
    client: leaving('POST / HTTP/1.1', 'some', bytes(20_000)),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ALL_OVER,
  },
  {
    name: 'lifecycle leaving: mid upload, unread',
    app(req, res, stage) {
      watchAll(req, res, stage)
      noteAfterwards(req, res, stage)
      stage.signal('here')
    },
    client: leaving('POST / HTTP/1.1', 'here', bytes(1_000)),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ALL_OVER,
  },
  {
    name: 'lifecycle leaving: mid upload, paused with bytes in the buffer',
    app(req, res, stage) {
      watchAll(req, res, stage)
      noteAfterwards(req, res, stage)
      req.once('data', () => {
        req.pause()
        stage.signal('paused')
      })
    },
    client: leaving('POST / HTTP/1.1', 'paused', bytes(3_000)),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ALL_OVER,
  },
  {
    name: 'lifecycle leaving: mid upload, when the answer has begun',
    app(req, res, stage) {
      watchAll(req, res, stage)
      noteAfterwards(req, res, stage)
      req.once('data', () => {
        res.write('begun', () => stage.signal('begun'))
      })
    },
    client: leaving('POST / HTTP/1.1', 'begun', bytes(3_000)),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ALL_OVER,
  },
  {
    name: 'lifecycle leaving: mid upload in for await',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'end', 'close'])
      stage.watch('res', res, RES)
      void (async () => {
        try {
          for await (const chunk of req) stage.signal(`some ${typeof chunk}`)
          stage.note('never: it looks complete')
        } catch (error) {
          stage.note('thrown', error, (error as NodeJS.ErrnoException).code, Reflect.get(req, 'aborted'), req.destroyed, req.complete)
        }
      })()
    },
    client: leaving('POST / HTTP/1.1', 'some object', bytes(3_000)),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['req close', 'res close', 'thrown'],
  },
  {
    name: 'lifecycle leaving: after the answer',
    app(req, res, stage) {
      stage.watch('req', req, REQ)
      stage.watch('res', res, RES)
      res.end('answer')
      void stage.seen('left').then(() => stage.note('after', reqState(req), resState(res)))
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await raw.upTo('answer')
      await stage.seen('res close')
      raw.leave()
      stage.signal('left')
    },
    until: ['req close', 'res close', 'after'],
  },
  {
    name: 'lifecycle leaving: then the response is ended all the same',
    app(req, res, stage) {
      stage.watch('res', res, RES)
      req.on('close', () => {
        stage.note('req close', res.destroyed, res.writable)
        res.statusCode = 404
        stage.note('setHeader', res.setHeader('x-late', '1') === res, res.headersSent)
        res.end('nobody')
        stage.note('ended', res.headersSent, res.writableEnded, res.writableFinished)
      })
      stage.signal('waiting')
    },
    client: leaving('GET / HTTP/1.1', 'waiting'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['ended', 'res close'],
  },
  ...Object.entries(calls).map(
    ([name, call]): Scenario => ({
      name: `lifecycle leaving: what ${name} gives back and calls afterwards`,
      app(_req, res, stage) {
        stage.watch('res', res, RES)
        res.on('close', () => {
          setImmediate(() => {
            const returned = call(res, (error) => stage.note('called back', error ?? 'no error'))
            stage.note('returned', returned, resState(res))
            // Whether it is called back at all: 10 turns are more than any callback takes.
            let turns = 10
            const wait = (): void => {
              if (turns-- > 0) setImmediate(wait)
              else stage.note('over', resState(res))
            }
            wait()
          })
        })
        stage.signal('waiting')
      },
      client: leaving('GET / HTTP/1.1', 'waiting'),
      impossible: { haproxy: HAPROXY_KEEPS_QUIET },
      until: ['returned', 'over'],
    }),
  ),
  {
    name: 'lifecycle leaving: what write() gives back and calls after the head was sent',
    app(_req, res, stage) {
      stage.watch('res', res, RES)
      res.write('begun', () => stage.signal('begun'))
      res.on('close', () => {
        setImmediate(() => {
          stage.note('write', res.write('late', (error) => stage.note('called back', error)))
          // Whether bytes are left on the socket is chance, and `writableFinished` looks at that.
          stage.note('end', res.end() === res, { ...resState(res), writableFinished: 'either' })
        })
      })
      void stage.seen('left').then(() => writeOn(res))
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await raw.head()
      raw.leave()
      stage.signal('left')
    },
    alone: ALONE,
    until: ['end', 'called back'],
  },
  {
    name: 'lifecycle leaving: work of the application is stopped by an AbortController, as many do',
    app(req, res, stage) {
      const controller = new AbortController()
      req.on('close', () => {
        stage.note('req close', res.writableEnded)
        if (!res.writableEnded) controller.abort(new Error('the client left'))
      })
      controller.signal.addEventListener('abort', () => stage.note('abort', controller.signal.reason))
      stage.signal('waiting')
    },
    client: leaving('GET / HTTP/1.1', 'waiting'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['abort'],
  },
  {
    name: 'lifecycle leaving: seen only by the socket, as ee-first and on-finished look',
    app(req, res, stage) {
      const socket: Socket = req.socket
      socket.on('close', (hadError: boolean) => stage.note('socket close', hadError, req.complete, Reflect.get(res, 'finished'), socket.writable))
      stage.note('before', socket.writable, socket.readable)
      stage.signal('waiting')
    },
    client: leaving('GET / HTTP/1.1', 'waiting'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['socket close'],
  },
]
