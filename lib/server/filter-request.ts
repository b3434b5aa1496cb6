// One request of the Filter role: a Responder's, and behind its body a file. Both come over one connection, one behind the
// other, so that whoever leaves the one unread may wait for the other for ever; what happens then is decided here.

import { filterData, type FilterData } from '../cgi/filter-data'
import type { RequestHead } from '../cgi/request-head'
import { type ErrorCode, FastCGIError } from '../errors'
import { RecordType } from '../protocol/constants'
import type { PairTable } from '../protocol/pairs'
import { type DataHost, DataStream } from './data-stream'
import type { Exchange } from './dispatch'
import { isConsumed } from './node-internals'
import { asAsked, CHUNK_OVERHEAD, connectionReset, copyOf, HALF_A_CHUNK, Phase, Request } from './request'
import type { RoleName } from './roles'

/** @see FCGI 6.4 */
export class FilterRequest extends Request implements DataHost {
  private file: FilterData = { length: undefined, lastModified: undefined }
  private stream: DataStream | undefined
  /** DATA was closed by its empty record. */
  private dataEnded = false
  /** Nothing of the file is waited for: all of it is there, or nobody wants it. */
  private dataComplete = false
  /** Bytes of the file that are still to come; -1 for unknown. */
  private dataLeft = -1
  private dataSurplusReported = false

  /** The reader of the file waits for more, has enough, and how much it holds. */
  private isDataWanted = false
  private isDataFull = false
  private dataHeld = 0
  /** The same of the body. */
  private isBodyFull = false
  private isBodyDoubtful = false
  private bodyHeld = 0

  override get role(): RoleName {
    return 'filter'
  }

  override get data(): DataStream | undefined {
    return this.stream
  }

  override get openStream(): RecordType | 0 {
    return this.dataEnded ? 0 : RecordType.DATA
  }

  override get awaitsBody(): boolean {
    return super.awaitsBody || !this.dataComplete
  }

  override get isStuck(): boolean {
    return super.isStuck || (this.isDataWanted && this.awaitsBody)
  }

  protected override readHead(variables: PairTable): RequestHead {
    const head = super.readHead(variables)
    this.file = filterData(variables)
    this.dataLeft = this.file.length ?? -1
    return head
  }

  override start(exchange: Exchange): void {
    this.stream = new DataStream(this, this.file)
    super.start(exchange)
    if (this.dataLeft === 0) this.completeData()
  }

  // ---- input

  override dataRecord(chunk: Buffer, start: number, end: number): void {
    this.checkDataOrder()
    if (this.dataEnded) return
    const isEnd = start === end
    if (isEnd) this.dataEnded = true
    // The body comes first, so here it is over, whether its end was said or not.
    if (!this.stdinEnded) this.stdinRecord(chunk, start, start)
    if (this.phase !== Phase.ACTIVE) return
    if (isEnd) this.endData()
    else this.addData(chunk, start, end)
  }

  private addData(chunk: Buffer, start: number, end: number): void {
    const { exchange, stream } = this
    if (exchange === undefined || stream === undefined) return
    const wanted = this.dataComplete ? 0 : this.dataLeft < 0 ? end - start : Math.min(end - start, this.dataLeft)
    if (wanted > 0) {
      const isKept = this.host.keepsChunk(wanted)
      const content = isKept ? chunk.subarray(start, start + wanted) : copyOf(chunk, start, start + wanted)
      if (this.dataLeft > 0) this.dataLeft -= wanted
      exchange.socket.bytesRead += wanted
      exchange.socket.refreshTimeout()
      this.run(pushData, this, stream, content, isKept ? Math.max(wanted, HALF_A_CHUNK) : wanted)
      if (this.dataLeft === 0) this.completeData()
    }
    if (wanted === end - start || this.dataLeft !== 0 || this.dataSurplusReported) return
    this.dataSurplusReported = true
    const message = `more data than FCGI_DATA_LENGTH (${this.file.length ?? 0} bytes); the surplus is discarded`
    this.host.report('FCGI_ERR_DATA_TOO_LONG', message, this.id)
  }

  /** A piece of the file went into the reader's buffer, or straight to its listeners. */
  dataPushed(size: number, wantsMore: boolean): void {
    this.dataHeld = this.stream?.readableLength === 0 ? 0 : this.dataHeld + size + CHUNK_OVERHEAD
    this.isDataFull = !wantsMore && !this.dataComplete
    this.isDataWanted &&= wantsMore
    this.updateFlow()
  }

  private endData(): void {
    if (this.dataComplete) return
    if (this.dataLeft <= 0) {
      this.completeData()
      return
    }
    const announced = this.file.length ?? 0
    const message = `the data ended after ${announced - this.dataLeft} of ${announced} bytes (FCGI_DATA_LENGTH)`
    this.host.report('FCGI_ERR_DATA_TOO_SHORT', message, this.id)
    this.failData('FCGI_ERR_DATA_TOO_SHORT', message)
  }

  private completeData(): void {
    this.noMoreData()
    if (this.stream !== undefined) this.run(pushEnd, this.stream)
  }

  private failData(code: ErrorCode, message: string): void {
    this.dropData(new FastCGIError(code, message))
  }

  private dropData(error: Error): void {
    if (this.stream === undefined || this.dataComplete) return
    this.noMoreData()
    this.run(destroyData, this.stream, error)
  }

  private noMoreData(): void {
    this.dataComplete = true
    this.isDataWanted = false
    this.isDataFull = false
    this.updateFlow()
  }

  // ---- what the stream asks for

  wantsData(): void {
    const length = this.stream?.readableLength ?? 0
    this.dataHeld = length === 0 ? 0 : Math.min(this.dataHeld, length + CHUNK_OVERHEAD)
    this.isDataFull = false
    this.isDataWanted = !this.dataComplete
    this.updateFlow(true)
  }

  dataClosed(): void {
    this.dataHeld = 0
    this.noMoreData()
  }

  // ---- what the reader of the body asks for

  override resume(): void {
    if (!this.isBodyFull && this.bodyHeld === 0) return
    this.isBodyFull = false
    this.recountBody()
    if (this.host.isPaused) queueMicrotask(() => this.recountBody())
  }

  private recountBody(): void {
    const length = this.exchange?.req.readableLength ?? 0
    this.bodyHeld = length === 0 ? 0 : Math.min(this.bodyHeld, length + CHUNK_OVERHEAD)
    this.updateFlow(true)
  }

  override pause(): void {
    if (!this.inputComplete) this.flow(true)
  }

  override pushed(length: number, wantsMore: boolean): void {
    this.bodyHeld = this.exchange?.req.readableLength === 0 ? 0 : this.bodyHeld + length + CHUNK_OVERHEAD
    this.flow(!wantsMore && !this.inputComplete)
  }

  protected override flow(full: boolean): void {
    this.isBodyFull = full
    this.updateFlow()
  }

  // ---- the connection they share

  /** @param isAsked a reader wants more */
  private updateFlow(isAsked = false): void {
    if (this.phase !== Phase.ACTIVE) return
    const isInTheWay = this.isBodyInTheWay
    const isTooMuch = isInTheWay && this.bodyHeld >= this.host.bodyBuffer
    // The application may still be about to read it.
    if (isTooMuch && !this.isBodyDoubtful) setImmediate(failIfInTheWay, this)
    this.isBodyDoubtful ||= isTooMuch
    const held = this.bodyHeld + this.dataHeld
    const full = this.isDataFull || (this.isBodyFull && (!isInTheWay || isTooMuch))
    this.host.flowChanged(this, full, isAsked && !isTooMuch ? asAsked(held, this.host) : held)
  }

  /**
   * The file is wanted, and in front of it there is a body that nobody has touched: with the connection paused for that, both
   * would wait for ever. So it is kept for later, as much as `bodyBuffer` allows.
   */
  private get isBodyInTheWay(): boolean {
    const req = this.exchange?.req
    return this.isDataWanted && req !== undefined && !isConsumed(req) && req.listenerCount('readable') === 0
  }

  failIfInTheWay(): void {
    this.isBodyDoubtful = false
    if (!this.isBodyInTheWay || this.bodyHeld < this.host.bodyBuffer) return
    const message = `the data was read while ${this.bodyHeld} bytes of request body wait in front of it (bodyBuffer); read the body first, or discard it by req.resume()`
    this.failData('FCGI_ERR_BODY_NOT_READ', message)
  }

  // ---- the end

  override finished(): void {
    super.finished()
    this.dropData(connectionReset())
  }

  override destroyed(): void {
    super.destroyed()
    this.dropData(connectionReset())
  }

  protected override abortApplication(reason?: Error): void {
    super.abortApplication(reason)
    this.dropData(connectionReset())
  }
}

function pushData(request: FilterRequest, stream: DataStream, content: Buffer, size: number): void {
  if (!stream.destroyed) request.dataPushed(size, stream.push(content))
}

function failIfInTheWay(request: FilterRequest): void {
  request.failIfInTheWay()
}

function pushEnd(stream: DataStream): void {
  stream.push(null)
}

function destroyData(stream: DataStream, error: Error): void {
  stream.destroy(error)
}
