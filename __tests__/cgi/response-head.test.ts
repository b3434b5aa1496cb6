import { cgiResponseHead, type CgiResponseHead, plainResponse } from '../../lib/cgi/response-head'

function textOf({ fields, status }: CgiResponseHead): string {
  return fields + status.text
}

function translated(head: string): string {
  return textOf(cgiResponseHead(head))
}

describe('an HTTP response head as a CGI response head (CGI 6.3)', () => {
  it('is the fields as they were, then Status, then the empty line', () => {
    expect(translated('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-A: 1\r\nx-a: 2\r\n\r\n')).toBe(
      'Content-Type: text/html\r\nX-A: 1\r\nx-a: 2\r\nStatus: 200 OK\r\n\r\n',
    )
  })

  it.each([301, 302, 303, 307, 308, 201])('Status comes after Location: HAProxy turns %i into 302 otherwise', (status) => {
    expect(translated(`HTTP/1.1 ${status} Reason\r\nLocation: /there\r\n\r\n`)).toBe(`Location: /there\r\nStatus: ${status} Reason\r\n\r\n`)
  })

  it.each([
    ['of one word', 'HTTP/1.1 404 Missing\r\n\r\n', 'Status: 404 Missing\r\n\r\n'],
    ['of several', 'HTTP/1.1 404 Not Found\r\n\r\n', 'Status: 404 Not Found\r\n\r\n'],
    ['of the application', 'HTTP/1.1 299 Caf\xe9: ok\r\n\r\n', 'Status: 299 Caf\xe9: ok\r\n\r\n'],
  ])('the reason phrase %s is kept', (_what, head, text) => {
    expect(translated(head)).toBe(text)
  })

  it('without fields there is Status', () => expect(translated('HTTP/1.1 204 No Content\r\n\r\n')).toBe('Status: 204 No Content\r\n\r\n'))

  it.each([
    ['Connection', 'close'],
    ['Connection', 'keep-alive'],
    ['Keep-Alive', 'timeout=5'],
    ['Proxy-Connection', 'keep-alive'],
    ['TE', 'trailers'],
    ['Trailer', 'X-Check'],
    ['Transfer-Encoding', 'gzip'],
    ['Transfer-Encoding', 'chunked'],
    ['Upgrade', 'h2c'],
    // CGI's own field: an application that sets it would otherwise change the status of its answer. CGI 6.3.3
    ['Status', '500 Oops'],
  ])('%s: %s is not handed on, in any case and at any place', (name, value) => {
    for (const spelling of [name, name.toLowerCase(), name.toUpperCase()]) {
      const line = `${spelling}: ${value}\r\n`
      expect(translated(`HTTP/1.1 200 OK\r\n${line}A: 1\r\nB: 2\r\n\r\n`)).toBe('A: 1\r\nB: 2\r\nStatus: 200 OK\r\n\r\n')
      expect(translated(`HTTP/1.1 200 OK\r\nA: 1\r\n${line}B: 2\r\n\r\n`)).toBe('A: 1\r\nB: 2\r\nStatus: 200 OK\r\n\r\n')
      expect(translated(`HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n${line}\r\n`)).toBe('A: 1\r\nB: 2\r\nStatus: 200 OK\r\n\r\n')
      expect(translated(`HTTP/1.1 200 OK\r\n${line}\r\n`)).toBe('Status: 200 OK\r\n\r\n')
    }
  })

  it.each(['Status-Code', 'Connections', 'Upgrade-Insecure-Requests', 'Trailers', 'T', 'Set-Cookie', 'Server', 'Server-Timing', 'Content-Length', 'Proxy-Authenticate', 'X-Status'])(
    '%s is no such field and stays',
    (name) => {
      expect(translated(`HTTP/1.1 200 OK\r\n${name}: v\r\n\r\n`)).toBe(`${name}: v\r\nStatus: 200 OK\r\n\r\n`)
    },
  )

  it.each([
    ['a field that Connection names goes with it (RFC 9110 7.6.1)', 'Connection: close, X-Hop\r\nX-Hop: 1\r\nX-Keep: 2\r\n', 'X-Keep: 2\r\n'],
    ['also when it stands before Connection', 'X-Hop: 1\r\nConnection: x-hop\r\nX-Keep: 2\r\n', 'X-Keep: 2\r\n'],
    ['two Connection fields add up', 'Connection: X-A\r\nX-A: 1\r\nX-B: 2\r\nConnection: X-B\r\nX-C: 3\r\n', 'X-C: 3\r\n'],
    ['every line of a repeated one', 'X-A: 1\r\nConnection: X-A\r\nX-A: 2\r\n', ''],
    ['close is no field', 'Connection: close\r\nClose: 1\r\n', 'Close: 1\r\n'],
    ['a longer name is another field', 'Connection: X-A\r\nX-AB: 1\r\n', 'X-AB: 1\r\n'],
  ])('%s', (_rule, fields, kept) => {
    expect(translated(`HTTP/1.1 200 OK\r\n${fields}\r\n`)).toBe(`${kept}Status: 200 OK\r\n\r\n`)
  })

  it('Set-Cookie lines stay apart, in order', () => {
    const cookies = 'Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2, c\r\n'
    expect(translated(`HTTP/1.1 200 OK\r\n${cookies}\r\n`)).toBe(`${cookies}Status: 200 OK\r\n\r\n`)
  })

  it('a value that looks like another field stays in its line', () => {
    expect(translated('HTTP/1.1 200 OK\r\nX-A: Connection: close\r\n\r\n')).toBe('X-A: Connection: close\r\nStatus: 200 OK\r\n\r\n')
  })

  it.each([
    ['Transfer-Encoding: chunked', true],
    ['transfer-encoding: CHUNKED', true],
    ['Transfer-Encoding: gzip, chunked', true],
    ['Transfer-Encoding: gzip', false],
    ['Transfer-Encoding: unchunked', false],
    ['X-Transfer-Encoding: chunked', false],
    ['Content-Length: 3', false],
  ])('%s: is the body framed? %s', (line, chunked) => {
    expect(cgiResponseHead(`HTTP/1.1 200 OK\r\n${line}\r\n\r\n`).chunked).toBe(chunked)
  })
})

describe('for a web server that takes chunks', () => {
  it.each([
    ['Transfer-Encoding: chunked and Trailer stay', 'A: 1\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n', 'A: 1\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n', true],
    ['no other coding does', 'Transfer-Encoding: gzip\r\nA: 1\r\n', 'A: 1\r\n', false],
    ['nor what is about the connection', 'Connection: X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n', 'Transfer-Encoding: chunked\r\n', true],
    ['nor a length beside chunks (RFC 9112 6.3)', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'Transfer-Encoding: chunked\r\n', true],
  ])('%s', (_rule, fields, kept, chunked) => {
    const head = cgiResponseHead(`HTTP/1.1 200 OK\r\n${fields}\r\n`, true)
    expect(textOf(head)).toBe(`${kept}Status: 200 OK\r\n\r\n`)
    expect(head.chunked).toBe(chunked)
  })
})

describe('an answer of our own', () => {
  it('is a complete CGI response whose length is right', () => {
    expect(plainResponse('503 Service Unavailable', 'too much to do')).toBe(
      'Status: 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 15\r\n\r\ntoo much to do\n',
    )
  })
})
