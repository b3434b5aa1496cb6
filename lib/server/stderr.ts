// The STDERR stream of one request: lines to records, and where these stand among the output of the response. FCGI 6.2

import { Writable } from 'node:stream'
import { HEADER_LENGTH, RecordType } from '../protocol/constants'
import { RecordWriter } from '../protocol/writer'
import type { LogHabits } from './log-habits'
import type { WriteDone } from './write-done'

/** What the stream asks of its request. */
export interface StderrHost {
  readonly id: number
  /** Of the connection. */
  readonly writer: RecordWriter
  /** END_REQUEST was added, or never will be. */
  readonly outputEnded: boolean
  /** As much body was added as the head announced. */
  readonly isBodyWhole: boolean
  /** The head that was added is the whole answer. */
  readonly isBodiless: boolean
  /** What waits to be written is so little that the operating system takes it at once. */
  readonly isUncongested: boolean
  scheduleFlush(): void
  flush(): void
  /** Output on its way: `done` is called once it is with the operating system, or with an error. */
  await(bytes: number, done: WriteDone): void
}

/** Where a line goes that the web server will not get. */
export interface LineSink {
  write(line: Buffer): unknown
}

interface Line {
  readonly bytes: Buffer
  readonly lost: LineSink
}

/** Bytes of lines that may wait for the head, and as many that may wait for a web server that reads slowly. */
const MOST_WAITING = 65_536
/** nginx reads lines and head into one buffer of 4 KiB, unless `fastcgi_buffer_size` says otherwise. */
const HEAD_BUFFER = 4_000
/** The end of a response that may wait until it is finished, and for what is logged then. Any more leaves at once. */
const MOST_TAIL = 65_536
/** A line without an end is sent in pieces from here on. */
const LONGEST_LINE = 32_768
const LINE_FEED = 10
const NOTHING = Buffer.alloc(0)

/** Those that may hold lines back when the process ends. */
const active = new Set<RequestStderr>()
let flushesAtExit = false

function flushAll(): void {
  for (const stderr of active) stderr.exit()
}

/** Of a request whose STDERR is in use. What it has of the response waits here, so that lines can get in front of it. */
export class RequestStderr {
  /** Output of the response that has not joined that of the connection yet, behind {@link head}. */
  readonly tail = new RecordWriter()
  private head: readonly Buffer[] | undefined
  private headLength = 0
  private waiting: Line[] = []
  private waitingLength = 0
  /** Bytes that the operating system has not taken. */
  private unsent = 0
  private roomDone: WriteDone | undefined
  private isUsed = false
  isOver = false
  private stream: StderrStream | undefined

  /** @param isHeadOut the head has joined the output of the connection */
  constructor(private readonly host: StderrHost, private readonly habits: LogHabits, private isHeadOut: boolean) {
    if (!flushesAtExit) process.on('exit', flushAll)
    flushesAtExit = true
    active.add(this)
  }

  /** The stream that applications write to ends its last line when the request ends. */
  feed(stream: StderrStream): void {
    this.stream = stream
  }

  /**
   * Adds a line, with its line end.
   *
   * @param bytes may be changed afterwards
   * @param lost gets the line if the web server turns out not to
   * @returns false if it is too late for it, or too many wait
   */
  add(bytes: Buffer, lost: LineSink): boolean {
    if (this.isOver || this.host.outputEnded) return false
    const size = bytes.length + HEADER_LENGTH * Math.ceil(bytes.length / this.habits.longestRecord)
    if (!this.isHeadOut && this.habits.beforeHead !== 'any') {
      if (this.waitingLength + size > MOST_WAITING) return false
      this.waiting.push({ bytes: Buffer.from(bytes), lost })
      this.waitingLength += size
      return true
    }
    const isTooLate = !this.habits.isReadBehindBody && this.host.isBodyWhole && this.head === undefined && this.tail.length === 0
    if (isTooLate || this.unsent + size > MOST_WAITING) return false
    this.write({ bytes, lost })
    return true
  }

  /** Calls back when there is room for more: at once while the head is awaited, or nobody could write it and wait for room. */
  whenRoom(done: WriteDone): void {
    if (this.unsent === 0 || this.isOver) done()
    else this.roomDone = done
  }

  /** The head of the response was added to {@link tail}. */
  headAdded(length: number): void {
    this.head = this.tail.take()
    this.headLength = HEADER_LENGTH + length
  }

  /** Whether the end of a response can wait for what is logged when it is finished. */
  get holdsTail(): boolean {
    return this.tail.length <= MOST_TAIL
  }

  /** What there is of the response joins the output of the connection, behind the lines as far as that can be. */
  release(): void {
    if (this.head !== undefined) this.releaseHead(this.head)
    for (const piece of this.tail.take()) this.host.writer.record(piece)
  }

  private releaseHead(head: readonly Buffer[]): void {
    const isOfNginx = this.habits.beforeHead === 'fits'
    if (isOfNginx && this.waitingLength + this.headLength <= HEAD_BUFFER) this.writeWaiting()
    for (const piece of head) this.host.writer.record(piece)
    this.head = undefined
    this.isHeadOut = true
    // nginx is done with a request at the end of such a head.
    if (isOfNginx && this.host.isBodiless) this.loseWaiting()
    else this.writeWaiting()
  }

  /** The response is over: what waits leaves, and the stream is ended if it was used. FCGI 3.3 */
  finish(): void {
    if (this.isOver) return
    this.stream?.endLine()
    this.release()
    this.writeWaiting()
    this.endStream()
    this.close()
  }

  /** There is no response: lines that wait for it are not sent. */
  abandon(): void {
    if (this.isOver) return
    this.isOver = true
    this.stream?.endLine()
    this.close()
  }

  /** The web server gave the request up and gets no output any more, but for the end of what was begun. */
  abort(): void {
    if (!this.isOver) this.endStream()
    this.abandon()
  }

  /** Hands what was added to the operating system. */
  flush(): void {
    if (!this.isOver) this.host.flush()
  }

  /** The process ends: no head will follow. */
  exit(): void {
    if (this.head === undefined) this.writeWaiting()
    this.finish()
    this.host.flush()
  }

  private endStream(): void {
    if (this.isUsed) this.host.writer.endStream(RecordType.STDERR, this.host.id)
  }

  private close(): void {
    this.isOver = true
    active.delete(this)
    this.loseWaiting()
    const { roomDone } = this
    this.roomDone = undefined
    // Not now: the application's callbacks and listeners would run in the middle of our own work.
    if (roomDone !== undefined) process.nextTick(roomDone)
  }

  private writeWaiting(): void {
    for (const line of this.takeWaiting()) this.write(line)
  }

  private loseWaiting(): void {
    for (const { bytes, lost } of this.takeWaiting()) lost.write(bytes)
  }

  private takeWaiting(): Line[] {
    const { waiting } = this
    if (waiting.length > 0) this.waiting = []
    this.waitingLength = 0
    return waiting
  }

  /** Each line in a record of its own, since each record becomes one entry of the log. */
  private write({ bytes, lost }: Line): void {
    const { host, habits } = this
    const { writer } = host
    this.isUsed = true
    for (let start = 0; start < bytes.length; ) {
      const end = cutBefore(bytes, start + habits.longestRecord)
      writer.separate()
      writer.stream(RecordType.STDERR, host.id, bytes.subarray(start, end))
      start = end
    }
    host.scheduleFlush()
    if (!host.isUncongested) this.watch(Buffer.from(bytes), lost)
  }

  /** The connection may still break before the line has left. */
  private watch(bytes: Buffer, lost: LineSink): void {
    this.unsent += bytes.length
    this.host.await(0, (error) => {
      this.unsent -= bytes.length
      if (error) lost.write(bytes)
      if (this.unsent > 0 || this.roomDone === undefined) return
      const { roomDone } = this
      this.roomDone = undefined
      roomDone()
    })
  }
}

/** The end of a piece of at most this many bytes that does not cut a character in two. */
function cutBefore(bytes: Buffer, limit: number): number {
  if (limit >= bytes.length) return bytes.length
  let end = limit
  while (end > limit - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return end
}

/** Where a character of UTF-8 begins whose last bytes are missing; the length where none does. */
function startOfCutCharacter(bytes: Buffer): number {
  for (let at = bytes.length - 1; at >= 0 && at >= bytes.length - 3; at--) {
    const byte = bytes[at] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return at + size > bytes.length ? at : bytes.length
  }
  return bytes.length
}

/** `req.socket.stderr`: bytes to lines. What the request's own stream does not take goes to that of the process. */
export class StderrStream extends Writable {
  private partial = NOTHING

  constructor(private readonly stderr: RequestStderr | undefined) {
    super()
    stderr?.feed(this)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: WriteDone): void {
    const { stderr } = this
    if (stderr === undefined) {
      process.stderr.write(chunk)
      done()
      return
    }
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED) + 1; end > 0; end = chunk.indexOf(LINE_FEED, start) + 1) {
      this.add(chunk.subarray(start, end))
      start = end
    }
    if (start < chunk.length) this.partial = Buffer.concat([this.partial, chunk.subarray(start)])
    if (stderr.isOver) this.endLine()
    else if (this.partial.length > LONGEST_LINE) this.sendPiece()
    stderr.whenRoom(done)
  }

  /** The rest of a character may come with the next bytes. */
  private sendPiece(): void {
    const { partial } = this
    const end = startOfCutCharacter(partial)
    this.partial = partial.subarray(0, end)
    this.endLine()
    this.partial = partial.subarray(end)
  }

  override _final(done: WriteDone): void {
    this.endLine()
    done()
  }

  /** Sends what there is of a line that has no end. */
  endLine(): void {
    if (this.partial.length > 0) this.add(NOTHING)
  }

  private add(bytes: Buffer): void {
    const line = this.partial.length > 0 ? Buffer.concat([this.partial, bytes]) : bytes
    this.partial = NOTHING
    if (this.stderr?.add(line, process.stderr) !== true) process.stderr.write(line)
  }
}
