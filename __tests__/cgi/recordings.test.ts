// What real web servers made of an HTTP request, mapped back: the head an application sees against the request as sent.
// The tables name everything a server changes on the way; whatever is not in them arrives as the client sent it.

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { RequestHead } from '../../lib/cgi/request-head'
import { headFrom } from '../support/head-from'
import { loadVariant, type RecordedConnection, variants } from '../support/fixtures'

type Headers = Record<string, string | undefined>

interface Mapped {
  readonly variant: string
  /** nginx, apache-proxy, apache-fcgid, apache-authnz, lighttpd, caddy, haproxy, h2o, cgi-fcgi */
  readonly server: string
  readonly request: string
  readonly http: string | undefined
  readonly connection: RecordedConnection
  readonly head: RequestHead
}

const SERVERS = ['apache-authnz', 'apache-fcgid', 'apache-proxy', 'caddy', 'cgi-fcgi', 'h2o', 'haproxy', 'lighttpd', 'nginx'] as const

const requests = variants().flatMap((variant) =>
  loadVariant(variant).requests.flatMap(({ name, http, app }) => app.map((connection) => ({ variant, request: name, http, connection }))),
)

const mapped = requests.flatMap(({ variant, request, http, connection }): Mapped[] => {
  if (connection.params === undefined) return []
  const server = SERVERS.find((name) => variant.startsWith(name)) ?? variant
  return [{ variant, server, request, http, connection, head: headFrom(connection.params.flat()) }]
})

const requestLine = /^(\S+) ([^\r\n]*) HTTP\/(\d\.\d)\r\n/
const sent = mapped.flatMap((one) => {
  const [, method, target, version] = requestLine.exec(one.http ?? '') ?? []
  return method === undefined || target === undefined || version === undefined ? [] : [{ ...one, method, target, version }]
})

/** Merged by node, as an application sees them. */
function merged(rawHeaders: readonly string[]): Headers {
  const message = new IncomingMessage(new Socket())
  ;(message as unknown as { _addHeaderLines(headers: readonly string[], count: number): void })._addHeaderLines(rawHeaders, rawHeaders.length)
  return message.headers as Headers
}

/** Collects every difference, so that one run shows them all. */
function expectNone(differences: readonly string[]): void {
  expect(differences).toEqual([])
}

describe('every recorded request', () => {
  it.each(SERVERS)('of %s is here and has a head', (server) => {
    expect(mapped.filter((one) => one.server === server).length).toBeGreaterThan(server === 'cgi-fcgi' ? 10 : 40)
  })

  it('has params, except those HAProxy gave up before it sent them', () => {
    const without = requests.filter(({ connection }) => connection.params === undefined).map(({ variant, request }) => `${variant}/${request}`)
    expect(without.sort()).toEqual([
      'haproxy-close/post-chunked-200k',
      'haproxy-default/get-bad-escape',
      'haproxy-default/options-star',
      'haproxy-default/post-chunked-200k',
      'haproxy-split/post-chunked-200k',
    ])
  })

  it('has a token as method, a target without blanks, and header values without line breaks', () => {
    for (const { head } of mapped) {
      expect(head.method).toMatch(/^[A-Z]+$/)
      // eslint-disable-next-line no-control-regex -- control characters are what must not be there
      expect(head.url).toMatch(/^[^\x00-\x20\x7f]+$/)
      // eslint-disable-next-line no-control-regex -- control characters are what must not be there
      for (const text of head.rawHeaders) expect(text).not.toMatch(/[\0\r\n]/)
    }
  })
})

describe('the request line', () => {
  it('method: mod_fcgid makes every access check a GET', () => {
    const changed = sent.filter(({ head, method }) => head.method !== method)
    expect(changed.map(({ variant, request, connection, head }) => [`${variant}/${request}`, connection.role, head.method])).toEqual([
      ['apache-fcgid-authz/authz-head', 'AUTHORIZER', 'GET'],
      ['apache-fcgid-authz/authz-script-post', 'AUTHORIZER', 'GET'],
    ])
  })

  it('version', () => expectNone(sent.filter(({ head, version }) => head.httpVersion !== version).map(({ variant, request }) => `${variant}/${request}`)))

  /** Target as sent, as the application sees it. All others are the same byte for byte. */
  const TARGETS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    // These three take the authority off the absolute form; the others hand it on, as node does.
    nginx: { 'absolute-form': '/p?q=1', 'absolute-same': '/p?q=1' },
    lighttpd: { 'absolute-same': '/p?q=1' },
    caddy: {
      'absolute-form': '/p?q=1',
      'absolute-same': '/p?q=1',
      // Caddy encodes what it deems unsafe, in the path only.
      'get-raw8bit': '/caf%C3%A9/%E9?q=\xc3\xa9',
      'get-special': '/a;b=c/@:%21$&%27%28%29%2A+,=~-_.%7C?a=b?c&d=%20+%2B&e[]=1;f',
      'get-fragment': '/x%23frag?y',
    },
  }

  it.each(SERVERS.filter((server) => server !== 'cgi-fcgi'))('the target behind %s', (server) => {
    const ofServer = sent.filter((one) => one.server === server)
    expect(ofServer.length).toBeGreaterThan(40)
    for (const { request, variant, head, target } of ofServer) {
      expect([variant, request, head.url]).toEqual([variant, request, TARGETS[server]?.[request] ?? target])
    }
    const seen = new Set(ofServer.map(({ request }) => request))
    for (const request of Object.keys(TARGETS[server] ?? {})) expect(seen).toContain(request)
  })

  it('a target of 6008 bytes, of which the recording shows the start', () => {
    const long = mapped.filter(({ request }) => request === 'long-uri')
    expect(long.map(({ server }) => server)).toEqual(['apache-fcgid', 'apache-proxy', 'caddy', 'h2o', 'haproxy', 'lighttpd', 'nginx'])
    for (const { head, http } of long) {
      const start = (http ?? '').replace(/^GET /, '').replace(/ \.\.\.$/, '')
      expect(head.url.startsWith(start)).toBe(true)
      expect(head.url).toMatch(/^\/long\?q=u{6000}$/)
    }
  })

  it('behind cgi-fcgi, whose environment has no REQUEST_URI, it is SCRIPT_NAME, PATH_INFO and QUERY_STRING', () => {
    const targets = new Map(mapped.filter(({ server }) => server === 'cgi-fcgi').map(({ request, head }) => [request, head.url]))
    expect(targets.get('get-query')).toBe('/cgi-bin/app.cgi/a/b?x=1&y=2')
    expect(targets.get('post-small')).toBe('/cgi-bin/app.cgi')
  })
})

describe('headers', () => {
  const dropped = (...names: readonly string[]): Headers => Object.fromEntries(names.map((name) => [name, undefined]))

  type Sent = (typeof sent)[number]

  /** Configurations that were told to hand Authorization on. */
  const PASSES_AUTHORIZATION = ['apache-proxy-options', 'apache-fcgid-alias', 'haproxy-split']
  const authorization = (original: Headers, { variant }: Sent): Headers => ({
    authorization: PASSES_AUTHORIZATION.includes(variant) ? original['authorization'] : undefined,
  })

  /** What a server changes in every request; `undefined` is a header that does not arrive. */
  const ALWAYS: Readonly<Record<string, (original: Headers, one: Sent) => Headers>> = {
    'apache-proxy': (original, one) => ({ ...authorization(original, one), 'proxy-authorization': undefined }),
    'apache-fcgid': (original, one) => ({
      ...authorization(original, one),
      connection: 'close',
      ...dropped('keep-alive', 'proxy-authorization', 'te', 'trailer', 'upgrade'),
    }),
    'apache-authnz': (_original, { connection }) => ({ authorization: undefined, ...(connection.role === 'AUTHORIZER' ? { connection: 'close' } : {}) }),
    lighttpd: () => dropped('expect'),
    caddy: (original, { variant, request, method, head, connection }) => {
      const isTrusted = variant === 'caddy-trusted'
      const scheme = connection.params?.some(([name]) => name === 'HTTPS') === true ? 'https' : 'http'
      const host = request === 'absolute-form' ? 'abs.example.test:81' : (original['host'] ?? '')
      const forwardedFor = isTrusted && original['x-forwarded-for'] !== undefined ? `${original['x-forwarded-for']}, ` : ''
      return {
        ...dropped('connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'trailer'),
        // An Upgrade crosses, with its Connection.
        ...(request === 'upgrade-ws' ? { connection: 'Upgrade' } : {}),
        host,
        'user-agent': original['user-agent'] ?? '',
        'x-forwarded-for': forwardedFor + (head.remoteAddress ?? ''),
        'x-forwarded-host': (isTrusted ? original['x-forwarded-host'] : undefined) ?? host,
        'x-forwarded-proto': (isTrusted ? original['x-forwarded-proto'] : undefined) ?? scheme,
        // For every method that may have a body.
        'content-type': original['content-type'] ?? (['GET', 'HEAD', 'OPTIONS'].includes(method) ? undefined : 'application/x-www-form-urlencoded'),
      }
    },
    haproxy: (original, one) => ({
      ...authorization(original, one),
      ...dropped('connection', 'expect', 'keep-alive', 'proxy-authorization', 'te', 'upgrade'),
    }),
    h2o: () => dropped('expect', 'upgrade'),
  }

  const WITHOUT_UNDERSCORES = { underscore: dropped('x_under', 'x_a_b') }
  const WITHOUT_ODD_NAMES = { 'odd-header-names': dropped('x.dot', 'x~tilde') }
  // Underscores pass, and the two spellings cannot be told apart any more.
  const MIXED_UNDERSCORES = { underscore: { ...dropped('x_under', 'x_a_b'), 'x-under': 'u', 'x-a-b': 'dash, under' } }
  const JOINED = { 'dup-ua-referer': { 'user-agent': 'ua/1, ua/2', referer: 'http://r.test/1, http://r.test/2' } }
  const JOINED_AUTHORIZATION = { 'dup-auth': { authorization: 'Basic dXNlcjpwYXNz, Bearer x' } }
  const COOKIES_BY_COMMA = { 'dup-headers': { cookie: 'a=1, b=2; c=3' } }
  const ABSOLUTE_HOST = { 'absolute-form': { host: 'abs.example.test:81' } }
  const APACHE = {
    ...WITHOUT_UNDERSCORES,
    ...WITHOUT_ODD_NAMES,
    ...ABSOLUTE_HOST,
    ...COOKIES_BY_COMMA,
    ...JOINED,
    'dup-ctype': { 'content-type': 'text/a, text/b' },
  }

  /** What a server changes in one request besides. */
  const BY_REQUEST: Readonly<Record<string, Readonly<Record<string, Headers>>>> = {
    nginx: {
      ...WITHOUT_UNDERSCORES,
      ...WITHOUT_ODD_NAMES,
      // Debian's fastcgi_params sets it from $host: lower case, without port, or server_name where there is none.
      'host-port': { host: 'www.example.test' },
      'host-other': { host: 'other.example.test' },
      'http10-nohost': { host: 'www.example.test' },
      'absolute-form': { host: 'abs.example.test' },
    },
    'apache-proxy': APACHE,
    'apache-fcgid': APACHE,
    lighttpd: {
      ...MIXED_UNDERSCORES,
      ...JOINED,
      ...JOINED_AUTHORIZATION,
      'odd-header-names': { ...dropped('x.dot', 'x~tilde'), 'x-dot': 'd', 'x-tilde': 't' },
      'header-empty': dropped('x-empty', 'x-blank', 'accept'),
      'host-other': { host: 'other.example.test' },
      'dup-inm': { 'if-none-match': '"1"' },
    },
    caddy: {
      ...COOKIES_BY_COMMA,
      ...JOINED,
      ...JOINED_AUTHORIZATION,
      // Of two spellings of one name Caddy keeps one, at random; here it was this.
      underscore: { ...dropped('x_under', 'x_a_b'), 'x-under': 'u', 'x-a-b': 'under' },
      'hop-by-hop': dropped('x-hop'),
    },
    haproxy: { ...WITHOUT_UNDERSCORES, ...WITHOUT_ODD_NAMES },
    h2o: {
      ...MIXED_UNDERSCORES,
      'http10-nohost': { host: 'default:28801' },
      'dup-host': { host: 'second.example.test' },
      'dup-headers': { cookie: 'a=1;b=2; c=3' },
    },
  }

  /** The body's own headers are looked at below; Proxy is dropped for every server; an empty Content-Type is none. */
  function comparable(headers: Headers): Headers {
    const isLeftOut = (name: string, value: string | undefined): boolean =>
      ['content-length', 'transfer-encoding', 'proxy'].includes(name) || value === undefined || (name === 'content-type' && value === '')
    return Object.fromEntries(Object.entries(headers).filter(([name, value]) => !isLeftOut(name, value)))
  }

  const whole = sent.filter(({ http }) => http?.includes('\r\n\r\n') === true)

  it.each(SERVERS.filter((server) => server !== 'cgi-fcgi'))('behind %s', (server) => {
    const ofServer = whole.filter((one) => one.server === server)
    expect(ofServer.length).toBeGreaterThan(40)
    const differences = ofServer.flatMap((one) => {
      const lines = (one.http ?? '').split('\r\n\r\n')[0]?.split('\r\n').slice(1) ?? []
      const original = merged(lines.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).replace(/^[ \t]+|[ \t]+$/g, '')]))
      const expected = comparable({ ...original, ...ALWAYS[server]?.(original, one), ...BY_REQUEST[server]?.[one.request] })
      const seen = comparable(merged(one.head.rawHeaders))
      return [...new Set([...Object.keys(expected), ...Object.keys(seen)])]
        .filter((name) => expected[name] !== seen[name])
        .map((name) => `${one.variant}/${one.request} ${name}: ${String(expected[name])} -> ${String(seen[name])}`)
    })
    expectNone(differences)
  })

  it('Proxy never arrives (httpoxy)', () => {
    const attacks = mapped.filter(({ request }) => request === 'proxy-header')
    expect(attacks.filter(({ connection }) => connection.params?.some(([name]) => name === 'HTTP_PROXY')).map(({ server }) => server)).toEqual(['caddy', 'h2o', 'nginx'])
    for (const { head } of attacks) expect(merged(head.rawHeaders)).not.toHaveProperty('proxy')
  })

  it.each(['apache-proxy', 'caddy', 'h2o', 'haproxy', 'lighttpd', 'nginx'])('over HTTP/2 behind %s', (server) => {
    const one = mapped.find((candidate) => candidate.server === server && candidate.request === 'https-h2')
    expect(one?.head).toMatchObject({ method: 'POST', url: '/h2?x=1', httpVersion: '2.0', encrypted: true, contentLength: 3 })
    const headers = merged(one?.head.rawHeaders ?? [])
    expect(headers).toMatchObject({ 'x-a': '1, 2', 'content-length': '3', 'content-type': 'application/x-www-form-urlencoded' })
    expect(headers['cookie']?.split(/; ?/)).toEqual(['a=1', 'b=2'])
  })

  it('ninety of them, in order', () => {
    const many = mapped.filter(({ request }) => request === 'headers-90')
    expect(many.length).toBeGreaterThan(5)
    for (const { head, server } of many) {
      const names = head.rawHeaders.filter((_text, index) => index % 2 === 0).filter((name) => name.startsWith('X-N'))
      // Caddy sends its params in an order of their own each time.
      if (server === 'caddy') names.sort()
      expect(names).toEqual(Array.from({ length: 90 }, (_name, index) => `X-N${String(index).padStart(2, '0')}`))
    }
  })
})

describe('the body', () => {
  /** Of the HTTP request: its Content-Length, `chunked`, or neither. */
  function announced(http: string): string | undefined {
    const fields = http.split('\r\n\r\n')[0]?.split('\r\n').slice(1) ?? []
    const value = (name: string): string | undefined => fields.find((field) => field.toLowerCase().startsWith(`${name}:`))?.split(':')[1]?.trim().replace(/ \.\.\.$/, '')
    return value('transfer-encoding') ?? value('content-length')
  }

  it('has the length that was sent, or is chunked, or is nothing', () => {
    const differences = sent.flatMap(({ variant, request, http, head, connection }) => {
      const headers = merged(head.rawHeaders)
      const where = `${variant}/${request} ${String(connection.role)}`
      const [length, coding] = [headers['content-length'], headers['transfer-encoding']]
      if (length !== undefined && coding !== undefined) return [`${where}: both`]
      if (length !== undefined && Number(length) !== head.contentLength) return [`${where}: ${length} is not ${head.contentLength}`]
      // An authorizer is asked without the body, and told no length.
      if (connection.role === 'AUTHORIZER') return length === undefined || length === '0' ? [] : [`${where}: ${length}`]
      const wanted = announced(http ?? '')
      if (wanted === undefined) return (length ?? '0') === '0' && coding === undefined && connection.stdin_total === 0 ? [] : [`${where}: invented ${String(length)}, ${String(coding)}`]
      // A chunked upload either was counted by the web server or stays one of unknown length.
      if (wanted === 'chunked') return length === String(connection.stdin_total) || coding === 'chunked' ? [] : [`${where}: ${String(length)}, ${String(coding)}`]
      return length === wanted && connection.stdin_total === Number(wanted) ? [] : [`${where}: ${String(length)} instead of ${wanted}`]
    })
    expectNone(differences)
  })

  it('of unknown length exists behind Caddy, mod_proxy_fcgi and unbuffered nginx only', () => {
    const unknown = mapped.filter(({ head }) => head.rawHeaders.includes('Transfer-Encoding'))
    expect([...new Set(unknown.map(({ server }) => server))]).toEqual(['apache-proxy', 'caddy', 'nginx'])
    expect([...new Set(unknown.filter(({ server }) => server === 'nginx').map(({ variant }) => variant))]).toEqual(['nginx-unbuffered'])
  })
})

describe('addresses and TLS', () => {
  it("the client's address", () => {
    for (const { head, request } of mapped) {
      expect([request, head.remoteAddress]).toEqual([request, request === 'ipv6' ? '::1' : mapped[0]?.head.remoteAddress])
    }
    expect(mapped[0]?.head.remoteAddress).toBe('127.0.0.1')
  })

  it("the client's port, except behind cgi-fcgi, whose caller set none", () => {
    for (const { head, server } of mapped) {
      if (server === 'cgi-fcgi') continue
      expect(head.remotePort).toMatch(/^[1-9][0-9]{3,4}$/)
    }
  })

  it('encrypted if and only if the client came over TLS', () => {
    const differences = mapped.filter(({ head, request }) => head.encrypted !== request.startsWith('https')).map(({ variant, request }) => `${variant}/${request}`)
    expectNone(differences)
    expect(mapped.filter(({ head }) => head.encrypted).length).toBeGreaterThan(15)
  })
})
