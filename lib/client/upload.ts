// What one request sends after its PARAMS: STDIN and DATA, read from where they come from only as fast as they leave.

import { type Readable } from 'node:stream'
import { OptionError, RequestAbortedError } from '../errors'
import { RecordType } from '../protocol'

/** Content of a stream that a request sends. A string is UTF-8. */
export type Body = Readable | Uint8Array | string

/** Where the records go. */
export interface UploadSink {
  /** Sends content; false when no more should come before {@link Upload.drained}. */
  stream(type: RecordType, requestId: number, content: Uint8Array): boolean
  endStream(type: RecordType, requestId: number): void
}

interface Part {
  readonly type: RecordType
  readonly bytes?: Buffer
  readonly source?: Readable
}

/** A whole body in memory goes out in pieces of this size, so that other requests on the connection get their turn. */
const PIECE = 262_144

/** Sends the streams of one request in the order of FCGI 6.2 and 6.4: STDIN, then DATA. */
export class Upload {
  /** Every stream was sent to its end. */
  complete = false
  /** The application waits for us, and we wait for the source: its silence is not its fault. */
  waitingForSource = false

  private readonly parts: Part[]
  private current = 0
  private sent = 0
  /** Something was read from a stream; it cannot be read again. */
  private consumed = false
  private stopped = false
  private sink: UploadSink | undefined
  private requestId = 0

  /**
   * @param stdin undefined: the stream is not sent at all, not even its end
   * @param data the same
   * @param onFailure called once when a source fails or closes before its end, also before {@link begin}
   */
  constructor(stdin: Body | undefined, data: Body | undefined, private readonly onFailure: (error: Error) => void) {
    this.parts = []
    if (stdin !== undefined) this.parts.push(part(RecordType.STDIN, stdin))
    if (data !== undefined) this.parts.push(part(RecordType.DATA, data))
    for (const { source } of this.parts) {
      if (source === undefined) continue
      source.on('error', this.onSourceError)
      source.on('close', this.onSourceClose)
      if (source.destroyed) queueMicrotask(this.onSourceClose)
    }
  }

  /** The upload can start again from its first byte. */
  get replayable(): boolean {
    return !this.consumed
  }

  /** Sends until the end, until the sink is full or until the source has no more for now. */
  begin(sink: UploadSink, requestId: number): void {
    this.sink = sink
    this.requestId = requestId
    this.next()
  }

  /** Lets go of a sink that is of no use any more; {@link begin} then starts from the first byte. Only while {@link replayable}. */
  rewind(): void {
    this.sink = undefined
    this.current = 0
    this.sent = 0
    this.complete = false
    this.release()
  }

  /** The sink has room again. */
  drained(): void {
    const at = this.parts[this.current]
    if (this.stopped || this.sink === undefined || at === undefined) return
    if (at.source === undefined) this.next()
    else if (!this.waitingForSource) this.flow(at.source)
  }

  /** Sends nothing from now on. A source is left paused: what becomes of its rest is its owner's business. */
  stop(): void {
    if (this.stopped) return
    this.stopped = true
    this.release()
    // The 'error' listener stays: an error of a source nobody wants any more must not end the process.
    for (const { source } of this.parts) source?.off('close', this.onSourceClose)
  }

  private release(): void {
    this.waitingForSource = false
    for (const { source } of this.parts) {
      if (source?.listeners('data').includes(this.onData) !== true) continue
      source.pause()
      source.off('data', this.onData).off('end', this.onEnd)
    }
  }

  private next(): void {
    for (; !this.stopped; this.current++) {
      const at = this.parts[this.current]
      if (at === undefined) {
        this.complete = true
        return
      }
      if (at.source !== undefined && !at.source.readableEnded) {
        at.source.on('data', this.onData).on('end', this.onEnd)
        this.flow(at.source)
        return
      }
      if (at.bytes !== undefined && !this.sendBytes(at.type, at.bytes)) return
      this.sent = 0
      this.sink?.endStream(at.type, this.requestId)
    }
  }

  /** @returns false when the sink is full first */
  private sendBytes(type: RecordType, bytes: Buffer): boolean {
    while (this.sent < bytes.length) {
      const piece = bytes.subarray(this.sent, this.sent + PIECE)
      this.sent += piece.length
      if (this.sink?.stream(type, this.requestId, piece) === false && this.sent < bytes.length) return false
    }
    return true
  }

  private flow(source: Readable): void {
    this.waitingForSource = true
    source.resume()
  }

  private readonly onData = (chunk: unknown): void => {
    const at = this.parts[this.current]
    if (this.stopped || at?.source === undefined) return
    const content = typeof chunk === 'string' ? Buffer.from(chunk, at.source.readableEncoding ?? 'utf8') : chunk
    if (!(content instanceof Uint8Array)) {
      this.fail(new OptionError(`a request body must be a stream of bytes or text, not of ${typeof chunk}`))
      return
    }
    this.consumed = true
    if (content.length === 0 || this.sink?.stream(at.type, this.requestId, content) !== false) return
    this.waitingForSource = false
    at.source.pause()
  }

  private readonly onEnd = (): void => {
    const at = this.parts[this.current]
    if (this.stopped || at?.source === undefined) return
    this.consumed = true
    this.waitingForSource = false
    this.sink?.endStream(at.type, this.requestId)
    this.current++
    this.next()
  }

  private readonly onSourceError = (error: Error): void => {
    this.fail(new RequestAbortedError(`the request body could not be read: ${error.message}`, 'FCGI_ERR_ABORTED', error))
  }

  private readonly onSourceClose = (): void => {
    const unread = this.parts.some(({ source }) => source?.destroyed === true && !source.readableEnded)
    if (unread) this.fail(new RequestAbortedError('the request body closed before its end'))
  }

  private fail(error: Error): void {
    if (this.stopped || this.complete) return
    this.stop()
    this.onFailure(error)
  }
}

function part(type: RecordType, body: Body): Part {
  if (typeof body === 'string') return { type, bytes: Buffer.from(body, 'utf8') }
  if (body instanceof Uint8Array) return { type, bytes: Buffer.from(body.buffer, body.byteOffset, body.byteLength) }
  if (typeof body.pipe !== 'function') throw new OptionError('a request body must be a stream, bytes or text')
  return { type, source: body }
}
