import { ChunkedDecoder } from '../../lib/cgi/chunked'

function decode(framed: string, cuts: readonly number[] = []): string {
  const bytes = Buffer.from(framed, 'latin1')
  const decoder = new ChunkedDecoder()
  const edges = [0, ...cuts, bytes.length]
  return edges
    .slice(1)
    .map((end, index) => decoder.decode(bytes.subarray(edges[index], end)).toString('latin1'))
    .join('')
}

describe('the chunked coding, taken off (RFC 9112 7.1)', () => {
  describe.each([
    ['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['several', '6\r\nhello \r\n8\r\nchunked \r\n5\r\nworld\r\n0\r\n\r\n', 'hello chunked world'],
    ['a size in hexadecimal, both cases', 'a\r\n0123456789\r\nA\r\nabcdefghij\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n', '0123456789abcdefghij0123456789abcdef'],
    ['leading zeros', '0005\r\nhello\r\n000\r\n\r\n', 'hello'],
    ['an extension is ignored', '5;name=value\r\nhello\r\n0;last\r\n\r\n', 'hello'],
    ['content that looks like framing', '7\r\n0\r\n\r\n5\r\r\n5\r\n\r\n\r\n0\r\n0\r\n\r\n', '0\r\n\r\n5\r\r\n\r\n0'],
    ['bytes above 127', '2\r\n\xc3\xa9\r\n0\r\n\r\n', '\xc3\xa9'],
    ['an empty body', '0\r\n\r\n', ''],
    ['trailers are no content', '1\r\nx\r\n0\r\nX-Check: abc\r\nY: 5\r\n\r\n', 'x'],
    ['what is no chunk ends the body', '1\r\nx\r\nhello\r\n5\r\nhello\r\n', 'x'],
    ['chunks behind the last one are taken, as node 22 and 24 write them', '1\r\nx\r\n0\r\n\r\n5\r\nhello\r\n', 'xhello'],
    ['what else follows the end is dropped', '1\r\nx\r\n0\r\n\r\nhello\r\n5\r\nhello\r\n', 'x'],
  ])('%s', (_rule, framed, content) => {
    it('whole', () => expect(decode(framed)).toBe(content))
    it('byte by byte', () => expect(decode(framed, Array.from({ length: framed.length - 1 }, (_cut, at) => at + 1))).toBe(content))
    it('at every cut', () => {
      for (let cut = 1; cut < framed.length; cut++) expect(decode(framed, [cut])).toBe(content)
    })
  })

  it.each([
    ['behind the last chunk', '1\r\nx\r\n0\r\nX-Check: abc\r\nY: 5\r\n\r\n', true, 'X-Check: abc\r\nY: 5\r\n'],
    ['of what is no field', '0\r\nno field\r\nX Y: 1\r\nZ: a\0b\r\n: empty\r\nX: \r\n\r\n', true, 'X: \r\n'],
    ['of none', '1\r\nx\r\n0\r\n\r\n', true, ''],
    ['before the empty line is there', '0\r\nX: 1\r\n', false, 'X: 1\r\n'],
    ['of what is no chunk', 'hello\r\nX: 1\r\n\r\n', true, ''],
  ])('trailers: %s', (_what, framed, isOver, trailers) => {
    for (const step of [1, framed.length]) {
      const decoder = new ChunkedDecoder()
      for (let at = 0; at < framed.length; at += step) decoder.decode(Buffer.from(framed.slice(at, at + step), 'latin1'))
      expect([decoder.isOver, decoder.trailers]).toEqual([isOver, trailers])
    }
  })

  it('content of one chunk can be counted without a look at it', () => {
    const decoder = new ChunkedDecoder()
    expect(decoder.takes(1)).toBe(false)
    decoder.decode(Buffer.from('5\r\n'))
    expect([decoder.takes(6), decoder.takes(2), decoder.takes(4), decoder.takes(3), decoder.takes(1)]).toEqual([false, true, false, true, false])
    expect(decoder.decode(Buffer.from('\r\n2\r\nab\r\n0\r\n\r\n')).toString()).toBe('ab')
  })

  it('nothing is taken once it is closed', () => {
    const decoder = new ChunkedDecoder()
    decoder.decode(Buffer.from('1\r\nx\r\n0\r\n\r\n'))
    decoder.close()
    expect(decoder.decode(Buffer.from('5\r\nhello\r\n'))).toHaveLength(0)
  })

  it('no bytes give no bytes', () => expect(new ChunkedDecoder().decode(Buffer.alloc(0))).toHaveLength(0))

  it('content comes out as soon as it is there, before its chunk is complete', () => {
    const decoder = new ChunkedDecoder()
    expect(decoder.decode(Buffer.from('ff\r\nfirst')).toString()).toBe('first')
    expect(decoder.decode(Buffer.from('second')).toString()).toBe('second')
  })
})
