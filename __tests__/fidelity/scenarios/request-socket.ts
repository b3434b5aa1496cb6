// The socket of a request as applications and packages inspect it: what it is, what its methods are and give back.

import net from 'node:net'
import { Duplex, finished, Readable, Stream, Writable } from 'node:stream'
import type { Scenario } from '../scenario'
import { socketState } from './request-state'

const NOT_THE_CLIENT = 'node:http knows only the addresses of the web server, here of a unix socket: none'

/** All public methods of a net.Socket, and of the streams below it. */
const METHODS = [
  'write', 'end', 'destroy', 'destroySoon', 'resetAndDestroy', 'cork', 'uncork', 'pause', 'resume', 'isPaused', 'read', 'unshift', 'push', 'pipe', 'unpipe',
  'setEncoding', 'setDefaultEncoding', 'setTimeout', 'setNoDelay', 'setKeepAlive', 'address', 'ref', 'unref', 'connect', 'on', 'once', 'off', 'emit',
  'addListener', 'removeListener', 'removeAllListeners', 'prependListener', 'eventNames', 'listenerCount', 'listeners', 'rawListeners', 'setMaxListeners', 'getMaxListeners',
] as const

export const scenarios: readonly Scenario[] = [
  {
    name: 'request socket: one socket under all its names',
    app(req, res, stage) {
      // By name: all but `socket` are deprecated.
      const of = (message: object, name: string): unknown => Reflect.get(message, name)
      stage.note('same', req.socket === res.socket, ...['connection', 'client'].map((name) => of(req, name) === req.socket), of(res, 'connection') === req.socket)
      res.on('finish', () => stage.note('finish', res.socket === null, of(res, 'connection') === null, of(req, 'socket') === null))
      res.end('ok')
      res.on('close', () => stage.note('close', req.socket === of(req, 'connection'), res.socket === null))
    },
    until: ['finish', 'close'],
  },
  {
    name: 'request socket: a net.Socket, a Duplex, a stream',
    app(req, res, stage) {
      const { socket } = req
      stage.note('instance', socket instanceof net.Socket, socket instanceof Duplex, socket instanceof Readable, socket instanceof Writable, socket instanceof Stream)
      stage.note('tags', Object.prototype.toString.call(socket), typeof socket)
      res.end('ok')
    },
  },
  {
    name: 'request socket: its state in the listener, at finish and when the response is closed',
    app(req, res, stage) {
      const { socket } = req
      stage.note('state', socketState(socket), socket.readyState, socket.connecting, socket.pending, socket.allowHalfOpen)
      res.on('finish', () => stage.note('finish', socket.writable, socket.errored))
      res.end('ok')
      stage.note('after end', socket.writable, socket.destroyed, socket.readyState)
    },
    until: ['finish'],
  },
  {
    name: 'request socket: its stream properties',
    app(req, res, stage) {
      const { socket } = req
      stage.note('writable', socket.writableHighWaterMark, socket.writableObjectMode, socket.writableCorked, socket.writableNeedDrain, socket.writableLength, socket.writableAborted)
      stage.note('readable', socket.readableHighWaterMark, socket.readableObjectMode, socket.readableEncoding, socket.readableEnded, socket.readableAborted, socket.readableLength)
      stage.note('bytes', typeof socket.bytesRead, typeof socket.bytesWritten, typeof Reflect.get(socket, 'bufferSize'), socket.timeout)
      res.end('ok')
    },
  },
  {
    name: 'request socket: its methods are functions',
    app(req, res, stage) {
      const { socket } = req
      for (const name of METHODS) stage.note(name, typeof socket[name])
      stage.note('others', typeof socket[Symbol.asyncIterator], typeof (socket as unknown as { [Symbol.asyncDispose]?: unknown })[Symbol.asyncDispose])
      res.end('ok')
    },
  },
  {
    name: 'request socket: what its methods give back',
    app(req, res, stage) {
      const { socket } = req
      const returns = {
        setNoDelay: socket.setNoDelay(true) === socket,
        setNoDelayAlone: socket.setNoDelay() === socket,
        setKeepAlive: socket.setKeepAlive(true, 1_000) === socket,
        setTimeout: socket.setTimeout(60_000) === socket,
        setTimeoutOff: socket.setTimeout(0) === socket,
        ref: socket.ref() === socket,
        unref: socket.unref() === socket,
        cork: socket.cork(),
        corked: socket.writableCorked,
        uncork: socket.uncork(),
        uncorked: socket.writableCorked,
        isPaused: socket.isPaused(),
        setMaxListeners: socket.setMaxListeners(20) === socket,
        getMaxListeners: socket.getMaxListeners(),
        setDefaultEncoding: typeof socket.setDefaultEncoding('utf8'),
        on: socket.on('x', () => undefined) === socket,
        eventNames: socket.eventNames().includes('x'),
        removeAllListeners: socket.removeAllListeners('x') === socket,
        emit: socket.emit('x'),
      }
      socket.ref()
      stage.note('returns', returns)
      res.end('ok')
    },
  },
  {
    name: 'request socket: the types of its addresses',
    app(req, res, stage) {
      const { remoteAddress, remoteFamily, remotePort, localFamily } = req.socket
      stage.note('remote', remoteAddress, remoteFamily, typeof remotePort, localFamily)
      res.end('ok')
    },
    impossible: { nginx: NOT_THE_CLIENT, haproxy: NOT_THE_CLIENT },
  },
  {
    name: 'request socket: the types of address()',
    app(req, res, stage) {
      const address = req.socket.address() as net.AddressInfo
      stage.note('address', Object.keys(address).sort(), typeof address.address, typeof address.port, address.family)
      res.end('ok')
    },
    impossible: { nginx: NOT_THE_CLIENT, haproxy: NOT_THE_CLIENT },
  },
  {
    name: 'request socket: not encrypted, and says so by absence',
    app(req, res, stage) {
      const { encrypted, authorized } = req.socket as net.Socket & { encrypted?: boolean; authorized?: boolean }
      stage.note('tls', encrypted, authorized, 'getPeerCertificate' in req.socket)
      res.end('ok')
    },
  },
  {
    name: 'request socket: arguments of setTimeout that are refused',
    app(req, res, stage) {
      const attempt = (text: string, call: () => unknown): void => {
        try {
          stage.note(text, typeof call())
        } catch (error) {
          stage.note(text, error)
        }
      }
      const { socket } = req
      attempt('a string', () => socket.setTimeout('soon' as unknown as number))
      attempt('negative', () => socket.setTimeout(-1))
      attempt('infinite', () => socket.setTimeout(Infinity))
      attempt('no function', () => socket.setTimeout(1_000, 'x' as unknown as () => void))
      attempt('too long', () => socket.setTimeout(2 ** 40))
      socket.setTimeout(0)
      attempt('write of null', () => socket.write(null as unknown as string))
      attempt('write of a number', () => socket.write(5 as unknown as string))
      attempt('bad default encoding', () => socket.setDefaultEncoding('no-such' as BufferEncoding))
      res.end('ok')
    },
  },
  {
    name: 'request socket: stream.finished() on it reports an end that the application caused',
    app(req, res, stage) {
      finished(req.socket, (error) => stage.note('finished', error))
      res.write('a piece')
      void stage.seen('received').then(() => req.socket.destroy())
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await raw.upTo('a piece')
      stage.signal('received')
      return (await raw.rest()).includes('0\r\n\r\n') ? 'whole' : 'cut'
    },
    alone: 'to see the connection closed',
    until: ['finished'],
  },
  {
    name: "request socket: listeners that packages set and take away leave nothing behind",
    app(req, res, stage) {
      const { socket } = req
      const names = ['error', 'close', 'end', 'timeout', 'drain', 'finish'] as const
      const before = names.map((name) => socket.listenerCount(name))
      const listener = (): void => undefined
      for (const name of names) socket.on(name, listener).once(name, listener).prependListener(name, listener)
      for (const name of names) for (let i = 0; i < 3; i++) socket.removeListener(name, listener)
      stage.note('same', names.every((name, i) => socket.listenerCount(name) === before[i]))
      res.end('ok')
    },
  },
  {
    name: 'request socket: properties of an application stay on it for the request',
    app(req, res, stage) {
      const socket = req.socket as net.Socket & { mark?: string }
      socket.mark = 'mine'
      setImmediate(() => {
        stage.note('mark', (req.socket as typeof socket).mark, Object.keys(socket).includes('mark'))
        res.end('ok')
      })
    },
  },
  {
    name: 'request socket: HTTP written by hand in answer to HEAD, with a body that must not be there',
    app(req) {
      req.socket.end('HTTP/1.1 200 OK\r\nX-By: hand\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    },
    async client(client) {
      const { status, fields, body } = await client.request({ method: 'HEAD' })
      return [status, fields.filter(([name]) => name === 'x-by'), body]
    },
  },
  {
    name: 'request socket: events of a socket that the application ended',
    app(req, _res, stage) {
      req.socket.on('finish', () => stage.note('finish', req.socket.writableFinished))
      req.socket.on('close', () => stage.note('close'))
      req.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok', () => stage.note('callback'))
    },
    client: async (client) => (await client.request()).body,
    until: ['finish', 'callback', 'close'],
  },
]
