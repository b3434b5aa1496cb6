// The fields of a response: set, appended, read, removed, refused, and which of them come out together.

import type http from 'node:http'
import { attempt } from '../attempt'
import type { Scenario } from '../scenario'

/** A scenario whose application only deals with fields and then ends. */
function fields(name: string, app: NonNullable<Scenario['app']>, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `response fields: ${name}`,
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'close', 'error'])
      app(req, res, stage)
      res.end('body')
    },
    ...more,
  }
}

/** `getRawHeaderNames` came with node 15, its type later. */
type RawNames = http.ServerResponse & { getRawHeaderNames(): string[] }

export const scenarios: readonly Scenario[] = [
  fields('what was set can be read, by any case', (_req, res, stage) => {
    attempt(stage, 'setHeader returns the response', () => res.setHeader('Content-Type', 'text/plain') === res)
    res.setHeader('X-Number', 5)
    res.setHeader('X-List', ['1', '2'])
    res.setHeader('x-number', 6)
    attempt(stage, 'getHeader', () => [res.getHeader('CONTENT-TYPE'), res.getHeader('x-number'), res.getHeader('X-LIST'), res.getHeader('none')])
    attempt(stage, 'hasHeader', () => [res.hasHeader('content-type'), res.hasHeader('X-None')])
    attempt(stage, 'getHeaderNames', () => res.getHeaderNames())
    attempt(stage, 'getRawHeaderNames', () => (res as RawNames).getRawHeaderNames())
    attempt(stage, 'getHeaders', () => [res.getHeaders(), Object.getPrototypeOf(res.getHeaders()) === null])
  }),
  fields('getHeaders is a copy, of which the lists are the same', (_req, res, stage) => {
    const list = ['1', '2']
    res.setHeader('X-List', list)
    const headers = res.getHeaders()
    headers['x-new'] = 'not set'
    list.push('3')
    stage.note('headers', res.getHeaders(), res.getHeader('x-list') === list)
  }),
  fields('removeHeader, and setting again', (_req, res, stage) => {
    res.setHeader('X-A', '1').setHeader('X-B', '2').setHeader('Date', 'Thu, 01 Jan 1970 00:00:00 GMT')
    attempt(stage, 'removeHeader', () => res.removeHeader('x-a'))
    attempt(stage, 'of none', () => res.removeHeader('X-None'))
    stage.note('names', res.getHeaderNames(), res.hasHeader('x-a'))
    res.setHeader('x-A', 'again')
  }),
  fields('appendHeader makes lists', (_req, res, stage) => {
    attempt(stage, 'returns the response', () => res.appendHeader('X-A', '1') === res)
    stage.note('one', res.getHeader('x-a'))
    res.appendHeader('x-a', '2').appendHeader('X-A', ['3', '4'])
    stage.note('four', res.getHeader('x-a'))
    res.setHeader('X-B', 'set').appendHeader('X-B', 'appended')
    res.appendHeader('Set-Cookie', 'a=1').appendHeader('Set-Cookie', 'b=2')
    stage.note('all', res.getHeaders())
  }),
  fields('setHeaders from Headers and Map', (_req, res, stage) => {
    const headers = new Headers({ 'X-One': '1', 'x-two': '2' })
    headers.append('Set-Cookie', 'a=1')
    headers.append('Set-Cookie', 'b=2')
    attempt(stage, 'Headers', () => res.setHeaders(headers) === res)
    attempt(stage, 'Map', () => res.setHeaders(new Map<string, string | string[]>([['X-Three', '3'], ['X-List', ['4', '5']]])) === res)
    for (const wrong of [undefined, null, { 'X-A': '1' }, ['X-A', '1'], 'X-A: 1', 5]) {
      attempt(stage, 'refuses', () => res.setHeaders(wrong as unknown as Headers))
    }
    stage.note('all', res.getHeaders())
  }),
  fields('names and values that are refused', (_req, res, stage) => {
    for (const name of ['', ' ', 'a b', 'a:b', 'a\r\n', 'é', undefined, null, 5, {}]) {
      attempt(stage, 'setHeader name', () => res.setHeader(name as string, 'x') === res)
      attempt(stage, 'appendHeader name', () => res.appendHeader(name as string, 'x') === res)
      attempt(stage, 'getHeader name', () => res.getHeader(name as string))
      attempt(stage, 'hasHeader name', () => res.hasHeader(name as string))
      attempt(stage, 'removeHeader name', () => res.removeHeader(name as string))
    }
    for (const value of [undefined, 'a\r\nX-Evil: 1', 'a\nb', 'a\0b', '\u0100', ['ok', 'not\nok'], [undefined]]) {
      attempt(stage, 'setHeader value', () => res.setHeader('X-A', value as string) === res)
      attempt(stage, 'appendHeader value', () => res.appendHeader('X-B', value as string) === res)
    }
    stage.note('left', res.getHeaders())
  }),
  fields('values that are not text', (_req, res, stage) => {
    const values: Record<string, unknown> = { 'X-Null': null, 'X-True': true, 'X-Zero': 0, 'X-Empty': '', 'X-Big': 1e21, 'X-Nested': [1, true], 'X-None': [] }
    for (const [name, value] of Object.entries(values)) attempt(stage, name, () => res.setHeader(name, value as string) === res)
    stage.note('all', res.getHeaders())
  }),
  fields('values with tabs, blanks around and colons', (_req, res) => {
    res.setHeader('X-Tab', 'a\tb').setHeader('X-Around', '  a  ').setHeader('X-Colon', 'a: b')
  }),
  fields('bytes above 0x7f before a body of text', (_req, res) => res.setHeader('X-Latin1', 'caf\u00e9')),
  fields('bytes above 0x7f before a body of bytes', (_req, res) => res.setHeader('X-Latin1', 'caf\u00e9').write(Buffer.from('bytes'))),
  fields('bytes above 0x7f before no body', (_req, res) => res.setHeader('X-Latin1', 'caf\u00e9').end()),
  fields('bytes above 0x7f flushed before the body', (_req, res) => res.setHeader('X-Latin1', 'caf\u00e9').flushHeaders()),
  fields('many cookies, with every attribute', (_req, res) => {
    res.setHeader('Set-Cookie', [
      'a=1; Path=/; HttpOnly; Secure; SameSite=Lax',
      'b=2; Expires=Thu, 01 Jan 2037 00:00:00 GMT; Max-Age=60',
      ...Array.from({ length: 12 }, (_value, index) => `c${index}=${'x'.repeat(index)}`),
    ])
  }),
  fields('one cookie as a text, and none', (_req, res) => {
    res.setHeader('Set-Cookie', 'a=1').setHeader('X-None', [])
  }),
  fields('lists stay apart or are joined as node does it', (_req, res) => {
    res.setHeader('Vary', ['Accept', 'Cookie']).setHeader('Link', ['</a>; rel=next', '</b>; rel=prev'])
    res.setHeader('WWW-Authenticate', ['Basic realm="a, b"', 'Bearer']).setHeader('Cache-Control', ['no-store', 'private'])
    res.setHeader('Cookie', ['a=1', 'b=2']).setHeader('Content-Type', ['text/plain'])
  }),
  fields(
    'option uniqueHeaders joins',
    (_req, res, stage) => {
      res.setHeader('X-Once', ['1', '2']).setHeader('X-Often', ['1', '2']).setHeader('Set-Cookie', ['a=1', 'b=2'])
      stage.note('all', res.getHeaders())
    },
    { options: { uniqueHeaders: ['x-once', 'set-cookie'] } },
  ),
  fields(
    'option uniqueHeaders joins in writeHead',
    (_req, res) => res.writeHead(200, { 'X-Once': ['1', '2'], 'X-Often': ['1', '2'] }),
    { options: { uniqueHeaders: ['X-Once'] } },
  ),
  fields('names that mean something to objects', (_req, res, stage) => {
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) attempt(stage, name, () => res.setHeader(name, name) === res)
    stage.note('names', res.getHeaderNames(), res.getHeader('constructor'), res.hasHeader('valueOf'))
  }),
  fields('names that mean something to CGI, but not to HTTP', (_req, res) => {
    res.setHeader('Location', '/elsewhere').setHeader('Refresh', '5').setHeader('Content-Location', '/here')
  }),
  fields('Location with status 200, 201 and 301', (req, res) => {
    res.statusCode = Number(req.url?.slice(1))
    res.setHeader('Location', 'http://app.test/there')
  }, {
    async client(client) {
      const answers: unknown[] = []
      for (const code of [200, 201, 301, 302, 303, 307, 308]) answers.push(await client.request({ path: `/${code}` }))
      return answers
    },
    until: Array.from({ length: 7 }, () => 'res close'),
  }),
  fields('own Server, and an own X-Powered-By', (_req, res) => {
    res.setHeader('Server', 'mine/1.0').setHeader('X-Powered-By', 'me')
  }),
]
