// A request that became a connection of its own: STDIN is what the application reads from its socket, and what it writes there
// is STDOUT. It knows the order of things on the way to the web server; the streams are the socket's.

import type { AsyncResource } from 'node:async_hooks'
import { type ProtocolStatus, RecordType } from '../protocol/constants'
import type { RequestHead } from '../cgi/request-head'
import { switchesProtocols, upgradeResponseHead } from '../cgi/upgrade'
import { CHUNK_OVERHEAD, copyOf, HALF_A_CHUNK, Request, type RequestHost, runIn } from './request'
import type { Piece, UpgradedSocket, UpgradedSocketHost } from './upgraded-socket'
import { tell, type WriteDone, type WritesDone } from './write-done'

/** What is larger is written where it lies, so it must not change before the operating system has it. */
const WRITTEN_IN_PLACE = 16_384

export class UpgradedRequest extends Request implements UpgradedSocketHost {
  /** The application threw when it was asked. */
  hasFailed = false
  private socket: UpgradedSocket | undefined
  /** The application answered with 101: all that follows are bytes of the new protocol. */
  private isSwitched = false

  /** @param request whose place it takes once the application does */
  constructor(host: RequestHost, request: Request) {
    super(host, request.id, request.keepConnection, 0)
    this.succeed(request)
  }

  override get isUpgraded(): boolean {
    return true
  }

  /** @returns false when the application wants an ordinary request, or {@link hasFailed} */
  offer(head: RequestHead): boolean {
    this.hasFailed = true
    this.run(() => {
      this.host.upgrade(this, head)
      this.hasFailed = false
    })
    return this.socket !== undefined
  }

  /** The application takes it. */
  take(socket: UpgradedSocket): void {
    this.socket = socket
    this.host.upgraded(this)
  }

  // ---- input

  override stdinRecord(chunk: Buffer, start: number, end: number): void {
    const { socket } = this
    if (this.stdinEnded || this.isOver || socket === undefined) return
    if (start === end) {
      this.stdinEnded = true
      this.clientEnded()
      return
    }
    const length = end - start
    const isKept = this.host.keepsChunk(length)
    const content = isKept ? chunk.subarray(start, end) : copyOf(chunk, start, end)
    this.run(receive, socket, content, this, isKept ? Math.max(length, HALF_A_CHUNK) : length)
  }

  /** The client ended its side. */
  clientEnded(): void {
    const { socket } = this
    if (!this.isOver && socket !== undefined) this.run(endInput, socket)
  }

  /** A piece went into the socket's buffer, or straight to its listeners. */
  received(size: number, wantsMore: boolean): void {
    const buffered = this.socket?.readableLength === 0 ? 0 : this.bufferedBody + size + CHUNK_OVERHEAD
    if (buffered === this.bufferedBody && wantsMore !== this.full) return
    this.host.flowChanged(this, !wantsMore, buffered)
  }

  wantsMore(): void {
    // A stream asks just before it hands out what it holds, and not again before something comes.
    if (this.full || this.bufferedBody > 0) this.host.flowChanged(this, false, 0)
  }

  // ---- output

  send(pieces: readonly Piece[], done: WriteDone): void {
    if (this.isOver) {
      // A client that left is no error of the application: the socket closes, and only whoever waits for the write is told.
      this.socket?.destroy()
      done(brokenPipe())
      return
    }
    let bytes = 0
    for (const { chunk, encoding } of pieces) bytes += this.write(chunk, typeof chunk === 'string' ? encoding : undefined)
    // Behind the end of an answer: what follows is nobody's.
    if (this.outputEnded) done()
    else if (this.leave(undefined) && bytes <= WRITTEN_IN_PLACE) done()
    else this.await(bytes, done)
  }

  override write(data: string | Uint8Array, encoding: BufferEncoding | undefined): number {
    if (this.outputEnded) return 0
    if (this.isSwitched) return this.host.writer.stream(RecordType.STDOUT, this.id, data, encoding ?? 'utf8')
    // To the code that responses share, ASCII is a head that node prints by itself.
    return super.write(data, encoding === 'ascii' ? 'latin1' : encoding)
  }

  protected override switchProtocols(printed: string): boolean {
    if (!switchesProtocols(printed)) return false
    this.isSwitched = true
    this.headSent = true
    this.host.writer.stream(RecordType.STDOUT, this.id, upgradeResponseHead(printed), 'latin1')
    return true
  }

  override settle(_bytes: number, done: WritesDone, context: AsyncResource | undefined, error: Error | null | undefined): void {
    if (error) this.socket?.destroy()
    runIn(context, tell, done, error ?? null)
  }

  // ---- the end

  /** The application has written all it has to write; END_REQUEST is the only end that web servers hand on to the client. */
  finish(done: WriteDone): void {
    this.endAnswer()
    if (this.isOver || this.leave(undefined)) done()
    else this.await(0, done)
  }

  override destroyed(): void {
    this.endAnswer()
    this.becomeOver()
  }

  private endAnswer(): void {
    if (this.outputEnded) return
    if (!this.headSent) {
      // Nothing, or the beginning of a head. A web server would answer by itself, and log an application that crashed.
      this.refuse('500 Internal Server Error', 'the application ended the upgrade without an answer')
    } else if (this.isSwitched || !this.isTorso) {
      this.endOutput()
      this.host.scheduleFlush()
    } else {
      this.host.cutOff(this)
      this.socketIsOver()
    }
  }

  override endOutput(appStatus?: number, protocolStatus?: ProtocolStatus): void {
    if (this.outputEnded) return
    super.endOutput(appStatus, protocolStatus)
    this.socketIsOver()
  }

  /** The web server gave the request up, or is gone. */
  override abort(): void {
    if (!this.becomeOver()) return
    this.outputEnded = true
    if (this.socket !== undefined) this.run(leave, this.socket)
  }

  /** Nothing comes any more, and nothing that is still to be written goes. Told in a tick: this may be in the middle of a write. */
  private socketIsOver(): void {
    const { socket } = this
    if (socket !== undefined) process.nextTick(() => this.run(close, socket))
  }
}

function receive(socket: UpgradedSocket, content: Buffer, request: UpgradedRequest, size: number): void {
  request.received(size, socket.receive(content))
}

function endInput(socket: UpgradedSocket): void {
  socket.endInput()
}

function close(socket: UpgradedSocket): void {
  socket.answered()
}

function leave(socket: UpgradedSocket): void {
  socket.peerLeft()
}

function brokenPipe(): Error {
  return Object.assign(new Error('write EPIPE: the client is gone'), { code: 'EPIPE', syscall: 'write' })
}
