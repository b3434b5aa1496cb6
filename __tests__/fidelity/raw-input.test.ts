// Bad input without a web server in between, which would refuse most of it: HTTP as bytes to node:http, and the same request
// as a web server would hand it on to ours. Either both applications see the same, or both refuse; never anything else.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer, type ServerOptions } from 'express-fastcgi'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { RawHttp } from '../support/http-raw'
import { connect, type RawClient } from '../support/raw-client'

interface Input {
  readonly method?: string
  readonly target?: string
  readonly protocol?: string
  /** `Host: a` comes first unless `host` is false. */
  readonly host?: boolean
  readonly fields?: readonly (readonly [name: string, value: string])[]
  readonly body?: string
}

/** What became of a request: the application saw it, or it was refused. */
type Fate = { readonly seen: Seen } | { readonly refused: number }

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly version: string
  /** `name: value`, names in lower case, since CGI loses their spelling; sorted by name, repeated ones in their order. */
  readonly fields: readonly string[]
  readonly headers: readonly (readonly [string, unknown])[]
  readonly body: string
}

/** What `X-Fate` in an answer refers to: what the application saw of that request. */
let seen: Seen[] = []

const application: http.RequestListener = (req, res) => {
  let body = ''
  req.setEncoding('latin1')
  req.on('data', (chunk: string) => (body += chunk))
  req.on('end', () => {
    const raw = req.rawHeaders
    const fields = raw.flatMap((name, i) => (i % 2 === 1 || name === 'Connection' ? [] : [`${name.toLowerCase()}: ${raw[i + 1] ?? ''}`]))
    const headers = Object.entries(req.headers).filter(([name]) => name !== 'connection')
    const byName = (one: string, other: string): number => one.split(':')[0]!.localeCompare(other.split(':')[0]!)
    seen.push({
      method: req.method,
      url: req.url,
      version: `${req.httpVersion} ${req.httpVersionMajor} ${req.httpVersionMinor}`,
      fields: fields.sort(byName),
      headers: headers.sort(([one], [other]) => one.localeCompare(other)),
      body,
    })
    res.writeHead(200, { 'X-Fate': String(seen.length - 1) })
    res.end()
  })
}

interface Pair {
  node(input: Input): Promise<Fate>
  ours(input: Input): Promise<Fate>
}

const running: http.Server[] = []
const clients: RawClient[] = []
const problems: unknown[] = []

/** node's server and ours, with the same options. */
async function start(options: ServerOptions = {}, set: (server: http.Server) => void = () => undefined): Promise<Pair> {
  const [node, ours] = [http.createServer(options, application), createServer(options, application)]
  for (const server of [node, ours]) {
    running.push(server)
    set(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
  }
  // Violations of the protocol. What node's parser would refuse comes here as well, and is answered as node would.
  ours.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code?.startsWith('HPE_') !== true) problems.push(error)
    socket.end(`HTTP/1.1 ${error.code === 'HPE_HEADER_OVERFLOW' ? '431 Too Large' : '400 Bad Request'}\r\nConnection: close\r\n\r\n`)
  })
  ours.on('requestError', () => undefined)
  const client = await connect(ours.address())
  clients.push(client)
  let id = 0
  return {
    async node(input) {
      const raw = await RawHttp.connect((node.address() as AddressInfo).port)
      raw.write(httpBytes(input))
      try {
        const head = await raw.head()
        return fate(Number(head.statusLine.slice(9, 12)), head.values('x-fate')[0])
      } catch {
        // It closed the connection without a word.
        return { refused: 0 }
      } finally {
        raw.leave()
      }
    },
    async ours(input) {
      id++
      client.send(begin(id, { keep: true }), params(id, variables(input)), stdin(id, input.body ?? ''), ...(input.body ? [stdin(id)] : []))
      const { head } = await client.response(id)
      return fate(head.status, head.headers.get('x-fate'))
    },
  }
}

function fate(status: number, index: string | undefined): Fate {
  return index === undefined ? { refused: status } : { seen: seen[Number(index)]! }
}

function httpBytes({ method = 'GET', target = '/', protocol = 'HTTP/1.1', host = true, fields = [], body = '' }: Input): string {
  const lines = [...(host ? [['Host', 'a'] as const] : []), ...fields, ['Connection', 'close'] as const]
  return [`${method} ${target} ${protocol}`, ...lines.map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n')
}

/** As the usual web servers make them. CGI 4.1 */
function variables({ method = 'GET', target = '/', protocol = 'HTTP/1.1', host = true, fields = [] }: Input): [string, string][] {
  const lines = [...(host ? [['Host', 'a'] as const] : []), ...fields]
  return [
    ['REQUEST_METHOD', method],
    ['REQUEST_URI', target],
    ['SERVER_PROTOCOL', protocol],
    ...lines.map(([name, value]): [string, string] => {
      // Only ASCII: the upper case of some other letters is two.
      const variable = name.replace(/[a-z]/g, (letter) => letter.toUpperCase()).replaceAll('-', '_')
      return [/^CONTENT_(?:LENGTH|TYPE)$/.test(variable) ? variable : `HTTP_${variable}`, value]
    }),
  ]
}

let pair: Pair
beforeAll(async () => {
  pair = await start()
})
beforeEach(() => {
  seen = []
})
afterEach(() => expect(problems.splice(0)).toEqual([]))
afterAll(async () => {
  for (const client of clients) client.destroy()
  for (const server of running) {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
})

/** Both see the same or both refuse; where the web server's word differs from HTTP, `ours` says what, and why. */
interface Row {
  readonly what: string
  readonly input: Input
  readonly ours?: { readonly why: string; readonly refused?: number; readonly fields?: readonly string[] }
}

function rows(title: string, list: readonly Row[], options?: ServerOptions): void {
  describe(title, () => {
    let servers: Pair
    beforeAll(async () => {
      servers = options === undefined ? pair : await start(options)
    })
    it.each(list)('$what', async ({ input, ours: expected }) => {
      const node = await servers.node(input)
      const ours = await servers.ours(input)
      if (expected === undefined) {
        expect(ours).toEqual(node)
      } else {
        expect(ours).not.toEqual(node)
        if (expected.refused === undefined) expect((ours as { seen: Seen }).seen.fields).toEqual(expected.fields)
        else expect(ours).toEqual({ refused: expected.refused })
      }
    })
  })
}

const isRefused = (fateOf: Fate): boolean => 'refused' in fateOf

/** All 256 bytes at one place; gives those of which one server made something else than the other. */
async function everyByte(servers: Pair, inputWith: (byte: string) => Input): Promise<{ byte: string; node: Fate; ours: Fate }[]> {
  const different: { byte: string; node: Fate; ours: Fate }[] = []
  for (let code = 0; code < 256; code++) {
    const input = inputWith(String.fromCharCode(code))
    const node = await servers.node(input)
    const ours = await servers.ours(input)
    if (!isDeepEqual(node, ours)) different.push({ byte: `0x${code.toString(16).padStart(2, '0')}`, node, ours })
  }
  return different
}

const isDeepEqual = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

const field = (name: string, value: string): Input => ({ fields: [[name, value]] })

describe('every byte', () => {
  it('in a method', async () => {
    expect(await everyByte(pair, (byte) => ({ method: `GE${byte}T` }))).toEqual([])
  })

  it('in a target', async () => {
    expect(await everyByte(pair, (byte) => ({ target: `/a${byte}b` }))).toEqual([])
  })

  it('in a query', async () => {
    expect(await everyByte(pair, (byte) => ({ target: `/?a${byte}b` }))).toEqual([])
  })

  it('at the start of a target', async () => {
    // What is read as "METHOD  /" is a blank too many for node, which takes it; no web server hands that on.
    const different = await everyByte(pair, (byte) => ({ target: `${byte}/a` }))
    expect(different.filter(({ byte }) => byte !== '0x20')).toEqual([])
  })

  it('in the value of a field', async () => {
    expect(await everyByte(pair, (byte) => field('X-V', `a${byte}b`))).toEqual([])
  })

  it('in the name of a field', async () => {
    const different = await everyByte(pair, (byte) => field(`X${byte}N`, 'v'))
    // A colon ends a name in HTTP, and CGI has one sign for two: neither can be put into a variable and be meant.
    expect(different.filter(({ byte }) => byte !== '0x3a' && byte !== '0x5f')).toEqual([])
    expect(isRefused(await pair.ours(field('X:N', 'v')))).toBe(true)
  })

  it('with insecureHTTPParser ours may be stricter than node, and nothing else', async () => {
    const servers = await start({ insecureHTTPParser: true })
    for (const inputWith of [(byte: string) => field('X-V', `a${byte}b`), (byte: string) => ({ target: `/a${byte}b` })]) {
      const different = await everyByte(servers, inputWith)
      expect(different.filter(({ ours }) => !isRefused(ours))).toEqual([])
    }
  })
})

describe('methods', () => {
  it('those of http.METHODS, but for CONNECT', async () => {
    for (const method of http.METHODS.filter((name) => name !== 'CONNECT')) {
      const [node, ours] = [await pair.node({ method }), await pair.ours({ method })]
      expect(isRefused(node)).toBe(false)
      expect(ours).toEqual(node)
    }
  })

  rows('others', [
    ...['get', 'Get', 'GETT', 'GE', 'FOO', 'X'.repeat(40), 'X'.repeat(4_000), 'PRI', 'DESCRIBE', 'ANNOUNCE', 'PLAY', 'GET GET', '"GET"', 'M_SEARCH'].map(
      (method): Row => ({ what: method.slice(0, 50), input: { method } }),
    ),
    {
      what: 'CONNECT',
      input: { method: 'CONNECT', target: 'a:443' },
      ours: { why: 'node closes the connection without an answer; here others may share it', refused: 400 },
    },
  ])
})

rows(
  'targets',
  [
    '*',
    '/',
    '//',
    '/?',
    '/#',
    '/a#b?c',
    'http://a/b',
    'http://a',
    'https://user:password@a:1/b?c',
    'HTTP://A/B',
    'ftp://a/b',
    'a',
    'a:443',
    '?a',
    '#',
    '.',
    '../a',
    '*a',
    '*/a',
    'http:/a',
    'http:a',
    'http//a',
    '1http://a',
    'h-t://a',
    'http://',
    'http://[::1]:80/',
    'http://a b/',
    'http://a:b:c/',
    'http://a@b@c/',
    'http://%41/',
    '/%00',
    '/%',
    '/%zz',
    '/a b',
    '/\t',
    '\\a',
    '/a\\b',
    '/"a"',
    '/caf\xe9',
    '/caf\xc3\xa9',
    `/${'a'.repeat(8_000)}`,
    `/?${'a'.repeat(15_000)}`,
  ].map((target): Row => ({ what: JSON.stringify(target.slice(0, 40)), input: { target } })),
)

rows(
  'targets of OPTIONS',
  ['*', '*a', '/', 'http://a'].map((target): Row => ({ what: target, input: { method: 'OPTIONS', target } })),
)

rows('protocols', [
  ...['HTTP/1.0', 'HTTP/1.1', 'HTTP/0.9', 'HTTP/2.0'].map((protocol): Row => ({ what: protocol, input: { protocol } })),
  { what: 'HTTP/2', input: { protocol: 'HTTP/2' }, ours: { why: 'the word of Apache and h2o for HTTP/2', fields: ['host: a'] } },
  { what: 'HTTP/3.0', input: { protocol: 'HTTP/3.0' }, ours: { why: 'the word of nginx for HTTP/3, which node does not speak', fields: ['host: a'] } },
])

it.each(['HTTP/1.2', 'HTTP/1.11', 'HTTP/9.9', 'HTTP/11', 'http/1.1', 'INCLUDED', 'FOO'])(
  'the protocol %s, which node does not speak and the web server did: shown as 1.1',
  async (protocol) => {
    expect(await pair.node({ protocol })).toEqual({ refused: 400 })
    expect(await pair.ours({ protocol })).toMatchObject({ seen: { version: '1.1 1 1' } })
  },
)

rows('Host', [
  { what: 'is missing', input: { host: false }, ours: { why: 'health checks and tools by hand send no HTTP_HOST; web servers refuse such requests themselves', fields: [] } },
  { what: 'is missing in HTTP/1.0', input: { host: false, protocol: 'HTTP/1.0' } },
  { what: 'is empty', input: { host: false, fields: [['Host', '']] } },
  { what: 'is there twice', input: field('Host', 'b'), ours: { why: 'HTTP_HOST twice is a usual configuration of nginx, and no server lets Host through twice', fields: ['host: a'] } },
  { what: 'is there twice, the same', input: field('Host', 'a'), ours: { why: 'as above', fields: ['host: a'] } },
  { what: 'holds a blank', input: { host: false, fields: [['Host', 'a b']] } },
  { what: 'holds a path', input: { host: false, fields: [['Host', 'a/b?c#d']] } },
  { what: 'holds an address with a port', input: { host: false, fields: [['Host', '[::1]:8080']] } },
  { what: 'is not that of an absolute target', input: { target: 'http://b/c' } },
])

rows('Host with requireHostHeader: false', [{ what: 'is missing', input: { host: false } }, { what: 'is there', input: {} }], { requireHostHeader: false })

const length = (value: string, body = 'five!'): Input => ({ method: 'POST', fields: [['Content-Length', value]], body })

rows('Content-Length', [
  ...['5', '05', '000000000000005', '+5', '0x5', '5.0', '5e0', 'five', '5 5', '5,5', '5, 5', '5;5', '5a', 'a5', '"5"', '\xb25', '99999999999999999999', '18446744073709551616', '-5', '-0'].map(
    (value): Row => ({ what: JSON.stringify(value), input: length(value) }),
  ),
  { what: '0', input: length('0', '') },
  { what: 'of a GET', input: { ...length('5'), method: 'GET' } },
  { what: 'twice, differing', input: { method: 'POST', fields: [['Content-Length', '5'], ['Content-Length', '6']], body: 'five!' } },
  {
    what: 'empty',
    input: length('', ''),
    ours: { why: 'nginx sends an empty CONTENT_LENGTH when there is none', fields: ['host: a'] },
  },
  {
    what: '-1',
    input: length('-1'),
    ours: { why: 'the word of Caddy for an upload in chunks; nothing is to be smuggled, since STDIN has an end of its own', fields: ['host: a', 'transfer-encoding: chunked'] },
  },
  {
    what: 'twice, the same',
    input: { method: 'POST', fields: [['Content-Length', '5'], ['Content-Length', '5']], body: 'five!' },
    ours: { why: 'a configuration that sets the variable twice does no harm', fields: ['content-length: 5', 'host: a'] },
  },
  {
    what: 'beside Transfer-Encoding',
    input: { method: 'POST', fields: [['Content-Length', '5'], ['Transfer-Encoding', 'chunked']], body: 'five!' },
    ours: { why: 'nginx sends both when it has counted the chunks; the one that is no more is left out', fields: ['content-length: 5', 'host: a'] },
  },
])

rows('Transfer-Encoding that is not chunked', [
  ...['gzip', 'identity', 'chunked, gzip', 'xchunked', 'chunkedx', '"chunked"'].map(
    (value): Row => ({ what: value, input: { method: 'POST', fields: [['Transfer-Encoding', value]], body: 'five!' } }),
  ),
])

rows('values', [
  { what: 'empty', input: field('X-V', '') },
  { what: 'blanks only', input: field('X-V', ' \t ') },
  { what: 'blanks around', input: field('X-V', '\t a b \t') },
  { what: 'a line that goes on (obs-fold)', input: field('X-V', 'a\r\n b') },
  { what: 'a line that goes on with a tab', input: field('X-V', 'a\r\n\tb') },
  { what: 'CR alone', input: field('X-V', 'a\rX-Evil: 1') },
  { what: 'NUL', input: field('X-V', '\0') },
  { what: 'latin1', input: field('X-V', 'caf\xe9 \xff') },
  { what: 'UTF-8', input: field('X-V', 'caf\xc3\xa9 \xe2\x82\xac') },
  { what: 'in Content-Type', input: field('Content-Type', 'a\x01b') },
  { what: 'in Host', input: { host: false, fields: [['Host', 'a\x01b']] } },
  { what: 'in Cookie', input: field('Cookie', 'a\x7fb') },
  { what: 'of 15000 bytes', input: field('X-V', 'v'.repeat(15_000)) },
])

// Some of these are the end of a line for one version of node and wrong for another; in a variable they cannot be meant.
it.each(['a\r\n', 'a\r\nX-Evil: 1', 'a\nX-Evil: 1', '\r\na', 'a\r\n\r\nGET /evil HTTP/1.1'])('a value that goes on as another line, %j: refused', async (value) => {
  expect(await pair.ours(field('X-V', value))).toEqual({ refused: 400 })
})

rows('names', [
  { what: '__proto__', input: field('--proto--', 'p') },
  { what: 'constructor', input: field('constructor', 'c') },
  { what: 'one letter', input: field('X', 'x') },
  { what: 'digits', input: field('0', 'x') },
  { what: 'punctuation', input: field("!#$%&'*+.^`|~", 'x') },
  { what: 'a blank', input: field('X Y', 'x') },
  { what: 'a blank at the end', input: field('X ', 'x') },
  { what: 'empty', input: field('', 'x') },
  { what: 'letters above 0x7f', input: field('\xe9', 'x') },
  { what: 'of 2000 bytes', input: field('X'.repeat(2_000), 'x') },
  { what: 'repeated', input: { fields: [['X-A', '1'], ['X-B', '2'], ['X-A', '3']] } },
  { what: 'repeated, of those where the first counts', input: { fields: [['Referer', '1'], ['User-Agent', '2'], ['Referer', '3']] } },
])

describe('number and size of fields', () => {
  const many = (count: number, value = 'v'): Input => ({ fields: Array.from({ length: count }, (_, i) => [`A${i}`, value] as const) })

  rows('below every limit', [
    { what: '100', input: many(100) },
    { what: '900', input: many(900) },
  ])

  it.each<[what: string, limit: number | null, count: number]>([
    ['below a limit of 20', 20, 15],
    ['beyond a limit of 20', 20, 60],
    ['without a limit', 0, 1_200],
  ])('%s: refused as by node, or cut off in headers as by node', async (_what, limit, count) => {
    const servers = await start({}, (server) => (server.maxHeadersCount = limit))
    const [node, ours] = [await servers.node(many(count)), await servers.ours(many(count))]
    if (isRefused(node)) expect(ours).toEqual(node)
    else expect((ours as { seen: Seen }).seen.headers).toEqual((node as { seen: Seen }).seen.headers)
  })

  rows('maxHeaderSize of 1024', [
    { what: 'a value of 500', input: field('X-V', 'v'.repeat(500)) },
    { what: 'a value of 2000', input: field('X-V', 'v'.repeat(2_000)) },
    { what: 'a target of 2000', input: { target: `/${'a'.repeat(2_000)}` } },
    { what: 'many fields', input: many(300) },
  ], { maxHeaderSize: 1_024 })

  it('without maxHeaderSize ours takes more than the 16 KiB of node: the web server has limits of its own, and maxParamsSize is above all', async () => {
    const large = field('X-V', 'v'.repeat(20_000))
    expect(await pair.node(large)).toEqual({ refused: 431 })
    expect(await pair.ours(large)).toMatchObject({ seen: { url: '/' } })
    expect(await pair.ours(field('X-V', 'v'.repeat(200_000)))).toEqual({ refused: 431 })
  })
})

describe('variables that no field of HTTP becomes', () => {
  const base: [string, string][] = [['REQUEST_METHOD', 'POST'], ['REQUEST_URI', '/'], ['SERVER_PROTOCOL', 'HTTP/1.1'], ['HTTP_HOST', 'a'], ['CONTENT_LENGTH', '5']]

  async function fields(more: readonly [string, string][], first = base): Promise<readonly string[] | number> {
    const server = createServer(application)
    running.push(server)
    server.on('requestError', () => undefined)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const client = await connect(server.address())
    clients.push(client)
    client.send(begin(1), params(1, [...first, ...more]), stdin(1, 'five!'), stdin(1))
    const { head } = await client.response(1)
    const result = fate(head.status, head.headers.get('x-fate'))
    return 'seen' in result ? result.seen.fields : result.refused
  }

  const plain = ['content-length: 5', 'host: a']

  it.each<[what: string, more: [string, string][]]>([
    ['a second Content-Length', [['HTTP_CONTENT_LENGTH', '0']]],
    ['a second Content-Length, in other spellings', [['HTTP_CONTENT-LENGTH', '0'], ['HTTP_content_length', '0'], ['HTTP_Content-Length', '0']]],
    ['a second Content-Type', [['HTTP_CONTENT_TYPE', 'a/b']]],
    ['a second Transfer-Encoding', [['HTTP_TRANSFER_ENCODING', 'chunked'], ['HTTP_TRANSFER-ENCODING', 'chunked']]],
    ['Proxy', [['HTTP_PROXY', 'http://192.0.2.9']]],
    ['variables of others', [['PATH', '/evil'], ['LD_PRELOAD', '/evil'], ['http_x', '1'], ['Http_X', '1'], ['', 'x'], ['HTTP', 'x']]],
  ])('%s: not there', async (_what, more) => {
    expect(await fields(more)).toEqual(plain)
  })

  it.each<[what: string, more: [string, string][]]>([
    ['a name that ends after HTTP_', [['HTTP_', 'x']]],
    ['a line break in a name', [['HTTP_X\r\nX-Evil', '1']]],
    ['a colon in a name', [['HTTP_X: 1', '1']]],
    ['a NUL in a name', [['HTTP_X\0', '1']]],
    ['a line break in Authorization from Apache', [['REDIRECT_HTTP_AUTHORIZATION', 'a\r\nX-Evil: 1']]],
    ['a second CONTENT_LENGTH that differs', [['CONTENT_LENGTH', '6']]],
  ])('%s: refused', async (_what, more) => {
    expect(await fields(more)).toBe(400)
  })

  it('no method at all: refused', async () => {
    expect(await fields([], base.slice(1))).toBe(400)
  })

  it('no variable at all: refused', async () => {
    expect(await fields([], [])).toBe(400)
  })

  it('what is refused harms nobody else on the connection, and says why once', async () => {
    const server = createServer(application)
    running.push(server)
    const reasons: unknown[] = []
    server.on('requestError', (error: { code: unknown; requestId: unknown }) => reasons.push([error.code, error.requestId]))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const client = await connect(server.address())
    clients.push(client)
    const good = (id: number): Buffer => Buffer.concat([begin(id, { keep: true }), params(id, base)])
    const bad = Buffer.concat([begin(2, { keep: true }), params(2, [...base, ['HTTP_X', 'a\r\nb']]), stdin(2, 'five!'), stdin(2)])
    client.send(good(1), bad, stdin(1, 'five!'), stdin(1), good(3), stdin(3, 'five!'), stdin(3))
    expect([(await client.response(1)).head.status, (await client.response(2)).head.status, (await client.response(3)).head.status]).toEqual([200, 400, 200])
    expect(reasons).toEqual([['FCGI_ERR_BAD_REQUEST', 2]])
  })
})
