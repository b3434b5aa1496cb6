// How long a body is and who says so: Content-Length, chunks, responses without a body, and the fields of one connection.

import type http from 'node:http'
import { attempt } from '../attempt'
import { readAnswer } from '../client'
import type { Client, ClientRequest, Scenario } from '../scenario'

type App = NonNullable<Scenario['app']>

const NOT_FRAMED = 'res.chunkedEncoding is false: the web server frames the body'

function framing(name: string, app: App, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `response framing: ${name}`,
    app(req, res, stage) {
      stage.watch('res', res, ['prefinish', 'finish', 'close', 'error'])
      app(req, res, stage)
    },
    ...more,
  }
}

/** One request after another, each to its own path or with its own method. */
function asking(requests: readonly ClientRequest[]): Partial<Scenario> {
  return {
    async client(client) {
      const answers: unknown[] = []
      for (const request of requests) answers.push(await client.request(request))
      return answers
    },
    until: requests.map(() => 'res close'),
  }
}

const BODILESS: readonly ClientRequest[] = [{ method: 'HEAD', path: '/200' }, { path: '/204' }, { path: '/304' }, { method: 'HEAD', path: '/404' }]

/** What node keeps on a response about its framing. */
function flags(res: http.ServerResponse): readonly unknown[] {
  const { shouldKeepAlive, useChunkedEncodingByDefault, sendDate, strictContentLength } = res
  return [shouldKeepAlive, useChunkedEncodingByDefault, sendDate, strictContentLength]
}

/** What the head says of the body: how it is framed is not compared elsewhere. */
async function framingOf(client: Client, method: string): Promise<unknown> {
  const connection = await client.open()
  connection.write(`${method} / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
  const head = await connection.head()
  return [head.statusLine, head.values('transfer-encoding'), head.values('content-length')]
}

/** The body is shorter than announced, and the web server may wait for the rest: what came is what counts. */
const shortAnswer: NonNullable<Scenario['client']> = async (client) => {
  const connection = await client.open()
  connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
  const head = await connection.head()
  return [head.statusLine, head.values('content-length'), (await connection.bytes(5)).toString()]
}

export const scenarios: readonly Scenario[] = [
  framing('the flags, before and after the head', (_req, res, stage) => {
    stage.note('before', ...flags(res).slice(1), res.chunkedEncoding)
    res.write('body')
    stage.note('after', ...flags(res).slice(1))
    res.end()
  }),
  framing('shouldKeepAlive is true for a client that keeps its connection', (_req, res, stage) => {
    stage.note('shouldKeepAlive', res.shouldKeepAlive)
    res.end('body')
  }),
  framing('shouldKeepAlive set to false', (_req, res) => Object.assign(res, { shouldKeepAlive: false }).end('body')),
  framing('useChunkedEncodingByDefault set to false', (_req, res) => {
    res.useChunkedEncodingByDefault = false
    res.write('in ')
    res.end('pieces')
  }, { differs: { haproxy: 'HAProxy says the length of a FastCGI answer without chunks and without a length, if it has it whole' } }),
  framing('chunkedEncoding set to true', (_req, res, stage) => {
    res.chunkedEncoding = true
    res.write('in ')
    stage.note('chunkedEncoding', res.chunkedEncoding)
    res.end('pieces')
  }, { differs: { nginx: NOT_FRAMED, gateway: NOT_FRAMED } }),
  framing('Transfer-Encoding: chunked set by the application', (_req, res) => {
    res.setHeader('Transfer-Encoding', 'chunked')
    res.write('in ')
    res.write('')
    res.end('pieces')
  }),
  framing('Transfer-Encoding: chunked in writeHead, with one end()', (_req, res) => {
    res.writeHead(200, { 'transfer-encoding': 'chunked' })
    res.end('whole')
  }),
  framing('Transfer-Encoding and Content-Length both', (_req, res, stage) => {
    attempt(stage, 'both', () => res.setHeader('Transfer-Encoding', 'chunked').setHeader('Content-Length', 5) === res)
    attempt(stage, 'end', () => res.end('whole') === res)
  }, { differs: { gateway: 'a Content-Length beside chunks is dropped, as web servers drop it (RFC 9112 6.3); node:http itself sends both' } }),
  framing('removed Transfer-Encoding and Content-Length', (_req, res) => {
    res.removeHeader('Content-Length')
    res.end('no length')
  }),
  framing('the fields of one connection', (req, res) => {
    res.setHeader('Connection', req.url === '/close' ? 'close' : 'keep-alive')
    if (req.url === '/timeout') res.setHeader('Keep-Alive', 'timeout=9')
    if (req.url === '/upgrade') res.setHeader('Connection', 'Upgrade').setHeader('Upgrade', 'h2c')
    res.end('body')
  }, asking([{ path: '/close' }, { path: '/keep' }, { path: '/timeout' }])),
  framing('removed Connection', (_req, res) => {
    res.removeHeader('Connection')
    res.end('body')
  }),
  framing('Content-Length in every form', (req, res) => {
    const forms: Record<string, number | string | string[]> = { number: 4, text: '4', list: ['4'] }
    res.setHeader('Content-Length', forms[req.url?.slice(1) ?? ''] ?? 4)
    res.end('body')
  }, asking([{ path: '/number' }, { path: '/text' }, { path: '/list' }])),
  framing('Content-Length: 0 and no body', (_req, res) => res.setHeader('Content-Length', 0).end()),
  framing('a body that is too short', (_req, res, stage) => {
    res.setHeader('Content-Length', 10)
    attempt(stage, 'end', () => res.end('short') === res)
  }, { client: shortAnswer }),
  framing('a body that is too short, in pieces', (_req, res, stage) => {
    res.writeHead(200, { 'Content-Length': 10 })
    attempt(stage, 'write', () => res.write('sho'))
    attempt(stage, 'end', () => res.end('rt') === res)
  }, { client: shortAnswer }),
  framing('strictContentLength: too short', (_req, res, stage) => {
    res.strictContentLength = true
    res.setHeader('Content-Length', 10)
    attempt(stage, 'write', () => res.write('short'))
    attempt(stage, 'end', () => res.end() === res)
    attempt(stage, 'mended', () => res.end('longer') === res)
    attempt(stage, 'mended', () => res.end('56789') === res)
  }),
  framing('strictContentLength: too long', (_req, res, stage) => {
    res.strictContentLength = true
    res.setHeader('Content-Length', 4)
    attempt(stage, 'write', () => res.write('bo'))
    attempt(stage, 'too long', () => res.write('dy, and more'))
    attempt(stage, 'end too long', () => res.end('dy, and more') === res)
    attempt(stage, 'end', () => res.end('dy') === res)
  }),
  framing('strictContentLength: exactly, counted in bytes', (_req, res, stage) => {
    res.strictContentLength = true
    res.setHeader('Content-Length', 5)
    attempt(stage, 'write', () => res.write('caf\u00e9'))
    attempt(stage, 'end', () => res.end() === res)
  }),
  framing('HEAD, 204 and 304: nothing of a body', (req, res, stage) => {
    res.statusCode = Number(req.url?.slice(1))
    attempt(stage, 'write', () => res.write('some '))
    attempt(stage, 'end', () => res.end('body') === res)
  }, asking(BODILESS)),
  framing('HEAD, 204 and 304: end() alone and its length', (req, res) => {
    res.statusCode = Number(req.url?.slice(1))
    res.end('body')
  }, asking(BODILESS)),
  framing('HEAD and 304 keep a Content-Length of the application', (req, res) => {
    res.writeHead(Number(req.url?.slice(1)), { 'Content-Length': 1234 })
    res.end()
  }, asking([{ method: 'HEAD', path: '/200' }, { path: '/304' }])),
  framing('304 and a length that nobody gave', (_req, res) => Object.assign(res, { statusCode: 304 }).end(), {
    async client(client) {
      const connection = await client.open()
      connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      return readAnswer(connection)
    },
    differs: { haproxy: 'HAProxy gives a FastCGI answer with 304 a Content-Length of 0' },
  }),
  framing('callbacks of writes that go nowhere', (_req, res, stage) => {
    res.write('a', () => stage.note('write callback'))
    res.write('b', 'latin1', () => stage.note('write with encoding callback'))
    res.end('c', () => stage.note('end callback'))
  }, { client: (client) => client.request({ method: 'HEAD' }), until: ['res close', 'end callback'] }),
  framing('option rejectNonStandardBodyWrites', (req, res, stage) => {
    res.statusCode = Number(req.url?.slice(1))
    attempt(stage, 'write', () => res.write('some'))
    attempt(stage, 'end', () => res.end('body') === res)
    if (!res.writableEnded) res.end()
  }, { ...asking(BODILESS), options: { rejectNonStandardBodyWrites: true } }),
  framing('status 205 and a body', (_req, res) => Object.assign(res, { statusCode: 205 }).end()),
  framing('an HTTP/1.0 client', (_req, res) => {
    res.write('in ')
    res.end('pieces')
  }, { client: (client) => client.request({ version: '1.0' }) }),
  framing('what the client is told of a body in pieces', (_req, res) => {
    res.write('in ')
    res.end('pieces')
  }, { client: (client) => framingOf(client, 'GET') }),
  framing('what the client is told of a body in pieces, of which one came before', (_req, res, stage) => {
    res.write('in ')
    void stage.seen('received').then(() => res.end('pieces'))
  }, { client: (client, stage) => framingOf(client, 'GET').then((told) => (stage.signal('received'), told)) }),
  framing('what the client is told of a whole body', (_req, res) => res.end('whole'), { client: (client) => framingOf(client, 'GET') }),
  framing('what the client is told of no body', (_req, res) => res.end(), { client: (client) => framingOf(client, 'GET') }),
  framing('what the client of HEAD is told of a body in pieces', (_req, res) => {
    res.write('in ')
    res.end('pieces')
  }, { client: (client) => framingOf(client, 'HEAD') }),
  framing('HEAD, 204 and 304: chunks that the application asked for', (req, res) => {
    res.writeHead(Number(req.url?.slice(1)), { 'Transfer-Encoding': 'chunked' })
    res.write('in ')
    res.end('pieces')
  }, asking(BODILESS)),
  framing('many pieces of every size and kind', (_req, res) => {
    for (const size of [1, 15, 16, 255, 4_096, 16_384, 16_385, 65_528, 65_536, 100_000]) {
      res.write('\u00e9'.repeat(size))
      res.write('latin1 \xe9'.repeat(size / 4), 'latin1')
      res.write(Buffer.alloc(size, 'b'))
      res.write(new Uint8Array(size).fill(99))
    }
    res.end('0\r\n\r\n')
  }),
  framing('pieces in a corked response', (_req, res) => {
    res.cork()
    for (const piece of ['a ', 'few ', 'pieces ']) res.write(piece)
    res.uncork()
    setImmediate(() => res.end('more'))
  }),
  framing('pieces turn by turn', (_req, res) => {
    let left = 20
    const next = (): void => {
      if (left-- === 0) res.end()
      else res.write(`${left} `, () => setImmediate(next))
    }
    next()
  }),
]
