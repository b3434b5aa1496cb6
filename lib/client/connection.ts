// One connection to an application: requests in, records out, and back. Knows the protocol's states; no pool.

import { type Socket } from 'node:net'
import { FastCGIError, ProtocolError } from '../errors'
import {
  decodeEndRequest,
  encodeBeginRequest,
  encodeNameValuePairs,
  MAX_CONTENT_LENGTH,
  RecordReader,
  RecordType,
  RecordWriter,
} from '../protocol'
import { type Exchange, type ExchangeHost } from './exchange'
import { type ClientSettings } from './options'
import { type Address, connectError, openSocket } from './target'
import { type UploadSink } from './upload'

/** What a connection tells the pool. */
export interface ConnectionOwner {
  /** A request has left the connection, which is still usable. */
  released(connection: Connection): void
  /** The connection is gone; these requests may be sent again on a fresh one. */
  closed(connection: Connection, retriable: readonly Exchange[]): void
}

/** Records gathered before a body waits for the connection to drain. */
const BATCH = 65_536
const STDOUT_HIGH_WATER_MARK = 65_536

/** @see FCGI 3.3 for the life of a request id */
export class Connection implements ExchangeHost, UploadSink {
  /** Output is held back because a caller does not read. */
  paused = false

  private readonly socket: Socket
  private readonly reader = new RecordReader()
  private readonly writer = new RecordWriter()
  private readonly active = new Map<number, Exchange>()
  /** Ids of aborted requests whose END_REQUEST is still to come: neither free nor anybody's. FCGI 5.4 */
  private readonly abandoned = new Set<number>()
  private lastId = 0
  private connected = false
  private closed = false
  /** Requests that this connection answered before: only a kept connection may turn out stale. */
  private answered = 0
  private batching = false
  private connectTimer: NodeJS.Timeout | undefined
  private idleTimer: NodeJS.Timeout | undefined

  constructor(address: Address, private readonly settings: ClientSettings, private readonly owner: ConnectionOwner) {
    this.socket = openSocket(address)
    this.socket
      .on('connect', () => this.onConnect())
      .on('data', (chunk: Buffer) => this.onData(chunk))
      .on('drain', () => this.onDrain())
      .on('end', () => this.onEnd())
      .on('error', (error) => this.close(this.connected ? this.lost(error) : connectError(address, error)))
      .on('close', () => this.close(this.lost()))
    if (settings.connectTimeoutMs > 0) {
      const late = `no connection within ${settings.connectTimeoutMs} ms`
      this.connectTimer = setTimeout(() => this.close(connectError(address, new Error(late))), settings.connectTimeoutMs).unref()
    }
  }

  get isClosed(): boolean {
    return this.closed
  }

  /** Nothing runs on it and nothing is owed to it. */
  get isIdle(): boolean {
    return !this.closed && this.connected && this.active.size + this.abandoned.size === 0
  }

  /** Another request may be started. */
  get hasRoom(): boolean {
    if (this.closed) return false
    const most = this.settings.multiplex ? this.settings.maxRequestsPerConnection : 1
    return this.active.size + this.abandoned.size < most
  }

  /** Resolves when the socket is gone. */
  get whenClosed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.closed) resolve()
      else this.socket.once('close', () => resolve())
    })
  }

  start(exchange: Exchange): void {
    clearTimeout(this.idleTimer)
    this.socket.ref()
    const requestId = this.freeId()
    this.active.set(requestId, exchange)
    exchange.host = this
    this.balance()
    // Not before the connection stands: a body that was not read can still go elsewhere.
    if (this.connected) this.send(requestId, exchange)
  }

  /** Keeps the connection for later without keeping the process alive. */
  rest(): void {
    this.socket.unref()
    this.resume()
    clearTimeout(this.idleTimer)
    if (this.settings.idleTimeoutMs > 0) this.idleTimer = setTimeout(() => this.close(this.lost()), this.settings.idleTimeoutMs).unref()
  }

  /** Closes at once; every request on it fails with this error, or is handed back when it may be sent again. */
  close(error: Error, mayRetry = true): void {
    if (this.closed) return
    this.closed = true
    clearTimeout(this.connectTimer)
    clearTimeout(this.idleTimer)
    this.socket.destroy()
    const exchanges = [...this.active.values()]
    this.active.clear()
    const isStale = mayRetry && this.answered > 0 && !(error instanceof ProtocolError)
    const retriable = exchanges.filter((exchange) => isStale && exchange.retriable)
    for (const exchange of exchanges) {
      if (retriable.includes(exchange)) exchange.upload.rewind()
      else exchange.fail(error)
    }
    this.owner.closed(this, retriable)
  }

  // What an exchange asks of its host.

  abandon(exchange: Exchange): void {
    const requestId = this.idOf(exchange)
    if (requestId === undefined) return
    this.active.delete(requestId)
    // Alone on its connection, closing says it all, also to applications that know no ABORT_REQUEST.
    if (this.active.size === 0 || !this.connected) {
      if (this.active.size === 0) this.close(this.lost())
      return
    }
    this.abandoned.add(requestId)
    this.writer.record(abortRequest(requestId))
    this.flush()
    this.balance()
  }

  readMore(): void {
    this.balance()
  }

  // What an upload asks of its sink.

  stream(type: RecordType, requestId: number, content: Uint8Array): boolean {
    this.writer.stream(type, requestId, content)
    this.active.get(requestId)?.progressed()
    if (this.batching) return this.writer.length < BATCH
    return this.flush()
  }

  endStream(type: RecordType, requestId: number): void {
    this.writer.endStream(type, requestId)
    if (!this.batching) this.flush()
  }

  private send(requestId: number, exchange: Exchange): void {
    const { writer } = this
    this.batching = true
    writer.record(encodeBeginRequest(requestId, exchange.role, this.settings.keepAlive))
    writer.stream(RecordType.PARAMS, requestId, encodeNameValuePairs(exchange.params))
    writer.endStream(RecordType.PARAMS, requestId)
    exchange.upload.begin(this, requestId)
    this.batching = false
    if (this.flush()) exchange.upload.drained()
  }

  /** @returns false when the socket holds enough for now */
  private flush(): boolean {
    if (this.closed) return false
    this.socket.cork()
    for (const piece of this.writer.take()) this.socket.write(piece)
    this.socket.uncork()
    return !this.socket.writableNeedDrain
  }

  private onConnect(): void {
    this.connected = true
    clearTimeout(this.connectTimer)
    for (const [requestId, exchange] of [...this.active]) if (!exchange.isSettled) this.send(requestId, exchange)
  }

  private onDrain(): void {
    for (const exchange of [...this.active.values()]) {
      if (this.socket.writableNeedDrain) return
      exchange.progressed()
      exchange.upload.drained()
    }
  }

  private onData(chunk: Buffer): void {
    try {
      this.reader.push(chunk)
      while (!this.closed && this.reader.next()) this.receive()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.close(error)
    }
    if (!this.closed) this.balance()
  }

  private onEnd(): void {
    try {
      this.reader.finish()
      this.close(this.lost())
    } catch (error) {
      this.close(error instanceof ProtocolError ? this.lost(error) : this.lost())
    }
  }

  /** One record, or one fragment of a stream record. */
  private receive(): void {
    const { type, requestId } = this.reader
    const exchange = this.active.get(requestId)
    const isAbandoned = this.abandoned.has(requestId)
    switch (type) {
      case RecordType.STDOUT:
      case RecordType.STDERR:
      case RecordType.END_REQUEST:
        if (exchange === undefined && !isAbandoned) throw unexpected(type, requestId, 'for a request that is not active')
        break
      default:
        throw unexpected(type, requestId, 'from an application')
    }
    if (exchange === undefined) {
      if (type === RecordType.END_REQUEST) this.release(requestId)
      return
    }
    if (type === RecordType.END_REQUEST) {
      const canStay = this.settings.keepAlive && (exchange.upload.complete || this.settings.multiplex)
      const end = decodeEndRequest(this.reader.content)
      this.active.delete(requestId)
      this.answered++
      exchange.end(end)
      if (canStay) this.release(requestId)
      else if (this.active.size === 0) this.close(this.lost())
      return
    }
    if (type === RecordType.STDERR) exchange.receiveStderr(this.reader.content)
    else if (!exchange.receiveStdout(this.reader.content)) throw unexpected(type, requestId, 'behind the empty record that ended the stream')
  }

  private release(requestId: number): void {
    this.abandoned.delete(requestId)
    if (!this.closed) this.owner.released(this)
  }

  /** Reads on or not: alone, an exchange may fill its stream; beside others it may fill a larger buffer, for their sake. */
  private balance(): void {
    if (this.closed) return
    const limit = this.active.size > 1 ? Math.max(this.settings.maxBufferedBytes, STDOUT_HIGH_WATER_MARK) : STDOUT_HIGH_WATER_MARK
    let isFull = false
    for (const exchange of this.active.values()) isFull ||= exchange.unread >= limit
    if (!isFull) this.resume()
    else if (!this.paused) {
      this.paused = true
      this.socket.pause()
    }
  }

  private resume(): void {
    if (!this.paused) return
    this.paused = false
    for (const exchange of this.active.values()) exchange.progressed()
    this.socket.resume()
  }

  private freeId(): number {
    do this.lastId = this.settings.multiplex ? (this.lastId % MAX_CONTENT_LENGTH) + 1 : 1
    while (this.active.has(this.lastId) || this.abandoned.has(this.lastId))
    return this.lastId
  }

  private idOf(exchange: Exchange): number | undefined {
    for (const [requestId, one] of this.active) if (one === exchange) return requestId
    return undefined
  }

  private lost(cause?: Error): FastCGIError {
    const why = cause === undefined ? 'the application closed the connection before it ended the request' : `the connection to the application was lost: ${cause.message}`
    return new FastCGIError('FCGI_ERR_CONNECTION_LOST', why, cause)
  }
}

function abortRequest(requestId: number): Buffer {
  return Buffer.from([1, RecordType.ABORT_REQUEST, requestId >>> 8, requestId & 0xff, 0, 0, 0, 0])
}

function unexpected(type: number, requestId: number, why: string): ProtocolError {
  return new ProtocolError('FCGI_ERR_UNEXPECTED_RECORD', `record type ${type} ${why}`, { section: '3.3', requestId })
}
