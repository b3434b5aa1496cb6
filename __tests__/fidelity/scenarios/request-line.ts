// Method, target and version as the application sees them: byte for byte what the client wrote, where the web server lets it through.

import type { Client, Scenario } from '../scenario'

const noteLine: Scenario['app'] = (req, res, stage) => {
  stage.note('line', req.method, req.url, req.httpVersion, req.httpVersionMajor, req.httpVersionMinor)
  res.end('ok')
}

/** Sends each request line on a connection of its own; gives the status lines. */
function lines(...requests: string[]): (client: Client) => Promise<unknown> {
  return async (client) => {
    const answers: string[] = []
    for (const line of requests) {
      const raw = await client.open()
      raw.write(`${line} HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\n\r\n`)
      answers.push((await raw.head()).statusLine)
    }
    return answers
  }
}

const targets = (...list: string[]): ((client: Client) => Promise<unknown>) => lines(...list.map((target) => `GET ${target}`))

export const scenarios: readonly Scenario[] = [
  { name: 'request line: queries', app: noteLine, client: targets('/?', '/?a=1&b=2', '/p?x=%20+y', '/p?a?b', '/p?=&&', '/?a[]=1&a[]=2', '/p?q=/a//b/../c') },
  { name: 'request line: double slashes', app: noteLine, client: targets('//', '//double//slash', '/a//', '///x?y=//') },
  { name: 'request line: dots', app: noteLine, client: targets('/a/../b', '/./a', '/a/.', '/a/..', '/.hidden', '/a/b/../../c?d=/..') },
  { name: 'request line: percent-encoding is left alone', app: noteLine, client: targets('/a%20b', '/%C3%A9', '/%2Fslash%3Fq', '/%e9', '/%41', '/%2e%2e/x', '/a%25b') },
  { name: 'request line: parameters and punctuation', app: noteLine, client: targets('/a;b=c', "/@:!$&'()*+,=~-_.", '/a|b', '/[x]', '/{x}', '/"x"', '/<x>', '/^`', '/a\\b') },
  {
    name: 'request line: bytes above 0x7f',
    app(req, res, stage) {
      stage.note('url', req.url, Buffer.from(req.url ?? '', 'latin1').toString('hex'))
      res.end('ok')
    },
    client: targets('/caf\xc3\xa9', '/\xe9', '/p?q=\xc3\xa9'),
  },
  {
    name: 'request line: a target of 7000 bytes',
    app(req, res, stage) {
      stage.note('url', req.url?.length, req.url === `/${'l'.repeat(3_000)}?${'q'.repeat(4_000)}`)
      res.end('ok')
    },
    client: targets(`/${'l'.repeat(3_000)}?${'q'.repeat(4_000)}`),
  },
  {
    name: 'request line: methods',
    app: noteLine,
    client: lines(...['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'MKCOL', 'REPORT', 'PURGE', 'QUERY', 'LOCK', 'M-SEARCH', 'SUBSCRIBE'].map((method) => `${method} /`)),
  },
  { name: 'request line: HEAD', app: noteLine, client: (client) => client.request({ method: 'HEAD', path: '/head?x' }) },
  {
    name: 'request line: an HTTP/1.0 client',
    app(req, res, stage) {
      stage.note('line', req.method, req.url)
      res.end('ok')
    },
    client: async (client) => {
      const { status, body, complete } = await client.request({ version: '1.0', path: '/old' })
      return [status, body, complete]
    },
  },
  {
    name: 'request line: url and method may be changed, as middleware does',
    app(req, res, stage) {
      req.url = '/rewritten'
      req.method = 'PUT'
      stage.note('changed', req.url, req.method)
      res.end('ok')
    },
    client: (client) => client.request({ method: 'POST', path: '/original', body: 'x' }),
  },
  {
    name: 'request line: a method changed to HEAD or from it does not change what is sent',
    app(req, res) {
      req.method = 'HEAD'
      res.end('a body')
    },
    client: (client) => client.request(),
  },
]
