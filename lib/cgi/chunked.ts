// Takes node's own chunk framing off a body again. CGI bodies are never framed, yet node frames one as soon as the
// application sets `Transfer-Encoding: chunked` itself. Also says where its chunks end, for a web server that wants them.

const enum Expect {
  SIZE,
  DATA,
  DATA_END,
  TRAILERS,
  OVER,
}

const LF = 10
/** Extensions may follow. */
const SIZE = /^[0-9a-f]+(?=[\t ;]|$)/i
const TRAILER = /^[!#$%&'*+\-.^_`|~\w]+:[\t\x20-\x7e\x80-\xff]*$/

/** Decodes the chunked coding that node's ServerResponse produces. RFC 9112 7.1 */
export class ChunkedDecoder {
  private expect = Expect.SIZE
  private line = ''
  private left = 0
  private trailerLines = ''
  private hasEnded = false

  /**
   * The last chunk was there, with what belongs to it. Chunks behind it are taken all the same, until {@link close}: node 22 and
   * 24 write there what was held by `cork()` when the response ended.
   */
  get isOver(): boolean {
    return this.hasEnded || this.expect === Expect.OVER
  }

  /** Whatever follows is dropped. */
  close(): void {
    this.expect = Expect.OVER
  }

  /** The fields behind the last chunk, a line each; what is no field is left out. */
  get trailers(): string {
    return this.trailerLines
  }

  /**
   * Decodes so many bytes without a look at them, if they are content of one chunk and nothing else: of the four pieces in which
   * node writes a chunk, the one that matters.
   *
   * @returns false when they must be given to {@link decode}
   */
  takes(length: number): boolean {
    if (this.expect !== Expect.DATA || length > this.left) return false
    this.left -= length
    if (this.left === 0) this.expect = Expect.DATA_END
    return true
  }

  /**
   * @param framed the next bytes, cut anywhere; what is no chunk ends the body
   * @returns the content in them
   */
  decode(framed: Buffer): Buffer {
    const content: Buffer[] = []
    for (let at = 0; at < framed.length; ) {
      switch (this.expect) {
        case Expect.SIZE:
        case Expect.TRAILERS: {
          const lineEnd = framed.indexOf(LF, at)
          this.line += framed.toString('latin1', at, lineEnd < 0 ? framed.length : lineEnd)
          at = lineEnd < 0 ? framed.length : lineEnd + 1
          if (lineEnd < 0) break
          const line = this.line.endsWith('\r') ? this.line.slice(0, -1) : this.line
          this.line = ''
          if (this.expect === Expect.SIZE) this.begin(line)
          else this.trailer(line)
          break
        }
        case Expect.DATA: {
          const length = Math.min(this.left, framed.length - at)
          content.push(framed.subarray(at, at + length))
          at += length
          this.left -= length
          if (this.left === 0) this.expect = Expect.DATA_END
          break
        }
        case Expect.DATA_END: {
          const lineEnd = framed.indexOf(LF, at)
          at = lineEnd < 0 ? framed.length : lineEnd + 1
          if (lineEnd >= 0) this.expect = Expect.SIZE
          break
        }
        case Expect.OVER:
          at = framed.length
      }
    }
    return content.length === 1 ? (content[0] ?? framed) : Buffer.concat(content)
  }

  private begin(line: string): void {
    const [size] = SIZE.exec(line) ?? []
    this.left = size === undefined ? 0 : Number.parseInt(size, 16)
    this.expect = this.left > 0 ? Expect.DATA : size === undefined ? Expect.OVER : Expect.TRAILERS
  }

  private trailer(line: string): void {
    if (line === '') {
      this.hasEnded = true
      this.expect = Expect.SIZE
    } else if (TRAILER.test(line)) this.trailerLines += `${line}\r\n`
  }
}
