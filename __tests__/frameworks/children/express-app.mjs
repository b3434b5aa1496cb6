// The application for Express, of either version.
import http from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { attach, createServer, listen } from 'express-fastcgi'
import { departures, digest, folder, halves, parseCookies, pieces, release } from './common.mjs'

export function application(express, passesRejections) {
  const app = express()
  const later = passesRejections ? (handler) => handler : (handler) => (req, res, next) => handler(req, res, next).catch(next)

  app.get('/hello', (req, res) => res.send('hello'))
  app.get('/query', (req, res) => res.json(req.query))
  app.get('/users/:name', (req, res) => res.json(req.params))
  app.use('/mounted', express.Router().get('/inside', (req, res) => res.json([req.baseUrl, req.url, req.originalUrl])))
  app.post('/json', express.json({ limit: '2mb' }), (req, res) => res.json(req.body))
  app.post('/form', express.urlencoded({ extended: false }), (req, res) => res.json({ ...req.body }))
  app.post('/upload', later(async (req, res) => res.json(await digest(req))))
  app.get('/download', later((req, res) => pipeline(Readable.from(pieces()), res)))
  app.get('/stream', later((req, res) => pipeline(Readable.from(halves()), res.type('text'))))
  app.post('/release', (req, res) => res.send(release()))
  app.get('/cookies', (req, res) => {
    res.cookie('a', '1').cookie('b', '2', { httpOnly: true }).cookie('c', '3').cookie('d', '4').json(parseCookies(req.headers.cookie))
  })
  app.get('/multiple', (req, res) => {
    res.append('Link', '</a>; rel=preload').append('Link', '</b>; rel=preload').json(req.get('x-several'))
  })
  app.get('/redirect/relative', (req, res) => res.redirect('../hello'))
  app.get('/redirect/absolute', (req, res) => res.redirect(301, `${req.protocol}://${req.get('host')}/hello`))
  app.get('/throw', () => {
    throw new Error('thrown')
  })
  app.get('/reject', later(async () => {
    throw new Error('rejected')
  }))
  app.get('/client', (req, res) => res.json({ ip: req.ip, isSecure: req.secure, protocol: req.protocol, hostname: req.hostname }))
  app.get('/hang', (req, res) => {
    res.on('close', () => departures.push(res.writableFinished ? 'finished' : 'close'))
    res.write('hanging\n')
  })
  app.get('/departures', (req, res) => res.json(departures))
  app.get('/download-file', (req, res) => res.download(`${folder}/common.mjs`, 'named.mjs'))
  app.use('/files', express.static(folder))
  app.use((error, req, res, next) => (res.headersSent ? next(error) : res.status(500).json({ error: error.message })))
  return app
}

export function waysOf(app) {
  return {
    own: (port, ready) => app.listen(port, ready),
    listen: (port, ready) => listen(app, port, ready),
    createServer: (port, ready) => createServer(app).listen(port, ready),
    attach: (port, ready) => attach(http.createServer(app)).listen(port, ready),
  }
}

export const close = (server) => new Promise((resolve) => server.close(resolve))
