// Bodies by the way they are announced: chunked, of no length, of length 0, with methods that usually have none.

import type { Client, ClientRequest, Scenario } from '../scenario'
import { bytes, digest, HAPROXY_GATHERS, readAll } from './request-bodies'


/** Notes what announces the body, and all of it. */
const describeBody: Scenario['app'] = (req, res, stage) => {
  stage.note('announced', req.method, req.headers['content-length'], req.headers['content-type'])
  readAll(req).then(
    (body) => {
      stage.note('body', digest(body), req.complete)
      res.end(digest(body))
    },
    (error: unknown) => {
      stage.note('failed', error)
      res.end()
    },
  )
}

function inTurn(requests: readonly ClientRequest[]): (client: Client) => Promise<unknown> {
  return async (client) => {
    const answers: unknown[] = []
    for (const request of requests) answers.push(await client.request(request))
    return answers
  }
}

/** The body in chunks of `size` bytes. */
function chunked(body: Buffer, size: number, trailers = ''): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size)
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
  }
  return Buffer.concat([...pieces, Buffer.from(`0\r\n${trailers}\r\n`)])
}

const chunkedPost = (body: Buffer, size: number, trailers?: string): ClientRequest => ({
  method: 'POST',
  fields: [['Transfer-Encoding', 'chunked'], ...(trailers === undefined ? [] : [['Trailer', 'X-Sum'] as const])],
  body: chunked(body, size, trailers),
})

export const scenarios: readonly Scenario[] = [
  {
    name: 'request upload: small, in chunks',
    app(req, res, stage) {
      void readAll(req).then((body) => {
        stage.note('body', digest(body), req.complete)
        res.end(digest(body))
      })
    },
    client: inTurn([chunkedPost(bytes(5), 2), chunkedPost(bytes(3_000), 100), chunkedPost(bytes(1), 1)]),
  },
  {
    name: 'request upload: in chunks, empty',
    app(req, res, stage) {
      void readAll(req).then((body) => {
        stage.note('body', digest(body), req.complete)
        res.end(digest(body))
      })
    },
    client: inTurn([chunkedPost(bytes(0), 1)]),
  },
  {
    name: 'request upload: large, in chunks',
    app(req, res, stage) {
      void readAll(req).then((body) => {
        stage.note('body', digest(body), req.complete, req.headers['content-length'], req.headers['transfer-encoding'])
        res.end(digest(body))
      })
    },
    client: inTurn([chunkedPost(bytes(2_000_000), 10_000)]),
    differs: { haproxy: 'HAProxy 2.6 answers 400 to a chunked upload of more than 16 kB for a FastCGI application' },
  },
  {
    name: 'request upload: in chunks with trailers',
    app(req, res, stage) {
      void readAll(req).then((body) => {
        stage.note('body', digest(body), req.trailers, req.rawTrailers, req.trailersDistinct)
        res.end('ok')
      })
    },
    client: inTurn([chunkedPost(bytes(100), 10, 'X-Sum: 1\r\n')]),
    differs: { haproxy: 'trailers cannot cross CGI (nginx does not pass them to node:http either)', gateway: 'trailers cannot cross CGI' },
  },
  {
    name: 'request upload: in pieces, each seen by the application before the next is sent',
    app(req, res, stage) {
      let seen = ''
      req.on('data', (chunk: Buffer) => {
        seen += chunk.toString('latin1')
        stage.signal(`seen ${seen.length}`)
      })
      req.on('end', () => {
        stage.note('end', seen, req.complete)
        res.end(seen)
      })
      stage.note('begun', req.complete, req.readableEnded)
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nContent-Length: 9\r\n\r\n`)
      for (const [at, piece] of ['one', 'two', 'six'].entries()) {
        raw.write(piece)
        await stage.seen(`seen ${3 * (at + 1)}`)
      }
      const { statusLine } = await raw.head()
      return statusLine
    },
    impossible: { haproxy: HAPROXY_GATHERS },
  },
  { name: 'request upload: POST, PUT, PATCH with Content-Length: 0', app: describeBody, client: inTurn(lengthZero('POST', 'PUT', 'PATCH')) },
  {
    name: 'request upload: DELETE with Content-Length: 0',
    app: describeBody,
    client: inTurn(lengthZero('DELETE')),
    differs: { haproxy: 'HAProxy sends CONTENT_LENGTH=0 with every request that has no body', gateway: 'of DELETE a length of 0 is taken for the words of such a web server' },
  },
  {
    name: 'request upload: GET, HEAD, OPTIONS and DELETE with a body',
    app: describeBody,
    client: inTurn(
      ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'SEARCH'].map((method) => ({ method, body: `body of ${method}`, fields: [['Content-Type', 'text/plain']] })),
    ),
  },
  {
    name: 'request upload: POST that announces no body',
    app: describeBody,
    client: noLength('POST'),
    differs: { haproxy: 'HAProxy sends CONTENT_LENGTH=0 with every request that has no body' },
  },
  { name: 'request upload: DELETE and GET without body', app: describeBody, client: inTurn([{ method: 'DELETE' }, { method: 'GET' }, { method: 'HEAD' }]) },
  {
    name: "request upload: the length as a header, also where it has leading zeros",
    app: describeBody,
    client: inTurn([
      { method: 'POST', body: 'five!', fields: [['Content-Length', '5']] },
      { method: 'POST', body: 'five!', fields: [['Content-Type', 'application/json; charset=utf-8']] },
    ]),
  },
]

function lengthZero(...methods: string[]): ClientRequest[] {
  return methods.map((method) => ({ method, fields: [['Content-Length', '0']] }))
}

function noLength(method: string): (client: Client) => Promise<unknown> {
  return async (client) => {
    const raw = await client.open()
    raw.write(`${method} / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\n\r\n`)
    const { statusLine } = await raw.head()
    return statusLine
  }
}

