import { type CgiResponseHead, ResponseHeadParser } from '../../lib/cgi/response-parser'

/** Feeds the text in pieces of this size; what stands behind the head must be found at the same place however it is cut. */
function parse(text: string, size = text.length, maxHeadBytes?: number): { head: CgiResponseHead; body: string } {
  const parser = new ResponseHeadParser(maxHeadBytes)
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = bytes.subarray(at, at + size)
    const found = parser.push(chunk)
    if (found !== undefined) return { head: found.head, body: bytes.toString('latin1', at + found.bodyStart) }
  }
  throw parser.unfinished()
}

function parseInTwo(text: string, cut: number): { head: CgiResponseHead; body: string } {
  const parser = new ResponseHeadParser()
  const first = Buffer.from(text.slice(0, cut), 'latin1')
  const second = Buffer.from(text.slice(cut), 'latin1')
  const found = parser.push(first)
  if (found !== undefined) return { head: found.head, body: text.slice(found.bodyStart) }
  const later = parser.push(second)
  if (later === undefined) throw parser.unfinished()
  return { head: later.head, body: text.slice(cut + later.bodyStart) }
}

describe('the end of a CGI response head (CGI 6.2)', () => {
  it.each([
    ['CRLF', 'Status: 201 Made\r\nX-A: 1\r\n\r\nbody\r\n\r\n'],
    ['LF', 'Status: 201 Made\nX-A: 1\n\nbody\r\n\r\n'],
    ['CRLF lines and an LF end', 'Status: 201 Made\r\nX-A: 1\r\n\nbody\r\n\r\n'],
    ['LF lines and a CRLF end', 'Status: 201 Made\nX-A: 1\n\r\nbody\r\n\r\n'],
  ])('is found with %s, whole, byte by byte and at every cut', (_ends, text) => {
    const expected = {
      head: { statusCode: 201, statusMessage: 'Made', rawHeaders: ['X-A', '1'], contentLength: undefined },
      body: 'body\r\n\r\n',
    }
    expect(parse(text)).toEqual(expected)
    expect(parse(text, 1)).toEqual(expected)
    for (let cut = 0; cut <= text.length; cut++) expect(parseInTwo(text, cut)).toEqual(expected)
  })

  it('may be the end of the chunk', () => {
    expect(parse('X-A: 1\r\n\r\n').body).toBe('')
  })

  it('is looked for up to a limit, which includes the empty line', () => {
    const head = `X-A: ${'a'.repeat(91)}\r\n\r\n`
    expect(head).toHaveLength(100)
    expect(parse(`${head}body`, 7, 100).body).toBe('body')
    expect(() => parse(`${head}body`, 7, 99)).toThrow(/head is longer than 99 bytes/)
    expect(() => parse('x'.repeat(200), 7, 99)).toThrow(/head is longer than 99 bytes/)
  })

  it('has a limit of 64 KiB by default', () => {
    const head = (size: number): string => `X-A: ${'a'.repeat(size - 9)}\r\n\r\n`
    expect(parse(`${head(65_536)}b`).body).toBe('b')
    expect(() => parse(`${head(65_537)}b`)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_BAD_RESPONSE' }))
  })
})

describe('the fields of a CGI response head (CGI 6.3)', () => {
  const head = (text: string): CgiResponseHead => parse(`${text}\n\n`).head

  it.each([
    ['no Status is 200', 'Content-Type: text/plain', 200, 'OK'],
    ['Location without Status is 302', 'Location: /there', 302, 'Found'],
    ['Status wins over Location', 'Location: /there\nStatus: 201 Created', 201, 'Created'],
    ['Status may lack a reason', 'Status: 404', 404, ''],
    ['the reason is handed on as it is', 'Status: 299 Caf\xe9  au lait', 299, 'Caf\xe9  au lait'],
    ['the first Status wins', 'Status: 404 Not Found\nstatus: 200 OK', 404, 'Not Found'],
    ['the name is read in any case', 'sTATUS:500', 500, ''],
    ['999 is a status', 'Status: 999', 999, ''],
  ])('%s', (_rule, text, statusCode, statusMessage) => {
    expect(head(text)).toMatchObject({ statusCode, statusMessage })
  })

  it('keep their order, spelling and repetition; blanks around the value go', () => {
    expect(head('Set-Cookie: a=1\nX-b:\t 2 \t\nset-cookie: b=2\nX-Empty:').rawHeaders).toEqual(['Set-Cookie', 'a=1', 'X-b', '2', 'set-cookie', 'b=2', 'X-Empty', ''])
  })

  it('lose those that speak of the connection', () => {
    const text = 'Connection: close, X-Hop\nX-Hop: 1\nKeep-Alive: x\nTransfer-Encoding: chunked\nTrailer: x\nTE: x\nUpgrade: x\nProxy-Connection: x\nX-A: 1'
    expect(head(text).rawHeaders).toEqual(['X-A', '1'])
  })

  it('Content-Length is read once, and Connection cannot take it away', () => {
    expect(head('Content-Length: 12\nConnection: content-length\ncontent-length: 12')).toMatchObject({
      contentLength: 12,
      rawHeaders: ['Content-Length', '12'],
    })
  })

  it.each([
    ['a Status that is no number', 'Status: abc', /Status is no HTTP status: "abc"/],
    ['a Status of four digits', 'Status: 9999', /no HTTP status/],
    ['a Status of two digits', 'Status: 99 x', /no HTTP status/],
    ['a Status below 100', 'Status: 042', /no HTTP status/],
    ['an informational Status', 'Status: 100 Continue', /informational/],
    ['an upgrade', 'Status: 101 Switching Protocols', /informational/],
    ['a line without a colon', 'X-A 1', /no colon: "X-A 1"/],
    ['an HTTP status line', 'HTTP/1.1 200 OK', /use "Status: 200 OK"/],
    ['a folded line', 'X-A: 1\n  2', /begins with a blank/],
    ['an empty name', ': 1', /field name/],
    ['a blank before the colon', 'X-A : 1', /field name .* "X-A "/],
    ['a bracket in a name', 'X(a): 1', /field name/],
    ['a NUL in a name', 'X\0: 1', /field name/],
    ['a NUL in a value', 'X-A: a\0b', /value of "X-A" holds a control character/],
    ['a CR in a value', 'X-A: a\rb', /value of "X-A" holds a control character/],
    ['two CRs before the LF', 'X-A: a\r\r', /control character/],
    ['a CR in the Status', 'Status: 200 O\rK', /control character/],
    ['a Content-Length that is no number', 'Content-Length: 1e3', /Content-Length is not a number/],
    ['a negative Content-Length', 'Content-Length: -1', /Content-Length is not a number/],
    ['two different Content-Lengths', 'Content-Length: 1\nContent-Length: 2', /two different Content-Length/],
  ])('%s is refused', (_rule, text, message) => {
    expect(() => head(text)).toThrow(message)
    expect(() => head(text)).toThrow(expect.objectContaining({ name: 'FastCGIError', code: 'FCGI_ERR_BAD_RESPONSE' }))
  })

  it('a head without fields is refused', () => {
    expect(() => parse('\r\nbody')).toThrow(/no fields/)
  })

  it('a message never shows a value, and of a long name only its beginning', () => {
    expect(() => head('Set-Cookie: secret\x01')).not.toThrow(/secret/)
    expect(() => head('y'.repeat(5_000))).toThrow(/^.{1,200}$/)
  })
})

describe('output without a head', () => {
  it.each([
    ['nothing', '', /it sent no output/],
    ['a head that is cut', 'X-A: 1\r\n', /ended after 8 bytes, before the empty line/],
  ])('%s is reported as such', (_what, text, message) => {
    const parser = new ResponseHeadParser()
    expect(parser.push(Buffer.from(text))).toBeUndefined()
    expect(parser.unfinished()).toMatchObject({ code: 'FCGI_ERR_BAD_RESPONSE', message: expect.stringMatching(message) })
  })
})
