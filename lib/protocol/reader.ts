// The receiving half of the protocol: chunks of bytes in, records out. Used by both ends; knows no request state.

import { ProtocolError } from '../errors'
import { HEADER_LENGTH, NULL_REQUEST_ID, RecordType, VERSION } from './constants'

const enum Expect {
  HEADER,
  STREAM_CONTENT,
  WHOLE_CONTENT,
  SKIP,
}

const NOTHING = Buffer.alloc(0)

/** Content length of the records whose size the specification fixes. FCGI 5.1, 5.5, 4.2 */
const FIXED_LENGTH = 8

/**
 * Cuts a stream of bytes into records, in time linear in the bytes however they are split.
 *
 * ```ts
 * reader.push(chunk)
 * while (reader.next()) handle(reader.type, reader.requestId, reader.content)
 * ```
 *
 * A *stream record* (PARAMS, STDIN, DATA, STDOUT, STDERR) is handed out as it arrives, in one or more non-empty
 * fragments; a fragment with no bytes is the empty record that ends the stream (FCGI 3.3). Records of a fixed or small
 * size are handed out whole. The content of an ABORT_REQUEST or of a record of unknown type is skipped, never kept.
 * Nothing is allocated on the word of a length field.
 */
export class RecordReader {
  /** Type of the current record; not necessarily a {@link RecordType}. */
  type = 0
  /** Request id of the current record, 0 to 65535. */
  requestId = 0
  /** Content length the current record announced, 0 to 65535; the fragment at hand may be shorter. */
  contentLength = 0
  /** The bytes that hold the current fragment, from `start` to `end`. Valid until the next call of `next` or `push`. */
  chunk: Buffer = NOTHING
  start = 0
  end = 0

  private input: Buffer = NOTHING
  private inputEnd = 0
  private at = 0
  private expect = Expect.HEADER
  private contentLeft = 0
  private skipLeft = 0
  /** Made when a header is first cut in two, which few ever are. */
  private header: Buffer | undefined
  private headerFilled = 0
  /** What is there of content that must be whole. */
  private kept: Buffer | undefined

  /** The current fragment as a view; copy it if it must outlive the next call. */
  get content(): Buffer {
    return this.chunk.subarray(this.start, this.end)
  }

  /**
   * Hands over the next bytes. Call {@link next} until it returns false before pushing again.
   *
   * @param chunk read only until the following `next()` returned false; it may be reused by the caller then
   * @param length bytes of `chunk` that count, from its start; all of them unless given
   */
  push(chunk: Buffer, length = chunk.length): void {
    this.input = chunk
    this.inputEnd = length
    this.at = 0
  }

  /**
   * Moves to the next record or fragment.
   *
   * @returns false when more bytes are needed
   * @throws {ProtocolError} FCGI_ERR_VERSION or FCGI_ERR_RECORD_LENGTH; the reader is of no use after that
   */
  next(): boolean {
    for (;;) {
      const left = this.inputEnd - this.at
      switch (this.expect) {
        case Expect.HEADER:
          if (!this.readHeader(left)) return false
          if (this.beginContent()) return true
          break
        case Expect.STREAM_CONTENT:
          if (left === 0) return this.drained()
          this.fragment(Math.min(left, this.contentLeft))
          if (this.contentLeft === 0) this.expect = Expect.SKIP
          return true
        case Expect.WHOLE_CONTENT:
          if (this.collect(left)) return true
          return this.drained()
        case Expect.SKIP: {
          const skipped = Math.min(left, this.skipLeft)
          this.at += skipped
          this.skipLeft -= skipped
          if (this.skipLeft > 0) return this.drained()
          this.expect = Expect.HEADER
        }
      }
    }
  }

  /**
   * Says that the peer sent its last byte.
   *
   * @throws {ProtocolError} FCGI_ERR_TRUNCATED_RECORD in the middle of a record
   */
  finish(): void {
    const insideHeader = this.expect === Expect.HEADER && this.headerFilled > 0
    const insideRecord = this.expect !== Expect.HEADER && this.contentLeft + this.skipLeft > 0
    if (!insideHeader && !insideRecord) return
    const seen = insideHeader ? `${this.headerFilled} of ${HEADER_LENGTH} header bytes` : `${this.contentLeft + this.skipLeft} bytes of content and padding missing`
    const concerned = insideRecord && this.requestId !== NULL_REQUEST_ID ? { requestId: this.requestId } : {}
    throw new ProtocolError('FCGI_ERR_TRUNCATED_RECORD', `the connection ended inside a record: ${seen}`, { section: '3.3', ...concerned })
  }

  private drained(): false {
    // The caller may reuse its buffer from now on, so no reference is kept.
    this.input = NOTHING
    this.inputEnd = 0
    this.at = 0
    return false
  }

  private readHeader(left: number): boolean {
    let header = this.input
    let at = this.at
    if (this.headerFilled > 0 || left < HEADER_LENGTH) {
      if (left === 0) return this.drained()
      const wanted = Math.min(left, HEADER_LENGTH - this.headerFilled)
      this.header ??= Buffer.alloc(HEADER_LENGTH)
      this.input.copy(this.header, this.headerFilled, at, at + wanted)
      this.headerFilled += wanted
      this.at += wanted
      // The version is judged as soon as it is there: a peer that does not speak FastCGI may never send 8 bytes.
      this.checkVersion(this.header[0] ?? 0)
      if (this.headerFilled < HEADER_LENGTH) return this.drained()
      header = this.header
      at = 0
      this.headerFilled = 0
    } else {
      this.at += HEADER_LENGTH
      this.checkVersion(header[at] ?? 0)
    }
    this.type = header[at + 1] ?? 0
    this.requestId = ((header[at + 2] ?? 0) << 8) | (header[at + 3] ?? 0)
    this.contentLength = ((header[at + 4] ?? 0) << 8) | (header[at + 5] ?? 0)
    this.contentLeft = this.contentLength
    this.skipLeft = header[at + 6] ?? 0
    return true
  }

  private checkVersion(version: number): void {
    if (version === VERSION) return
    // An HTTP method starts with an upper-case letter, a TLS hello with 22: the two usual wrong guests.
    const guest =
      version >= 0x41 && version <= 0x5a
        ? '; this looks like HTTP: use fastcgi_pass (not proxy_pass) or its like in front of this port'
        : version === 22
          ? '; this looks like TLS: FastCGI has none, terminate it in the web server'
          : ''
    throw new ProtocolError('FCGI_ERR_VERSION', `record version ${version}, expected ${VERSION}${guest}`, { section: '3.3' })
  }

  /** Decides what the content of the record just announced is; true when the record is complete already. */
  private beginContent(): boolean {
    switch (this.type) {
      case RecordType.PARAMS:
      case RecordType.STDIN:
      case RecordType.DATA:
      case RecordType.STDOUT:
      case RecordType.STDERR:
        // With id 0 it is a management record of a type that there is none of, and no stream. FCGI 3.3, 4
        if (this.contentLength === 0 || this.requestId === NULL_REQUEST_ID) return this.skipContent()
        this.expect = Expect.STREAM_CONTENT
        return false
      case RecordType.BEGIN_REQUEST:
      case RecordType.END_REQUEST:
      case RecordType.UNKNOWN_TYPE:
        if (this.contentLength !== FIXED_LENGTH) {
          throw new ProtocolError(
            'FCGI_ERR_RECORD_LENGTH',
            `record type ${this.type} with ${this.contentLength} content bytes, expected ${FIXED_LENGTH}`,
            { section: this.type === RecordType.UNKNOWN_TYPE ? '4.2' : '5', requestId: this.requestId },
          )
        }
        this.expect = Expect.WHOLE_CONTENT
        return false
      case RecordType.GET_VALUES:
      case RecordType.GET_VALUES_RESULT:
        if (this.contentLength === 0) return this.complete(NOTHING, 0, 0)
        this.expect = Expect.WHOLE_CONTENT
        return false
      default:
        return this.skipContent()
    }
  }

  private skipContent(): true {
    this.skipLeft += this.contentLeft
    this.contentLeft = 0
    return this.complete(NOTHING, 0, 0)
  }

  private complete(chunk: Buffer, start: number, end: number): true {
    this.chunk = chunk
    this.start = start
    this.end = end
    this.expect = Expect.SKIP
    return true
  }

  private fragment(length: number): void {
    this.chunk = this.input
    this.start = this.at
    this.at += length
    this.end = this.at
    this.contentLeft -= length
  }

  /** Gathers content that must be whole; pieces are kept only as they arrive. */
  private collect(left: number): boolean {
    if (this.kept === undefined && left >= this.contentLeft) {
      this.fragment(this.contentLeft)
      this.expect = Expect.SKIP
      return true
    }
    const length = Math.min(left, this.contentLeft)
    if (length > 0) this.keep(this.input.subarray(this.at, this.at + length))
    this.at += length
    this.contentLeft -= length
    if (this.contentLeft > 0) return false
    const whole = this.kept ?? NOTHING
    this.kept = undefined
    return this.complete(whole, 0, this.contentLength)
  }

  private keep(piece: Buffer): void {
    // One buffer that doubles: a list of one-byte pieces would cost a hundred times its content.
    const filled = this.contentLength - this.contentLeft
    let target = this.kept
    if (target === undefined || target.length < filled + piece.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.contentLength, Math.max(64, 2 * (filled + piece.length))))
      if (target !== undefined) target.copy(larger, 0, 0, filled)
      target = larger
      this.kept = larger
    }
    piece.copy(target, filled)
  }
}
