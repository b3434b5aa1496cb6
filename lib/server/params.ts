// Gathers the content of one PARAMS stream until it is closed. Nearly always that is one fragment, and its end comes with it;
// it may be a thousand.

const NOTHING = Buffer.alloc(0)

/** The content of a PARAMS stream, whose pairs may be cut anywhere by records: the bytes of `bytes` from `start` to `end`. FCGI 3.3, 3.4 */
export class ParamsStream {
  bytes: Buffer = NOTHING
  start = 0
  end = 0
  /** The bytes are our own, and will not be overwritten by what is read next. */
  private isOwn = true

  /** Bytes gathered. */
  get length(): number {
    return this.end - this.start
  }

  /** Adds the bytes of `chunk` from `start` to `end`. They are ours until {@link keep} must be called. */
  add(chunk: Buffer, start: number, end: number): void {
    if (this.end > this.start) {
      this.append(chunk, start, end)
      return
    }
    this.bytes = chunk
    this.start = start
    this.end = end
    this.isOwn = false
  }

  /** To be called before the last chunk is overwritten. */
  keep(): void {
    if (!this.isOwn) this.copy(this.length)
  }

  private append(chunk: Buffer, start: number, end: number): void {
    const needed = this.length + end - start
    if (!this.isOwn || this.bytes.length < needed) this.copy(Math.max(1_024, 2 * needed))
    chunk.copy(this.bytes, this.end, start, end)
    this.end = needed
  }

  private copy(size: number): void {
    const copy = Buffer.allocUnsafe(size)
    this.bytes.copy(copy, 0, this.start, this.end)
    this.end -= this.start
    this.start = 0
    this.bytes = copy
    this.isOwn = true
  }
}
