// One request as its caller sees it: output, end, abort. Knows no socket; a host sends for it and tells it what arrived.

import { EventEmitter } from 'node:events'
import { PassThrough, Readable, type Writable } from 'node:stream'
import { FastCGIError, OptionError, RequestAbortedError } from '../errors'
import { type EndRequest, ProtocolStatus, Role } from '../protocol'
import { RequestRefusedError } from './errors'
import { type Body, Upload } from './upload'

/** What a caller says about a request of any role. */
interface CommonRequestOptions {
  /**
   * Meta-variables, as an object or as names and values alternating. One character is one byte (latin1); a text with
   * characters above U+00FF is sent as its UTF-8 bytes.
   */
  readonly params: Readonly<Record<string, string>> | readonly string[]
  /** Content of STDIN; default none. An Authorizer without a body gets no STDIN at all. */
  readonly body?: Body | undefined
  /**
   * A conversation, such as a WebSocket behind `Status: 101`: STDIN stays open. It is what is written to {@link ClientRequest.stdin},
   * or a `body` that is a stream. `timeoutMs` counts until the application begins to answer. Default false.
   */
  readonly upgrade?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Overrides the client's `timeoutMs`; 0: no limit. */
  readonly timeoutMs?: number | undefined
}

/** For a Responder, or to ask an Authorizer, whose answer is the Status: 200 grants access. FCGI 6.2, 6.3 */
export interface PlainRequestOptions extends CommonRequestOptions {
  /** Default: Responder. FCGI 6 */
  readonly role?: typeof Role.RESPONDER | typeof Role.AUTHORIZER | undefined
  readonly data?: undefined
  readonly dataLength?: undefined
  readonly dataLastModified?: undefined
}

/** For a Filter, which gets a file behind the body. FCGI 6.4 */
export interface FilterRequestOptions extends CommonRequestOptions {
  readonly role: typeof Role.FILTER
  /** Content of DATA; default none. */
  readonly data?: Body | undefined
  /** Bytes of `data`: becomes FCGI_DATA_LENGTH, unless `params` has it. Known by itself of anything but a stream. */
  readonly dataLength?: number | undefined
  /** Becomes FCGI_DATA_LAST_MOD, in whole seconds, unless `params` has it. */
  readonly dataLastModified?: Date | undefined
}

/** What a caller says about a request. */
export type ClientRequestOptions = PlainRequestOptions | FilterRequestOptions

/** A request under way. */
export interface ClientRequest extends EventEmitter<{ stderr: [text: Buffer] }> {
  /**
   * STDOUT. It ends when the application ended the request; it is destroyed with the error when that never happens.
   * While nobody reads it the application is held back, so a caller with no use for it calls `resume()`.
   */
  readonly stdout: Readable
  /** With the option `upgrade` and without a `body`: what is written here is STDIN. Destroyed when the request is over; undefined otherwise. */
  readonly stdin: Writable | undefined
  /**
   * How the request ended, known before everything is read from `stdout`.
   * Rejects when it was not answered to its end, and with {@link RequestRefusedError} when it was refused without output.
   */
  readonly ended: Promise<EndRequest>
  /** Gives the request up; after its end, nothing happens. */
  abort(reason?: unknown): void
}

/** Who has the request in hand: the client while it waits, a connection afterwards. */
export interface ExchangeHost {
  /** The exchange has settled on its own; nothing must be sent for it or told to it any more. */
  abandon(exchange: Exchange): void
  /** The caller has room for more output. */
  readMore(): void
  /** Output is held back, for this exchange or for another one on the same connection. */
  readonly paused: boolean
}

/** Methods that may run twice without harm. RFC 9110 9.2.2 */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
const STDOUT_HIGH_WATER_MARK = 65_536

/** The one implementation of {@link ClientRequest}. */
export class Exchange extends EventEmitter<{ stderr: [text: Buffer] }> implements ClientRequest {
  readonly stdout: Readable
  readonly stdin: PassThrough | undefined
  readonly ended: Promise<EndRequest>
  readonly role: Role
  /** Names and values alternating, latin1. */
  readonly params: string[]
  readonly upload: Upload
  host: ExchangeHost | undefined
  /** It was sent a second time already. */
  retried = false

  private settled = false
  private answered = false
  private hasOutput = false
  private stdoutEnded = false
  private readonly isUpgrade: boolean
  private timer: NodeJS.Timeout | undefined
  private readonly signal: AbortSignal | undefined
  private resolve: (end: EndRequest) => void = () => undefined
  private reject: (error: Error) => void = () => undefined

  /** @throws {OptionError} for params that are none */
  constructor(options: ClientRequestOptions, private readonly timeoutMs: number) {
    super()
    this.role = options.role ?? Role.RESPONDER
    if (!Object.values(Role).includes(this.role)) throw new OptionError(`there is no role ${String(this.role)}`)
    this.params = checkParams(options.params)
    addDataParams(this.params, options)
    this.ended = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Who is not interested in the end must not be ended by it; whoever waits for it still gets the error.
    this.ended.catch(() => undefined)
    this.stdout = new Readable({
      highWaterMark: STDOUT_HIGH_WATER_MARK,
      // Node asks for more just before it takes what is buffered, and then not again until something is pushed:
      // looking at the buffer at once would find it full and wait for ever.
      read: () => queueMicrotask(() => this.host?.readMore()),
      destroy: (error, done) => {
        this.abort(error ?? undefined)
        done(error)
      },
    })
    this.stdout.on('error', () => undefined)
    this.isUpgrade = options.upgrade ?? false
    if (this.isUpgrade && (typeof options.body === 'string' || options.body instanceof Uint8Array)) {
      throw new OptionError('the body of an upgrade must be a stream: STDIN stays open behind the request')
    }
    this.stdin = this.isUpgrade && options.body === undefined ? new PassThrough() : undefined
    // Whoever writes when the request is over is told by 'close' and the callback of the write.
    this.stdin?.on('error', () => undefined)
    const stdin = this.stdin ?? options.body ?? (this.role === Role.AUTHORIZER ? undefined : '')
    const data = options.role === Role.FILTER ? (options.data ?? '') : undefined
    this.upload = new Upload(stdin, data, (error) => this.giveUp(error))
    if (timeoutMs > 0) this.timer = setTimeout(() => this.silent(), timeoutMs).unref()
    this.signal = options.signal
    if (this.signal?.aborted === true) queueMicrotask(this.onSignal)
    this.signal?.addEventListener('abort', this.onSignal, { once: true })
  }

  get isSettled(): boolean {
    return this.settled
  }

  /** May be sent once more on another connection: nothing was answered, nothing is lost, and twice is as good as once. */
  get retriable(): boolean {
    if (this.settled || this.retried || this.answered || !this.upload.replayable) return false
    const at = this.params.findIndex((name, index) => index % 2 === 0 && name === 'REQUEST_METHOD')
    return at >= 0 && IDEMPOTENT.has(this.params[at + 1] ?? '')
  }

  abort(reason?: unknown): void {
    if (this.settled) return
    const isOurs = reason instanceof RequestAbortedError
    this.giveUp(isOurs ? reason : new RequestAbortedError('the request was aborted by its caller', 'FCGI_ERR_ABORTED', reason))
  }

  /** The connection moved bytes for this exchange, so its application is not silent. */
  progressed(): void {
    // refresh() would bring a timer back that was cleared.
    if (!this.isUpgrade) this.timer?.refresh()
  }

  /** @returns bytes waiting for the caller */
  get unread(): number {
    return this.stdout.readableLength
  }

  /**
   * Takes output; an empty fragment ends the stream.
   *
   * @returns false for content behind the end of the stream
   */
  receiveStdout(content: Buffer): boolean {
    this.answered = true
    this.progressed()
    if (content.length === 0) {
      // The caller's stream ends with END_REQUEST: a connection lost before it is not a complete answer.
      this.stdoutEnded = true
      return true
    }
    if (this.stdoutEnded) return false
    // From the answer on, both sides may be silent for as long as they like.
    if (this.isUpgrade && !this.hasOutput) clearTimeout(this.timer)
    this.hasOutput = true
    this.stdout.push(content)
    return true
  }

  receiveStderr(content: Buffer): void {
    this.answered = true
    this.progressed()
    if (content.length > 0) this.emit('stderr', content)
  }

  /** END_REQUEST arrived. */
  end(end: EndRequest): void {
    if (end.protocolStatus !== ProtocolStatus.REQUEST_COMPLETE && !this.hasOutput) {
      this.fail(new RequestRefusedError(end))
      return
    }
    this.settle()
    this.resolve(end)
    this.stdout.push(null)
  }

  /** Ends the exchange with an error; the host has let go of it already. */
  fail(error: Error): void {
    if (this.settled) return
    this.settle()
    this.reject(error)
    this.stdout.destroy(error)
  }

  private giveUp(error: Error): void {
    if (this.settled) return
    const host = this.host
    this.fail(error)
    host?.abandon(this)
  }

  private settle(): void {
    this.settled = true
    clearTimeout(this.timer)
    this.signal?.removeEventListener('abort', this.onSignal)
    this.upload.stop()
    this.stdin?.destroy()
    this.host = undefined
  }

  private readonly onSignal = (): void => this.abort(this.signal?.reason)

  private silent(): void {
    // Neither a caller who does not read nor a body that does not come is the application's silence.
    if ((this.upload.waitingForSource && !this.isUpgrade) || this.host?.paused === true) {
      this.timer?.refresh()
      return
    }
    this.giveUp(new FastCGIError('FCGI_ERR_TIMEOUT', `the application was silent for ${this.timeoutMs} ms`))
  }
}

function checkParams(params: ClientRequestOptions['params']): string[] {
  const list: readonly unknown[] = isList(params) ? params : Object.entries(params).flat()
  if (list.length % 2 !== 0) throw new OptionError(`params must be names and values alternating; ${list.length} texts are no pairs`)
  return list.map((text, index) => {
    if (typeof text !== 'string') throw new OptionError(`params must be text; ${index % 2 === 0 ? 'a name' : `the value of ${String(list[index - 1])}`} is not`)
    return latin1(text)
  })
}

/** What a Filter is told of its file, where `params` does not say it already. FCGI 6.4 */
function addDataParams(params: string[], options: ClientRequestOptions): void {
  if (options.role !== Role.FILTER) {
    refuseData(options)
    return
  }
  const { data, dataLength, dataLastModified } = options
  if (dataLength !== undefined && !(Number.isSafeInteger(dataLength) && dataLength >= 0)) {
    throw new OptionError(`dataLength must be a whole number of bytes, not ${String(dataLength)}`)
  }
  const seconds = dataLastModified === undefined ? undefined : Math.floor(dataLastModified.getTime() / 1_000)
  if (seconds !== undefined && !(seconds >= 0)) throw new OptionError('dataLastModified must be a time since 1970')
  add(params, 'FCGI_DATA_LAST_MOD', seconds)
  add(params, 'FCGI_DATA_LENGTH', dataLength ?? lengthOf(data))
}

/** Types say so too, to those who have them. */
function refuseData({ data, dataLength, dataLastModified }: { data?: unknown; dataLength?: unknown; dataLastModified?: unknown }): void {
  if ((data ?? dataLength ?? dataLastModified) === undefined) return
  throw new OptionError('data, dataLength and dataLastModified are for the role Filter alone')
}

function add(params: string[], name: string, value: number | undefined): void {
  const isThere = params.some((text, index) => index % 2 === 0 && text === name)
  if (value !== undefined && !isThere) params.push(name, String(value))
}

/** Bytes; undefined of a stream. */
function lengthOf(body: Body | undefined): number | undefined {
  if (body === undefined) return 0
  if (typeof body === 'string') return Buffer.byteLength(body)
  return body instanceof Uint8Array ? body.byteLength : undefined
}

function isList(params: ClientRequestOptions['params']): params is readonly string[] {
  return Array.isArray(params)
}

function latin1(text: string): string {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\xff]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}
