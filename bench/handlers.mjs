// The application under test, once as a plain function and once as an Express 5 app. Knows nothing of how it is served.
import express from 'express'
import { DOCUMENT, DOWNLOAD, SMALL } from './cases.mjs'

// Content-Length is always given: node-fastcgi does not add it, and an answer of unknown length would not be the same work.
function answer(res, type, body) {
  res.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  res.end(body)
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
    default:
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
  app.get('/download', (_req, res) => res.type('application/octet-stream').send(DOWNLOAD))
  app.post('/upload', express.raw({ type: () => true, limit: '1mb' }), (req, res) => {
    res.type('text/plain').send(`${req.body.length}\n`)
  })
  return app
}

/** Named request listeners, made when asked for. */
export const HANDLERS = {
  plain: { title: 'plain function', make: () => plain },
  express: { title: 'Express 5', make: expressApp },
}
