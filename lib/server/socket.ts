// The socket of one request: what `req.socket` and `res.socket` are. It has the addresses and the life of that one
// request, while the connection to the web server carries many clients; it knows neither records nor connections.

import { EventEmitter } from 'node:events'
import { getDefaultHighWaterMark, Readable, Writable } from 'node:stream'
import { type AddressInfo, isIPv6, Socket } from 'node:net'
import type { DataStream } from './data-stream'
import type { RoleName } from './roles'
import { both, type WriteDone, type WritesDone } from './write-done'

/** What a request's socket asks of its request. */
export interface SocketHost {
  readonly address: SocketAddresses
  readonly role: RoleName
  readonly data: DataStream | undefined
  /** SERVER_SOFTWARE, `''` when it was not sent. */
  readonly serverSoftware: string
  /** The CGI meta-variables as received, names and values alternating. */
  readonly variables: readonly string[]
  /** Bytes of a response head that leaves with the next output. */
  readonly headLength: number
  /** Adds output; returns its size in bytes. */
  write(data: string | Uint8Array, encoding: BufferEncoding | undefined): number
  /** The output added may leave now, `done` waits for it; true when the operating system takes all of it at once. */
  leave(done: WritesDone): boolean
  /** Output on its way: `done` are called once it is with the operating system, or with an error. */
  await(bytes: number, done: WritesDone): void
  /** Output is with the operating system: 'drain' if somebody waits for it, then the callbacks. */
  settled(done: WritesDone): void
  /** Whether {@link settled} will be called before anything that the application scheduled, without a tick for it. */
  settlesFirst(done: WritesDone): boolean
  /** The reader of the body wants more. */
  resume(): void
  /** The reader of the body wants a pause. */
  pause(): void
  /** Nothing more will be written by the application (`socket.end()`). */
  end(): void
  /** The application, or node on its behalf, gave the request up. Called once. */
  destroyed(error: Error | undefined): void
  /** The socket is about to emit 'close'. */
  closing(): void
  /** Nothing happened for as long as `setTimeout` said. */
  timedOut(): void
  /** Runs a function in the async context of the request. */
  run(callback: () => void): void
  /** The STDERR stream of the request, made at the first call of the only one. */
  openStderr(): Writable
}

/** The two ends of the client's connection, as the web server told them. */
export interface SocketAddresses {
  readonly remoteAddress: string | undefined
  readonly remotePort: string | undefined
  readonly localAddress: string | undefined
  readonly localPort: string | undefined
  readonly encrypted: boolean
}

/** What `req.socket` is of a request that came over FastCGI, for TypeScript. */
export interface FastCGISocket extends Socket {
  /** What the web server wants to know: undefined over plain HTTP. */
  readonly role: RoleName | undefined
  /** The file that a Filter is to filter; undefined in the other roles. */
  readonly data: DataStream | undefined
  /**
   * FCGI_STDERR: what is written is in the error log of the web server, a line an entry, where it logs that (option `stderr`).
   * Lines that it cannot get any more, or never would, go to `process.stderr`: nothing written here is lost, and nothing fails.
   * Undefined over plain HTTP.
   */
  readonly stderr: Writable
}

type Listener = (...args: unknown[]) => void

/** A write on a corked socket. */
interface Held {
  readonly data: string | Uint8Array
  readonly encoding: BufferEncoding | undefined
}

/** What node's code and the usual packages look at of a writable's state; `instanceof Writable` goes by its class. */
class LightWritableState {
  corked = 0
  errored: Error | null = null
  readonly objectMode = false
  readonly emitClose = true
  readonly autoDestroy = true
  ended = false
  finished = false
  destroyed = false
  closed = false
  needDrain = false
}
Object.setPrototypeOf(LightWritableState.prototype, (Writable as unknown as { WritableState: { prototype: object } }).WritableState.prototype)

/** The events of nearly every socket, without listeners: then a look-up table is not needed. As node's streams have theirs. */
class Events {
  close: unknown = undefined
  error: unknown = undefined
  end: unknown = undefined
  finish: unknown = undefined
  timeout: unknown = undefined
  drain: unknown = undefined
}
Object.setPrototypeOf(Events.prototype, null)

/**
 * A `net.Socket` by its prototype and its contract, without the two stream states and the handle that make a real one
 * dear: only the listener table is set up. Whoever uses the socket as a readable stream gets the real machinery then.
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- its prototype is set below
export class RequestSocket {
  // What EventEmitter's constructor would set; the call itself is most of what that costs.
  readonly _events = new Events()
  _eventsCount = 0
  protected readonly _maxListeners: number | undefined = undefined

  // Set by node's http code, which expects to find them.
  server: { readonly highWaterMark?: number | undefined; emit(event: string, ...args: unknown[]): boolean }
  parser: unknown = null
  _httpMessage: unknown = null
  _paused = false
  /** Another error is not told to the server. */
  hadError = false
  private isDestroyedSoon = false

  destroyed = false
  closed = false
  /** Milliseconds set with `setTimeout`; undefined before, as on a net.Socket. */
  timeout: number | undefined
  bytesRead = 0
  private sentLength = 0
  /** Bytes on their way to the operating system. */
  pendingLength = 0
  /** The first write that waits for `uncork()`, those behind it, and the callbacks of all. */
  private held: Held | undefined = undefined
  private heldBehind: Held[] | undefined = undefined
  private heldDone: WritesDone = undefined
  /** Bytes that are held at the most; how many it really are is found out when somebody asks. */
  private heldMost = 0
  /** How many of the writes were counted for that, and their bytes. */
  private heldCounted = 0
  private heldCountedLength = 0

  _writableState = new LightWritableState()

  protected readonly host: SocketHost
  private idleTimer: NodeJS.Timeout | undefined = undefined

  constructor(host: SocketHost, server: RequestSocket['server']) {
    this.host = host
    this.server = server
  }

  /** A callback that does nothing, and need not be called. */
  static ignoredCallback: unknown = undefined

  /** The request behind a socket of ours; undefined for any other. */
  static hostOf(socket: unknown): SocketHost | undefined {
    return socket instanceof RequestSocket ? socket.host : undefined
  }

  // ---- the writable side, which node's ServerResponse uses

  write(data: string | Uint8Array, encoding?: BufferEncoding | null | WriteDone, callback?: WriteDone): boolean {
    const done = typeof encoding === 'function' ? encoding : callback
    const state = this._writableState
    if (this.destroyed || state.ended) {
      const error = codedError(
        state.ended && !this.destroyed ? 'ERR_STREAM_WRITE_AFTER_END' : 'ERR_STREAM_DESTROYED',
        state.ended && !this.destroyed ? 'write after end' : 'Cannot call write after a stream was destroyed',
      )
      if (typeof done === 'function') process.nextTick(done, error)
      return false
    }
    // node's own error for what cannot be written; such a socket is never connected.
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) return ArrayBuffer.isView(data) ? this.write(bytesOf(data), encoding, callback) : new Socket().write(data)
    this.refreshTimeout()
    const knownEncoding = typeof encoding === 'string' ? encoding : undefined
    if (knownEncoding !== undefined && knownEncoding !== 'utf8' && knownEncoding !== 'latin1' && !Buffer.isEncoding(knownEncoding)) {
      throw Object.assign(new TypeError(`Unknown encoding: ${String(knownEncoding)}`), { code: 'ERR_UNKNOWN_ENCODING' })
    }
    const callbackOrNone = typeof done === 'function' && done !== RequestSocket.ignoredCallback ? done : undefined
    if (state.corked > 0) return this.hold(data, knownEncoding, callbackOrNone)
    const bytes = this.host.write(data, knownEncoding)
    const more = this.hasRoom(bytes)
    this.leave(bytes, callbackOrNone)
    return more
  }

  private hold(data: string | Uint8Array, encoding: BufferEncoding | undefined, done: WriteDone | undefined): boolean {
    if (this.held === undefined) {
      this.heldMost = this.host.headLength
      this.held = { data, encoding }
    } else if (data.length > 0) {
      const write = { data, encoding }
      if (this.heldBehind === undefined) this.heldBehind = [write]
      else this.heldBehind.push(write)
    }
    this.heldDone = both(this.heldDone, done)
    this.heldMost += typeof data === 'string' ? 3 * data.length : data.length
    return this.pendingLength + this.heldMost < this.writableHighWaterMark || this.hasRoom(0)
  }

  private get heldLength(): number {
    const { held, heldBehind } = this
    if (held === undefined) return 0
    if (this.heldCounted === 0) {
      this.heldCountedLength = sizeOf(held)
      this.heldCounted = 1
    }
    for (let write = heldBehind?.[this.heldCounted - 1]; write !== undefined; write = heldBehind?.[this.heldCounted - 1]) {
      this.heldCountedLength += sizeOf(write)
      this.heldCounted++
    }
    return this.host.headLength + this.heldCountedLength
  }

  private hasRoom(bytes: number): boolean {
    const more = this.writableLength + bytes < this.writableHighWaterMark
    if (!more) this._writableState.needDrain = true
    return more
  }

  private leave(bytes: number, done: WritesDone): void {
    this.sentLength += bytes
    if (this.host.leave(done) && this.pendingLength === 0) {
      // As on a net.Socket whose write was done at once: it counts as gone, and the callbacks come a tick later.
      if ((done !== undefined || this._writableState.needDrain) && !this.host.settlesFirst(done)) process.nextTick(settle, this.host, done)
    } else {
      this.pendingLength += bytes
      this.host.await(bytes, done)
    }
  }

  get bytesWritten(): number {
    return this.sentLength + this.heldLength
  }

  /** Bytes that wait. */
  get writableLength(): number {
    return this.pendingLength + this.heldLength
  }

  end(data?: unknown, encoding?: unknown, callback?: unknown): this {
    const done = [data, encoding, callback].find((argument) => typeof argument === 'function') as WriteDone | undefined
    if (typeof data === 'string' || data instanceof Uint8Array) {
      this.write(data, typeof encoding === 'string' ? (encoding as BufferEncoding) : undefined)
    }
    const state = this._writableState
    if (state.ended || this.destroyed) {
      if (done) process.nextTick(done)
      return this
    }
    if (state.corked > 0) {
      state.corked = 1
      this.uncork()
    }
    state.ended = true
    // Called before the listeners of 'finish', as a stream's.
    if (done) this.prependOnceListener('finish', done)
    this.host.end()
    return this
  }

  cork(): void {
    this._writableState.corked++
  }

  uncork(): void {
    const state = this._writableState
    if (state.corked > 0) state.corked--
    const { held, heldBehind, heldDone } = this
    if (state.corked > 0 || held === undefined || this.destroyed) return
    this.forgetHeld()
    let bytes = this.host.write(held.data, held.encoding)
    if (heldBehind !== undefined) for (const write of heldBehind) bytes += this.host.write(write.data, write.encoding)
    this.leave(bytes, heldDone)
  }

  private forgetHeld(): void {
    this.held = undefined
    this.heldBehind = undefined
    this.heldDone = undefined
    this.heldCounted = 0
  }

  // Always so, as far as a socket of an accepted connection goes; the values are below.
  declare readonly connecting: boolean
  declare readonly allowHalfOpen: boolean
  /** Only node's HTTP client sets it: with it 'finish' of a response would not come. */
  declare readonly _hadError: boolean
  get pending(): boolean {
    return false
  }
  get autoSelectFamilyAttemptedAddresses(): string[] {
    return []
  }
  get writable(): boolean {
    return !this.destroyed && !this._writableState.ended
  }
  get writableHighWaterMark(): number {
    return this.server.highWaterMark ?? getDefaultHighWaterMark(false)
  }
  get writableCorked(): number {
    return this._writableState.corked
  }
  get writableNeedDrain(): boolean {
    return !this.destroyed && !this._writableState.ended && this._writableState.needDrain
  }
  get writableObjectMode(): boolean {
    return false
  }
  get writableEnded(): boolean {
    return this._writableState.ended
  }
  get writableFinished(): boolean {
    return this._writableState.finished
  }
  get bufferSize(): number {
    return this.writableLength
  }
  get errored(): Error | null {
    return this._writableState.errored
  }

  /**
   * What the web server writes to its error log, where it has one for that: FCGI_STDERR. Lines that it cannot get any more, or
   * never would, go to `process.stderr`.
   */
  get stderr(): Writable {
    const stderr = this.host.openStderr()
    Object.defineProperty(this, 'stderr', { value: stderr })
    return stderr
  }

  // ---- the readable side: the body is read from req; here only its flow is steered

  get readable(): boolean {
    return !this.destroyed
  }
  get readableHighWaterMark(): number {
    return this.server.highWaterMark ?? getDefaultHighWaterMark(false)
  }

  resume(): this {
    this.host.resume()
    return this
  }

  pause(): this {
    this.host.pause()
    return this
  }

  isPaused(): boolean {
    return false
  }

  /** Created when somebody asks: an application that treats the socket as a readable stream finds a silent, open one. */
  get _readableState(): unknown {
    const ReadableState = (Readable as unknown as { ReadableState: new (options: object, stream: unknown, isDuplex: boolean) => object }).ReadableState
    const state = new ReadableState({}, this, true) as { destroyed: boolean; closed: boolean }
    state.destroyed = this.destroyed
    state.closed = this.closed
    Object.defineProperty(this, '_readableState', { value: state, writable: true, configurable: true })
    return state
  }

  _read(): void {
    // Nothing arrives here: the bytes of the client belong to the body.
  }

  // The stream machinery is wanted only by whoever reads; all other listeners take the short way.
  on(event: string | symbol, listener: Listener): this {
    if (event === 'data' || event === 'readable') Readable.prototype.on.call(this as unknown as Readable, event, listener)
    else EventEmitter.prototype.on.call(this, event, listener)
    return this
  }

  addListener(event: string | symbol, listener: Listener): this {
    return this.on(event, listener)
  }

  removeListener(event: string | symbol, listener: Listener): this {
    if (event === 'data' || event === 'readable') Readable.prototype.removeListener.call(this as unknown as Readable, event, listener)
    else EventEmitter.prototype.removeListener.call(this, event, listener)
    return this
  }

  off(event: string | symbol, listener: Listener): this {
    return this.removeListener(event, listener)
  }

  // ---- the end

  /** @param reason node's own code passes null for "no error" */
  destroy(reason?: Error | null): this {
    if (this.destroyed) return this
    const error = reason ?? undefined
    const state = this._writableState
    this.destroyed = true
    state.destroyed = true
    state.errored = error ?? null
    // As a net.Socket: both are true at once, the event comes after this turn of the event loop.
    this.closed = true
    state.closed = true
    if (this.idleTimer !== undefined) clearTimeout(this.idleTimer)
    if (this.held !== undefined) this.discardHeld()
    this.host.destroyed(error)
    if (error !== undefined) process.nextTick(emitError, this, error)
    setImmediate(emitClosing, this)
    return this
  }

  private discardHeld(): void {
    const { heldDone } = this
    this.forgetHeld()
    if (heldDone === undefined) return
    const error = codedError('ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed')
    for (const done of typeof heldDone === 'function' ? [heldDone] : heldDone) process.nextTick(done, error)
  }

  destroySoon(): void {
    // The end destroys it, once what is written has left.
    this.isDestroyedSoon = true
    if (!this._writableState.ended) this.end()
    else if (this._writableState.finished || this.pendingLength === 0) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  resetAndDestroy(): this {
    return this.destroy()
  }

  /** Somebody waits for the end of the socket. */
  get isObserved(): boolean {
    return this._eventsCount > 0 && (this.listenerCount('close') > 0 || this.listenerCount('finish') > 0 || this.listenerCount('end') > 0)
  }

  /** Ends the life of a socket whose request is over: quietly where nobody listens. */
  finish(): void {
    if (this.destroyed) return
    this.destroyed = true
    this._writableState.ended = true
    this._writableState.finished = true
    this._writableState.destroyed = true
    if (this.idleTimer !== undefined) clearTimeout(this.idleTimer)
    if (this.isObserved) {
      setImmediate(emitFinished, this)
    } else {
      this.closed = true
      this._writableState.closed = true
    }
  }

  /** Ends the life of a socket that the application ended (`socket.end()`), once what it wrote has left. */
  finishIfWritten(): void {
    const state = this._writableState
    if (!state.ended || state.finished || this.destroyed || this.writableLength > 0) return
    state.finished = true
    this.emit('finish')
    if (!this.isDestroyedSoon) this.emit('end')
    this.destroy()
  }

  /** Tells of a request that node's parser refuses: the listeners of 'clientError' answer it. */
  refused(error: Error): void {
    this.hadError = true
    this.server.emit('clientError', error, this)
  }

  /** The client's side has ended, and ours with it: as node's socket does, properly. */
  endByPeer(): void {
    this.emit('end')
    if (this.destroyed || this.pendingLength > 0) return
    this._writableState.ended = true
    this._writableState.finished = true
    this.emit('finish')
  }

  emitErrorNow(error: Error): void {
    this.host.run(() => this.emit('error', error))
  }

  // node:http has a listener of its own on each socket, so that no error of one is ever unheard; it hears the first.
  emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'error') return EventEmitter.prototype.emit.call(this, event, ...args)
    const isFirst = !this.hadError
    this.hadError = true
    if (isFirst) this.handleError(args[0])
    if (this.listenerCount('error') > 0) EventEmitter.prototype.emit.call(this, event, ...args)
    return true
  }

  private handleError(error: unknown): void {
    // Of a client that left, the socket alone tells: that is no violation.
    if (this.destroyed && (error as NodeJS.ErrnoException | undefined)?.code === 'HPE_INVALID_EOF_STATE') return
    if (this.server.emit('clientError', error, this) || this.destroyed) return
    const message = this._httpMessage as { _headerSent?: boolean } | null
    if (message?._headerSent !== true) this.write('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    this.destroy(error instanceof Error ? error : undefined)
  }

  emitClosingNow(): void {
    this.host.run(() => {
      this.host.closing()
      this.emit('close', this._writableState.errored !== null)
    })
  }

  emitFinishedNow(): void {
    this.host.run(() => {
      this.emit('finish')
      this.emit('end')
      this.closed = true
      this._writableState.closed = true
      this.emit('close', false)
    })
  }

  // ---- time-outs: one timer per socket, and only for those that ask

  setTimeout(milliseconds: number, callback?: () => void): this {
    // node's own errors for what cannot be; such a socket is never connected.
    if (!(milliseconds >= 0) || !Number.isFinite(milliseconds) || (callback !== undefined && typeof callback !== 'function')) new Socket().setTimeout(milliseconds, callback)
    if (this.destroyed) return this
    this.timeout = milliseconds
    if (this.idleTimer !== undefined) clearTimeout(this.idleTimer)
    this.idleTimer = undefined
    if (milliseconds === 0) {
      if (callback) this.removeListener('timeout', callback)
      return this
    }
    this.idleTimer = setTimeout(() => this.host.timedOut(), milliseconds).unref()
    if (callback) this.once('timeout', callback)
    return this
  }

  refreshTimeout(): void {
    this.idleTimer?.refresh()
  }

  _unrefTimer(): void {
    this.refreshTimeout()
  }

  // ---- what the web server asks for

  get role(): RoleName {
    return this.host.role
  }
  /** The file that a Filter is to filter. */
  get data(): DataStream | undefined {
    return this.host.data
  }

  // ---- who is at the other end

  // Unlike a net.Socket's they stay when the socket is destroyed: loggers read them after the response.
  get remoteAddress(): string | undefined {
    return this.host.address.remoteAddress
  }
  get remotePort(): number | undefined {
    return portNumber(this.host.address.remotePort)
  }
  get remoteFamily(): string | undefined {
    return family(this.remoteAddress)
  }
  get localAddress(): string | undefined {
    return withoutBrackets(this.host.address.localAddress)
  }
  get localPort(): number | undefined {
    return portNumber(this.host.address.localPort)
  }
  get localFamily(): string | undefined {
    return family(this.localAddress)
  }

  get readyState(): string {
    if (this.destroyed) return 'closed'
    return this._writableState.ended ? 'readOnly' : 'open'
  }

  address(): AddressInfo | Record<string, never> {
    const { localAddress, localPort, localFamily } = this
    return localAddress === undefined ? {} : { address: localAddress, family: localFamily ?? 'IPv4', port: localPort ?? 0 }
  }

  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type
export interface RequestSocket extends EventEmitter {}
// `req.socket instanceof net.Socket` holds, and so does `instanceof Duplex`, as under node:http, without their constructors.
Object.setPrototypeOf(RequestSocket.prototype, Socket.prototype)
// By no getter: of a net.Socket they may be set.
const always = { connecting: false, allowHalfOpen: true, _hadError: false }
for (const [name, value] of Object.entries(always)) Object.defineProperty(RequestSocket.prototype, name, { value, writable: true })

const shapeMode = Object.getOwnPropertySymbols(new EventEmitter()).find((symbol) => symbol.description === 'shapeMode')
// By this an EventEmitter knows that its table of events has places that are undefined: `removeListener()` leaves it alone then.
if (shapeMode !== undefined) Object.defineProperty(RequestSocket.prototype, shapeMode, { value: true, writable: true })

function sizeOf({ data, encoding }: Held): number {
  return typeof data === 'string' ? Buffer.byteLength(data, encoding) : data.length
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

function settle(host: SocketHost, done: WritesDone): void {
  host.settled(done)
}

function emitError(socket: RequestSocket, error: Error): void {
  socket.emitErrorNow(error)
}

function emitClosing(socket: RequestSocket): void {
  socket.emitClosingNow()
}

function emitFinished(socket: RequestSocket): void {
  socket.emitFinishedNow()
}

function codedError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

function portNumber(port: string | undefined): number | undefined {
  const number = Number(port)
  return port !== undefined && port !== '' && Number.isInteger(number) ? number : undefined
}

function family(address: string | undefined): string | undefined {
  if (address === undefined || address === '') return undefined
  return isIPv6(address) ? 'IPv6' : 'IPv4'
}

/** lighttpd writes an IPv6 SERVER_ADDR in brackets. */
function withoutBrackets(address: string | undefined): string | undefined {
  return address?.startsWith('[') ? address.slice(1, -1) : address
}
