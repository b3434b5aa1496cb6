// Request headers as node:http shows them: merged, repeated, distinct, empty, long, and in bytes above 0x7f.
// CGI loses the spelling of names, so they are noted in lower case.

import type { IncomingMessage } from 'node:http'
import type { Client, Scenario, Stage } from '../scenario'

type Fields = readonly (readonly [name: string, value: string])[]

/** Notes what the application sees of the fields named: raw and in order, merged, and distinct. */
function noteFields(req: IncomingMessage, stage: Stage, ...names: string[]): void {
  const raw: string[] = []
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i]!.toLowerCase()
    if (names.includes(name)) raw.push(`${name}: ${req.rawHeaders[i + 1]!}`)
  }
  stage.note('rawHeaders', raw)
  for (const name of names) stage.note(name, req.headers[name], req.headersDistinct[name])
}

/** nginx, HAProxy and h2o send them one by one. */
const JOINED = 'the gateway joins repeated fields into one variable, as CGI 4.1.18 has it'

const sending = (fields: Fields) => (client: Client): Promise<unknown> => client.request({ fields })

/** One request with these fields; the application notes all of their names. */
function fields(name: string, list: Fields, more: Partial<Scenario> = {}): Scenario {
  const names = [...new Set(list.map(([field]) => field.toLowerCase()))]
  return {
    name: `request headers: ${name}`,
    app(req, res, stage) {
      noteFields(req, stage, ...names)
      res.end('ok')
    },
    client: sending(list),
    ...(names.length < list.length && { differs: { gateway: JOINED } }),
    ...more,
  }
}

const repeated = (name: string, ...values: string[]): Fields => values.map((value) => [name, value] as const)

export const scenarios: readonly Scenario[] = [
  fields('the usual ones of a browser', [
    ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) Test/1.0'],
    ['Accept', 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8'],
    ['Accept-Language', 'de,en;q=0.5'],
    ['Accept-Encoding', 'gzip, deflate, br'],
    ['Referer', 'http://example.test/?a=1&b=2'],
    ['Cookie', 'a=1; b="two, three"; c=%20'],
    ['If-None-Match', 'W/"abc"'],
    ['If-Modified-Since', 'Mon, 01 Jan 2024 00:00:00 GMT'],
    ['Range', 'bytes=0-9'],
    ['Origin', 'http://example.test'],
    ['DNT', '1'],
    ['Sec-Fetch-Mode', 'navigate'],
    ['X-Requested-With', 'XMLHttpRequest'],
    ['Cache-Control', 'no-cache'],
    ['Pragma', 'no-cache'],
  ]),
  fields('repeated x- fields are joined by a comma', [...repeated('X-Twice', 'one', 'two'), ['X-Between', '1'], ['x-twice', 'three']]),
  fields('repeated Cookie is joined by a semicolon', repeated('Cookie', 'a=1', 'b=2; c=3')),
  fields('Set-Cookie of a request is an array', repeated('Set-Cookie', 'a=1', 'b=2')),
  fields('one Set-Cookie of a request is an array too', repeated('Set-Cookie', 'a=1')),
  fields('repeated Accept, Accept-Language and Cache-Control', [
    ...repeated('Accept', 'text/html', 'text/plain'),
    ...repeated('Accept-Language', 'de', 'en'),
    ...repeated('Cache-Control', 'no-cache', 'max-age=0'),
  ]),
  ...['User-Agent', 'Referer', 'From', 'Age', 'Max-Forwards', 'ETag', 'Retry-After', 'Last-Modified', 'Expires', 'Location', 'Server'].map((name) =>
    fields(`of repeated ${name} the first counts`, repeated(name, 'first', 'second')),
  ),
  fields('repeated If-Modified-Since', repeated('If-Modified-Since', 'Mon, 01 Jan 2024 00:00:00 GMT', 'Tue, 02 Jan 2024 00:00:00 GMT')),
  fields('repeated If-None-Match', repeated('If-None-Match', '"a"', '"b"')),
  fields('repeated Authorization', repeated('Authorization', 'Bearer one', 'Bearer two')),
  fields('of repeated Content-Type the first counts', repeated('Content-Type', 'text/plain', 'text/html'), {
    // CGI has one CONTENT_TYPE, so rawHeaders cannot have two.
    app(req, res, stage) {
      stage.note('content-type', req.headers['content-type'])
      res.end('ok')
    },
    differs: {},
  }),
  fields('repeated X-Forwarded-For and Forwarded', [...repeated('X-Forwarded-For', '192.0.2.1', '192.0.2.2'), ...repeated('Forwarded', 'for=192.0.2.1', 'for=192.0.2.2')]),
  fields('joinDuplicateHeaders joins what is dropped otherwise', [...repeated('Referer', 'one', 'two'), ...repeated('User-Agent', 'a', 'b')], {
    options: { joinDuplicateHeaders: true },
  }),
  fields('joinDuplicateHeaders: cookie and set-cookie', [...repeated('Cookie', 'a=1', 'b=2'), ...repeated('Set-Cookie', 'a=1', 'b=2'), ...repeated('X-A', '1', '2')], {
    options: { joinDuplicateHeaders: true },
  }),
  fields('empty values', [['X-Empty', ''], ['Referer', ''], ['Cookie', ''], ['Accept', ''], ['X-Last', 'end']]),
  fields('an empty value among repeated ones', repeated('X-Some', 'one', '', 'three')),
  fields('blanks around and inside of values', [['X-Blanks', '   padded   '], ['X-Tab', '\tin\ttabs\t'], ['X-Inside', 'a  b   c']]),
  fields('punctuation', [['X-Punctuation', '!#$%&\'*+-.^_`|~()<>@,;:\\"/[]?={}'], ['X-Colon', 'a: b: c'], ['X-Equals', '=']]),
  fields('a value of 8000 bytes', [['X-Long', 'v'.repeat(8_000)]], {
    app(req, res, stage) {
      stage.note('length', req.headers['x-long']?.length, req.headers['x-long'] === 'v'.repeat(8_000))
      res.end('ok')
    },
  }),
  fields(
    'sixty fields, in order',
    Array.from({ length: 60 }, (_, i) => [`X-Number-${i}`, String(i)] as const),
  ),
  fields('maxHeadersCount leaves out what is beyond it', Array.from({ length: 30 }, (_, i) => [`X-Number-${i}`, String(i)] as const), {
    setup: (server) => void (server.maxHeadersCount = 20),
    app(req, res, stage) {
      stage.note('seen', req.rawHeaders.length, Object.keys(req.headers).length <= 20)
      res.end('ok')
    },
    // From 26 on node refuses such a request, with a 431 of its own.
    client: (client) => client.request({ fields: Array.from({ length: 30 }, (_, i) => [`X-Number-${i}`, String(i)] as const) }).then(({ status }) => status),
  }),
  fields('names that are properties of every object', [['Constructor', 'c'], ['toString', 't'], ['__proto__', 'p'], ['hasOwnProperty', 'h'], ['valueOf', 'v']], {
    app(req, res, stage) {
      stage.note('own', req.headers['constructor'], req.headers['tostring'], req.headers['hasownproperty'], req.headers['valueof'])
      stage.note('prototypes', Object.getPrototypeOf(req.headers) === null, Object.getPrototypeOf(req.headersDistinct) === null)
      stage.note('distinct', req.headersDistinct['constructor'], req.headersDistinct['tostring'])
      res.end('ok')
    },
  }),
  {
    name: 'request headers: bytes above 0x7f in values are latin1',
    app(req, res, stage) {
      noteFields(req, stage, 'x-latin1', 'x-utf8', 'cookie')
      res.end('ok')
    },
    async client(client) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nX-Latin1: caf\xe9 \xff\r\n`)
      raw.write(`X-Utf8: \xc3\xa9\xe2\x82\xac\r\nCookie: n=\xc3\xa9\r\n\r\n`)
      const { statusLine } = await raw.head()
      return statusLine
    },
  },
  {
    name: 'request headers: Host as the client wrote it',
    app(req, res, stage) {
      stage.note('host', req.headers.host)
      res.end('ok')
    },
    async client(client) {
      const seen: unknown[] = []
      for (const host of ['example.test', 'example.test:8080', 'EXAMPLE.Test', '127.0.0.1', '[::1]:80', 'sub.example.test.']) {
        const raw = await client.open()
        raw.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        seen.push((await raw.head()).statusLine)
      }
      return seen
    },
  },
  {
    name: 'request headers: the same object each time, and what an application may change of it',
    app(req, res, stage) {
      stage.note('same', req.headers === req.headers, req.headersDistinct === req.headersDistinct, req.rawHeaders === req.rawHeaders)
      req.headers['x-added'] = 'added'
      delete req.headers['x-sent']
      stage.note('changed', req.headers['x-added'], req.headers['x-sent'], 'x-sent' in req.headers, req.headersDistinct['x-sent'])
      req.headers = { replaced: 'yes' }
      stage.note('replaced', req.headers, req.headersDistinct['x-sent'])
      res.end('ok')
    },
    client: sending([['X-Sent', '1']]),
  },
  {
    name: 'request headers: trailers of a request without any',
    app(req, res, stage) {
      stage.note('before', req.trailers, req.rawTrailers, req.trailersDistinct)
      req.resume().on('end', () => {
        stage.note('end', req.trailers, req.rawTrailers, req.trailersDistinct)
        res.end('ok')
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'x' }),
  },
  {
    name: 'request headers: of a body, its type and length',
    app(req, res, stage) {
      // Where in rawHeaders the length stands is not compared: in CGI it is no header.
      stage.note('content-length', req.headers['content-length'], req.headersDistinct['content-length'])
      noteFields(req, stage, 'content-type', 'content-encoding', 'content-language', 'content-md5', 'content-disposition')
      req.resume()
      res.end('ok')
    },
    client: (client) =>
      client.request({
        method: 'POST',
        body: '{"a":1}',
        fields: [
          ['Content-Type', 'application/json; charset="utf-8"'],
          ['Content-Encoding', 'identity'],
          ['Content-Language', 'de'],
          ['Content-MD5', 'x'],
          ['Content-Disposition', 'attachment; filename="a.txt"'],
        ],
      }),
  },
  {
    name: 'request headers: Content-Type without a body',
    app(req, res, stage) {
      noteFields(req, stage, 'content-type', 'content-length')
      res.end('ok')
    },
    client: sending([['Content-Type', 'text/plain']]),
  },
  {
    name: 'request headers: credentials arrive as they were sent',
    app(req, res, stage) {
      noteFields(req, stage, 'authorization')
      res.end('ok')
    },
    async client(client) {
      const answers: unknown[] = []
      for (const value of ['Basic dXNlcjpwYXNz', 'Bearer abc.def-ghi_jkl=', 'Digest username="u", realm="r", uri="/"', 'Basic', 'Basic not base64!']) {
        answers.push((await client.request({ fields: [['Authorization', value]] })).status)
      }
      return answers
    },
  },
]
