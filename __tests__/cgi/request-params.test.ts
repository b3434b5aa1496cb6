import { type HttpRequestHead, requestParams, type RequestParamsOptions } from '../../lib/cgi/request-params'

const REQUEST: HttpRequestHead = {
  method: 'GET',
  url: '/a/b?x=1&y=2',
  httpVersion: '1.1',
  rawHeaders: ['Host', 'www.example.test:8080'],
  remoteAddress: '192.0.2.7',
  remotePort: 50_001,
  localAddress: '192.0.2.1',
  localPort: 8080,
}

function params(change: Partial<HttpRequestHead> = {}, options?: RequestParamsOptions): Record<string, string> {
  return toObject(requestParams({ ...REQUEST, ...change }, options))
}

function toObject(list: readonly string[]): Record<string, string> {
  const names = list.filter((_text, index) => index % 2 === 0)
  expect(new Set(names).size).toBe(names.length)
  return Object.fromEntries(names.map((name, index) => [name, list[2 * index + 1] ?? '']))
}

describe('meta-variables of a request (CGI 4.1)', () => {
  it('are exactly these for a plain GET', () => {
    expect(params()).toEqual({
      GATEWAY_INTERFACE: 'CGI/1.1',
      SERVER_SOFTWARE: 'express-fastcgi gateway',
      SERVER_PROTOCOL: 'HTTP/1.1',
      REQUEST_METHOD: 'GET',
      REQUEST_URI: '/a/b?x=1&y=2',
      REQUEST_SCHEME: 'http',
      SCRIPT_NAME: '',
      PATH_INFO: '/a/b',
      QUERY_STRING: 'x=1&y=2',
      SERVER_NAME: 'www.example.test',
      SERVER_PORT: '8080',
      SERVER_ADDR: '192.0.2.1',
      REMOTE_ADDR: '192.0.2.7',
      REMOTE_PORT: '50001',
      HTTP_HOST: 'www.example.test:8080',
    })
  })

  it('say https when the connection was encrypted', () => {
    expect(params({ encrypted: true })).toMatchObject({ HTTPS: 'on', REQUEST_SCHEME: 'https' })
    expect(params()).not.toHaveProperty('HTTPS')
  })

  it.each([
    ['an escaped path is decoded in PATH_INFO only', '/a%20b/%C3%A9/%2Fx%3Fq', '/a b/\xc3\xa9//x?q', ''],
    ['a broken escape stays as it is', '/bad%zz/%2', '/bad%zz/%2', ''],
    ['the query begins at the first question mark and is not decoded', '/p?a=%20?b', '/p', 'a=%20?b'],
    ['an empty query', '/?', '/', ''],
    ['double slashes and dots are not normalised', '//a//../b', '//a//../b', ''],
    ['raw bytes are passed on', '/caf\xe9', '/caf\xe9', ''],
    ['the absolute form', 'http://other:81/p?q=1', '/p', 'q=1'],
    ['the absolute form without a path', 'http://other?q=1', '/', 'q=1'],
    ['the asterisk form has no path', '*', '', ''],
  ])('%s', (_rule, url, pathInfo, query) => {
    expect(params({ url })).toMatchObject({ REQUEST_URI: url, PATH_INFO: pathInfo, QUERY_STRING: query })
  })

  it.each([
    ['www.example.test', 'www.example.test'],
    ['[2001:db8::1]:81', '[2001:db8::1]'],
    ['', '192.0.2.1'],
    ['a:b:c', '192.0.2.1'],
  ])('SERVER_NAME for Host %j is %s', (host, name) => {
    expect(params({ rawHeaders: ['Host', host] })).toMatchObject({ SERVER_NAME: name })
  })

  it('SERVER_PORT comes from Host when the socket has no port', () => {
    expect(params({ localPort: undefined })).toMatchObject({ SERVER_PORT: '8080' })
    expect(params({ localPort: undefined, rawHeaders: [], encrypted: true })).toMatchObject({ SERVER_PORT: '443' })
  })

  it('addresses that are not known are left out', () => {
    const sent = params({ remoteAddress: undefined, remotePort: undefined, localAddress: undefined })
    for (const name of ['REMOTE_ADDR', 'REMOTE_PORT', 'SERVER_ADDR']) expect(sent).not.toHaveProperty(name)
  })

  it('SCRIPT_NAME takes its part of the path, at a slash only', () => {
    expect(params({ url: '/app/x' }, { scriptName: '/app' })).toMatchObject({ SCRIPT_NAME: '/app', PATH_INFO: '/x', REQUEST_URI: '/app/x' })
    expect(params({ url: '/app' }, { scriptName: '/app' })).toMatchObject({ SCRIPT_NAME: '/app', PATH_INFO: '' })
    expect(params({ url: '/apple' }, { scriptName: '/app' })).toMatchObject({ SCRIPT_NAME: '/app', PATH_INFO: '/apple' })
  })

  it('a front controller that the client did not name gets the whole path', () => {
    expect(params({ url: '/a' }, { scriptName: '/index.php', documentRoot: '/srv/www' })).toMatchObject({
      SCRIPT_NAME: '/index.php',
      PATH_INFO: '/a',
      DOCUMENT_ROOT: '/srv/www',
      SCRIPT_FILENAME: '/srv/www/index.php',
      PATH_TRANSLATED: '/srv/www/a',
    })
  })

  it('a folder that is not latin1 is sent as UTF-8 bytes, never cut to one byte a character', () => {
    // U+010A cut to eight bits would be a line feed.
    expect(params({}, { documentRoot: '/\u010a' })).toMatchObject({ DOCUMENT_ROOT: '/\xc4\x8a' })
  })

  it('extra params replace, join and take away', () => {
    const sent = params({}, { params: { REMOTE_USER: 'ann', SERVER_NAME: 'set', QUERY_STRING: undefined } })
    expect(sent).toMatchObject({ REMOTE_USER: 'ann', SERVER_NAME: 'set' })
    expect(sent).not.toHaveProperty('QUERY_STRING')
  })
})

describe('header fields (CGI 4.1.18)', () => {
  const http = (...rawHeaders: string[]): Record<string, string> => {
    const sent = params({ rawHeaders })
    return Object.fromEntries(Object.entries(sent).filter(([name]) => name.startsWith('HTTP_') || name.startsWith('CONTENT_')))
  }

  it.each([
    ['cookies join with a semicolon', ['Cookie', 'a=1', 'cookie', 'b=2'], { HTTP_COOKIE: 'a=1; b=2' }],
    ['others join with a comma', ['X-A', '1', 'x-a', '2'], { HTTP_X_A: '1, 2' }],
    ['the first Authorization counts', ['Authorization', 'Basic eA==', 'Authorization', 'no'], { HTTP_AUTHORIZATION: 'Basic eA==' }],
    ['the first Host counts', ['Host', 'a', 'Host', 'b'], { HTTP_HOST: 'a' }],
    ['an empty value is sent', ['X-Empty', ''], { HTTP_X_EMPTY: '' }],
    ['bytes above 127 are sent as they are', ['X-Raw', 'caf\xe9'], { HTTP_X_RAW: 'caf\xe9' }],
    ['Content-Type and Content-Length have names of their own', ['Content-Type', 'text/plain', 'Content-Length', '3'], { CONTENT_TYPE: 'text/plain', CONTENT_LENGTH: '3' }],
    ['a chunked body has no length', ['Transfer-Encoding', 'chunked', 'Content-Length', '3'], { HTTP_TRANSFER_ENCODING: 'chunked' }],
    ['hop-by-hop fields stay here', ['Connection', 'keep-alive', 'Keep-Alive', 'x', 'TE', 'trailers', 'Trailer', 'x', 'Upgrade', 'h2c', 'Proxy-Authorization', 'x', 'Proxy-Connection', 'x'], {}],
    ['so do the fields that Connection names', ['Connection', 'close, X-Hop', 'X-Hop', '1', 'X-Stay', '2'], { HTTP_X_STAY: '2' }],
    ['Proxy is never sent (httpoxy)', ['Proxy', 'http://evil.test'], {}],
    ['a name with an underscore is dropped', ['X_A', 'forged', 'X-A', 'real'], { HTTP_X_A: 'real' }],
    ['names that CGI cannot hold are dropped', ['X.Dot', '1', 'X~Tilde', '2', "X'", '3'], {}],
    ['names of meta-variables cannot be forged', ['Https', 'on', 'Remote-User', 'root'], { HTTP_HTTPS: 'on', HTTP_REMOTE_USER: 'root' }],
  ])('%s', (_rule, rawHeaders, sent) => {
    expect(http(...rawHeaders)).toEqual(sent)
  })

  it('may come as an object of joined or listed values', () => {
    const sent = params({ rawHeaders: undefined, headers: { host: 'h', 'x-a': ['1', '2'], cookie: ['a=1', 'b=2'], 'x-none': undefined } })
    expect(sent).toMatchObject({ HTTP_HOST: 'h', HTTP_X_A: '1, 2', HTTP_COOKIE: 'a=1; b=2' })
    expect(sent).not.toHaveProperty('HTTP_X_NONE')
  })
})
