// The request listener as node calls it: classes of the application's own, promises it returns, several listeners, what `this` is.

import type { EventEmitter } from 'node:events'
import * as http from 'node:http'
import type { Scenario } from '../scenario'
import { bytes } from './request-bodies'
import { HAPROXY_KEEPS_QUIET } from './request-state'

class OwnRequest extends http.IncomingMessage {
  readonly made = 'by the application'
  get path(): string {
    return (this.url ?? '').split('?')[0]!
  }
}

class OwnResponse extends http.ServerResponse {
  json(value: unknown): void {
    this.setHeader('content-type', 'application/json')
    this.end(JSON.stringify(value))
  }
  override writeHead(...args: unknown[]): this {
    this.setHeader('x-own', 'writeHead')
    return super.writeHead(...(args as Parameters<http.ServerResponse['writeHead']>))
  }
}

/** What `events.captureRejections = true` does for emitters made from then on; here for one only, as tests share their process. */
function captureRejections(emitter: EventEmitter): void {
  const symbol = Object.getOwnPropertySymbols(emitter).find(({ description }) => description === 'kCapture')
  if (symbol === undefined) throw new Error('this node captures rejections in another way')
  Object.assign(emitter, { [symbol]: true })
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'request classes: IncomingMessage and ServerResponse of the application',
    options: { IncomingMessage: OwnRequest, ServerResponse: OwnResponse } as unknown as http.ServerOptions,
    app(req, res, stage) {
      const own: unknown = req
      if (!(own instanceof OwnRequest)) throw new TypeError('not of the class given')
      stage.note('req', own.made, own.path, own.constructor.name)
      stage.note('res', res instanceof OwnResponse, res.constructor.name, res.req === req)
      ;(res as unknown as OwnResponse).json({ a: 1 })
    },
    client: (client) => client.request({ path: '/path?query' }),
  },
  {
    name: 'request classes: prototypes replaced in the listener, as Express does',
    app(req, res, stage) {
      Object.setPrototypeOf(req, Object.create(http.IncomingMessage.prototype, { own: { value: 'req' } }))
      Object.setPrototypeOf(res, Object.create(http.ServerResponse.prototype, { own: { value: 'res' } }))
      stage.note('own', (req as unknown as { own: string }).own, (res as unknown as { own: string }).own)
      stage.watch('res', res, ['finish', 'close'])
      req.resume().on('end', () => res.end('ok'))
    },
    client: (client) => client.request({ method: 'POST', body: 'x' }),
  },
  {
    name: 'request classes: res.write and res.end wrapped, as compression and loggers do',
    app(_req, res, stage) {
      const end = res.end.bind(res) as (chunk?: unknown) => typeof res
      const write = res.write.bind(res) as (chunk: unknown) => boolean
      res.write = ((chunk: unknown) => {
        stage.note('write', String(chunk))
        return write(`<${String(chunk)}>`)
      }) as typeof res.write
      res.end = ((chunk?: unknown) => {
        stage.note('end', chunk)
        return end(chunk)
      }) as typeof res.end
      stage.watch('res', res, ['finish', 'close'])
      res.write('a')
      res.end('b')
    },
  },
  {
    name: 'request classes: writeHead wrapped, as on-headers does',
    app(_req, res, stage) {
      const writeHead = res.writeHead.bind(res)
      res.writeHead = ((...args: Parameters<typeof writeHead>) => {
        stage.note('writeHead', args[0], res.getHeaderNames())
        res.setHeader('x-late', 'set')
        return writeHead(...args)
      }) as typeof res.writeHead
      res.setHeader('x-early', 'set')
      res.end('ok')
    },
  },
  {
    name: 'request classes: several listeners of request, in order',
    setup(server, stage) {
      server.on('request', (_req, res) => {
        stage.note('second', res.headersSent)
        res.end('second')
      })
      server.prependListener('request', (_req, res) => {
        stage.note('prepended', res.headersSent)
        res.setHeader('x-first', '1')
      })
    },
    app(_req, res, stage) {
      stage.note('first', res.getHeader('x-first'))
      res.setHeader('x-app', '1')
    },
  },
  {
    name: 'request classes: `this` in the listener, and what the server is',
    setup(server, stage) {
      server.on('request', function (this: unknown, req, res) {
        stage.note('this', this === server, server instanceof http.Server, (req.socket as unknown as { server: unknown }).server === server)
        res.end('ok')
      })
    },
  },
  {
    name: 'request classes: a listener that rejects, with captureRejections, is a 500',
    setup: captureRejections,
    app: (_req, res, stage) => {
      stage.watch('res', res, ['finish', 'close', 'error'])
      return Promise.reject(new TypeError('rejected'))
    },
  },
  {
    name: 'request classes: captureRejections after a header was set drops it',
    setup: captureRejections,
    app: (_req, res) => {
      res.setHeader('x-set', 'before')
      res.statusCode = 201
      return Promise.reject(new Error('rejected'))
    },
  },
  {
    name: 'request classes: captureRejections after the head was sent cuts the response off',
    setup: captureRejections,
    app: (req, res, stage) => {
      stage.watch('req', req, ['aborted', 'close', 'error'])
      stage.watch('res', res, ['finish', 'close', 'error'])
      res.write('begun')
      return stage.seen('arrived').then(() => Promise.reject(new Error('rejected late')))
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\n\r\n`)
      const { statusLine } = await raw.head()
      await raw.upTo('begun')
      stage.signal('arrived')
      return [statusLine, (await raw.rest()).toString('latin1').includes('\r\n0\r\n')]
    },
    until: ['req close', 'res close'],
    alone: 'to see the connection closed',
  },
  {
    name: 'request classes: captureRejections after the response ended changes nothing',
    setup: captureRejections,
    app: (_req, res, stage) => {
      stage.watch('res', res, ['finish', 'close', 'error'])
      res.end('complete')
      return Promise.reject(new Error('rejected'))
    },
  },
  {
    name: "request classes: captureRejections of 'data' listeners destroys req",
    app(req, res, stage) {
      captureRejections(req)
      stage.watch('req', req, ['aborted', 'error', 'end', 'close'])
      stage.watch('res', res, ['finish', 'close', 'error'])
      const listener = (): Promise<never> => Promise.reject(new RangeError('in data'))
      req.on('data', listener as unknown as () => void)
    },
    // So large that it has not ended when the promise is rejected.
    client: (client) => client.request({ method: 'POST', body: bytes(1_000_000) }).then(({ status }) => status === 0 || status === 502),
    until: ['res close'],
    alone: 'to see the connection closed',
  },
  {
    name: 'request classes: a request without any listener of request hangs until its client leaves',
    setup(server, stage) {
      server.removeAllListeners('request')
      server.on('request', (req, res) => {
        stage.watch('req', req, ['aborted', 'close'])
        stage.watch('res', res, ['finish', 'close'])
        stage.signal('taken')
      })
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await stage.seen('taken')
      raw.leave()
    },
    until: ['req close', 'res close'],
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
  },
]
