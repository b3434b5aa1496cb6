// The socket of 'upgrade': a net.Socket without a handle, and with both streams, since applications speak a protocol of their own on it.
// It has the addresses and the life of that one request; it knows neither records nor connections.

import { Socket } from 'node:net'
import { type Duplex, type DuplexOptions } from 'node:stream'
import type { Server } from 'node:http'
import { EncryptedRequestSocket } from './encrypted-socket'
import { RequestSocket, type SocketHost } from './socket'
import type { WriteDone } from './write-done'

/** One write. */
export interface Piece {
  readonly chunk: string | Uint8Array
  /** Of a string. */
  readonly encoding: BufferEncoding
}

/** What the socket of an upgrade asks of its request. */
export interface UpgradedSocketHost extends Pick<SocketHost, 'address' | 'variables'> {
  /** Sends in order; `done` is called once the operating system has all of it. */
  send(pieces: readonly Piece[], done: WriteDone): void
  /** Nothing more will be written. */
  finish(done: WriteDone): void
  /** The reader has room again. */
  wantsMore(): void
  /** The application, or node on its behalf, gave it up. */
  destroyed(): void
}

/** Typed as what it is used as: most of what a Socket has besides is replaced below. */
const HandlelessSocket = Socket as unknown as new (options: DuplexOptions) => Duplex
const { _destroy: destroySocket, _unrefTimer: touch } = Socket.prototype as Socket & { _unrefTimer?: () => void }

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the rest of it is copied below
export class UpgradedSocket extends HandlelessSocket {
  // Where node's http code leaves them.
  readonly server: Server
  readonly parser = null
  readonly _httpMessage = null
  bytesRead = 0
  protected readonly host: UpgradedSocketHost
  private sentLength = 0

  constructor(host: UpgradedSocketHost, server: Server) {
    // As the sockets of an http.Server.
    const { highWaterMark } = server as { highWaterMark?: number }
    super({ allowHalfOpen: true, ...(highWaterMark === undefined ? {} : { highWaterMark }) })
    this.host = host
    this.server = server
  }

  /** The request behind a socket of 'upgrade'; undefined for any other. */
  static hostOf(socket: unknown): UpgradedSocketHost | undefined {
    return socket instanceof UpgradedSocket ? socket.host : undefined
  }

  get pending(): boolean {
    return false
  }
  get bytesWritten(): number {
    return this.sentLength + this.writableLength
  }
  get bufferSize(): number {
    return this.writableLength
  }

  // ---- what its request tells it

  /** @returns false when it has enough for now */
  receive(content: Buffer): boolean {
    this.bytesRead += content.length
    touch?.call(this)
    return this.push(content)
  }

  /** The client will send no more. */
  endInput(): void {
    this.push(null)
    // As a net.Socket: 'end' comes also where nobody has begun to read.
    if (this.readableLength === 0) this.read(0)
  }

  /** The answer is out, and with it everything is over. Where nobody reads, nobody will: the socket is to close all the same. */
  answered(): void {
    if (this.destroyed) return
    // Ended by the application, it closes by itself, once all that was written has left.
    if (!this.writableEnded) this.once('end', () => this.destroy())
    this.endInput()
    if (this.readableFlowing === null && this.listenerCount('readable') === 0) this.resume()
  }

  /** Nothing comes any more and nothing can be sent: once what has come is read, the socket closes. */
  peerLeft(): void {
    if (this.destroyed) return
    if (this.readableEnded) {
      this.destroy()
      return
    }
    // Not end(): a write behind it would be an error that an application has to listen to, and a client that left is none.
    this.once('end', () => this.destroy())
    this.endInput()
  }

  // ---- what a stream asks of its implementation

  override _read(): void {
    this.host.wantsMore()
  }

  override _write(chunk: string | Uint8Array, encoding: BufferEncoding, done: WriteDone): void {
    this.sendAll([{ chunk, encoding }], done)
  }

  override _writev(pieces: Piece[], done: WriteDone): void {
    this.sendAll(pieces, done)
  }

  private sendAll(pieces: readonly Piece[], done: WriteDone): void {
    for (const { chunk, encoding } of pieces) this.sentLength += typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.length
    touch?.call(this)
    this.host.send(pieces, done)
  }

  override _final(done: WriteDone): void {
    this.host.finish(done)
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this.host.destroyed()
    // It takes back the timer of setTimeout(), and emits 'close'.
    destroySocket.call(this as unknown as Socket, error, done)
  }

  // A net.Socket without a handle does not say whether there was an error.
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    return event === 'close' && args.length === 0 ? super.emit(event, this.errored !== null) : super.emit(event, ...args)
  }

  resetAndDestroy(): this {
    return this.destroy()
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export interface UpgradedSocket extends Pick<RequestSocket, (typeof SHARED)[number]> {
  setTimeout(milliseconds: number, callback?: () => void): this
}

/** The socket of an upgrade whose client speaks TLS with the web server. */
export class EncryptedUpgradedSocket extends UpgradedSocket {}

/** Who is at the other end, and what there is no handle for. */
const SHARED = ['remoteAddress', 'remotePort', 'remoteFamily', 'localAddress', 'localPort', 'localFamily', 'address', 'setNoDelay', 'setKeepAlive', 'ref', 'unref'] as const

for (const name of SHARED) share(RequestSocket.prototype, name, UpgradedSocket.prototype)
for (const name of Object.getOwnPropertyNames(EncryptedRequestSocket.prototype)) {
  if (name !== 'constructor') share(EncryptedRequestSocket.prototype, name, EncryptedUpgradedSocket.prototype)
}

function share(from: object, name: string, to: object): void {
  const descriptor = Object.getOwnPropertyDescriptor(from, name)
  if (descriptor !== undefined) Object.defineProperty(to, name, descriptor)
}
