// Requests that are odd or wrong: what the web server lets through must reach the application as under node:http, or be
// refused as under node:http.

import type { IncomingMessage } from 'node:http'
import { readAnswer } from '../client'
import type { Client, Scenario, Stage } from '../scenario'

/** The fields a web server adds or changes by itself, and those that CGI has other words for. */
const OF_THE_WEB_SERVER = /^(?:connection|keep-alive|x-forwarded-.*|via|transfer-encoding|content-length)$/

/** What the application sees, without the order in which a web server sends the fields. */
function noteRequest(req: IncomingMessage, stage: Stage, body: string): void {
  const headers = Object.entries(req.headers).filter(([name]) => !OF_THE_WEB_SERVER.test(name))
  stage.note('request', req.method, req.url, headers.sort(([one], [other]) => (one < other ? -1 : 1)), body)
}

const noting: Scenario['app'] = (req, res, stage) => {
  let body = ''
  req.setEncoding('latin1')
  req.on('data', (chunk: string) => (body += chunk))
  req.on('end', () => {
    noteRequest(req, stage, body)
    res.end('ok')
  })
}

type RawRequest = (host: string) => string

/** Each is sent on a connection of its own; only the status is compared, since a refusal is in the web server's own words. */
const sending =
  (...requests: readonly RawRequest[]) =>
  async (client: Client): Promise<number[]> => {
    const statuses: number[] = []
    for (const request of requests) {
      const raw = await client.open()
      raw.write(request(client.host))
      statuses.push((await readAnswer(raw)).status)
      raw.leave()
    }
    return statuses
  }

const withFields =
  (...lines: readonly string[]): RawRequest =>
  (host) =>
    ['GET / HTTP/1.1', `Host: ${host}`, 'Connection: close', ...lines, '', ''].join('\r\n')

const withTarget =
  (target: string): RawRequest =>
  (host) =>
    `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

const withMethod =
  (method: string): RawRequest =>
  (host) =>
    `${method} / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`

/** A body of five bytes; the lines say how it is framed. */
const withBody =
  (lines: readonly string[], body = 'five!'): RawRequest =>
  (host) =>
    ['POST / HTTP/1.1', `Host: ${host}`, 'Connection: close', ...lines, '', body].join('\r\n')

const ONE_NAME = 'CGI has one name for X-A-B and X_A_B'

/** One scenario for a list of requests. */
const input = (name: string, requests: readonly RawRequest[], more: Partial<Scenario> = {}): Scenario => ({
  name: `input: ${name}`,
  app: noting,
  client: sending(...requests),
  ...more,
})

export const scenarios: readonly Scenario[] = [
  input('names of fields with underscores', [withFields('X_Under_Score: 1')], { differs: { haproxy: ONE_NAME, gateway: ONE_NAME } }),
  input('names that are the fields of a body in disguise', [withFields('Content_Length: 5'), withFields('Transfer_Encoding: chunked'), withFields('Content_Type: a/b')], {
    differs: { haproxy: ONE_NAME, gateway: ONE_NAME },
  }),
  input('a name with a blank before the colon', [withFields('X-Blank : 1')]),
  input('a name with a byte above 0x7f', [withFields('X-Caf\xe9: 1')]),
  input('a line without a colon, and one without a name', [withFields('no colon here'), withFields(': no name')]),
  input('a line that goes on in the next (obs-fold)', [withFields('X-Folded: a', ' b'), withFields('X-Folded: a', '\tb')]),
  input('a control character in a value', [withFields('X-Control: a\x01b'), withFields('X-Control: a\x7fb')]),
  input('NUL in a value', [withFields('X-Nul: a\0b')]),
  input('CR in a value', [withFields('X-Cr: a\rX-Evil: 1')]),
  input('LF ends a line', [withFields('X-Lf: a\nX-Next: 1')]),
  input('the names of Object.prototype', [withFields('__proto__: 1', 'constructor: 2', 'toString: 3', 'X-Last: 4')]),
  input('names of CGI variables as fields', [withFields('Remote-Addr: 192.0.2.9', 'Request-Uri: /evil', 'Https: on', 'Script-Name: /evil', 'Server-Port: 1', 'Status: 404')]),
  input('fields with which IIS, Apache and proxies override the target or the method', [
    withFields('X-Original-URL: /evil', 'X-Rewrite-URL: /evil', 'X-HTTP-Method-Override: DELETE', 'IIS-WasUrlRewritten: 1'),
  ]),
  input('Proxy is kept from the application (httpoxy)', [withFields('Proxy: http://192.0.2.9:3128')], {
    differs: { gateway: 'HTTP_PROXY means something else to CGI programs (CVE-2016-5385)', nginx: 'see gateway', haproxy: 'see gateway' },
  }),
  input('Host twice', [withFields('Host: other.test')]),
  input('Host missing in HTTP/1.1', [() => 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'], {
    differs: { haproxy: 'HAProxy lets it through, node:http answers 400; health checks and tools without HTTP_HOST are served here' },
  }),
  input('Host missing in HTTP/1.0', [() => 'GET / HTTP/1.0\r\n\r\n'], {
    app(req, res, stage) {
      stage.note('request', req.method, req.url)
      res.end('ok')
    },
    differs: { nginx: 'nginx itself speaks HTTP/1.1 to node:http, without a Host, and node:http refuses that' },
  }),
  input('Host with what no host has', [() => 'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', () => 'GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n']),
  input('Content-Length that is no number', [
    withBody(['Content-Length: five']),
    withBody(['Content-Length: +5']),
    withBody(['Content-Length: -5']),
    withBody(['Content-Length: 0x5']),
    withBody(['Content-Length: 5.0']),
    withBody(['Content-Length: 5 5']),
  ]),
  input('Content-Length beyond every number', [withBody(['Content-Length: 99999999999999999999'])]),
  input('Content-Length with zeros before it', [withBody(['Content-Length: 0005'])]),
  input('Content-Length twice, and as a list', [
    withBody(['Content-Length: 5', 'Content-Length: 6']),
    withBody(['Content-Length: 5, 6']),
  ]),
  input('Content-Length and Transfer-Encoding', [withBody(['Content-Length: 5', 'Transfer-Encoding: chunked'], '5\r\nfive!\r\n0\r\n\r\n')]),
  input('Transfer-Encoding that is not chunked', [withBody(['Transfer-Encoding: gzip']), withBody(['Transfer-Encoding: chunked, gzip'])]),
  input('a chunk size that is no number', [withBody(['Transfer-Encoding: chunked'], 'z\r\nfive!\r\n0\r\n\r\n')]),
  input('chunk extensions', [withBody(['Transfer-Encoding: chunked'], '5;name=value\r\nfive!\r\n0\r\n\r\n')]),
  input('trailers of a chunked body', [withBody(['Transfer-Encoding: chunked'], '5\r\nfive!\r\n0\r\nX-Trailer: 1\r\n\r\n')]),
  input('methods that node knows', ['PURGE', 'M-SEARCH', 'MKACTIVITY', 'SOURCE', 'UNLINK', 'BIND', 'ACL'].map(withMethod)),
  input('methods that node does not know', ['get', 'Get', 'FOO', 'G', 'X'.repeat(40)].map(withMethod)),
  input('methods that are none', ['GE/T', 'GET,', 'G@T'].map(withMethod)),
  input('TRACE and CONNECT', [withMethod('TRACE'), () => 'CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\nConnection: close\r\n\r\n']),
  input('targets with percent signs', ['/%00', '/%0d%0aX-Evil:%201', '/%2e%2e/%2F', '/?%zz', '/?%'].map(withTarget)),
  input('a path with percent signs that encode nothing', ['/%zz', '/%', '/a%2', '/%u0041'].map(withTarget), {
    impossible: { haproxy: 'HAProxy answers 500: it cannot make the variables of CGI of it' },
  }),
  input('targets with what should be encoded', ['/a"b', "/a'b", '/a|b', '/a\\b', '/a^b', '/a`b', '/{a}', '/<a>'].map(withTarget)),
  input('a target with a fragment', ['/a#b', '/a?b#c'].map(withTarget)),
  input('a target with a blank', ['/a b', '/a b c'].map(withTarget)),
  input('a target with control characters', ['/a\x01b', '/a\x7fb', '/a\tb'].map(withTarget)),
  input('targets that begin with nothing usual', ['a', '?a', '.', '../a'].map(withTarget)),
  input('the asterisk form', [(host) => `OPTIONS * HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`], {
    impossible: { haproxy: 'HAProxy answers 500: it cannot make the variables of CGI of it' },
  }),
  input('a target of 8 kB', [withTarget(`/${'a'.repeat(7_900)}`)]),
  input('a field of 8 kB that names nothing', [withFields(`X-Long: ${'a'.repeat(7_900)}`)]),
  input('a hundred fields', [withFields(...Array.from({ length: 100 }, (_, i) => `X-Number-${i}: ${i}`))]),
  input('cookies of the same name', [withFields('Cookie: a=1; a=2', 'Cookie: a=3')]),
  input('an HTTP version that is none', [(host) => `GET / HTTP/1.2\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, (host) => `GET / HTTP/3.0\r\nHost: ${host}\r\n\r\n`]),
  input('a request without a version (HTTP/0.9)', [() => 'GET /\r\n\r\n'], {
    differs: { nginx: 'nginx itself speaks HTTP/1.1 to node:http, without a Host, and node:http refuses that' },
  }),
  input('empty lines before the request', [(host) => `\r\n\r\nGET /after HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`]),
]
