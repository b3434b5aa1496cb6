// The sending half of the protocol: records in, as few and as large buffers as possible out. Pure: it never writes to a socket.

import { Buffer } from 'node:buffer' // not the global: that is a getter, called each time
import { HEADER_LENGTH, MAX_CONTENT_LENGTH, type ProtocolStatus, RecordType } from './constants'
import { writeRecordHeader } from './records'

/** Content up to this size is copied beside its header: one small copy is cheaper than one more piece in a writev. */
const COPY_LIMIT = 16_384
const SLAB_SIZE = 65_536
/** A record's content when a large buffer is cut: a multiple of 8, so that the pieces stay aligned. */
const CUT = 65_528
const END_REQUEST_LENGTH = 8

// What `buffer.write(text, at, encoding)` calls once it has read its arguments; in a node without them that is called.
type WriteText = (this: Buffer, text: string, at: number) => number
const writers = Buffer.prototype as Partial<Record<'latin1Write' | 'utf8Write', WriteText>>
const latin1Write: WriteText = writers.latin1Write ?? function (text, at) { return this.write(text, at, 'latin1') }
const utf8Write: WriteText = writers.utf8Write ?? function (text, at) { return this.write(text, at, 'utf8') }

// All writers fill one slab in turn, so an idle connection owns no memory. A writer whose bytes end at `slabUsed` may
// go on there; as soon as another writer takes the slab, the first one's piece is closed.
let slab = Buffer.allocUnsafeSlow(SLAB_SIZE)
let slabUsed = 0
let slabOwner: RecordWriter | undefined
/** The last piece that was cut off, and where it begins. It is cut off again where it was given back and as much is written. */
let lastPiece = slab.subarray(0, 0)
let lastPieceAt = -1

/** Up to this many characters a loop is cheaper than a call into node. */
const SHORT_TEXT = 24

function cutOff(from: number, to: number): Buffer {
  if (lastPieceAt !== from || lastPiece.length !== to - from) {
    lastPiece = slab.subarray(from, to)
    lastPieceAt = from
  }
  return lastPiece
}

/** @returns false for what is not ASCII */
function writeAscii(text: string, at: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) return false
    slab[at + i] = code
  }
  return true
}

function own(writer: RecordWriter | undefined): void {
  slabOwner = writer
}

/** Shared by all that hold nothing; the first piece makes an array of one, where a push would make room for seventeen. */
const NONE: Buffer[] = []

/** Gathers the records of one connection until they are taken for one write. */
export class RecordWriter {
  /** Bytes gathered since the last {@link take}. */
  length = 0

  private pieces: Buffer[] = NONE
  /** Start in the slab of the piece still growing, -1 when there is none. */
  private openAt = -1
  /** Offset in the slab of the last record's header when that record may still grow, -1 otherwise. */
  private growingAt = -1
  private growingType = 0
  private growingId = 0

  /**
   * Adds content to a stream. Content that follows content of the same stream shares its record while it fits.
   *
   * @param content a buffer above 16 KiB is not copied: leave it unchanged until the write it goes out with is done
   * @param encoding of a string; ignored for bytes
   * @returns bytes added to the stream, without headers
   * @see FCGI 3.3
   */
  stream(type: number, requestId: number, content: Uint8Array | string, encoding: BufferEncoding = 'utf8'): number {
    if (typeof content === 'string') return this.text(type, requestId, content, encoding)
    const length = content.length
    if (length > COPY_LIMIT) this.large(type, requestId, content)
    else if (length > 0) {
      const at = this.room(type, requestId, length)
      slab.set(content, at)
      this.grow(length)
    }
    return length
  }

  /** Sees to it that the next `size` bytes, headers included, can share a record; more than 16 KiB is left to chance. */
  keepTogether(size: number): void {
    if (size <= COPY_LIMIT) this.reserve(size)
  }

  /** What is added next begins a record of its own. */
  separate(): void {
    this.growingAt = -1
  }

  /** Adds the empty record that ends a stream. FCGI 3.3 */
  endStream(type: number, requestId: number): void {
    this.header(type, requestId, 0)
    this.growingAt = -1
  }

  /** @see FCGI 5.5 */
  endRequest(requestId: number, appStatus: number, protocolStatus: ProtocolStatus): void {
    this.reserve(HEADER_LENGTH + END_REQUEST_LENGTH)
    this.header(RecordType.END_REQUEST, requestId, END_REQUEST_LENGTH)
    slab[slabUsed] = appStatus >>> 24
    slab[slabUsed + 1] = appStatus >>> 16
    slab[slabUsed + 2] = appStatus >>> 8
    slab[slabUsed + 3] = appStatus
    slab[slabUsed + 4] = protocolStatus
    slab[slabUsed + 5] = 0
    slab[slabUsed + 6] = 0
    slab[slabUsed + 7] = 0
    slabUsed += END_REQUEST_LENGTH
    this.length += END_REQUEST_LENGTH
    this.growingAt = -1
  }

  /** Adds a record that is encoded already. */
  record(encoded: Buffer): void {
    this.close()
    this.add(encoded)
    this.length += encoded.length
  }

  /**
   * Takes everything gathered, in order.
   *
   * @returns buffers to be written in one go; the writer keeps no reference and never changes them again, unless one is given back
   */
  take(): readonly Buffer[] {
    this.close()
    const taken = this.pieces
    this.pieces = NONE
    this.length = 0
    return taken
  }

  /** Gives a buffer that was taken back, once nobody needs it any more: its memory is written to again. */
  giveBack(piece: Buffer): void {
    if (slabOwner === undefined && piece === lastPiece && lastPieceAt + piece.length === slabUsed) slabUsed = lastPieceAt
  }

  private add(piece: Buffer): void {
    if (this.pieces === NONE) this.pieces = [piece]
    else this.pieces.push(piece)
  }

  private text(type: number, requestId: number, content: string, encoding: BufferEncoding): number {
    const isLatin1 = encoding === 'latin1' || encoding === 'binary'
    const isUtf8 = encoding === 'utf8' || encoding === 'utf-8'
    if (content.length === 0) return 0
    let most = isUtf8 ? content.length * 3 : content.length
    let isOneByte = isLatin1
    if (isUtf8 && most > COPY_LIMIT && content.length <= COPY_LIMIT) {
      most = Buffer.byteLength(content)
      // Then it is ASCII, and the cheaper of the two encodings will do.
      isOneByte = most === content.length
    }
    // Anything but the two encodings of nearly all responses, or too long to be sure of its size, takes the way of bytes.
    if ((!isLatin1 && !isUtf8) || most > COPY_LIMIT) return this.stream(type, requestId, Buffer.from(content, encoding))
    const at = this.room(type, requestId, most)
    const isWritten = content.length <= SHORT_TEXT && writeAscii(content, at)
    const length = isWritten ? content.length : isOneByte ? latin1Write.call(slab, content, at) : utf8Write.call(slab, content, at)
    this.grow(length)
    return length
  }

  /** Makes room for content of a stream, behind its growing record or behind a new header; returns the offset to write at. */
  private room(type: number, requestId: number, most: number): number {
    const mayGrow =
      this.growingAt >= 0 &&
      slabOwner === this &&
      this.growingType === type &&
      this.growingId === requestId &&
      slabUsed - this.growingAt - HEADER_LENGTH + most <= MAX_CONTENT_LENGTH &&
      slabUsed + most <= SLAB_SIZE
    if (!mayGrow) {
      this.reserve(HEADER_LENGTH + most)
      const at = slabUsed
      this.header(type, requestId, 0)
      this.growingAt = at
      this.growingType = type
      this.growingId = requestId
    }
    return slabUsed
  }

  /** Counts content just written at the end of the slab into the growing record. */
  private grow(length: number): void {
    slabUsed += length
    this.length += length
    const contentLength = slabUsed - this.growingAt - HEADER_LENGTH
    slab[this.growingAt + 4] = contentLength >>> 8
    slab[this.growingAt + 5] = contentLength & 0xff
  }

  private header(type: number, requestId: number, contentLength: number): void {
    this.reserve(HEADER_LENGTH)
    slabUsed = writeRecordHeader(slab, slabUsed, type, requestId, contentLength)
    this.length += HEADER_LENGTH
  }

  /** What is beyond whole cuts goes first: small enough to be copied, it shares a piece with the header behind it. */
  private large(type: number, requestId: number, content: Uint8Array): void {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(content.buffer, content.byteOffset, content.byteLength)
    const first = bytes.length % CUT
    if (first > COPY_LIMIT) {
      this.header(type, requestId, first)
      this.record(bytes.subarray(0, first))
    } else if (first > 0) {
      const at = this.room(type, requestId, first)
      if (first <= SHORT_TEXT) for (let i = 0; i < first; i++) slab[at + i] = bytes[i] ?? 0
      else bytes.copy(slab, at, 0, first)
      this.grow(first)
    }
    // From the second cut on the piece of a header holds nothing else, and all those headers are the same.
    let header: Buffer | undefined
    for (let at = first; at < bytes.length; at += CUT) {
      if (header === undefined) {
        this.header(type, requestId, CUT)
        this.close()
        if (at > first) header = this.pieces.at(-1)
      } else {
        this.record(header)
      }
      this.record(bytes.subarray(at, at + CUT))
    }
  }

  /** Sees to it that the next `size` bytes of the slab are this writer's. */
  private reserve(size: number): void {
    if (slabOwner === this && slabUsed + size <= SLAB_SIZE) return
    slabOwner?.close()
    if (slabUsed + size > SLAB_SIZE) {
      slab = Buffer.allocUnsafeSlow(SLAB_SIZE)
      slabUsed = 0
      lastPieceAt = -1
    }
    own(this)
    this.openAt = slabUsed
    this.growingAt = -1
  }

  private close(): void {
    this.growingAt = -1
    if (slabOwner !== this) return
    if (slabUsed > this.openAt) this.add(cutOff(this.openAt, slabUsed))
    own(undefined)
    this.openAt = -1
  }
}
