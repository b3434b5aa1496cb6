// The places where node's http objects are touched beyond their documentation, each with what happens when a future
// node no longer has it. Everything else in lib/ uses public API only.

import { AsyncResource } from 'node:async_hooks'
import * as http from 'node:http'
import * as net from 'node:net'

interface HttpMessageInternals {
  _addHeaderLines?: (headers: string[], count: number) => void
  _dump?: () => void
  _dumped?: boolean
  _consuming?: boolean
  _readableState?: ReadableStateInternals
}

interface ReadableStateInternals {
  resumeScheduled?: boolean
  flowing?: boolean | null
  emittedReadable?: boolean
  ended?: boolean
  endEmitted?: boolean
  destroyed?: boolean
  closed?: boolean
  closeEmitted?: boolean
}

/** node's own reading of the response, and what it lets us change of it. */
interface ResponseInternals {
  _removedConnection?: boolean
  _removedTE?: boolean
  _hasBody?: boolean
  _expect_continue?: boolean
  _contentLength?: number | null
  _closed?: boolean
  detachSocket(socket: net.Socket): void
}

function findSymbol(owner: object, description: string): symbol | undefined {
  for (let object: object | null = owner; object !== null; object = Object.getPrototypeOf(object) as object | null) {
    const found = Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description)
    if (found !== undefined) return found
  }
  return undefined
}

function setHidden(target: object, symbol: symbol, value: unknown): void {
  ;(target as Record<symbol, unknown>)[symbol] = value
}

/**
 * Gives a request its headers. node's own entry point merges repeated ones when they are first read; without it they
 * are merged now, by a message of their own.
 *
 * @param count how many texts of `rawHeaders`, names and values, are merged; the others stay raw
 */
export function setHeaders(req: http.IncomingMessage, rawHeaders: string[], count: number): void {
  const internals = req as unknown as HttpMessageInternals
  if (internals._addHeaderLines !== undefined) {
    internals._addHeaderLines(rawHeaders, count)
    return
  }
  req.rawHeaders = rawHeaders
  const headers = new Headers()
  for (let i = 0; i < count; i += 2) headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '')
  req.headers = Object.fromEntries(headers)
}

/** Whether the application reads this body, or has begun to. */
export function isConsumed(req: http.IncomingMessage): boolean {
  const internals = req as unknown as HttpMessageInternals
  return internals._consuming === true || internals._readableState?.resumeScheduled === true
}

/** Whether what still comes of this body is to be discarded. */
export function isDumped(req: http.IncomingMessage): boolean {
  return (req as unknown as HttpMessageInternals)._dumped === true
}

/** Discards a body nobody reads, as node:http does when the response is finished. */
export function dump(req: http.IncomingMessage, res: http.ServerResponse): void {
  const internals = req as unknown as HttpMessageInternals
  const state = internals._readableState
  if (state !== undefined && req.complete && req.readableLength === 0 && !isObserved(req) && res.listenerCount('finish') <= 1 && hasKnownStates) {
    // Nobody would hear 'end' and 'close': the state behind them, without the five turns of the event loop it takes. What
    // node's `optimizeEmptyRequests` does.
    internals._dumped = true
    if (state.flowing === null && dumpingMakesItFlow) state.flowing = true
    state.ended = true
    state.endEmitted = true
    state.destroyed = true
    state.closed = true
    state.closeEmitted = true
    return
  }
  if (internals._dump !== undefined) internals._dump()
  else req.removeAllListeners('data').resume()
}

/**
 * Ends a body that nobody has begun to read, without a turn of the event loop: `push(null)` would do no more then.
 *
 * @returns false when somebody may notice: use `push(null)`
 */
export function endUnread(req: http.IncomingMessage): boolean {
  const { _readableState: state, _consuming: isConsuming } = req as unknown as HttpMessageInternals
  if (state === undefined || isConsuming !== false || !hasKnownStates || req.readableFlowing !== null || req.readableLength > 0 || isObserved(req)) return false
  if (endsQuietly) req.push(null)
  else state.ended = true
  return true
}

function isObserved(req: http.IncomingMessage & { _eventsCount?: number }): boolean {
  if (req._eventsCount === 0) return false
  return (
    req.listenerCount('end') > 0 ||
    req.listenerCount('close') > 0 ||
    req.listenerCount('readable') > 0 ||
    req.listenerCount('data') > 0 ||
    req.listenerCount('error') > 0
  )
}

/** Whether a Readable's state can be set as the short ways above do; in a node where it cannot, they are not taken. */
const hasKnownStates = ((): boolean => {
  const state = (new http.IncomingMessage(new net.Socket()) as unknown as HttpMessageInternals)._readableState
  return (
    state?.ended === false && state.endEmitted === false && state.destroyed === false && state.closed === false && state.closeEmitted === false
  )
})()

/** Whether `push(null)` schedules nothing where nobody listens, but keeps 'readable' for who listens later: node 26. */
const endsQuietly = ((): boolean => {
  const message = new http.IncomingMessage(new net.Socket())
  message.push(null)
  return (message as unknown as HttpMessageInternals)._readableState?.emittedReadable === false
})()

/** Whether node discards a body that is there by `resume()`. Node 26 does not where it is empty. */
const dumpingMakesItFlow = ((): boolean => {
  let isResumed = false
  const message = new http.IncomingMessage(new net.Socket())
  message.complete = true
  Object.assign(message, { read: () => null, resume: () => (isResumed = true) })
  ;(message as unknown as HttpMessageInternals)._dump?.()
  return isResumed
})()

/** Tells a new response that the web server's connection is none of its business: no `Connection`, as `removeHeader` would do. */
export function leaveConnectionToWebServer(res: http.ServerResponse): void {
  const internals = res as unknown as ResponseInternals
  if (internals._removedConnection === undefined) res.removeHeader('connection')
  else internals._removedConnection = true
}

/**
 * Tells a new response that the web server frames it: no `Transfer-Encoding`, Content-Length wherever it is known. What
 * `removeHeader('transfer-encoding')` would do, without the call.
 */
export function leaveFramingToWebServer(res: http.ServerResponse): void {
  const internals = res as unknown as ResponseInternals
  if (internals._removedTE === undefined) res.removeHeader('transfer-encoding')
  else internals._removedTE = true
  // An HTTP/1.0 client has no say in how the web server receives the answer.
  res.useChunkedEncodingByDefault = true
}

const CONTENT_LENGTH = /\ncontent-length:/i

/**
 * Undoes {@link leaveFramingToWebServer} once the socket is destroyed. Nothing is sent any more, and what `write()` and
 * `end()` return, and whether they call back, depends on who frames the body.
 */
export function leaveFramingToNode(res: http.ServerResponse): void {
  const internals = res as unknown as ResponseInternals & Partial<HeadPrinting>
  if (internals._removedTE !== undefined) internals._removedTE = false
  if (internals._header && internals._hasBody === true && !CONTENT_LENGTH.test(internals._header)) res.chunkedEncoding = true
}

type HeaderArgument = Record<string, unknown> | unknown[] | null | undefined
type StoreHeader = (this: http.ServerResponse, firstLine: string, headers: HeaderArgument) => void
interface HeadPrinting {
  _storeHeader: StoreHeader
  _header: string
  _headerSent: boolean
}
const { _storeHeader: storeHeader } = http.OutgoingMessage.prototype as unknown as HeadPrinting
// The one place without another way. To say so at once is better than a server whose responses never get a head.
if (typeof storeHeader !== 'function') throw new Error(`express-fastcgi does not know how node ${process.version} prints response heads: use Node 20, 22, 24 or 26`)

/** Who wants the head of a response. */
interface HeadHost {
  /** Chunks can reach the web server, and trailers with them: node may judge a Trailer field. */
  readonly passesChunks: boolean
  /** Gets a head, from the status line to the empty line; returns whether node is to frame the body in chunks. */
  headPrinted(res: http.ServerResponse, head: string): boolean
}

/**
 * Has the heads of responses handed over as soon as they are printed.
 *
 * node would put the head in front of the first piece of body, one string that had to be taken apart again. It would also
 * throw at a Trailer field of a body that it does not frame in chunks, also where a trailer cannot cross CGI anyway. Met at
 * the prototype of all messages: a property of each response would be seen there.
 *
 * @param hostOf who is to get the head of a response; undefined where node is to write it
 */
export function onHead(hostOf: (res: http.ServerResponse) => HeadHost | undefined): void {
  ;(http.OutgoingMessage.prototype as unknown as HeadPrinting)._storeHeader = function printHead(this: http.ServerResponse, firstLine, headers) {
    const host = hostOf(this)
    // Where nothing can be written any more, node goes its own way, which ends nowhere.
    if (host === undefined || this.socket?.destroyed === true) {
      storeHeader.call(this, firstLine, headers)
      return
    }
    if (host.passesChunks) storeHeader.call(this, firstLine, headers)
    else printWithoutTrailer(this, firstLine, headers)
    const internals = this as unknown as HeadPrinting
    internals._headerSent = true
    // Set by the application, it frames a body whose head does not say so.
    if (!host.headPrinted(this, internals._header) && this.chunkedEncoding) this.chunkedEncoding = false
  }
}

function printWithoutTrailer(res: http.ServerResponse, firstLine: string, headers: HeaderArgument): void {
  const table = outHeaders === undefined ? undefined : (res as unknown as Record<symbol, Record<string, unknown> | null>)[outHeaders]
  if (headers === null || headers === undefined || headers !== table) {
    storeHeader.call(res, firstLine, withoutTrailer(headers))
    return
  }
  // node's own table, which the application goes on seeing as it is.
  const { trailer } = table
  if (trailer === undefined) {
    storeHeader.call(res, firstLine, headers)
    return
  }
  delete table['trailer']
  try {
    storeHeader.call(res, firstLine, headers)
  } finally {
    table['trailer'] = trailer
  }
}

const outHeaders = findSymbol(new http.OutgoingMessage(), 'kOutHeaders')

function withoutTrailer(headers: HeaderArgument): HeaderArgument {
  if (!headers) return headers
  if (Array.isArray(headers)) {
    if (Array.isArray(headers[0])) return (headers as unknown[][]).filter(([name]) => !isTrailer(name))
    return headers.some((name, i) => i % 2 === 0 && isTrailer(name)) ? headers.filter((_, i) => !isTrailer(headers[i - (i % 2)])) : headers
  }
  for (const name in headers) if (isTrailer(name)) return Object.fromEntries(Object.entries(headers).filter(([key]) => !isTrailer(key)))
  return headers
}

function isTrailer(name: unknown): boolean {
  return typeof name === 'string' && name.length === 7 && name.toLowerCase() === 'trailer'
}

/** Bytes of body that a head which was printed announces; -1 for none. A node that does not know says that nothing is. */
export function announcedLength(res: http.ServerResponse): number {
  const { _contentLength: length, _hasBody: hasBody } = res as unknown as ResponseInternals
  return typeof length === 'number' && length >= 0 && hasBody !== false ? length : -1
}

export function expectContinue(res: http.ServerResponse): void {
  ;(res as unknown as ResponseInternals)._expect_continue = true
}

/** A socket as far as responses have to do with it. */
interface AssignableSocket {
  _httpMessage: unknown
  readonly _events: { close: unknown }
  _eventsCount: number
}

const { assignSocket: nodeAssignSocket } = http.ServerResponse.prototype
/** What `assignSocket()` listens with to 'close', where that and a few properties is all that it and `detachSocket()` are about. */
const closeListener = ((): unknown => {
  const calls: unknown[] = []
  const socket = {
    writable: false,
    on: (...args: unknown[]) => calls.push('on', ...args),
    removeListener: (...args: unknown[]) => calls.push('removeListener', ...args),
  }
  // Not made by ServerResponse, whose constructor opens a span in the traces of node.http: it would be that of a request nobody sent.
  const res = Object.setPrototypeOf(new http.OutgoingMessage(), http.ServerResponse.prototype) as ResponseInternals & { assignSocket(socket: unknown): void }
  res.assignSocket(socket)
  res.detachSocket(socket as unknown as net.Socket)
  const [, , listener] = calls
  return calls.join() === ['on', 'close', listener, 'removeListener', 'close', listener].join() ? listener : undefined
})()

/** Gives a response its socket. */
export function assignSocket(res: http.ServerResponse, socket: AssignableSocket): void {
  const { _eventsCount: listeners, outputSize } = res as unknown as { _eventsCount?: number; outputSize?: number }
  // A new response and a new socket: nobody listens, and there is nothing to be sent. A subscriber of 'http.server.request.start' may
  // have answered already, and a class of the application's own in its constructor.
  if (closeListener === undefined || listeners !== 0 || outputSize !== 0 || socket._eventsCount !== 0 || res.assignSocket !== nodeAssignSocket) {
    res.assignSocket(socket as unknown as net.Socket)
    return
  }
  socket._httpMessage = res
  socket._events.close = closeListener
  socket._eventsCount = 1
  ;(res as { socket: unknown }).socket = socket
}

/** Lets go of the socket; afterwards `res.socket` is null, as it is under node:http once 'finish' was emitted. */
export function detachSocket(res: http.ServerResponse, socket: AssignableSocket): void {
  if (res.socket !== (socket as unknown)) return
  if (socket._eventsCount !== 1 || socket._events.close !== closeListener) {
    ;(res as unknown as ResponseInternals).detachSocket(socket as unknown as net.Socket)
    return
  }
  socket._events.close = undefined
  socket._eventsCount = 0
  socket._httpMessage = null
  ;(res as { socket: unknown }).socket = null
}

/** Whether 'close' can come without a turn of the event loop: nobody listens, and no 'finish' listener is still to run that might. */
export function canCloseNow(res: http.ServerResponse): boolean {
  return res.listenerCount('close') === 0 && res.listenerCount('finish') <= 1
}

/** Ticks take their ids from the counter that async resources have theirs from: so it shows whether there was one. */
export const doTicksCount = ((): boolean => {
  const before = new AsyncResource('FASTCGIPROBE').asyncId()
  process.nextTick(() => undefined)
  return new AsyncResource('FASTCGIPROBE').asyncId() === before + 2
})()

/** What node 20 and 22 give as a callback where nobody waits for a write; undefined in a node that gives none. */
export const nopOfNode = ((): unknown => {
  const callbacks: unknown[] = []
  const socket = {
    writable: true,
    _httpMessage: undefined as unknown,
    cork: () => undefined,
    uncork: () => undefined,
    write: (...args: unknown[]) => callbacks.push(args.at(-1)) > 0,
    _writableState: {},
  }
  // Not a ServerResponse, which observers of performance would hear of.
  const message = new http.OutgoingMessage()
  socket._httpMessage = message
  Object.assign(message, { _header: 'x', socket })
  message.end('x')
  return callbacks.length === 2 && typeof callbacks[0] === 'function' ? callbacks[0] : undefined
})()

/** Whether this is what node's `end()` waits for its last write with. */
export function isOfEnd(done: unknown): boolean {
  return typeof done === 'function' && done.name === 'bound onFinish'
}

/** Whether nobody listens to a response, but for the one listener of 'finish' that is ours. */
export function isFinishUnheard(res: http.ServerResponse & { _eventsCount?: number }): boolean {
  return res._eventsCount === 1 && res.listenerCount('finish') === 1
}

/** Emits 'close' once, as node:http does a tick after 'finish'. */
export function emitClose(res: http.ServerResponse): void {
  const internals = res as unknown as ResponseInternals
  if (internals._closed === true) return
  res.destroyed = true
  internals._closed = true
  res.emit('close')
}

const uniqueHeaders = findSymbol(http.createServer(), 'kUniqueHeaders')

/** Hands the server's option `uniqueHeaders` to a response. */
export function inheritUniqueHeaders(res: http.ServerResponse, server: http.Server): void {
  if (uniqueHeaders === undefined) return
  const names = (server as unknown as Record<symbol, unknown>)[uniqueHeaders]
  if (names !== null && names !== undefined) setHidden(res, uniqueHeaders, names)
}

const needDrain = findSymbol(new http.OutgoingMessage(), 'kNeedDrain')

/** Emits 'drain' on a response that waits for it; in a node whose flag is elsewhere, 'drain' comes unconditionally. */
export function emitDrain(res: http.ServerResponse): void {
  if (res.writableEnded) return
  if (needDrain === undefined) {
    res.emit('drain')
  } else if ((res as unknown as Record<symbol, unknown>)[needDrain] === true) {
    setHidden(res, needDrain, false)
    res.emit('drain')
  }
}

/** Classes given to http.createServer's options, which node keeps on the server. */
export function messageClasses(server: http.Server): { Request: typeof http.IncomingMessage; Response: typeof http.ServerResponse } {
  const hidden = server as unknown as Record<symbol, unknown>
  const request = findSymbol(server, 'IncomingMessage')
  const response = findSymbol(server, 'ServerResponse')
  return {
    Request: ((request && hidden[request]) as typeof http.IncomingMessage | undefined) ?? http.IncomingMessage,
    Response: ((response && hidden[response]) as typeof http.ServerResponse | undefined) ?? http.ServerResponse,
  }
}

/**
 * Says of what was just written to a corked socket that nobody waits for its 'drain': node then needs no tick to tell of it. In a
 * node whose flag is elsewhere there is the tick.
 */
export function expectNoDrain(socket: net.Socket): void {
  const { _writableState: state } = socket as unknown as { _writableState?: { needDrain?: boolean } }
  if (state?.needDrain === true && socket.listenerCount('drain') === 0) state.needDrain = false
}

interface UpgradingServer {
  /** Not in Node 20. */
  shouldUpgradeCallback?: (this: http.Server, req: http.IncomingMessage) => unknown
}

const usualUpgradeCallback = String((http.createServer() as http.Server & UpgradingServer).shouldUpgradeCallback)

/** Whether the application may want an upgrade: false where {@link shouldUpgrade} would say no to every request. */
export function mayUpgrade(server: http.Server): boolean {
  return server.listenerCount('upgrade') > 0 || String((server as http.Server & UpgradingServer).shouldUpgradeCallback) !== usualUpgradeCallback
}

/** Whether a request that asks for an upgrade gets one, as this node decides: by the server's option, or by whether somebody listens. */
export function shouldUpgrade(server: http.Server & UpgradingServer, req: http.IncomingMessage): boolean {
  if (typeof server.shouldUpgradeCallback !== 'function') return server.listenerCount('upgrade') > 0
  return Boolean(server.shouldUpgradeCallback(req))
}

const READ_SIZE = 65_536
// `onread` is documented for net.connect(), and taken by every net.Socket.
const probe = new net.Socket({ onread: { buffer: Buffer.alloc(1), callback: () => true } } as net.SocketConstructorOpts)
const kBuffer = findSymbol(probe, 'kBuffer')
const kBufferCb = findSymbol(probe, 'kBufferCb')
const kBufferGen = findSymbol(probe, 'kBufferGen')
probe.destroy()

// One buffer for every connection: it is read out before the callback returns, and an idle connection then owns none.
// Windows fills buffers behind our back (overlapped reads), so there each connection needs its own.
const isShared = process.platform !== 'win32'
const sharedReadBuffer = Buffer.allocUnsafeSlow(READ_SIZE)

interface StreamHandle {
  useUserBuffer?: (buffer: Uint8Array) => void
}

/** What became of a chunk. */
export const enum ChunkUse {
  /** Nothing of it is needed any more. */
  READ,
  /** The same, and parts were copied that would better have been kept: the next chunk should be the reader's own. */
  BETTER_KEPT,
  /** Parts of it live on, so its memory must not be used again. Only for a chunk that is the reader's own. */
  KEPT,
}

interface Receiver {
  /** Gets `length` bytes at the start of `chunk`. They are valid during the call only, unless the chunk is the reader's own. */
  receive(chunk: Buffer, length: number, isOwn: boolean): ChunkUse
}

/**
 * Has every chunk that arrives on a socket handed to `receiver`. Where node allows it, all reads go to one buffer instead
 * of a fresh 64 KiB allocation each: measured as the largest single saving on the read path.
 */
export function readInto(socket: net.Socket, receiver: Receiver): void {
  const handle = (socket as unknown as { _handle?: StreamHandle | null })._handle
  if (kBuffer === undefined || kBufferCb === undefined || kBufferGen === undefined || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', (chunk: Buffer) => receiver.receive(chunk, chunk.length, true))
    return
  }
  const internals = socket as unknown as Record<symbol, unknown>
  const first = isShared ? sharedReadBuffer : Buffer.allocUnsafeSlow(READ_SIZE)
  internals[kBuffer] = first
  internals[kBufferCb] = (length: number, chunk: Buffer) => {
    const isOwn = chunk !== sharedReadBuffer
    nextReadBuffer = bufferAfter(receiver.receive(chunk, length, isOwn), isOwn)
    return true
  }
  internals[kBufferGen] = takeNextReadBuffer
  handle.useUserBuffer(first)
}

function bufferAfter(use: ChunkUse, isOwn: boolean): Buffer | undefined {
  if (use === ChunkUse.KEPT || (use === ChunkUse.BETTER_KEPT && !isOwn)) return Buffer.allocUnsafeSlow(READ_SIZE)
  return use === ChunkUse.READ && isOwn && isShared ? sharedReadBuffer : undefined
}

// node asks for it right after each read: a buffer is the one to use from now on, undefined means the same as before.
let nextReadBuffer: Buffer | undefined

function takeNextReadBuffer(): Buffer | undefined {
  const next = nextReadBuffer
  nextReadBuffer = undefined
  return next
}

interface ListenerInternals {
  _handle: unknown
  _connections: number
}

/** Has a server count as listening though no socket listens: `listening` is true until `close()`. 'listening' comes in a tick. */
export function startAsListener(server: net.Server, started: () => void): void {
  const internals = server as unknown as ListenerInternals
  internals._handle = { close: noop, ref: noop, unref: noop }
  process.nextTick(() => {
    if (server.listening) server.emit('listening')
    started()
  })
}

/** Has a server take a connection as one of its own: 'connection' is emitted, and 'close' of the server waits for it. */
export function acceptAsListener(server: net.Server, socket: net.Socket): void {
  const internals = server as unknown as ListenerInternals
  internals._connections++
  Object.assign(socket, { server, _server: server })
  server.emit('connection', socket)
}

function noop(): void {
  // There is no handle that it could be done to.
}
