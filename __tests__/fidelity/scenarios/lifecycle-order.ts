// The order of every event of a request that goes well, or is answered early: on req, res and their callbacks.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client, Scenario, Stage } from '../scenario'
import { arrived, bytes, HAPROXY_GATHERS, readAll } from './request-bodies'
import { reqState, resState } from './request-state'

export const REQ_EVENTS = ['aborted', 'pause', 'resume', 'end', 'error', 'close'] as const
export const RES_EVENTS = ['prefinish', 'finish', 'error', 'close'] as const

export function watchBoth(req: IncomingMessage, res: ServerResponse, stage: Stage): void {
  stage.watch('req', req, REQ_EVENTS)
  stage.watch('res', res, RES_EVENTS)
}

const over = ['req close', 'res close'] as const

/** Sends a body of which the application waits for none, then reads the whole answer before the rest of the body is sent. */
const answerBeforeBody =
  (length: number) =>
  async (client: Client, stage: Stage): Promise<unknown> => {
    const raw = await client.open()
    raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`)
    const { statusLine } = await raw.head()
    await raw.upTo('early')
    stage.signal('answered')
    return statusLine
  }

export const scenarios: readonly Scenario[] = [
  {
    name: 'lifecycle order: a simple GET',
    app(req, res, stage) {
      watchBoth(req, res, stage)
      res.end('answer', () => stage.note('end callback'))
      stage.note('returned')
    },
    until: over,
  },
  {
    name: 'lifecycle order: a GET whose answer is written in pieces with callbacks',
    app(req, res, stage) {
      watchBoth(req, res, stage)
      res.write('one', () => stage.note('first written'))
      res.write('two', () => stage.note('second written'))
      res.end('three', () => stage.note('end callback'))
      stage.note('returned')
    },
    until: over,
  },
  {
    name: 'lifecycle order: pieces a turn of the loop apart',
    app(req, res, stage) {
      watchBoth(req, res, stage)
      res.write('one', () => {
        stage.note('first written')
        setImmediate(() => {
          res.write('two', () => {
            stage.note('second written')
            res.end(() => stage.note('end callback'))
            stage.note('ended')
          })
        })
      })
    },
    until: over,
  },
  {
    name: 'lifecycle order: a POST read and answered in end',
    app(req, res, stage) {
      watchBoth(req, res, stage)
      req.on('data', () => undefined)
      req.on('end', () => {
        stage.note('in end')
        res.end('answer', () => stage.note('end callback'))
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: over,
  },
  {
    name: 'lifecycle order: a large POST read and answered in end',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'end', 'error', 'close'])
      stage.watch('res', res, RES_EVENTS)
      void readAll(req).then((body) => {
        stage.note('read', body.length)
        res.end('answer', () => stage.note('end callback'))
      })
    },
    client: (client) => client.request({ method: 'POST', body: bytes(2_000_000) }),
    until: over,
  },
  {
    name: 'lifecycle order: a small POST left unread',
    app(req, res, stage) {
      watchBoth(req, res, stage)
      void arrived(req).then(() => {
        res.end('answer', () => stage.note('end callback'))
        stage.note('returned')
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: over,
  },
  {
    name: 'lifecycle order: a small POST, paused and left unread',
    app(req, res, stage) {
      watchBoth(req, res, stage)
      req.pause()
      void arrived(req).then(() => {
        res.end('answer')
        stage.note('returned')
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: ['res close'],
  },
  {
    name: 'lifecycle order: a POST answered before it is read, then read',
    app(req, res, stage) {
      watchBoth(req, res, stage)
      void arrived(req).then(() => {
        req.on('data', (chunk: Buffer) => stage.note('data', String(chunk)))
        res.end('answer', () => stage.note('end callback'))
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: over,
  },
  {
    name: 'lifecycle order: an early answer to a large POST nobody reads',
    impossible: { haproxy: 'HAProxy holds the rest of the upload back for as long as it likes' },
    app(_req, res, stage) {
      // Neither req nor what the client got is compared: both depend on what the web server does with the rest.
      stage.watch('res', res, RES_EVENTS)
      res.setHeader('Connection', 'close')
      res.end('early', () => stage.note('end callback'))
    },
    client: (client) => client.request({ method: 'POST', body: bytes(4_000_000) }).then(() => 'over'),
  },
  {
    name: 'lifecycle order: an early answer, complete at the client before any of the body was sent',
    app(req, res, stage) {
      stage.watch('res', res, RES_EVENTS)
      res.end('early', () => stage.note('end callback', reqState(req).constructor === Object, res.writableFinished))
    },
    client: answerBeforeBody(10),
    impossible: { haproxy: HAPROXY_GATHERS },
    until: ['res close', 'end callback'],
  },
  {
    name: 'lifecycle order: an answer to an upload of which the start was read',
    impossible: { haproxy: 'HAProxy holds the rest of the upload back for as long as it likes' },
    app(req, res, stage) {
      stage.watch('res', res, RES_EVENTS)
      req.once('data', () => {
        req.pause()
        res.statusCode = 413
        res.end('early', () => stage.note('end callback', resState(res)))
      })
      req.on('error', () => undefined)
    },
    client: (client) => client.request({ method: 'POST', body: bytes(4_000_000) }).then(() => 'over'),
    until: ['res close', 'end callback'],
  },
  {
    name: 'lifecycle order: an answer that is larger than any buffer, with drain',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'end', 'error', 'close'])
      stage.watch('res', res, RES_EVENTS)
      let left = 40
      let drains = 0
      const more = (): void => {
        while (left-- > 0) {
          if (res.write(bytes(100_000))) continue
          res.once('drain', () => {
            drains++
            more()
          })
          return
        }
        stage.note('written', drains > 0)
        res.end(() => stage.note('end callback'))
      }
      more()
    },
    client: (client) => client.request().then(({ status, body, complete }) => [status, body.length, complete]),
    until: over,
  },
  {
    name: 'lifecycle order: listeners set in the listener, in finish and in close, still hear what comes',
    app(req, res, stage) {
      res.on('finish', () => {
        stage.note('finish')
        res.on('finish', () => stage.note('never: finish is over'))
        res.on('close', () => stage.note('close, set in finish'))
        req.on('close', () => stage.note('req close, set in finish'))
      })
      res.on('close', () => {
        stage.note('close')
        res.on('close', () => stage.note('never: close is over'))
      })
      res.end('answer')
    },
    until: ['close, set in finish', 'req close, set in finish'],
  },
  {
    name: "lifecycle order: 'close' comes once, 'finish' once, however often the response is ended and destroyed",
    app(req, res, stage) {
      watchBoth(req, res, stage)
      res.end('answer')
      res.end()
      res.on('finish', () => {
        res.end()
        res.destroy()
        req.destroy()
      })
      res.on('close', () => {
        res.destroy()
        req.destroy()
      })
    },
    until: over,
  },
  {
    name: 'lifecycle order: HEAD, 204 and 304',
    app(req, res, stage) {
      watchBoth(req, res, stage)
      res.statusCode = Number(req.url?.slice(1))
      res.end('no body', () => {
        stage.note('end callback')
        res.on('close', () => stage.signal(`over ${String(req.url)}`))
      })
    },
    async client(client, stage) {
      const answers: unknown[] = []
      for (const [method, path] of [['HEAD', '/200'], ['GET', '/204'], ['GET', '/304']] as const) {
        answers.push(await client.request({ method, path }))
        await stage.seen(`over ${path}`)
      }
      return answers
    },
  },
]
