// The response as an object: what it is, what hangs on it, its socket, its time-out, and classes of the application.

import { EventEmitter } from 'node:events'
import http from 'node:http'
import { Duplex, PassThrough, Readable, Stream, Writable } from 'node:stream'
import net from 'node:net'
import { attempt } from '../attempt'
import type { Scenario } from '../scenario'

type App = NonNullable<Scenario['app']>

function object(name: string, app: App, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `response object: ${name}`,
    app(req, res, stage) {
      stage.watch('res', res, ['socket', 'finish', 'close', 'error', 'timeout'])
      app(req, res, stage)
    },
    ...more,
  }
}

/** With properties and methods of its own, as an application may want them on every response. */
class OwnResponse<Request extends http.IncomingMessage = http.IncomingMessage> extends http.ServerResponse<Request> {
  readonly made = 'by the application'

  send(text: string): this {
    return this.setHeader('X-Sent', 'yes').end(text)
  }

  override writeHead(...args: unknown[]): this {
    this.setHeader('X-Written', 'yes')
    return (super.writeHead as (...args: unknown[]) => this)(...args)
  }
}

export const scenarios: readonly Scenario[] = [
  object('its class', (_req, res, stage) => {
    stage.note('instanceof', res instanceof http.ServerResponse, res instanceof http.OutgoingMessage, res instanceof Stream, res instanceof EventEmitter)
    stage.note('not', res instanceof Writable, res instanceof Duplex, res instanceof Readable)
    stage.note('constructor', res.constructor.name, Object.prototype.toString.call(res), Object.getPrototypeOf(res) === http.ServerResponse.prototype)
    res.end('body')
  }),
  object('its own properties', (_req, res, stage) => {
    // What node adds in one version and not in another is the same for both; only our own would show.
    stage.note('names', Object.keys(res).sort(), 'json' in res)
    res.end('body')
  }),
  object('res.req and req.res', (req, res, stage) => {
    stage.note('req', res.req === req, 'res' in req)
    res.on('close', () => stage.note('req in close', res.req === req))
    res.end('body')
  }),
  object('res.socket and res.connection, before and after', (req, res, stage) => {
    const { socket } = res
    const old = (message: object): unknown => (message as Record<string, unknown>)['connection']
    const look = (when: string): void =>
      stage.note(when, res.socket === socket, old(res) === res.socket, res.socket === null, req.socket === socket, old(req) === socket)
    look('start')
    stage.note('class', socket instanceof net.Socket, socket instanceof Duplex, socket?.writable, socket?.readable, socket?.destroyed)
    res.on('prefinish', () => look('prefinish'))
    res.on('finish', () => look('finish'))
    res.on('close', () => look('close'))
    res.end('body')
    look('ended')
  }),
  object('res.connection set by the application', (_req, res, stage) => {
    const other = new PassThrough()
    attempt(stage, 'set', () => {
      const settable = res as unknown as { connection: unknown; socket: unknown }
      const { socket } = settable
      settable.connection = other
      const isBoth = settable.socket === other
      settable.connection = socket
      return isBoth
    })
    res.end('body')
  }),
  object('assignSocket while there is one', (_req, res, stage) => {
    attempt(stage, 'the same', () => res.assignSocket(res.socket!))
    res.end('body')
  }),
  object('detachSocket and assignSocket again', (_req, res, stage) => {
    const socket = res.socket!
    attempt(stage, 'detach', () => res.detachSocket(socket))
    stage.note('without', res.socket, res.writable, res.headersSent)
    attempt(stage, 'write', () => res.write('kept '))
    attempt(stage, 'assign', () => res.assignSocket(socket))
    stage.note('with', res.socket === socket)
    res.end('body')
  }),
  object('a response of its own over the socket of the request', (req, res, stage) => {
    const socket = res.socket!
    res.detachSocket(socket)
    const own = new http.ServerResponse(req)
    own.shouldKeepAlive = false
    stage.watch('own', own, ['finish', 'close'])
    attempt(stage, 'assign', () => own.assignSocket(socket))
    own.setHeader('Content-Length', 3).end('own', () => own.detachSocket(socket))
  }, { until: ['own finish'], client: async (client) => {
    const connection = await client.open()
    connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
    const { statusLine } = await connection.head()
    return [statusLine, (await connection.bytes(3)).toString()]
  } }),
  object('setTimeout, called back when nothing happens', (_req, res, stage) => {
    attempt(stage, 'setTimeout', () => res.setTimeout(20, () => stage.note('called back')) === res)
    res.on('timeout', () => res.end('late'))
  }),
  object('setTimeout without a listener destroys the socket', (_req, res) => {
    res.removeAllListeners('timeout')
    res.setTimeout(20)
  }, { client: async (client) => (await client.request()).status, alone: 'a request that is destroyed', gatewayBase: 'http' }),
  object('setTimeout and its end', (_req, res, stage) => {
    res.setTimeout(60_000, () => stage.note('never'))
    stage.note('socket', res.socket?.timeout)
    res.setTimeout(0)
    stage.note('socket', res.socket?.timeout)
    res.end('body')
  }),
  object('own properties and replaced methods', (_req, res, stage) => {
    const { end, write, writeHead } = res
    res.end = function (this: http.ServerResponse, ...args: unknown[]) {
      stage.note('own end', args.length)
      return (end as (...args: unknown[]) => typeof this).apply(this, args)
    } as typeof res.end
    res.write = function (this: http.ServerResponse, ...args: unknown[]) {
      stage.note('own write', args.length)
      return (write as (...args: unknown[]) => boolean).apply(this, args)
    } as typeof res.write
    res.writeHead = function (this: http.ServerResponse, ...args: unknown[]) {
      stage.note('own writeHead', args)
      return (writeHead as (...args: unknown[]) => typeof this).apply(this, args)
    }
    res.write('bo')
    res.end('dy')
  }),
  object('a replaced prototype, as Express does it', (_req, res, stage) => {
    const prototype = Object.create(http.ServerResponse.prototype, { hello: { value: () => 'hello' } }) as { hello(): string }
    Object.setPrototypeOf(res, prototype)
    stage.note('hello', (res as unknown as { hello(): string }).hello(), res instanceof http.ServerResponse)
    res.setHeader('X-A', '1')
    res.end('body')
  }),
  object('a class of the application, by the options', (_req, res, stage) => {
    const own = res as unknown as OwnResponse
    stage.note('own', own instanceof OwnResponse, own.made, own.writableHighWaterMark > 0)
    own.send('body')
  }, { options: { ServerResponse: OwnResponse } }),
  object('fields of node that middleware reads', (_req, res, stage) => {
    const internals = res as unknown as Record<string, unknown>
    const look = (when: string): void => stage.note(when, typeof internals['_header'], internals['finished'], internals['_hasBody'], internals['_sent100'])
    look('start')
    res.write('body')
    look('written')
    stage.note('head', String(internals['_header']).split('\r\n')[0])
    res.end()
    look('ended')
  }),
]
