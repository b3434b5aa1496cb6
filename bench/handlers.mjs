// The application under test, once as a plain function and once as an Express 5 app. Knows nothing of how it is served.
import { Readable } from 'node:stream'
import express from 'express'
import { DOCUMENT, DOWNLOAD, SMALL, STREAM_CHUNK } from './cases.mjs'

const STREAM = '/stream/'

/** Requests for '/hold' that wait for an answer: they never get one. */
export const held = []

// Content-Length is always given: node-fastcgi does not add it, and an answer of unknown length would not be the same work.
function answer(res, type, body) {
  res.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  res.end(body)
}

function stream(res, length) {
  let left = length
  const source = new Readable({
    highWaterMark: STREAM_CHUNK.length,
    read() {
      left -= STREAM_CHUNK.length
      this.push(left < 0 ? null : STREAM_CHUNK)
    },
  })
  res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': length })
  source.pipe(res)
}

function plain(req, res) {
  switch (req.url) {
    case '/small':
      return answer(res, 'text/plain', SMALL)
    case '/json':
      return answer(res, 'application/json', JSON.stringify(DOCUMENT))
    case '/download':
      return answer(res, 'application/octet-stream', DOWNLOAD)
    case '/upload': {
      let length = 0
      req.on('data', (chunk) => { length += chunk.length })
      req.on('end', () => answer(res, 'text/plain', `${length}\n`))
      return
    }
    case '/hold':
      held.push(res)
      return
    default:
      if (req.url.startsWith(STREAM)) return stream(res, Number(req.url.slice(STREAM.length)))
      res.writeHead(404)
      res.end()
  }
}

function expressApp() {
  const app = express()
  // Hashing 1 MiB for every answer would hide what is measured.
  app.disable('etag')
  app.get('/small', (_req, res) => res.type('text/plain').send(SMALL))
  app.get('/json', (_req, res) => res.json(DOCUMENT))
  return app
}

/** Named request listeners, made when asked for. */
export const HANDLERS = {
  plain: { title: 'plain function', make: () => plain },
  express: { title: 'Express 5', make: expressApp },
}
