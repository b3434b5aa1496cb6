// One FastCGI request from BEGIN_REQUEST to END_REQUEST: its streams on one side, node's req and res on the other. It
// knows the order of things within the request; sockets to the web server and other requests are the connection's.

import { AsyncResource } from 'node:async_hooks'
import type * as http from 'node:http'
import type { Writable } from 'node:stream'
import { ProtocolError, type ErrorCode } from '../errors'
import { BadRequest, type ParserCode, requestHead, type RequestHead } from '../cgi/request-head'
import { cgiResponseHead, type CgiResponseHead, isBodiless, plainResponse } from '../cgi/response-head'
import { ChunkedDecoder } from '../cgi/chunked'
import { ProtocolStatus, RecordType } from '../protocol/constants'
import { decodeNameValuePairs, type NameValueList, PairTable } from '../protocol/pairs'
import type { RecordWriter } from '../protocol/writer'
import type { DataStream } from './data-stream'
import type { Exchange } from './dispatch'
import {
  announcedLength,
  canCloseNow,
  detachSocket,
  doTicksCount,
  dump,
  emitClose,
  emitDrain,
  endUnread,
  isConsumed,
  isDumped,
  isFinishUnheard,
  isOfEnd,
  leaveFramingToNode,
} from './node-internals'
import { areFollowed, follow } from './followed'
import { type LogHabits, logHabits } from './log-habits'
import { isTooLarge, parserError, refusalByNode } from './node-parser'
import { loadUpgrade } from './on-demand'
import { ParamsStream } from './params'
import type { RoleName } from './roles'
import type { RequestSocket, SocketAddresses, SocketHost } from './socket'
import { RequestStderr, type StderrHost, StderrStream } from './stderr'
import type { UpgradedRequest } from './upgraded-request'
import { both, tell, type WritesDone } from './write-done'

/** What a request asks of the connection it came on. */
export interface RequestHost {
  readonly writer: RecordWriter
  readonly server: http.Server
  /** Output of this request was added to the writer since the last flush. */
  gathered(request: Request): void
  /** The writer's content may leave at the end of this tick. */
  scheduleFlush(): void
  /** So much was gathered that it need not wait for the end of this tick. */
  readonly hasMuch: boolean
  /** Writes what was gathered. */
  flush(): void
  /** What waits to be written is so little that the operating system takes it at once. */
  readonly isUncongested: boolean
  /** A chunk is being read; what is answered within it leaves at its end. */
  readonly isReading: boolean
  /** Has {@link Request.settleFirst} called then. */
  settleFirst(request: Request): void
  /** Output was added that no response accounts for: a refusal. */
  countControl(bytes: number): void
  /** END_REQUEST was added: the id is free again. FCGI 3.3 */
  ended(request: Request): void
  /** Whether a piece of the current chunk may live on, instead of being copied. */
  keepsChunk(length: number): boolean
  /** The application gave its response up midway. */
  cutOff(request: Request): void
  /** Bytes of body that one request may hold while others share the connection. */
  readonly bodyBuffer: number
  /** Nothing is read. */
  readonly isPaused: boolean
  /** The reader of a body wants more, or has enough for now, or holds more or less memory than before. */
  flowChanged(request: Request, full: boolean, bufferedBody: number): void
  /** The async context in which the connection was accepted. The application never runs in it, so it cannot change. */
  readonly context: AsyncResource
  /** The params are there: makes req and res, gives them to {@link Request.start}, and calls the application. */
  dispatch(request: Request, head: RequestHead): void
  /** Offers a connection of its own to the application, which takes it by {@link upgraded} unless it wants an ordinary request. */
  upgrade(request: UpgradedRequest, head: RequestHead): void
  /** What comes for the id of this request is for this request now. */
  upgraded(request: UpgradedRequest): void
  /** Gives a request that is none to the listeners of 'clientError'. */
  refuseByListener(request: Request, error: Error): void
  /** The application is about to get a request. */
  started(res: http.ServerResponse): void
  /** Whether STDERR is to be used with a web server of such habits. */
  usesStderr(habits: LogHabits): boolean
  /** Says that something was wrong which does not end the connection. */
  report(code: ErrorCode, message: string, requestId: number): void
}

export const enum Phase {
  /** PARAMS are arriving. */
  PARAMS,
  /** The params are complete; whether there is a body shows with the first STDIN record. */
  AWAITING_BODY,
  /** An upgrade is asked for; whether the web server can do it shows with what comes next. */
  AWAITING_UPGRADE,
  /** Nothing came with the params, and the web server is none that is known to upgrade. */
  DOUBTING_UPGRADE,
  /** The application has it. */
  ACTIVE,
  /** Over, or given up. */
  OVER,
}

/** These are handed over without waiting for a body that nothing announced. */
const USUALLY_WITHOUT_BODY = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** So much later than the params the end of STDIN comes at the most, where a web server sends it that cannot upgrade. */
const UPGRADE_DOUBT_MS = 100

const RECORD_HEADER = 8
/** Of the request that is being read. */
const pairs = new PairTable()

/** What a small piece of body costs besides its bytes: the Buffer, and its place in the stream's queue (measured: about 115). */
export const CHUNK_OVERHEAD = 128
/** A piece that is kept holds the 64 KiB it came in; there is room for two that are large enough to be kept. */
export const HALF_A_CHUNK = 32_768

const HEAD_END = '\r\n\r\n'
const CONTENT_LENGTH = /(?:^|\n)content-length:/i
const RAW_LENGTH = /\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r/i
const CRLF = '\r\n'
const IS_TEXT = /^(?:utf-?8|latin1)$/
/** Hands a body in chunks on as it is, and gives one without them a length that the application did not. Seen of 2.6. */
const HAPROXY = 'HAProxy'

/** nginx answers 502 to a longer head unless fastcgi_buffer_size is raised from its default of one memory page. */
const LARGE_HEAD = 4_096

/** A Responder's, and what it has in common with those of the other roles, which are classes of their own. */
export class Request implements SocketHost, StderrHost {
  readonly id: number
  readonly keepConnection: boolean
  /** When the server's clock first saw it, in milliseconds; NaN before that. */
  startedAt = Number.NaN
  exchange: Exchange | undefined

  /** STDIN was closed by its empty record: nothing of this request can follow. */
  stdinEnded = false
  /** The whole body is there. */
  inputComplete = false
  /** Pieces of body that wait until the application has had its turn with the first one; undefined at other times. */
  private heldBody: BodyPiece[] | undefined
  /** The end of the body is on its way to the application. */
  private isEnding = false
  /** The web server takes a response in chunks, so node frames it as on a connection of its own. */
  passesChunks = false
  /** The reader of the body has enough for now. */
  full = false
  /** Memory held by body that the application has not read yet, in bytes; counted by the connection. */
  bufferedBody = 0
  /** Bytes of params that the connection counted for this request. */
  countedParams = 0
  /** END_REQUEST was added to the output. */
  outputEnded = false
  /** Bytes and callbacks added since the last flush; taken by the connection. */
  gatheredBytes = 0
  gatheredDone: WritesDone
  /** The async context of the first of them. */
  gatheredContext: AsyncResource | undefined
  isGathered = false

  /** Of a request whose STDERR is in use. Its value for all others is the prototype's: they have no such property. */
  declare private stderr: RequestStderr | undefined

  protected readonly host: RequestHost
  private readonly maxParamsSize: number
  protected phase = Phase.PARAMS
  private params: ParamsStream | undefined = new ParamsStream()
  private paramsText = ''
  protected head: RequestHead | undefined
  private resource: AsyncResource | undefined
  private bodyLeft = -1
  private hasBody = false
  private surplusReported = false
  protected headSent = false
  /** The head, translated when node printed it, until the first output takes it along. */
  protected pendingHead: CgiResponseHead | undefined = undefined
  protected decoder: ChunkedDecoder | undefined
  /** Bytes of body that the head announced; -1 when it did not, or when there is none to come. */
  protected announced = -1
  private bodySent = 0
  /** The web server waits for the chunk that ends the body. */
  private awaitsLastChunk = false
  /** The response whose head was printed; the application may put one of its own on the socket. */
  private answering: http.ServerResponse | undefined
  /** HTTP that the application wrote on the socket by itself, until its head is whole. */
  private raw = ''
  protected isRaw = false
  /** It answers a HEAD request, and its head is out: what follows would be taken for more of it. */
  private isRawHead = false
  private isFinished = false
  /** What is to be settled before any tick runs, and its context. */
  private writesDone: WritesDone = undefined
  private writeResource: AsyncResource | undefined = undefined

  constructor(host: RequestHost, id: number, keepConnection: boolean, maxParamsSize: number) {
    this.host = host
    this.id = id
    this.keepConnection = keepConnection
    this.maxParamsSize = maxParamsSize
  }

  get role(): RoleName {
    return 'responder'
  }

  /** Of a Filter. */
  get data(): DataStream | undefined {
    return undefined
  }

  /** The stream whose end is still to come, with which nothing of this request can follow; 0 when it came. */
  get openStream(): RecordType | 0 {
    return this.stdinEnded ? 0 : RecordType.STDIN
  }

  /** The application has not seen it yet. */
  get isPending(): boolean {
    return this.phase < Phase.ACTIVE
  }

  /** Its socket is a connection of its own, which is the application's to close. */
  get isUpgraded(): boolean {
    return false
  }

  /** Bytes of params held. */
  get paramsSize(): number {
    return this.params?.length ?? this.paramsText.length
  }

  /** A body was announced, or has begun, and is not complete. */
  get awaitsBody(): boolean {
    return !this.inputComplete && (this.head?.bodyUnannounced !== true || this.hasBody)
  }

  /** No body was announced, and nothing of one came. */
  private get mayBeEmpty(): boolean {
    return this.head?.bodyUnannounced === true && !this.hasBody
  }

  /**
   * The body does not come. Once the answer has begun and nobody reads the body, that is no reason to cut the answer off:
   * nginx stops sending STDIN then.
   */
  get isStuck(): boolean {
    return this.awaitsBody && (!this.headSent || (this.exchange !== undefined && isConsumed(this.exchange.req)))
  }

  get isHeadSent(): boolean {
    return this.headSent
  }

  /** A head was printed. Not so of a response that was ended without its socket. */
  private get hasHead(): boolean {
    return this.headSent || this.pendingHead !== undefined
  }

  get serverSoftware(): string {
    return this.head?.serverSoftware ?? ''
  }

  // ---- input

  /** A fragment of PARAMS, or the end of the stream when it holds no bytes. */
  paramsRecord(chunk: Buffer, start: number, end: number): void {
    const params = this.params
    if (params === undefined) {
      throw new ProtocolError('FCGI_ERR_PARAMS_AFTER_END', 'PARAMS after the end of the stream', { section: '3.3', requestId: this.id })
    }
    if (start === end) {
      this.paramsEnd(params)
      return
    }
    if (params.length + end - start > this.maxParamsSize) {
      this.refuse('431 Request Header Fields Too Large', `params above ${this.maxParamsSize} bytes (maxParamsSize)`)
      return
    }
    params.add(chunk, start, end)
  }

  /** The chunk that was read is about to be overwritten. */
  chunkEnded(): void {
    this.params?.keep()
    if (this.phase === Phase.AWAITING_UPGRADE) this.upgradeIfCertain()
  }

  private paramsEnd(params: ParamsStream): void {
    this.params = undefined
    try {
      pairs.read(params.bytes, params.start, params.end)
      this.paramsText = pairs.text
      this.head = this.readHead(pairs)
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error
      this.refuseAsBad(error)
      return
    }
    const refusal = refusalByNode(this.head)
    if (refusal !== undefined) {
      this.refuseAsBad(refusal)
      return
    }
    if (isTooLarge(this.head, this.host.server)) {
      const reason = 'more header fields than maxHeaderSize or maxHeadersCount allow'
      if (!this.refuseByListener('HPE_HEADER_OVERFLOW')) this.refuse('431 Request Header Fields Too Large', reason)
      return
    }
    this.bodyLeft = this.head.contentLength
    if (this.head.upgrade && this.role === 'responder' && loadUpgrade().isUpgradeWanted(this.head, this.host.server)) {
      this.phase = Phase.AWAITING_UPGRADE
    } else if (this.head.bodyUnannounced && this.head.method !== 'GET' && !USUALLY_WITHOUT_BODY.has(this.head.method)) {
      this.phase = Phase.AWAITING_BODY
    } else {
      this.dispatch(this.head)
    }
  }

  /** @throws {BadRequest} */
  protected readHead(variables: PairTable): RequestHead {
    return requestHead(variables)
  }

  private refuseAsBad({ message, parserCode }: BadRequest): void {
    this.host.report('FCGI_ERR_BAD_REQUEST', message, this.id)
    if (parserCode === undefined || !this.refuseByListener(parserCode)) this.refuse('400 Bad Request', message)
  }

  /** A listener of 'clientError' answers what node's parser refuses, by HTTP of its own on the socket. */
  private refuseByListener(code: ParserCode): boolean {
    if (this.host.server.listenerCount('clientError') === 0) return false
    this.phase = Phase.ACTIVE
    this.inputComplete = true
    this.surplusReported = true
    this.resource = this.host.context.runInAsyncScope(newResource)
    this.run(refuseRequest, this.host, this, parserError(code))
    return true
  }

  private dispatch(head: RequestHead): void {
    this.phase = Phase.ACTIVE
    // It asks for Responders only.
    this.passesChunks = head.isServedBy(HAPROXY) && this.role === 'responder'
    this.resource = areFollowed() ? this.followedResource() : this.host.context.runInAsyncScope(newResource)
    try {
      this.resource.runInAsyncScope(dispatchRequest, this.host, this, head)
    } catch (error) {
      throwLater(this.resource, error)
      this.failed()
    }
    // A message class of the application's own that throws in its constructor: its fault, and its alone.
    if (this.exchange === undefined) this.refuse('500 Internal Server Error', 'the application could not take this request')
    else if (this.bodyLeft === 0) this.completeInput()
  }

  /**
   * The application threw when it was called. Of a Responder that is no answer, as under node:http: whoever listens to
   * 'uncaughtException' may know of the request. For the other roles there is nothing to be as.
   */
  failed(): void {
    if (this.role !== 'responder') this.giveUp('500 Internal Server Error', 'the application failed')
  }

  /** Nobody listens to 'request', and that is meant so. */
  refuseRole(): void {
    this.refuse('500 Internal Server Error', 'this application has no handler for Responders', ProtocolStatus.UNKNOWN_ROLE)
    this.abortApplication()
  }

  /** A fragment of DATA, or the end of the stream when it holds no bytes. */
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- only a Filter has a use for it
  dataRecord(_chunk: Buffer, _start: number, _end: number): void {
    this.checkDataOrder()
  }

  protected checkDataOrder(): void {
    if (this.phase !== Phase.PARAMS) return
    throw new ProtocolError('FCGI_ERR_STDIN_BEFORE_PARAMS_END', 'DATA before the params were complete', { section: '3.3', requestId: this.id })
  }

  private followedResource(): AsyncResource {
    const stderr = this.useStderr()
    return this.host.context.runInAsyncScope(() => (stderr === undefined ? newResource() : follow(stderr, newResource)))
  }

  /** A fragment of STDIN, or the end of the stream when it holds no bytes. */
  stdinRecord(chunk: Buffer, start: number, end: number): void {
    if (this.phase === Phase.PARAMS) {
      throw new ProtocolError('FCGI_ERR_STDIN_BEFORE_PARAMS_END', 'STDIN before the params were complete', { section: '3.3', requestId: this.id })
    }
    if (this.stdinEnded) return
    const isEnd = start === end
    if (isEnd) this.stdinEnded = true
    if (this.isPending && this.head !== undefined) {
      if (this.phase !== Phase.AWAITING_BODY) {
        if (this.isUpgradedBy(chunk, start, end, this.head)) return
      } else if (!isEnd) {
        // An upload whose length the web server did not know either, and did not mark (HTTP/2 without content-length).
        this.head.rawHeaders.push('Transfer-Encoding', 'chunked')
      }
      this.dispatch(this.head)
    }
    if (isEnd) this.stdinEnd()
    else this.body(chunk, start, end)
  }

  // ---- a request that asks for an upgrade

  /** A web server that cannot upgrade ends STDIN at once, nearly always in the same chunk. One that can keeps it open. */
  private upgradeIfCertain(): void {
    if (this.head === undefined) return
    if (loadUpgrade().passesUpgrades(this.head.serverSoftware)) {
      this.upgrade(this.head)
    } else {
      this.phase = Phase.DOUBTING_UPGRADE
      setTimeout(doubtLater, UPGRADE_DOUBT_MS, this).unref()
    }
  }

  /** What came while other code kept the event loop is read first. Where nothing is read, there is nothing to conclude. */
  doubtLater(): void {
    if (this.phase !== Phase.DOUBTING_UPGRADE) return
    if (this.host.isPaused) setTimeout(doubtLater, UPGRADE_DOUBT_MS, this).unref()
    else setImmediate(upgradeIfDoubted, this)
  }

  /** Nothing more came: the web server waits for the answer. */
  upgradeIfDoubted(): void {
    if (this.phase === Phase.DOUBTING_UPGRADE && this.head !== undefined) this.upgrade(this.head)
  }

  /**
   * STDIN decides, by content that no ordinary request has, or by its end. The end means nothing where the web server can upgrade: the
   * client ended its side together with the request.
   *
   * @returns false when it is to be dispatched as an ordinary request
   */
  private isUpgradedBy(chunk: Buffer, start: number, end: number, head: RequestHead): boolean {
    const isEnd = start === end
    if (isEnd && !loadUpgrade().passesUpgrades(head.serverSoftware)) {
      this.reportNoUpgrade(head)
      return false
    }
    const upgraded = this.upgrade(head)
    if (isEnd) upgraded?.clientEnded()
    else upgraded?.stdinRecord(chunk, start, end)
    return true
  }

  /** @returns what goes on with the request; undefined when it stays an ordinary one, or is over */
  private upgrade(head: RequestHead): UpgradedRequest | undefined {
    const { UpgradedRequest } = loadUpgrade()
    const upgraded = new UpgradedRequest(this.host, this)
    if (upgraded.offer(head)) {
      this.phase = Phase.OVER
      return upgraded
    }
    if (upgraded.hasFailed) {
      this.refuse('500 Internal Server Error', 'the application could not take this request')
    } else {
      // STDIN stays open, and nothing of it belongs to this request.
      this.bodyLeft = 0
      this.dispatch(head)
    }
    return undefined
  }

  private reportNoUpgrade({ serverSoftware, rawHeaders }: RequestHead): void {
    if (!loadUpgrade().isWebSocket(rawHeaders)) return
    const message = `${serverSoftware || 'the web server'} passes no WebSocket on, so it is an ordinary request. lighttpd 1.4.74 and later does, with "upgrade" => "enable" in fastcgi.server`
    this.host.report('FCGI_ERR_NO_UPGRADE', message, this.id)
  }

  /** Takes the place of a request whose params are complete. */
  protected succeed(request: Request): void {
    this.params = undefined
    this.paramsText = request.paramsText
    this.countedParams = request.countedParams
    this.head = request.head
    this.stdinEnded = request.stdinEnded
    this.inputComplete = true
    this.phase = Phase.ACTIVE
    this.resource = this.host.context.runInAsyncScope(newResource)
  }

  protected get isOver(): boolean {
    return this.phase === Phase.OVER
  }

  /** @returns false the second time */
  protected becomeOver(): boolean {
    if (this.phase === Phase.OVER) return false
    this.phase = Phase.OVER
    return true
  }

  // ---- the body

  private stdinEnd(): void {
    if (this.inputComplete || this.phase !== Phase.ACTIVE) return
    if (this.bodyLeft > 0) {
      const announced = this.head?.contentLength ?? 0
      const message = `the body ended after ${announced - this.bodyLeft} of ${announced} bytes (CONTENT_LENGTH)`
      this.host.report('FCGI_ERR_BODY_TOO_SHORT', message, this.id)
      this.giveUp('400 Bad Request', message)
      return
    }
    this.completeInput()
  }

  private body(chunk: Buffer, start: number, end: number): void {
    if (this.phase !== Phase.ACTIVE || this.exchange === undefined) return
    const wanted = this.inputComplete ? 0 : this.bodyLeft < 0 ? end - start : Math.min(end - start, this.bodyLeft)
    if (wanted > 0) {
      const isKept = this.host.keepsChunk(wanted)
      const content = isKept ? chunk.subarray(start, start + wanted) : copyOf(chunk, start, start + wanted)
      if (this.bodyLeft > 0) this.bodyLeft -= wanted
      this.exchange.socket.bytesRead += wanted
      this.exchange.socket.refreshTimeout()
      const piece = { content, size: isKept ? Math.max(wanted, HALF_A_CHUNK) : wanted }
      if (this.heldBody !== undefined) {
        this.heldBody.push(piece)
      } else {
        if (!this.hasBody) {
          this.hasBody = true
          this.heldBody = []
          afterTurn(releaseBody, this)
        }
        this.run(pushBody, this.exchange.req, piece, this)
      }
      if (this.bodyLeft === 0) this.completeInput()
    }
    if (wanted < end - start && !this.surplusReported) {
      this.surplusReported = true
      this.host.report('FCGI_ERR_BODY_TOO_LONG', `more body than CONTENT_LENGTH (${this.head?.contentLength ?? 0} bytes); the surplus is discarded`, this.id)
    }
  }

  protected completeInput(): void {
    if (this.inputComplete) return
    this.inputComplete = true
    if (this.full) this.flow(false, this.bufferedBody)
    if (!this.hasBody) {
      this.endInput()
      return
    }
    this.isEnding = true
    if (this.heldBody === undefined) afterTurn(endInput, this)
  }

  /** Hands over what was held of the body. */
  releaseBody(): void {
    const { heldBody, exchange } = this
    this.heldBody = undefined
    if (heldBody === undefined || exchange === undefined) return
    for (const piece of heldBody) this.run(pushBody, exchange.req, piece, this)
    if (this.isEnding) afterTurn(endInput, this)
  }

  /** Tells the application that the body is complete, if that is still to be done. */
  endInputIfDue(): void {
    if (this.isEnding) this.endInput()
  }

  private endInput(): void {
    this.isEnding = false
    const req = this.exchange?.req
    if (req === undefined) return
    req.complete = true
    if (!endUnread(req)) this.run(pushEnd, req)
  }

  // ---- the exchange with the application

  /** Has req and res now; called once, by the dispatcher, before the application is. */
  start(exchange: Exchange): void {
    this.exchange = exchange
    this.host.started(exchange.res)
  }

  /** Runs a function in the async context of this request. */
  run<Arguments extends unknown[]>(callback: (...args: Arguments) => void, ...args: Arguments): void {
    runIn(this.resource, callback, ...args)
  }

  /** The response is finished: every byte of it has been handed to the operating system. */
  finished(): void {
    const exchange = this.exchange
    if (exchange === undefined) return
    this.isFinished = true
    if (!this.outputEnded) {
      if (this.isTorso) this.cutOff()
      else if (this.stderr === undefined) this.endFinished()
    }
    const { req, res, socket } = exchange
    const consumed = isConsumed(req)
    // Complete first: node 26 dumps what is complete in another way.
    if (this.mayBeEmpty) this.completeInput()
    if (!consumed) dump(req, res)
    if (!this.inputComplete) {
      // The id is free now, so nothing more of this body can be told from another request's.
      if (consumed && !req.destroyed) {
        // An error of the request alone: no client has done anything wrong.
        socket.hadError = true
        req.destroy(connectionReset())
      } else {
        this.completeInput()
      }
    }
    detachSocket(res, socket)
    if (canCloseNow(res) && !socket.isObserved) emitEnd(res, socket)
    else process.nextTick(emitEnd, res, socket)
    this.phase = Phase.OVER
    // Behind all that listen to 'finish' and 'close': most of what is logged of a request is logged there.
    if (this.stderr !== undefined) process.nextTick(endFinished, this)
  }

  /** The response is finished, and so is what its listeners log. */
  endFinished(): void {
    if (this.outputEnded) return
    this.endOutput()
    this.host.scheduleFlush()
  }

  /**
   * Answers a request on the application's behalf and ends it. Always a real answer: END_REQUEST without output is an empty
   * 200 in mod_proxy_fcgi, an endless wait in HAProxy and access granted in lighttpd's authorizer mode.
   */
  refuse(status: string, text: string, protocolStatus: ProtocolStatus = ProtocolStatus.REQUEST_COMPLETE, appStatus = protocolStatus === 0 ? 0 : 1): void {
    if (this.outputEnded) return
    const { writer } = this.host
    const before = writer.length
    if (!this.headSent) {
      this.headSent = true
      this.awaitsLastChunk = false
      writer.stream(RecordType.STDOUT, this.id, plainResponse(status, text), 'latin1')
    }
    this.endOutput(appStatus, protocolStatus)
    this.host.countControl(writer.length - before)
    this.params = undefined
    this.phase = Phase.OVER
    this.host.scheduleFlush()
  }

  /** Ends a request that cannot go on: with an answer if none has begun, else by cutting it off. The application sees an abort. */
  giveUp(status: string, text: string): void {
    if (this.outputEnded) return
    if (this.headSent) this.cutOff()
    else this.refuse(status, text)
    this.abortApplication()
  }

  /** The web server gave the request up, or is gone. */
  abort(): void {
    if (this.stderr !== undefined) this.abortStderr(this.stderr)
    if (this.phase === Phase.OVER) return
    this.releaseBody()
    this.endInputIfDue()
    const isCutShort = !this.inputComplete && this.head?.bodyUnannounced === false
    this.phase = Phase.OVER
    this.params = undefined
    this.abortApplication(isCutShort ? invalidEof() : undefined)
  }

  private abortStderr(stderr: RequestStderr): void {
    stderr.abandon()
    // A finished response that waited for its listeners to log.
    if (this.phase === Phase.OVER) this.outputEnded = true
  }

  protected abortApplication(reason?: Error): void {
    this.phase = Phase.OVER
    const exchange = this.exchange
    if (exchange === undefined) return
    this.outputEnded = true
    this.run(abortExchange, exchange, reason)
  }

  // ---- output, called by the socket

  /** Decoded anew each time: few applications ask, and none should pay for it otherwise. */
  get variables(): NameValueList {
    return decodeNameValuePairs(this.paramsText)
  }

  get address(): SocketAddresses {
    return this.head ?? NO_ADDRESSES
  }

  write(data: string | Uint8Array, encoding: BufferEncoding | undefined): number {
    return this.outputEnded ? 0 : this.addOutput(data, encoding)
  }

  get headLength(): number {
    const { pendingHead } = this
    return pendingHead === undefined ? 0 : pendingHead.fields.length + pendingHead.status.text.length
  }

  leave(done: WritesDone): boolean {
    this.markGathered()
    if (this.stderr !== undefined && !this.leavesLater(this.stderr, done)) this.stderr.release()
    // The last write waits for END_REQUEST to leave with it: node calls the response ended a little later.
    if (this.host.hasMuch && !isOfEnd(done)) this.host.flush()
    else this.host.scheduleFlush()
    return this.host.isUncongested
  }

  /** The end of a response waits until it is finished: what is logged then has to stand in front of it. */
  private leavesLater(stderr: RequestStderr, done: WritesDone): boolean {
    return stderr.holdsTail && this.endsFinished && isOfEnd(Array.isArray(done) ? done.at(-1) : done)
  }

  /** The response is the one whose 'finish' ends the request, not one that the application made or wrote by itself. */
  private get endsFinished(): boolean {
    return !this.isRaw && (this.answering === undefined || this.answering === this.exchange?.res)
  }

  await(bytes: number, done: WritesDone): void {
    if (!this.isGathered) {
      // It left already; this waits for the write under way.
      this.markGathered()
      this.host.scheduleFlush()
    }
    // What follows the write ('drain', callbacks, 'finish') happens in its context, as node's WriteWrap sees to.
    this.gatheredContext ??= new AsyncResource('FASTCGIWRITE')
    this.gatheredBytes += bytes
    this.gatheredDone = both(this.gatheredDone, done)
  }

  settled(done: WritesDone): void {
    if (this.exchange !== undefined) settleExchange(this.exchange, done, null)
  }

  settlesFirst(done: WritesDone): boolean {
    const { resource, exchange } = this
    if (!doTicksCount || resource === undefined || this.writeResource !== undefined || !this.host.isReading) return false
    // What a listener or a callback throws must reach 'uncaughtException' before the next tick: out of a tick of its own.
    if (exchange === undefined || typeof done !== 'function' || !isFinishUnheard(exchange.res)) return false
    const writeResource = new AsyncResource('FASTCGIWRITE')
    // The application has no tick waiting: a tick for this would be the first to run.
    if (writeResource.asyncId() !== resource.asyncId() + 1) return false
    this.writeResource = writeResource
    this.writesDone = done
    this.host.settleFirst(this)
    return true
  }

  /** What a tick of its own would do, and in the context it would do it in. */
  settleFirst(): void {
    const { writeResource, writesDone, exchange } = this
    this.writeResource = undefined
    this.writesDone = undefined
    if (exchange !== undefined) runIn(writeResource, settleExchange, exchange, writesDone, null)
  }

  private markGathered(): void {
    if (this.isGathered) return
    this.isGathered = true
    this.host.gathered(this)
  }

  protected addOutput(data: string | Uint8Array, encoding: BufferEncoding | undefined): number {
    if (encoding === 'ascii' && isInformational(data)) return 0
    if (this.isRawHead) return 0
    const writer = this.output
    let bytes = 0
    if (!this.headSent) {
      const head = this.pendingHead
      if (head === undefined) return this.addRaw(data, encoding)
      writer.keepTogether(RECORD_HEADER + head.fields.length + head.status.text.length + RECORD_HEADER + 3 * data.length)
      bytes = this.sendHead(writer, isPrintedAsUtf8(head, data, encoding) ? asUtf8(head) : head)
    }
    if (data.length === 0) return bytes
    if (this.decoder === undefined) {
      const sent = writer.stream(RecordType.STDOUT, this.id, data, encoding ?? 'utf8')
      this.bodySent += sent
      return bytes + sent
    }
    return bytes + this.addFramed(writer, this.decoder, data, encoding)
  }

  /** Where output of the response goes. */
  private get output(): RecordWriter {
    return this.stderr === undefined ? this.host.writer : this.stderr.tail
  }

  /**
   * A piece of a body that node, or the application, framed in chunks. A web server that takes chunks gets whole ones, so that
   * the body can be ended between any two pieces: HAProxy waits for the rest of a chunk, also behind END_REQUEST.
   */
  private addFramed(writer: RecordWriter, decoder: ChunkedDecoder, data: string | Uint8Array, encoding: BufferEncoding | undefined): number {
    // Of base64 and its like the length is known for certain when it is decoded.
    let content = typeof data === 'string' && encoding !== undefined && !IS_TEXT.test(encoding) ? Buffer.from(data, encoding) : data
    let length = typeof content === 'string' ? Buffer.byteLength(content, encoding) : content.length
    if (!decoder.takes(length)) {
      content = decoder.decode(typeof content === 'string' ? Buffer.from(content, encoding) : Buffer.from(content.buffer, content.byteOffset, length))
      length = content.length
    }
    if (!this.awaitsLastChunk) return writer.stream(RecordType.STDOUT, this.id, content, encoding)
    let bytes = 0
    if (length > 0) {
      bytes += writer.stream(RecordType.STDOUT, this.id, length.toString(16) + CRLF, 'latin1')
      bytes += writer.stream(RecordType.STDOUT, this.id, content, encoding)
      bytes += writer.stream(RecordType.STDOUT, this.id, CRLF, 'latin1')
    }
    return bytes
  }

  private endChunks(): void {
    if (!this.awaitsLastChunk) return
    this.awaitsLastChunk = false
    this.decoder?.close()
    this.output.stream(RecordType.STDOUT, this.id, `0\r\n${this.decoder?.trailers ?? ''}\r\n`, 'latin1')
  }

  private sendHead(writer: RecordWriter, { fields, status }: CgiResponseHead): number {
    this.headSent = true
    this.pendingHead = undefined
    // In one record, whatever its length: HAProxy 2.6 exits on a head in two.
    const bytes =
      fields.length > LARGE_HEAD
        ? writer.stream(RecordType.STDOUT, this.id, fields + status.text, 'latin1')
        : writer.stream(RecordType.STDOUT, this.id, fields, 'latin1') + writer.stream(RecordType.STDOUT, this.id, status.text, 'latin1')
    this.stderr?.headAdded(bytes)
    return bytes
  }

  /** Whole HTTP responses, such as 'HTTP/1.1 400 Bad Request' in a handler of errors. Informational ones cannot cross CGI. */
  private addRaw(data: string | Uint8Array, encoding: BufferEncoding | undefined): number {
    this.raw += typeof data === 'string' ? Buffer.from(data, encoding).toString('latin1') : Buffer.from(data.buffer, data.byteOffset, data.length).toString('latin1')
    for (let end = this.raw.indexOf(HEAD_END); end >= 0; end = this.raw.indexOf(HEAD_END)) {
      const printed = this.raw.slice(0, end + HEAD_END.length)
      this.raw = this.raw.slice(end + HEAD_END.length)
      if (/^HTTP\/1\.[01] 1\d\d/.test(printed)) {
        if (this.switchProtocols?.(printed) !== true) continue
        const first = this.raw
        this.raw = ''
        return this.write(first, 'latin1')
      }
      const body = this.raw
      this.raw = ''
      if (!/^HTTP\/1\.[01] [2-9]\d\d/.test(printed)) {
        this.refuseAnswer('something on the socket that is no HTTP response')
        return 0
      }
      this.isRaw = true
      this.headPrinted(undefined, printed)
      const isHead = this.head?.method === 'HEAD'
      const bytes = this.addOutput(isHead ? '' : body, 'latin1')
      this.isRawHead = isHead
      return bytes
    }
    return 0
  }

  /** The application may have answered with 101, by this head; where something can be switched. */
  protected switchProtocols?(printed: string): boolean

  /**
   * The head of a response was printed; it leaves with the first output, as under node:http.
   *
   * @returns whether node frames the body in chunks
   */
  headPrinted(res: http.ServerResponse | undefined, printed: string): boolean {
    if (this.headSent || this.outputEnded) return false
    const head = cgiResponseHead(printed, this.passesChunks)
    const status = head.status.code
    if (status < 200) {
      this.refuseAnswer(`status ${status}, an informational one, which CGI cannot carry`)
      return false
    }
    const isEmpty = isBodiless(status) || this.head?.method === 'HEAD'
    this.decoder = head.chunked ? new ChunkedDecoder() : undefined
    this.awaitsLastChunk = head.chunked && this.passesChunks && !isEmpty
    this.answering = res
    if (head.chunked) this.announced = -1
    else if (res !== undefined) this.announced = isEmpty ? -1 : announcedLength(res)
    else this.announced = isEmpty ? 0 : Number(RAW_LENGTH.exec(printed)?.[1] ?? -1)
    this.pendingHead = head
    if (this.headLength > LARGE_HEAD) warnOfLargeHead(this.headLength)
    return head.chunked
  }

  /** A length was announced and less came, so that every web server notices. */
  get isShort(): boolean {
    return this.bodySent < this.announced
  }

  /**
   * Less came than was announced. It must not be ended as if it were whole: nginx keeps the connection of its client then, who
   * takes the next answer for the rest of this one.
   */
  protected get isTorso(): boolean {
    return this.isRaw && this.decoder !== undefined ? !this.decoder.isOver : this.bodySent < this.announced
  }

  /** An answer written by hand says by itself where it ends, or it ends with the socket. */
  private get isRawWhole(): boolean {
    return this.isRaw && this.headSent && (this.decoder === undefined ? this.announced >= 0 && this.bodySent >= this.announced : this.decoder.isOver)
  }

  protected refuseAnswer(what: string): void {
    this.host.report('FCGI_ERR_BAD_RESPONSE', `the application answered with ${what}`, this.id)
    this.refuse('500 Internal Server Error', `the application answered with ${what}`)
  }

  /** Ends the output once the application has ended its response; called before every flush. */
  endIfDone(): void {
    if (this.outputEnded || (this.stderr !== undefined && this.endsFinished)) return
    // Not as soon as the last chunk is there: see ChunkedDecoder.isOver.
    if (this.decoder?.isOver === true) this.endChunks()
    // A torso is cut off when its response is finished.
    if (this.isRaw ? this.isRawWhole : (this.answering ?? this.exchange?.res)?.writableEnded === true && !this.isTorso) this.endOutput()
  }

  /** One empty STDOUT record, then END_REQUEST, in one write with whatever is gathered. FCGI 3.3, 5.5 */
  endOutput(appStatus = 0, protocolStatus: ProtocolStatus = ProtocolStatus.REQUEST_COMPLETE): void {
    if (this.outputEnded) return
    if (!this.headSent && this.pendingHead !== undefined) this.sendHead(this.output, this.pendingHead)
    this.endChunks()
    this.stderr?.finish()
    this.outputEnded = true
    const { writer } = this.host
    writer.endStream(RecordType.STDOUT, this.id)
    writer.endRequest(this.id, appStatus, protocolStatus)
    this.host.ended(this)
  }

  /** Says END_REQUEST in answer to ABORT_REQUEST, which wants no output. FCGI 5.4 */
  endAborted(): void {
    if (this.outputEnded) return
    this.stderr?.abort()
    this.outputEnded = true
    if (this.headSent) this.host.writer.endStream(RecordType.STDOUT, this.id)
    this.host.writer.endRequest(this.id, 0, ProtocolStatus.REQUEST_COMPLETE)
    this.host.ended(this)
    this.host.scheduleFlush()
  }

  // ---- STDERR

  openStderr(): Writable {
    return new StderrStream(this.useStderr())
  }

  /** @returns undefined where nobody would read it, and when it is too late for it */
  private useStderr(): RequestStderr | undefined {
    if (this.stderr !== undefined || this.outputEnded) return this.stderr
    const habits = logHabits(this.serverSoftware, this.keepConnection)
    if (this.host.usesStderr(habits)) this.stderr = new RequestStderr(this, habits, this.headSent)
    return this.stderr
  }

  get writer(): RecordWriter {
    return this.host.writer
  }

  get isBodyWhole(): boolean {
    return this.announced >= 0 && this.bodySent >= this.announced
  }

  get isBodiless(): boolean {
    return this.announced === 0 || this.head?.method === 'HEAD' || isBodiless((this.answering ?? this.exchange?.res)?.statusCode ?? 0)
  }

  get isUncongested(): boolean {
    return this.host.isUncongested
  }

  scheduleFlush(): void {
    this.host.scheduleFlush()
  }

  flush(): void {
    this.host.flush()
  }

  /** Output is with the operating system, or lost: `bytes` of it, with the callbacks that wait for it. */
  settle(bytes: number, done: WritesDone, context: AsyncResource | undefined, error: Error | null | undefined): void {
    const exchange = this.exchange
    if (exchange === undefined) return
    exchange.socket.pendingLength -= bytes
    runIn(context, settleExchange, exchange, done, error)
    if (!exchange.res.writableEnded) exchange.socket.finishIfWritten()
  }

  /** Called whenever the reader of the body wants more, so this is also where memory is seen to be free again. */
  resume(): void {
    if (!this.full && this.bufferedBody === 0) return
    this.recount(false)
    // Node asks just before it takes what is there, and then not again until something is pushed.
    if (this.host.isPaused) queueMicrotask(() => this.recount(this.full))
  }

  private recount(full: boolean): void {
    const length = this.exchange?.req.readableLength ?? 0
    this.flow(full, length === 0 ? 0 : asAsked(Math.min(this.bufferedBody, length + CHUNK_OVERHEAD), this.host))
  }

  pause(): void {
    if (this.full || this.inputComplete || this.phase !== Phase.ACTIVE) return
    this.flow(true, this.bufferedBody)
  }

  /** A piece of body went into the reader's buffer, or straight to its listeners. */
  pushed(length: number, wantsMore: boolean): void {
    const buffered = this.exchange?.req.readableLength === 0 ? 0 : this.bufferedBody + length + CHUNK_OVERHEAD
    // A body that is complete holds nothing up.
    const full = !wantsMore && !this.inputComplete
    if (buffered === this.bufferedBody && full === this.full) return
    this.flow(full, buffered)
  }

  protected flow(full: boolean, bufferedBody: number): void {
    if (this.phase === Phase.ACTIVE) this.host.flowChanged(this, full, bufferedBody)
  }

  end(): void {
    // Without a response there is nothing left to wait for; with one, END_REQUEST follows as always.
    const exchange = this.exchange
    if (exchange === undefined || (exchange.res.writableEnded && this.hasHead)) return
    if (this.isRaw && !this.isTorso) {
      this.endOutput()
      this.host.scheduleFlush()
    }
    process.nextTick(finishSocket, exchange.socket)
  }

  destroyed(): void {
    if (this.exchange !== undefined && !this.passesChunks) leaveFramingToNode(this.answering ?? this.exchange.res)
    if (this.outputEnded || this.phase !== Phase.ACTIVE) return
    if (this.hasHead && (this.exchange?.res.writableEnded === true || this.isRaw) && !this.isTorso) {
      // The answer was whole before: it leaves, as it would have left at once under node:http. One written by hand ends
      // where its connection does.
      this.endOutput()
      this.host.scheduleFlush()
      return
    }
    this.phase = Phase.OVER
    this.cutOff()
  }

  private cutOff(): void {
    this.stderr?.release()
    this.host.cutOff(this)
    this.stderr?.abandon()
  }

  closing(): void {
    const req = this.exchange?.req
    if (req === undefined) return
    if (this.mayBeEmpty) req.complete = true
    if (!req.destroyed && !this.isFinished) req.destroy(connectionReset())
  }

  timedOut(): void {
    const exchange = this.exchange
    if (exchange !== undefined) this.run(emitTimeout, exchange)
  }
}

/** What a reader that asks for more is said to hold: less than what would keep more from coming, or it would wait for ever. */
export function asAsked(bytes: number, { bodyBuffer }: RequestHost): number {
  return Math.min(bytes, bodyBuffer - 1)
}
Object.defineProperty(Request.prototype, 'stderr', { value: undefined, writable: true })

const RESOLVED = Promise.resolve()

/**
 * node's parser tells of the head with the first piece of body, of each other piece and of the end one after the other, with
 * the ticks and microtasks of each in between: whoever awaits, or pauses in 'data', finds the body not yet complete.
 */
function afterTurn(callback: (request: Request) => void, request: Request): void {
  void RESOLVED.then(() => process.nextTick(callback, request))
}

const NO_ADDRESSES: SocketAddresses = {
  remoteAddress: undefined,
  remotePort: undefined,
  localAddress: undefined,
  localPort: undefined,
  encrypted: false,
}

/** Whether node 20 or 22 writes an informational head late, behind the real one. It does so in ASCII, in one piece. */
function isInformational(data: string | Uint8Array): boolean {
  return typeof data === 'string' && /^HTTP\/1\.1 1\d\d /.test(data) && data.endsWith('\r\n\r\n')
}

/** node prints a head and the text behind it as one string: then its bytes above 0x7f are UTF-8, otherwise latin1. */
function isPrintedAsUtf8(head: CgiResponseHead, data: string | Uint8Array, encoding: BufferEncoding | undefined): boolean {
  if (head.isAscii || typeof data !== 'string' || (encoding !== undefined && encoding !== 'utf8' && encoding !== 'utf-8')) return false
  // Without a length node would have framed the text in chunks, whose size is written before it.
  return data.length === 0 || CONTENT_LENGTH.test(head.fields)
}

function asUtf8({ fields, status, chunked }: CgiResponseHead): CgiResponseHead {
  return { fields: utf8Bytes(fields), status: { text: utf8Bytes(status.text), code: status.code }, chunked, isAscii: false }
}

function utf8Bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The chunk is reused after the call it came with; what the application gets must be its own. */
export function copyOf(chunk: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  chunk.copy(copy, 0, start, end)
  return copy
}

interface BodyPiece {
  readonly content: Buffer
  /** What it holds of memory, in bytes. */
  readonly size: number
}

function pushBody(req: http.IncomingMessage, { content, size }: BodyPiece, request: Request): void {
  if (req.destroyed || isDumped(req)) return
  request.pushed(size, req.push(content))
}

function releaseBody(request: Request): void {
  request.releaseBody()
}

function endInput(request: Request): void {
  request.endInputIfDue()
}

function pushEnd(req: http.IncomingMessage): void {
  req.push(null)
}

/** Runs a function of the application's. What it throws is its own and reaches 'uncaughtException'. */
export function runIn<Arguments extends unknown[]>(context: AsyncResource | undefined, callback: (...args: Arguments) => void, ...args: Arguments): void {
  try {
    if (context === undefined) callback(...args)
    else context.runInAsyncScope(callback, undefined, ...args)
  } catch (error) {
    throwLater(context, error)
  }
}

/** Not at once: the records behind this one belong to other requests and must be read on. Listeners of 'uncaughtException' find the context. */
function throwLater(context: AsyncResource | undefined, error: unknown): void {
  if (context === undefined) process.nextTick(rethrow, error)
  else context.runInAsyncScope(() => process.nextTick(rethrow, error))
}

function doubtLater(request: Request): void {
  request.doubtLater()
}

function upgradeIfDoubted(request: Request): void {
  request.upgradeIfDoubted()
}

function newResource(): AsyncResource {
  return new AsyncResource('FASTCGIREQUEST')
}

function dispatchRequest(this: RequestHost, request: Request, head: RequestHead): void {
  this.dispatch(request, head)
}

function refuseRequest(host: RequestHost, request: Request, error: Error): void {
  host.refuseByListener(request, error)
}

function endFinished(request: Request): void {
  request.endFinished()
}

function rethrow(error: unknown): never {
  throw error
}

/** The error node:http gives to a request whose client went away. */
export function connectionReset(): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
}

/** What node's parser says of a client that leaves in the middle of a body. */
function invalidEof(): Error {
  return Object.assign(new Error('Parse Error: Invalid EOF state'), { code: 'HPE_INVALID_EOF_STATE', reason: 'Invalid EOF state' })
}

/** As under node:http when the client's side ends: the socket ends without an error, and takes the request with it. */
function abortExchange({ req, socket }: Exchange, reason: Error | undefined): void {
  if (socket.destroyed) {
    if (!req.destroyed) req.destroy(connectionReset())
  } else {
    socket.endByPeer()
    socket.destroy(reason)
  }
}

function settleExchange({ res, socket }: Exchange, done: WritesDone, error: Error | null | undefined): void {
  const state = socket._writableState
  // A write that failed makes no room.
  if (state.needDrain && socket.writableLength === 0 && !socket.destroyed && !error) {
    state.needDrain = false
    socket.emit('drain')
    emitDrain(res)
  }
  // Behind 'drain', as a stream's.
  tell(done, error ?? null)
}

function emitEnd(res: http.ServerResponse, socket: RequestSocket): void {
  emitClose(res)
  socket.finish()
}

function finishSocket(socket: RequestSocket): void {
  socket.finishIfWritten()
}

/** What node:http does with a socket that is idle for too long: whoever listens decides, else it is destroyed. */
function emitTimeout({ req, res, socket, server }: Exchange): void {
  const isReqAware = !req.complete && req.emit('timeout', socket)
  const isResAware = res.emit('timeout', socket)
  const isServerAware = server.emit('timeout', socket)
  socket.emit('timeout')
  if (!isReqAware && !isResAware && !isServerAware) socket.destroy()
}

let isLargeHeadWarned = false

function warnOfLargeHead(length: number): void {
  if (isLargeHeadWarned) return
  isLargeHeadWarned = true
  process.emitWarning(
    `a response head of ${length} bytes was sent; nginx answers 502 to heads above 4 KiB unless fastcgi_buffer_size is raised`,
    { type: 'FastCGIWarning', code: 'FCGI_WARN_LARGE_HEAD' },
  )
}
