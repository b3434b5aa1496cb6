// Gathers the content of one PARAMS stream until it is closed. Nearly always that is one fragment; it may be a thousand.

const NOTHING = Buffer.alloc(0)

/** The content of a PARAMS stream, whose pairs may be cut anywhere by records. FCGI 3.3, 3.4 */
export class ParamsStream {
  /** Bytes gathered. */
  length = 0
  // The first fragment becomes a string at once (the buffer it came in is reused); only a second one needs a buffer.
  private text = ''
  private buffer = NOTHING

  /** Adds the bytes of `chunk` from `start` to `end`; they are copied. */
  add(chunk: Buffer, start: number, end: number): void {
    if (this.length === 0) this.text = chunk.toString('latin1', start, end)
    else this.append(chunk, start, end)
    this.length += end - start
  }

  /** The content so far, one character per byte. */
  toString(): string {
    return this.buffer === NOTHING ? this.text : this.buffer.toString('latin1', 0, this.length)
  }

  private append(chunk: Buffer, start: number, end: number): void {
    const needed = this.length + end - start
    if (this.buffer.length < needed) {
      const larger = Buffer.allocUnsafe(Math.max(1_024, 2 * needed))
      if (this.buffer === NOTHING) larger.write(this.text, 0, 'latin1')
      else this.buffer.copy(larger, 0, 0, this.length)
      this.buffer = larger
      this.text = ''
    }
    chunk.copy(this.buffer, this.length, start, end)
  }
}
