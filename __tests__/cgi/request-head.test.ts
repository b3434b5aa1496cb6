// From meta-variables to a request head: the rules of docs/mapping.md, one table each.

import vm from 'node:vm'
import { BadRequest, type RequestHead } from '../../lib/cgi/request-head'
import { headFrom } from '../support/head-from'

type Pair = readonly [name: string, value: string]

const GET: readonly Pair[] = [
  ['REQUEST_METHOD', 'GET'],
  ['REQUEST_URI', '/a?b'],
  ['SERVER_PROTOCOL', 'HTTP/1.1'],
]

/** The head of a plain GET with these meta-variables besides. */
function head(...pairs: readonly Pair[]): RequestHead {
  return headFrom([...GET, ...pairs].flat())
}

/** Only these. */
function headOf(...pairs: readonly Pair[]): RequestHead {
  return headFrom(pairs.flat())
}

describe('request line', () => {
  it('is REQUEST_METHOD, REQUEST_URI and SERVER_PROTOCOL (CGI 4.1.12, 4.1.16)', () => {
    expect(head()).toMatchObject({ method: 'GET', url: '/a?b', httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1, rawHeaders: [] })
  })

  it.each(['POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'FOO', 'PROPFIND', 'M-SEARCH', 'get', "!#$%&'*+-.^_`|~09"])('method %s is passed on as it is', (method) => {
    expect(headOf(['REQUEST_METHOD', method]).method).toBe(method)
  })

  it.each<[what: string, pairs: Pair[]]>([
    ['no REQUEST_METHOD', []],
    ['an empty one', [['REQUEST_METHOD', '']]],
  ])('%s: the message says what to do', (_what, pairs) => {
    expect(() => headOf(['REQUEST_URI', '/'], ...pairs)).toThrow(BadRequest)
    expect(() => headOf(['REQUEST_URI', '/'], ...pairs)).toThrow(/fastcgi_params/)
  })

  it.each(['G ET', 'GET\r\nX: y', 'GET\0', 'G(T', 'G\xe9T', ' '])('%j is not a method', (method) => {
    expect(() => headOf(['REQUEST_METHOD', method])).toThrow(new BadRequest('REQUEST_METHOD is not a method'))
  })

  it.each([
    ['HTTP/1.1', '1.1', 1, 1],
    ['HTTP/1.0', '1.0', 1, 0],
    ['HTTP/2.0', '2.0', 2, 0],
    // h2o over HTTP/2, and what is to be expected of others.
    ['HTTP/2', '2.0', 2, 0],
    ['HTTP/3', '3.0', 3, 0],
    ['HTTP/0.9', '0.9', 0, 9],
    ['INCLUDED', '1.1', 1, 1],
    ['', '1.1', 1, 1],
    ['HTTP/11.1', '1.1', 1, 1],
    ['HTTP/1.1\r\n', '1.1', 1, 1],
  ])('SERVER_PROTOCOL %j is version %s', (protocol, httpVersion, httpVersionMajor, httpVersionMinor) => {
    expect(head(['SERVER_PROTOCOL', protocol])).toMatchObject({ httpVersion, httpVersionMajor, httpVersionMinor })
  })

  it('without SERVER_PROTOCOL it is 1.1', () => expect(headOf(['REQUEST_METHOD', 'GET'])).toMatchObject({ httpVersion: '1.1', url: '/' }))

  it.each(['/a b', '/a\tb', '/a\r\nHost: evil', '/a\0', '/a\x7f', ' '])('the target %j is refused, and not shown', (url) => {
    expect(() => headOf(['REQUEST_METHOD', 'GET'], ['REQUEST_URI', url])).toThrow(
      new BadRequest('the request target holds a blank or a control character'),
    )
  })

  it('a query that was not decoded is checked as well', () => {
    expect(() => headOf(['REQUEST_METHOD', 'GET'], ['SCRIPT_NAME', '/a'], ['QUERY_STRING', 'a b'])).toThrow(BadRequest)
  })

  it('bytes above 127 are passed on: many clients send them', () => {
    expect(head(['REQUEST_URI', '/caf\xc3\xa9?\xe9']).url).toBe('/caf\xc3\xa9?\xe9')
  })

  it('NUL and blanks in decoded path variables are of no concern while REQUEST_URI is there (h2o, HAProxy)', () => {
    expect(head(['REQUEST_URI', '/nul%00x'], ['PATH_INFO', '/nul\0x'], ['SCRIPT_NAME', '/a b']).url).toBe('/nul%00x')
    expect(headOf(['REQUEST_METHOD', 'GET'], ['PATH_INFO', '/nul\0x y']).url).toBe('/nul%00x%20y')
  })

  it.each<[rule: string, pairs: Pair[], url: string]>([
    ['X-Original-URL from a client is a header, not the target', [['HTTP_X_ORIGINAL_URL', '/admin']], '/a'],
    ["with URL Rewrite's mark it is the target", [['HTTP_X_ORIGINAL_URL', '/before'], ['IIS_WasUrlRewritten', '1']], '/before'],
    ['the order of the two does not matter', [['IIS_WasUrlRewritten', '1'], ['HTTP_X_ORIGINAL_URL', '/before']], '/before'],
    ['a mark of 0 is none', [['HTTP_X_ORIGINAL_URL', '/before'], ['IIS_WasUrlRewritten', '0']], '/a'],
    ['an empty mark is none', [['HTTP_X_ORIGINAL_URL', '/before'], ['IIS_WasUrlRewritten', '']], '/a'],
    ['a header of the name is no mark', [['HTTP_X_ORIGINAL_URL', '/before'], ['HTTP_IIS_WASURLREWRITTEN', '1']], '/a'],
    ['UNENCODED_URL', [['UNENCODED_URL', '/a%20b']], '/a%20b'],
    ['UNENCODED_URL before all: the others are decoded', [['REQUEST_URI', '/r'], ['UNENCODED_URL', '/u'], ['HTTP_X_ORIGINAL_URL', '/o'], ['IIS_WasUrlRewritten', '1']], '/u'],
    ['REQUEST_URI, encoded again', [['LOCAL_ADDR', '192.0.2.1'], ['SERVER_SOFTWARE', 'Microsoft-IIS/10.0'], ['REQUEST_URI', '/100% \xc3\xa9']], '/100%25%20%C3%A9'],
    ['not of a web server that is another', [['LOCAL_ADDR', '192.0.2.1'], ['SERVER_SOFTWARE', 'other'], ['REQUEST_URI', '/100%']], '/100%'],
  ])('IIS: %s', (_rule, pairs, url) => {
    expect(headOf(['REQUEST_METHOD', 'GET'], ['SCRIPT_NAME', '/a'], ...pairs).url).toBe(url)
  })
})

describe('headers (CGI 4.1.18)', () => {
  it('HTTP_* in the order received, in their usual spelling, repeated ones too', () => {
    expect(head(['HTTP_X_A', '1'], ['HTTP_HOST', 'h:81'], ['HTTP_X_A', '2'], ['HTTP_COOKIE', 'a=1'], ['HTTP_COOKIE', 'b=2']).rawHeaders).toEqual([
      'X-A', '1', 'Host', 'h:81', 'X-A', '2', 'Cookie', 'a=1', 'Cookie', 'b=2',
    ])
  })

  it('Host keeps its port: nothing is guessed', () => {
    expect(head(['SERVER_NAME', 's'], ['SERVER_PORT', '81'], ['HTTP_HOST', 'h']).rawHeaders).toEqual(['Host', 'h'])
    expect(head(['SERVER_NAME', 's'], ['SERVER_PORT', '81']).rawHeaders).toEqual([])
  })

  it.each([
    ['latin1 and UTF-8 bytes as they are', 'caf\xc3\xa9 \xe9', 'caf\xc3\xa9 \xe9'],
    ['an empty value', '', ''],
    ['a tab inside', 'a\tb', 'a\tb'],
    ['blanks around it are not part of it (RFC 9110 5.5; h2o leaves them)', ' \t padded \t', 'padded'],
    ['only blanks', '   ', ''],
    ['quotes, commas, semicolons', '"a, b"; c', '"a, b"; c'],
  ])('value: %s', (_rule, sent, seen) => {
    expect(head(['HTTP_X_V', sent]).rawHeaders).toEqual(['X-V', seen])
  })

  it.each(['a\r\nX-Evil: 1', 'a\n', '\ra', 'a\0b', 'a\x01b', 'a\x7f'])('value %j is refused; the message names the header only', (value) => {
    expect(() => head(['HTTP_X_SECRET', value])).toThrow(new BadRequest('the value of X-Secret holds a control character'))
  })

  it.each(['gzip', 'gzip, chunked', 'identity', 'xchunked'])('a transfer coding %j, which no web server hands on, is refused', (coding) => {
    expect(() => head(['HTTP_TRANSFER_ENCODING', coding])).toThrow(BadRequest)
  })

  it('also in Content-Type and in Authorization from Apache', () => {
    expect(() => head(['CONTENT_TYPE', 'a\r\nb'])).toThrow(BadRequest)
    expect(() => head(['REDIRECT_HTTP_AUTHORIZATION', 'a\nb'])).toThrow(BadRequest)
  })

  it.each(['HTTP_', 'HTTP_A B', 'HTTP_A:', 'HTTP_A\r\n', 'HTTP_\xe9'])('name %j is refused', (name) => {
    expect(() => head([name, 'v'])).toThrow(BadRequest)
  })

  it.each(['http_x_lower', 'HTTPS_X', 'HTTPX', 'HTTP', 'Authorization', 'X_A', '', '__proto__', 'constructor', 'toString', 'proxy-nokeepalive'])('%j is no header', (name) => {
    expect(head([name, 'v']).rawHeaders).toEqual([])
  })

  it('__proto__ is an ordinary name', () => expect(head(['HTTP___PROTO__', 'v']).rawHeaders).toEqual(['--Proto--', 'v']))

  it.each(['HTTP_PROXY', 'HTTP_CONTENT_LENGTH', 'HTTP_CONTENT_TYPE'])('%s is dropped', (name) => {
    expect(head([name, '5']).rawHeaders).toEqual([])
    expect(head(['HTTP_A', '1'], [name, '5'], ['HTTP_B', '2'], [name, '6']).rawHeaders).toEqual(['A', '1', 'B', '2'])
  })

  it('names that only begin like these stay', () => {
    expect(head(['HTTP_PROXY_CONNECTION', 'a'], ['HTTP_CONTENT_LENGTHS', 'b'], ['HTTP_X_PROXY', 'c']).rawHeaders).toEqual([
      'Proxy-Connection', 'a', 'Content-Lengths', 'b', 'X-Proxy', 'c',
    ])
  })

  it.each<[rule: string, pairs: Pair[], authorization: string[]]>([
    ['Authorization', [['HTTP_AUTHORIZATION', 'Basic x']], ['Authorization', 'Basic x']],
    ['else what Apache renamed in a rewrite', [['REDIRECT_HTTP_AUTHORIZATION', 'Basic y']], ['Authorization', 'Basic y']],
    ['the first of the two where both are', [['REDIRECT_HTTP_AUTHORIZATION', 'Basic y'], ['HTTP_AUTHORIZATION', 'Basic x']], ['Authorization', 'Basic x']],
    ['in either order', [['HTTP_AUTHORIZATION', 'Basic x'], ['REDIRECT_HTTP_AUTHORIZATION', 'Basic y']], ['Authorization', 'Basic x']],
    ['a client header of that name is another header', [['HTTP_REDIRECT_HTTP_AUTHORIZATION', 'z']], ['Redirect-Http-Authorization', 'z']],
    ['REMOTE_USER makes none: nobody verified it (nginx, HAProxy)', [['REMOTE_USER', 'root'], ['AUTH_TYPE', 'Basic']], []],
  ])('authorization: %s', (_rule, pairs, authorization) => {
    expect(head(...pairs).rawHeaders).toEqual(authorization)
  })

  it('client headers that look like meta-variables are headers (spoofing)', () => {
    const spoofed = head(['HTTP_HTTPS', 'on'], ['HTTP_REMOTE_USER', 'root'], ['HTTP_REMOTE_ADDR', '192.0.2.66'])
    expect(spoofed).toMatchObject({ encrypted: false, remoteAddress: undefined })
    expect(spoofed.rawHeaders).toEqual(['Https', 'on', 'Remote-User', 'root', 'Remote-Addr', '192.0.2.66'])
  })

  it('Expect is reported besides', () => {
    expect(head(['HTTP_EXPECT', '100-continue'])).toMatchObject({ expect: '100-continue', rawHeaders: ['Expect', '100-continue'] })
    expect(head().expect).toBeUndefined()
  })

  it('of a repeated meta-variable that is no header the last one counts, as in PHP-FPM', () => {
    expect(head(['REQUEST_URI', '/second'], ['REMOTE_ADDR', '192.0.2.1'], ['REMOTE_ADDR', '192.0.2.2'])).toMatchObject({
      url: '/second',
      remoteAddress: '192.0.2.2',
    })
  })
})

describe('body (CGI 4.1.2, 4.1.3)', () => {
  it.each<[rule: string, pairs: Pair[], expected: Partial<RequestHead>]>([
    ['a length', [['CONTENT_LENGTH', '5']], { contentLength: 5, rawHeaders: ['Content-Length', '5'], bodyUnannounced: false }],
    ['a length of 0', [['CONTENT_LENGTH', '0'], ['REQUEST_METHOD', 'POST']], { contentLength: 0, rawHeaders: ['Content-Length', '0'], bodyUnannounced: false }],
    ['a length of 0 that the web server made up (HAProxy, lighttpd, Caddy, mod_fcgid)', [['CONTENT_LENGTH', '0']], { contentLength: 0, rawHeaders: [], bodyUnannounced: false }],
    ['a length of 0 that the client did send (nginx)', [['CONTENT_LENGTH', '0'], ['HTTP_CONTENT_LENGTH', '0']], { contentLength: 0, rawHeaders: ['Content-Length', '0'] }],
    ['a large one', [['CONTENT_LENGTH', '5000000000']], { contentLength: 5_000_000_000, rawHeaders: ['Content-Length', '5000000000'] }],
    ['none', [], { contentLength: -1, rawHeaders: [], bodyUnannounced: true }],
    ['an empty one is none (nginx)', [['CONTENT_LENGTH', ''], ['CONTENT_TYPE', '']], { contentLength: -1, rawHeaders: [], bodyUnannounced: true }],
    ['-1 is a chunked upload (Caddy)', [['CONTENT_LENGTH', '-1']], { contentLength: -1, rawHeaders: ['Transfer-Encoding', 'chunked'], bodyUnannounced: false }],
    ['no length but Transfer-Encoding (Apache)', [['HTTP_TRANSFER_ENCODING', 'chunked']], { contentLength: -1, rawHeaders: ['Transfer-Encoding', 'chunked'], bodyUnannounced: false }],
    ['an empty length and Transfer-Encoding (nginx, unbuffered)', [['CONTENT_LENGTH', ''], ['HTTP_TRANSFER_ENCODING', 'chunked']], { contentLength: -1, rawHeaders: ['Transfer-Encoding', 'chunked'] }],
    ['a length wins over Transfer-Encoding, which is not shown beside it (nginx)', [['HTTP_TRANSFER_ENCODING', 'chunked'], ['CONTENT_LENGTH', '19']], { contentLength: 19, rawHeaders: ['Content-Length', '19'] }],
    ['an empty Transfer-Encoding announces nothing', [['HTTP_TRANSFER_ENCODING', '']], { rawHeaders: [], bodyUnannounced: true }],
    ['HTTP_CONTENT_LENGTH is no length', [['HTTP_CONTENT_LENGTH', '5']], { contentLength: -1, rawHeaders: [], bodyUnannounced: true }],
    ['HTTP_CONTENT_LENGTH does not contradict the real one', [['CONTENT_LENGTH', '5'], ['HTTP_CONTENT_LENGTH', '6']], { contentLength: 5, rawHeaders: ['Content-Length', '5'] }],
    ['the same length twice', [['CONTENT_LENGTH', '5'], ['CONTENT_LENGTH', '5']], { contentLength: 5, rawHeaders: ['Content-Length', '5'] }],
    ['a type', [['CONTENT_TYPE', 'text/plain; charset=utf-8']], { rawHeaders: ['Content-Type', 'text/plain; charset=utf-8'] }],
    ['a type twice: the first, like node (HAProxy, h2o)', [['CONTENT_TYPE', 'text/a'], ['CONTENT_TYPE', 'text/b']], { rawHeaders: ['Content-Type', 'text/a'] }],
    ['an empty type and a real one', [['CONTENT_TYPE', ''], ['CONTENT_TYPE', 'text/b']], { rawHeaders: ['Content-Type', 'text/b'] }],
    ['HTTP_CONTENT_TYPE is no type (nginx sends both)', [['CONTENT_TYPE', 'text/a'], ['HTTP_CONTENT_TYPE', 'text/b']], { rawHeaders: ['Content-Type', 'text/a'] }],
  ])('%s', (_rule, pairs, expected) => {
    expect(head(...pairs)).toMatchObject(expected)
  })

  it.each(['abc', '5x', '+5', '-5', '-0', '0x5', '1e3', '5.0', ' 5', '5 ', '5,5', '1'.repeat(16), '\0'])('a length of %j is refused', (length) => {
    expect(() => head(['CONTENT_LENGTH', length])).toThrow(new BadRequest('CONTENT_LENGTH is not a number of bytes'))
  })

  it('two different lengths are refused: one of them smuggles', () => {
    expect(() => head(['CONTENT_LENGTH', '5'], ['CONTENT_LENGTH', '6'])).toThrow(BadRequest)
    expect(() => head(['CONTENT_LENGTH', '5'], ['CONTENT_LENGTH', '05'])).toThrow(BadRequest)
  })
})

describe('TLS', () => {
  it.each<[Pair, boolean]>([
    [['HTTPS', 'on'], true],
    [['HTTPS', 'ON'], true],
    [['HTTPS', '1'], true],
    [['HTTPS', 'yes'], true],
    [['HTTPS', 'Yes'], true],
    [['HTTPS', 'off'], false],
    [['HTTPS', 'OFF'], false],
    [['HTTPS', ''], false],
    [['HTTPS', '0'], false],
    [['HTTPS', 'no'], false],
    [['HTTPS', 'true'], false],
    [['HTTPS', 'on\n'], false],
    [['REQUEST_SCHEME', 'https'], true],
    [['REQUEST_SCHEME', 'http'], false],
    [['SERVER_PORT_SECURE', '1'], true],
    [['SERVER_PORT_SECURE', '0'], false],
    [['SERVER_PORT', '443'], false],
    [['HTTP_X_FORWARDED_PROTO', 'https'], false],
    [['HTTP_HTTPS', 'on'], false],
    [['REDIRECT_HTTPS', 'on'], false],
  ])('%j: %s', (pair, encrypted) => {
    expect(head(pair).encrypted).toBe(encrypted)
  })

  it('off does not undo another variable that says so', () => {
    expect(head(['REQUEST_SCHEME', 'https'], ['HTTPS', 'off']).encrypted).toBe(true)
  })
})

describe('addresses', () => {
  it('are those of the client and of the web server (CGI 4.1.8, 4.1.15)', () => {
    expect(head(['REMOTE_ADDR', '192.0.2.7'], ['REMOTE_PORT', '5001'], ['SERVER_ADDR', '192.0.2.1'], ['SERVER_PORT', '443'])).toMatchObject({
      remoteAddress: '192.0.2.7', remotePort: '5001', localAddress: '192.0.2.1', localPort: '443',
    })
  })

  it('absent ones are undefined, not invented', () => {
    expect(head()).toMatchObject({ remoteAddress: undefined, remotePort: undefined, localAddress: undefined, localPort: undefined })
  })

  it.each<[order: string, pairs: Pair[]]>([
    ['after', [['SERVER_ADDR', '192.0.2.1'], ['LOCAL_ADDR', '192.0.2.2']]],
    ['before', [['LOCAL_ADDR', '192.0.2.2'], ['SERVER_ADDR', '192.0.2.1']]],
  ])('LOCAL_ADDR (IIS) %s SERVER_ADDR does not replace it', (_order, pairs) => {
    expect(head(...pairs).localAddress).toBe('192.0.2.1')
  })

  it('LOCAL_ADDR alone counts', () => expect(head(['LOCAL_ADDR', '192.0.2.2']).localAddress).toBe('192.0.2.2'))

  it('what mounting and mod_fcgid need is handed on', () => {
    expect(head(['SCRIPT_NAME', '/d.fcgi'], ['SCRIPT_FILENAME', '/srv/d.fcgi'], ['SERVER_SOFTWARE', 'Apache/2.4'])).toMatchObject({
      scriptName: '/d.fcgi', scriptFilename: '/srv/d.fcgi', serverSoftware: 'Apache/2.4',
    })
    expect(head()).toMatchObject({ scriptName: '', scriptFilename: '', serverSoftware: '' })
  })
})

describe('values that are the same as before', () => {
  const read = (value: string): string | undefined => head(['HTTP_USER_AGENT', value]).rawHeaders[1]

  it('are not mistaken for others: each request has its own', () => {
    const values = ['a', 'a', 'ab', 'a', 'b', 'ba', '', ' a ', 'a', 'c', 'd', 'e', 'f', 'g', 'h', 'a', 'b', 'b', 'b\xe9', 'b', 'x'.repeat(300), 'x'.repeat(300), 'x']
    expect([...values, ...values].map(read)).toEqual([...values, ...values].map((value) => value.trim()))
  })

  it('are judged when they change', () => {
    for (let i = 0; i < 20; i++) expect(read('good')).toBe('good')
    expect(() => read('go\nd')).toThrow('control character')
    expect(read('good')).toBe('good')
  })
})

describe('bad input', () => {
  it('a hundred thousand headers take no time worth mentioning', () => {
    const many = Array.from({ length: 100_000 }, (_pair, index): Pair => [`HTTP_X_${index}`, 'v'])
    expect(head(...many).rawHeaders).toHaveLength(200_000)
  })

  // Not a measurement: in quadratic time this takes a quarter of an hour, in linear time a millisecond.
  it.each([
    ['inside', `a${' '.repeat(1_000_000)}b `, 1_000_002],
    ['in front', `${' '.repeat(1_000_000)}b`, 1],
    ['behind', `b${' '.repeat(1_000_000)}`, 1],
  ])('a million blanks %s a value do not hang', (_where, value, length) => {
    const trim = (): string => head(['HTTP_X', value]).rawHeaders[1] ?? ''
    expect(vm.runInNewContext('trim()', { trim }, { timeout: 10_000 })).toHaveLength(length)
  })
})
