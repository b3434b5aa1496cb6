// Takes node's own chunk framing off a body again. CGI bodies are never framed, yet node frames one as soon as the
// application sets `Transfer-Encoding: chunked` itself.

const enum Expect {
  SIZE,
  DATA,
  DATA_END,
  END,
}

const LF = 10

/** Decodes the chunked coding that node's ServerResponse produces. RFC 9112 7.1 */
export class ChunkedDecoder {
  private expect = Expect.SIZE
  private size = ''
  private left = 0

  /**
   * @param framed the next bytes, cut anywhere
   * @returns the content in them; trailers are dropped, since CGI has none
   */
  decode(framed: Buffer): Buffer {
    const content: Buffer[] = []
    for (let at = 0; at < framed.length; ) {
      switch (this.expect) {
        case Expect.SIZE: {
          const lineEnd = framed.indexOf(LF, at)
          this.size += framed.toString('latin1', at, lineEnd < 0 ? framed.length : lineEnd)
          at = lineEnd < 0 ? framed.length : lineEnd + 1
          if (lineEnd < 0) break
          this.left = Number.parseInt(this.size, 16) || 0
          this.size = ''
          this.expect = this.left > 0 ? Expect.DATA : Expect.END
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
        case Expect.END:
          at = framed.length
      }
    }
    return content.length === 1 ? (content[0] ?? framed) : Buffer.concat(content)
  }
}
