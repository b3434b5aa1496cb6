import http from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import connect from 'connect'
import { attach, createServer, listen } from 'express-fastcgi'
import { departures, digest, halves, parseCookies, pieces, release, text } from './common.mjs'

const app = connect()
const json = (res, value) => res.setHeader('Content-Type', 'application/json').end(JSON.stringify(value))
const later = (handler) => (req, res, next) => handler(req, res).catch(next)
const url = (req) => new URL(req.url, 'http://localhost')

app.use('/hello', (req, res) => res.setHeader('Content-Type', 'text/plain').end('hello'))
app.use('/query', (req, res) => json(res, Object.fromEntries(url(req).searchParams)))
app.use('/users', (req, res) => json(res, { name: decodeURIComponent(url(req).pathname.slice(1)) }))
app.use('/mounted', (req, res) => json(res, ['/mounted', req.url, req.originalUrl]))
app.use('/json', later(async (req, res) => json(res, JSON.parse(await text(req)))))
app.use('/form', later(async (req, res) => json(res, Object.fromEntries(new URLSearchParams(await text(req))))))
app.use('/upload', later(async (req, res) => json(res, await digest(req))))
app.use('/download', later((req, res) => pipeline(Readable.from(pieces()), res)))
app.use('/stream', later((req, res) => pipeline(Readable.from(halves()), res)))
app.use('/release', (req, res) => res.end(release()))
app.use('/cookies', (req, res) => {
  res.setHeader('Set-Cookie', ['a=1', 'b=2; HttpOnly', 'c=3', 'd=4'])
  json(res, parseCookies(req.headers.cookie))
})
app.use('/multiple', (req, res) => {
  res.appendHeader('Link', '</a>; rel=preload').appendHeader('Link', '</b>; rel=preload')
  json(res, req.headers['x-several'])
})
app.use('/redirect/relative', (req, res) => res.writeHead(302, { Location: '../hello' }).end())
app.use('/redirect/absolute', (req, res) => {
  res.writeHead(301, { Location: `${req.socket.encrypted ? 'https' : 'http'}://${req.headers.host}/hello` }).end()
})
app.use('/throw', () => {
  throw new Error('thrown')
})
app.use('/reject', later(async () => {
  throw new Error('rejected')
}))
app.use('/client', (req, res) => {
  const isSecure = req.socket.encrypted === true
  json(res, { ip: req.socket.remoteAddress, isSecure, protocol: isSecure ? 'https' : 'http', hostname: req.headers.host.replace(/:\d+$/, '') })
})
app.use('/hang', (req, res) => {
  res.on('close', () => departures.push(res.writableFinished ? 'finished' : 'close'))
  res.write('hanging\n')
})
app.use('/departures', (req, res) => json(res, departures))
app.use((error, req, res, next) => {
  if (res.headersSent) return next(error)
  res.statusCode = 500
  json(res, { error: error.message })
})

export const ways = {
  own: (port, ready) => app.listen(port, ready),
  listen: (port, ready) => listen(app, port, ready),
  createServer: (port, ready) => createServer(app).listen(port, ready),
  attach: (port, ready) => attach(http.createServer(app)).listen(port, ready),
}
export const close = (server) => new Promise((resolve) => server.close(resolve))
