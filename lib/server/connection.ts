// One connection from a web server: the transport, the records on it, and the requests they belong to. One switch over the
// record type; what happens inside a request is the request's.

import type { AsyncResource } from 'node:async_hooks'
import type { Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { type ErrorCode, ProtocolError } from '../errors'
import type { RequestHead } from '../cgi/request-head'
import { KEEP_CONN, ManagementVariable, NULL_REQUEST_ID, ProtocolStatus, RecordType, Role } from '../protocol/constants'
import { decodeNameValuePairs } from '../protocol/pairs'
import { RecordReader } from '../protocol/reader'
import { encodeGetValuesResult, encodeRecord, encodeUnknownType } from '../protocol/records'
import { RecordWriter } from '../protocol/writer'
import { plainResponse } from '../cgi/response-head'
import { answerToHttp } from './http-guest'
import { isWriting, Taken, writeToHandle } from './handle-write'
import { ChunkUse, expectNoDrain, readInto } from './node-internals'
import type { LogHabits } from './log-habits'
import { Request, type RequestHost } from './request'
import { RequestTable } from './request-table'
import type { Settings } from './options'
import type { Roles } from './roles'
import type { UpgradedRequest } from './upgraded-request'
import type { WritesDone } from './write-done'

/** What a connection asks of the application server it belongs to. */
export interface ConnectionHost {
  readonly server: Server
  readonly settings: Settings
  readonly allowHalfOpen: boolean
  readonly isClosing: boolean
  /** Idle connections do not keep the process alive (`server.unref()`). */
  readonly isUnref: boolean
  /** The handlers of the other roles; undefined where there are none, and Responder is the only one. */
  readonly roles: Roles | undefined
  /** Requests the application works on, over all connections. */
  activeRequests: number
  readonly maxConnections: number
  /** Under mod_fcgid and IIS a connection closed early costs the process its life. */
  isSpawnedBy(serverSoftware: string): boolean
  dispatch(request: Request, head: RequestHead): void
  upgrade(request: UpgradedRequest, head: RequestHead): void
  refuseByListener(request: Request, error: Error): void
  violated(error: ProtocolError, transport: Socket): void
  report(code: ErrorCode, message: string, requestId: number): void
  closed(connection: Connection): void
}

/** Management answers, refusals and the like that may wait unread before reading stops. */
const MAX_CONTROL_BACKLOG = 65_536
/** Output that may wait unread before no further request is accepted. */
const MAX_OUTPUT_BACKLOG = 1_048_576
/** Less than any send buffer of a unix socket or of loopback. */
const TAKEN_AT_ONCE = 65_536
/** Most send buffers hold this and more. Where one does not, a second write tells when it is gone. */
const OFTEN_TAKEN_AT_ONCE = 131_072
/** Above this a write is dear enough by itself: it does not wait for others to share it. */
const LARGE_OUTPUT = 16_384
const LINGER_IDLE_MS = 5_000
const LINGER_TOTAL_MS = 30_000
/** From here on it is cheaper to hand a piece of body on with the chunk it came in than to copy it. */
const KEPT_PIECE = 24_576

/** nginx and its relatives: where an answer has no length, the end of the connection completes it. What they cannot read cuts it off. */
const TAKES_END_FOR_SUCCESS = /^(?:nginx|openresty|tengine|angie|freenginx)\b/i
/** Of no record that FastCGI has. FCGI 8 */
const NO_RECORD_TYPE = 255
/** What nginx reads together with a record that it cannot read is lost. */
const BREAK_OFF_MS = 50
/** After `server.close()` a web server may already have chosen the connection of the last answer for its next request. */
const CLOSING_GRACE_MS = 50
/** As long as node:http keeps a connection without a word. */
const CLOSING_TOTAL_MS = 5_000

const NOTHING = Buffer.alloc(0)
const { write: writeOfSocket } = Socket.prototype

/** Output on its way to the operating system, in the order written. */
interface Flight {
  readonly request: Request | undefined
  readonly bytes: number
  readonly done: WritesDone
  readonly context: AsyncResource | undefined
  /** The last of one write: its callback settles everything up to here. */
  isLast: boolean
}

export class Connection implements RequestHost {
  readonly writer = new RecordWriter()
  readonly context: AsyncResource
  /** Where the application keeps it among all connections. */
  place = -1
  /** When the server's clock first found it idle; NaN while it is not. */
  private idleSince = Number.NaN

  private readonly host: ConnectionHost
  private readonly transport: Socket & { _httpMessage?: unknown }
  private readonly endTransport: Socket['end']
  private readonly reader = new RecordReader()
  private readonly requests = new RequestTable()
  private readonly onWritten = (error?: Error | null): void => this.written(error)
  private pendingCount = 0
  /** Bytes of params held by all pending requests. */
  private pendingParams = 0
  /** Requests whose reader has enough, and those that hold more body than one may; bytes of body held by all. */
  private fullCount = 0
  private overfullCount = 0
  private bufferedBody = 0
  /** Requests with output in the writer: nearly always one. */
  private gatheredFirst: Request | undefined = undefined
  private gatheredOthers: Request[] | undefined = undefined
  private controlBytes = 0
  private controlBacklog = 0
  private readonly flights: Flight[] = []
  /** Bytes written past the stream of the transport that the operating system did not take at once: an upper bound. */
  private pastStream = 0
  isReading = false
  /** Requests whose output is to be settled at the end of the chunk that is being read: nearly always one. */
  private settlingFirst: Request | undefined = undefined
  private settlingOthers: Request[] | undefined = undefined
  private isChunkOwn = false
  private chunkUse = ChunkUse.READ
  private isFlushScheduled = false
  isPaused = false
  private isHeldBack = false
  private isClosed = false
  /** The record that is still to break the connection off. */
  private broken: Buffer | undefined
  private grace: NodeJS.Timeout | undefined
  /** When it first became idle while the server was closing. */
  private closingSince = Number.NaN
  /** Close as soon as no request is active. */
  private closeWhenIdle = false
  /** The web server sends no request behind the one that is answered. */
  private isForOneRequest = false
  /** Ids of requests that are over, and their streams that are not: a close now could destroy an answer on its way. */
  private unread: Map<number, RecordType> | undefined
  /** Our side is ended, and what still comes is discarded. */
  private isLingering = false
  /** When the connection is cut off, in spite of whatever is still under way. */
  private deadline = Number.POSITIVE_INFINITY
  private lastReadAt = Number.POSITIVE_INFINITY

  /** @param context in which it was accepted */
  constructor(host: ConnectionHost, transport: Socket, context: AsyncResource) {
    this.host = host
    this.transport = transport
    this.context = context
    this.endTransport = transport.end
    // Packages for a graceful shutdown end the sockets of 'connection' that they think idle: these carry many requests.
    transport.end = (...args: unknown[]) => this.endGracefully(args)
    // 'close' follows every error; but it waits for a turn of the event loop, which a response that is written as fast as it goes may
    // never let come.
    transport.on('error', () => this.abortAll())
    transport.on('end', () => this.peerEnded())
    transport.on('close', () => this.transportClosed())
    this.updateRef()
    readInto(transport, this)
  }

  /** Goes on with a transport that was read as a stream until now, and stands still. To be called once the application knows the connection. */
  resume(firstBytes: Buffer): void {
    this.transport.resume()
    this.receive(firstBytes, firstBytes.length, true)
  }

  private endGracefully(args: unknown[]): Socket {
    if (this.requests.size > 0 && args.every((argument) => argument === undefined)) this.closeWhenIdle = true
    else Reflect.apply(this.endTransport, this.transport, args)
    return this.transport
  }

  get server(): Server {
    return this.host.server
  }

  /** Asked anew for each record: any of them may close the connection. */
  private get isOpen(): boolean {
    return !this.isClosed
  }

  // ---- input

  /** Bytes came from the web server; see {@link readInto}. */
  receive(chunk: Buffer, length: number, isOwn: boolean): ChunkUse {
    if (this.isClosed) return ChunkUse.READ
    this.chunkUse = ChunkUse.READ
    this.isChunkOwn = isOwn
    if (this.isLingering) {
      if (this.lastReadAt !== Number.POSITIVE_INFINITY) this.lastReadAt = performance.now()
      return ChunkUse.READ
    }
    const { reader } = this
    this.isReading = true
    this.idleSince = Number.NaN
    try {
      reader.push(chunk, length)
      while (this.isOpen && reader.next()) this.record(reader.type, reader.requestId)
    } catch (error) {
      // Whatever else it is, reading cannot go on behind it: the next bytes would be taken for records.
      if (!(error instanceof ProtocolError)) {
        this.destroy()
        if (this.settlingFirst !== undefined) this.settleAll(this.settlingFirst)
        throw error
      }
      const answer = this.requests.size === 0 && error.code === 'FCGI_ERR_VERSION' ? answerToHttp(chunk, length) : undefined
      if (answer === undefined) this.fail(error)
      else this.turnAway(answer, error)
    } finally {
      this.isReading = false
    }
    if (this.pendingCount > 0) for (const request of this.requests.all()) request.chunkEnded()
    this.flush()
    if (this.settlingFirst !== undefined) this.settleAll(this.settlingFirst)
    return this.chunkUse
  }

  settleFirst(request: Request): void {
    if (this.settlingFirst === undefined) this.settlingFirst = request
    else (this.settlingOthers ??= []).push(request)
  }

  private settleAll(first: Request): void {
    const others = this.settlingOthers
    this.settlingFirst = undefined
    this.settlingOthers = undefined
    first.settleFirst()
    if (others !== undefined) for (const request of others) request.settleFirst()
  }

  keepsChunk(length: number): boolean {
    if (length < KEPT_PIECE) return false
    this.chunkUse = this.isChunkOwn ? ChunkUse.KEPT : ChunkUse.BETTER_KEPT
    return this.isChunkOwn
  }

  private record(type: number, requestId: number): void {
    if (requestId === NULL_REQUEST_ID) {
      this.management(type)
      return
    }
    if (type === RecordType.BEGIN_REQUEST) {
      this.begin(requestId)
      return
    }
    const request = this.requests.get(requestId)
    // An inactive id, for example the tail of an upload that the application did not read. FCGI 3.3
    const { chunk, start, end } = this.reader
    if (request === undefined) {
      if (start === end && this.unread?.get(requestId) === type) this.unread.delete(requestId)
      return
    }
    switch (type) {
      case RecordType.PARAMS:
        request.paramsRecord(chunk, start, end)
        this.countParams(request)
        return
      case RecordType.STDIN:
        request.stdinRecord(chunk, start, end)
        return
      case RecordType.DATA:
        request.dataRecord(chunk, start, end)
        return
      case RecordType.ABORT_REQUEST:
        this.abortRequest(request)
        return
      default:
      // Any other type says nothing about a request that this end could act on.
    }
  }

  private begin(id: number): void {
    if (this.requests.get(id) !== undefined) {
      throw new ProtocolError('FCGI_ERR_DUPLICATE_REQUEST_ID', `BEGIN_REQUEST for request ${id}, which is active`, { section: '3.3', requestId: id })
    }
    const { chunk, start } = this.reader
    const role = ((chunk[start] ?? 0) << 8) | (chunk[start + 1] ?? 0)
    const keepConnection = ((chunk[start + 2] ?? 0) & KEEP_CONN) !== 0
    const { settings } = this.host
    this.unread?.delete(id)
    // A peer that sends requests and reads no answers must not fill our memory with them.
    if (this.outputBacklog > MAX_OUTPUT_BACKLOG) this.holdBack()
    if (role !== Role.RESPONDER && this.host.roles?.handles(role) !== true) {
      this.refuseBegin(id, role, keepConnection, '500 Internal Server Error', `this application has no handler for role ${role}`, ProtocolStatus.UNKNOWN_ROLE)
    } else if (!settings.multiplex && this.requests.size > 0) {
      this.refuseBegin(id, role, keepConnection, '503 Service Unavailable', 'one request at a time on this connection', ProtocolStatus.CANT_MPX_CONN)
    } else if (settings.maxPendingRequests > 0 && this.pendingCount >= settings.maxPendingRequests) {
      this.refuseBegin(id, role, keepConnection, '503 Service Unavailable', 'too many unfinished requests on this connection', ProtocolStatus.OVERLOADED)
    } else if (settings.maxRequests > 0 && this.host.activeRequests >= settings.maxRequests) {
      this.refuseBegin(id, role, keepConnection, '503 Service Unavailable', 'the application is overloaded', ProtocolStatus.OVERLOADED)
    } else {
      if (this.host.isUnref) this.transport.ref()
      this.requests.add(this.host.roles?.begin(role, this, id, keepConnection) ?? new Request(this, id, keepConnection, settings.maxParamsSize))
      this.pendingCount++
      this.host.activeRequests++
    }
  }

  /** Answers a request that is not even begun; the rest of it is for an inactive id then. */
  private refuseBegin(id: number, role: number, keepConnection: boolean, status: string, text: string, protocolStatus: ProtocolStatus): void {
    const before = this.writer.length
    this.writer.stream(RecordType.STDOUT, id, plainResponse(status, text), 'latin1')
    this.writer.endStream(RecordType.STDOUT, id)
    this.writer.endRequest(id, 1, protocolStatus)
    this.controlBytes += this.writer.length - before
    this.noteUnread(id, role === Role.FILTER ? RecordType.DATA : RecordType.STDIN)
    if (!keepConnection) this.closeWhenIdle = true
    this.scheduleFlush()
  }

  private management(type: number): void {
    switch (type) {
      case RecordType.GET_VALUES:
        this.control(encodeGetValuesResult(this.managementValues(decodeNameValuePairs(this.reader.content))))
        return
      case RecordType.GET_VALUES_RESULT:
      case RecordType.UNKNOWN_TYPE:
        // Answers, and nothing was asked. An answer to them could go back and forth for ever.
        return
      default:
        this.control(encodeUnknownType(type))
    }
  }

  private managementValues(asked: readonly string[]): string[] {
    const { settings, maxConnections } = this.host
    const values: string[] = []
    const seen = new Set<string>()
    for (let i = 0; i < asked.length; i += 2) {
      const name = asked[i] ?? ''
      if (seen.has(name)) continue
      seen.add(name)
      switch (name) {
        // Where there is no limit, nothing is said (FCGI 4.1 allows that): HAProxy takes any FCGI_MAX_REQS for its max-reqs, however small that was set.
        case ManagementVariable.MAX_CONNS:
          if (maxConnections > 0) values.push(name, String(maxConnections))
          break
        case ManagementVariable.MAX_REQS:
          if (settings.maxRequests > 0) values.push(name, String(settings.maxRequests))
          break
        case ManagementVariable.MPXS_CONNS:
          values.push(name, settings.multiplex ? '1' : '0')
      }
    }
    return values
  }

  private control(record: Buffer): void {
    this.writer.record(record)
    this.controlBytes += record.length
    this.scheduleFlush()
  }

  private abortRequest(request: Request): void {
    const before = this.writer.length
    request.endAborted()
    this.controlBytes += this.writer.length - before
    request.abort()
  }

  /** What unfinished requests hold together is bounded too: a thousand of them may each be just below their own limit. */
  private countParams(request: Request): void {
    if (this.requests.get(request.id) !== request) return
    this.pendingParams += request.paramsSize - request.countedParams
    request.countedParams = request.paramsSize
    if (this.pendingParams <= this.host.settings.connectionBodyBuffer || !request.isPending) return
    request.refuse('503 Service Unavailable', 'too many unfinished requests on this connection', ProtocolStatus.OVERLOADED)
  }

  // ---- what requests ask for

  dispatch(request: Request, head: RequestHead): void {
    this.pendingCount--
    this.host.dispatch(request, head)
  }

  upgrade(request: UpgradedRequest, head: RequestHead): void {
    this.host.upgrade(request, head)
  }

  upgraded(request: UpgradedRequest): void {
    const before = this.requests.get(request.id)
    if (before === undefined) return
    this.pendingCount--
    this.requests.remove(before)
    this.requests.add(request)
  }

  refuseByListener(request: Request, error: Error): void {
    this.pendingCount--
    this.host.refuseByListener(request, error)
  }

  started(res: ServerResponse): void {
    // What tells http-terminator and its like that a connection is in use.
    this.transport._httpMessage = res
  }

  usesStderr({ logs }: LogHabits): boolean {
    const { stderr } = this.host.settings
    return stderr !== 'off' && (logs === 'always' || (logs === 'if told' && stderr === 'on'))
  }

  report(code: ErrorCode, message: string, requestId: number): void {
    this.host.report(code, message, requestId)
  }

  gathered(request: Request): void {
    if (this.gatheredFirst === undefined) this.gatheredFirst = request
    else (this.gatheredOthers ??= []).push(request)
  }

  ended(request: Request): void {
    this.release(request)
    if (request.openStream !== 0) this.noteUnread(request.id, request.openStream)
    if (request.keepConnection) return
    this.closeWhenIdle = true
    this.isForOneRequest = true
  }

  private noteUnread(id: number, stream: RecordType): void {
    this.unread ??= new Map()
    this.unread.set(id, stream)
  }

  countControl(bytes: number): void {
    this.controlBytes += bytes
  }

  cutOff(request: Request): void {
    const isAlone = this.requests.size === 1
    // mod_fcgid ends the process of a connection without END_REQUEST. Where a length was announced that is the smaller evil: with it, the
    // client takes its next answer for the rest.
    if (isAlone && (request.isShort || !this.host.isSpawnedBy(request.serverSoftware))) {
      // Without END_REQUEST the web server knows that the answer is a torso, and cuts its client off.
      request.outputEnded = true
      // A peer that reads nothing must not hold what is left of it.
      this.deadline = Math.min(this.deadline, performance.now() + LINGER_IDLE_MS)
      this.release(request)
      this.flush()
      if (request.isHeadSent && TAKES_END_FOR_SUCCESS.test(request.serverSoftware)) this.breakOff(request.id)
      else this.close()
      return
    }
    if (request.isHeadSent) {
      request.endOutput(1)
      this.scheduleFlush()
    } else {
      request.refuse('500 Internal Server Error', 'the application gave up on this request', ProtocolStatus.REQUEST_COMPLETE, 1)
    }
  }

  get bodyBuffer(): number {
    return this.host.settings.bodyBuffer
  }

  flowChanged(request: Request, full: boolean, bufferedBody: number): void {
    if (this.requests.get(request.id) !== request) return
    this.countBody(request, full, bufferedBody)
    this.updateReading()
  }

  private countBody(request: Request, full: boolean, bufferedBody: number): void {
    const { bodyBuffer } = this.host.settings
    this.fullCount += Number(full) - Number(request.full)
    this.overfullCount += Number(bufferedBody >= bodyBuffer) - Number(request.bufferedBody >= bodyBuffer)
    this.bufferedBody += bufferedBody - request.bufferedBody
    request.full = full
    request.bufferedBody = bufferedBody
  }

  private release(request: Request): void {
    if (!this.requests.remove(request)) return
    if (request.isPending) this.pendingCount--
    if (request.full || request.bufferedBody > 0) this.countBody(request, false, 0)
    this.pendingParams -= request.countedParams
    request.countedParams = 0
    this.host.activeRequests--
    if (this.requests.size === 0) {
      this.transport._httpMessage = null
      this.updateRef()
    }
    this.updateReading()
  }

  /** Only an active request keeps the process alive where the server does not. */
  updateRef(): void {
    if (this.host.isUnref && this.requests.size === 0) this.transport.unref()
  }

  ref(): void {
    this.transport.ref()
  }

  // ---- back-pressure towards the web server

  private updateReading(): void {
    const shouldPause = this.isHeldBack || this.controlBacklog > MAX_CONTROL_BACKLOG || this.bodiesAreFull()
    if (shouldPause === this.isPaused || this.isClosed) return
    this.isPaused = shouldPause
    if (shouldPause) this.transport.pause()
    else this.transport.resume()
  }

  /** Alone, a reader that wants a pause gets it; with others on the connection, only when the buffers for that are full. */
  private bodiesAreFull(): boolean {
    if (this.overfullCount > 0) return true
    return this.requests.size > 1 ? this.bufferedBody >= this.host.settings.connectionBodyBuffer : this.fullCount > 0
  }

  private get outputBacklog(): number {
    return this.waiting + this.writer.length
  }

  /** Bytes that the operating system has not taken. */
  private get waiting(): number {
    return this.transport.writableLength + this.pastStream
  }

  get isUncongested(): boolean {
    return this.waiting === 0 && this.writer.length <= TAKEN_AT_ONCE
  }

  get hasMuch(): boolean {
    return !this.isReading && this.writer.length > LARGE_OUTPUT
  }

  private holdBack(): void {
    this.isHeldBack = true
    this.updateReading()
  }

  // ---- output

  scheduleFlush(): void {
    // While a chunk is being read, everything answered within it leaves together at its end.
    if (this.isFlushScheduled || this.isReading) return
    this.isFlushScheduled = true
    process.nextTick(flushConnection, this)
  }

  flush(): void {
    this.isFlushScheduled = false
    if (isWriting) {
      this.scheduleFlush()
      return
    }
    const first = this.gatheredFirst
    const others = this.gatheredOthers
    if (first === undefined && this.writer.length === 0) {
      this.closeIfDone()
      return
    }
    first?.endIfDone()
    if (others !== undefined) for (const request of others) request.endIfDone()
    this.gatheredFirst = undefined
    this.gatheredOthers = undefined
    const { length } = this.writer
    const pieces = this.writer.take()
    const before = this.flights.at(-1)
    if (first !== undefined) this.launch(first)
    if (others !== undefined) for (const request of others) this.launch(request)
    if (this.controlBytes > 0) {
      this.flights.push({ request: undefined, bytes: this.controlBytes, done: undefined, context: undefined, isLast: false })
      this.controlBacklog += this.controlBytes
      this.controlBytes = 0
    }
    if (length > 0) this.send(pieces, length, before)
    else this.sendNothing(before)
    if (this.controlBacklog > MAX_CONTROL_BACKLOG) this.updateReading()
    this.closeIfDone()
  }

  private launch(request: Request): void {
    request.isGathered = false
    // What the operating system takes at once was settled already.
    if (request.gatheredContext === undefined) return
    this.flights.push({ request, bytes: request.gatheredBytes, done: request.gatheredDone, context: request.gatheredContext, isLast: false })
    request.gatheredBytes = 0
    request.gatheredDone = undefined
    request.gatheredContext = undefined
  }

  private send(pieces: readonly Buffer[], length: number, before: Flight | undefined): void {
    const { transport } = this
    const last = pieces.length - 1
    if (this.flights.length === 0 && (last === 0 || length <= OFTEN_TAKEN_AT_ONCE)) {
      this.sendAtOnce(pieces, before)
      return
    }
    this.landing(before)
    if (last > 0) transport.cork()
    for (let i = 0; i < last; i++) transport.write(pieces[i] ?? NOTHING)
    transport.write(pieces[last] ?? NOTHING, this.onWritten)
    if (last > 0) transport.uncork()
  }

  /** Nearly always: the operating system takes it, and nobody waits for that. */
  private sendAtOnce(pieces: readonly Buffer[], before: Flight | undefined): void {
    const { transport } = this
    const first = pieces[0] ?? NOTHING
    const taken = writeToHandle(transport, pieces, this.onWritten)
    if (taken === Taken.ALL) {
      this.writer.giveBack(first)
      return
    }
    if (taken === Taken.PART) {
      for (const piece of pieces) this.pastStream += piece.length
      this.landing(before)
      return
    }
    if (pieces.length === 1) {
      if (!transport.write(first) && transport.destroyed) process.nextTick(abortAll, this)
    } else {
      transport.cork()
      for (const piece of pieces) transport.write(piece)
      expectNoDrain(transport)
      transport.uncork()
      if (transport.destroyed) process.nextTick(abortAll, this)
    }
    if (transport.writableLength > 0) {
      // A write of nothing, done when those before it are.
      this.landing(before)
      transport.write(NOTHING, this.onWritten)
    } else if (pieces.length === 1 && transport.write === writeOfSocket && isOfSystem(transport)) {
      // Not where somebody stands in between, who may look at it later.
      this.writer.giveBack(first)
    }
  }

  /** Sees to it that a write that is waited for has a flight, so that its callback never settles another one's. */
  private landing(before: Flight | undefined): void {
    let last = this.flights.at(-1)
    if (last === undefined || last === before) {
      last = { request: undefined, bytes: 0, done: undefined, context: undefined, isLast: true }
      this.flights.push(last)
    }
    last.isLast = true
  }

  /** Callbacks without bytes: they wait for the write before them, if one is under way. */
  private sendNothing(before: Flight | undefined): void {
    const last = this.flights.at(-1)
    if (last === undefined) return
    last.isLast = true
    if (before === undefined) process.nextTick(this.onWritten)
    else before.isLast = before === last
  }

  /** One write is done, or failed: everything that went with it is settled, in order. */
  private written(error: Error | null | undefined): void {
    for (let flight = this.flights.shift(); flight !== undefined; flight = this.flights.shift()) {
      if (flight.request === undefined) this.controlBacklog -= flight.bytes
      else flight.request.settle(flight.bytes, flight.done, flight.context, error)
      if (flight.isLast) break
    }
    if (this.flights.length === 0) this.pastStream = 0
    if (!this.isPaused) return
    if (this.outputBacklog <= MAX_OUTPUT_BACKLOG / 2) this.isHeldBack = false
    this.updateReading()
  }

  // ---- the end

  private peerEnded(): void {
    if (this.isClosed) return
    if (this.isLingering) {
      this.transport.destroySoon()
      return
    }
    try {
      this.reader.finish()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // nginx closes in the middle of an upload once it was answered; that is its right.
      const isOfInactiveId =
        error.requestId !== undefined && this.reader.type !== RecordType.BEGIN_REQUEST && this.requests.get(error.requestId) === undefined
      if (!isOfInactiveId) {
        this.fail(error)
        return
      }
    }
    this.closeWhenIdle = true
    // As node:http: a client that is gone does not want the answer, unless the server was told otherwise.
    if (!this.host.allowHalfOpen) this.abortAll()
    for (const request of this.requests.all()) {
      if (!request.isPending && !request.awaitsBody) continue
      this.release(request)
      request.abort()
    }
    this.unread = undefined
    this.flush()
  }

  /** A violation: this connection is closed, its requests are aborted; no other connection notices. */
  private fail(error: ProtocolError): void {
    if (this.isClosed) return
    this.flush()
    this.abortAll()
    this.close()
    this.deadline = performance.now() + LINGER_IDLE_MS
    this.host.violated(error, this.transport)
  }

  /** A peer that speaks HTTP is told so. */
  private turnAway(answer: Buffer, error: ProtocolError): void {
    this.flush()
    this.transport.write(answer)
    this.linger()
    this.host.violated(error, this.transport)
  }

  /** Nobody hears the answers to these any more. */
  abortAll(): void {
    for (const request of this.requests.all()) {
      this.release(request)
      request.abort()
    }
  }

  private transportClosed(): void {
    this.isClosed = true
    if (this.grace !== undefined) clearTimeout(this.grace)
    this.abortAll()
    this.host.closed(this)
  }

  /** Closes once everything written has left; nothing more is read. */
  private close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.transport.destroySoon()
  }

  /**
   * Closes without ending our side first, which would be a system call and a turn of the event loop more: the operating system has
   * the whole answer, and sends the end behind it. Not where a web server may send one more request: unread, that would be
   * answered with a reset, which can overtake the answer.
   */
  private closeAtOnce(): void {
    this.isClosed = true
    this.transport.destroy()
  }

  private get canCloseAtOnce(): boolean {
    const { transport, host } = this
    if (this.waiting > 0 || this.flights.length > 0 || !isOfSystem(transport)) return false
    // 'close' of a server comes behind that of its last response, which is still to come.
    return transport.listenerCount('finish') === 0 && !host.isClosing
  }

  /** Closes with a record that no web server can read, once it has had time to read what comes before. */
  private breakOff(requestId: number): void {
    if (this.isClosed) return
    this.isClosed = true
    this.broken = encodeRecord(NO_RECORD_TYPE, requestId)
    setTimeout(() => this.breakNow(), BREAK_OFF_MS)
  }

  private breakNow(): void {
    const { broken, transport } = this
    this.broken = undefined
    if (broken === undefined || transport.destroyed) return
    transport.write(broken)
    transport.destroySoon()
  }

  private closeIfDone(): void {
    if (this.requests.size > 0 || this.isClosed || this.isLingering) return
    if (!this.closeWhenIdle) {
      if (this.host.isClosing) this.beginGrace()
      return
    }
    if (this.unread !== undefined && this.unread.size > 0) this.linger()
    else if (this.isForOneRequest && this.canCloseAtOnce) this.closeAtOnce()
    else this.close()
  }

  /** Closes a little later, again and again for a while: each request that still comes was sent before the web server could know. */
  private beginGrace(): void {
    if (this.grace !== undefined) return
    const now = performance.now()
    if (Number.isNaN(this.closingSince)) this.closingSince = now
    const wait = now - this.closingSince < CLOSING_TOTAL_MS ? CLOSING_GRACE_MS : 0
    this.grace = setTimeout(() => {
      this.grace = undefined
      this.closeIfIdle()
    }, wait)
  }

  /**
   * Ends our side and reads on without looking: closing with bytes unread would answer them with a reset, which can
   * overtake the response.
   */
  private linger(): void {
    this.isLingering = true
    this.transport.end(() => {
      // The bounds count from when the answer is out: a slow reader may take its time for that.
      this.lastReadAt = performance.now()
      this.deadline = this.lastReadAt + LINGER_TOTAL_MS
    })
    this.transport.resume()
  }

  /** Closes the connection if no request is active, now or as soon as that is so. */
  closeIfIdle(): void {
    if (this.requests.size > 0 || this.gatheredFirst !== undefined || this.writer.length > 0) return
    this.closeWhenIdle = true
    this.closeIfDone()
  }

  /** What `server.closeAllConnections()` does: as under node:http, connections that were upgraded are the application's to close. */
  closeRequests(): void {
    const requests = this.requests.all()
    if (!requests.some(({ isUpgraded }) => isUpgraded)) {
      this.destroy()
      return
    }
    this.closeWhenIdle = true
    for (const request of requests) request.exchange?.socket.destroy()
    this.flush()
  }

  /** Closes the connection whatever is going on. */
  destroy(): void {
    // As node: each request's socket is destroyed, which cuts its answer off.
    for (const request of this.requests.all()) request.exchange?.socket.destroy()
    this.flush()
    this.breakNow()
    if (this.waiting === 0) this.transport.destroy()
    else this.transport.destroySoon()
    this.deadline = Math.min(this.deadline, performance.now() + LINGER_IDLE_MS)
  }

  /** Nothing came for as long as keepAliveTimeout: as node:http, whoever listens decides. */
  idleTimedOut(): void {
    if (this.requests.size > 0 || this.isClosed || this.isLingering) return
    if (!this.server.emit('timeout', this.transport)) this.close()
  }

  /** Lets time-outs happen; called now and then by the server's one clock. */
  sweep(now: number, headersTimeout: number, requestTimeout: number, keepAliveTimeout: number): void {
    if (now >= this.deadline || now - this.lastReadAt >= LINGER_IDLE_MS) this.transport.destroy()
    if (this.isClosed || this.isLingering) return
    if (this.requests.size === 0) {
      if (Number.isNaN(this.idleSince)) this.idleSince = now
      if (keepAliveTimeout > 0 && now - this.idleSince >= keepAliveTimeout) {
        this.idleSince = now
        process.nextTick(idleTimedOut, this)
      }
      return
    }
    this.idleSince = Number.NaN
    for (const request of this.requests.all()) {
      // Stamped here, not where it begins: that would be a look at the clock for every request.
      if (Number.isNaN(request.startedAt)) request.startedAt = now
      const age = now - request.startedAt
      if (request.isPending) {
        if (headersTimeout > 0 && age >= headersTimeout) {
          request.refuse('408 Request Timeout', `the request was not complete within ${headersTimeout} ms (headersTimeout)`)
        }
      } else if (request.isStuck && requestTimeout > 0 && age >= requestTimeout) {
        request.giveUp('408 Request Timeout', `the body was not complete within ${requestTimeout} ms (requestTimeout)`)
      }
    }
  }
}

/** What was written is with the operating system: not so of other streams that were given to 'connection', TLS among them. */
function isOfSystem(transport: Socket): boolean {
  return transport.constructor === Socket
}

function flushConnection(connection: Connection): void {
  connection.flush()
}

function idleTimedOut(connection: Connection): void {
  connection.idleTimedOut()
}

function abortAll(connection: Connection): void {
  connection.abortAll()
}
