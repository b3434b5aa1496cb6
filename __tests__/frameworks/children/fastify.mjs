import http from 'node:http'
import { Readable } from 'node:stream'
import { attach, createServer, listen } from 'express-fastcgi'
import Fastify from 'fastify'
import { departures, digest, halves, parseCookies, pieces, release } from './common.mjs'

function application(options) {
  const app = Fastify(options)
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body)))
  })
  app.addContentTypeParser('application/octet-stream', { bodyLimit: 2 ** 26 }, (request, payload, done) => done(null, payload))
  app.setErrorHandler((error, request, reply) => reply.code(500).send({ error: error.message }))
  app.addHook('onRequestAbort', (request, done) => {
    departures.push('onRequestAbort')
    done()
  })

  app.get('/hello', async () => 'hello')
  app.get('/query', async (request) => request.query)
  app.get('/users/:name', async (request) => request.params)
  app.register(
    (inner, _options, done) => {
      inner.get('/inside', async (request) => ['/mounted', request.url.slice('/mounted'.length), request.originalUrl])
      done()
    },
    { prefix: '/mounted' },
  )
  app.post('/json', { bodyLimit: 2 ** 21 }, async (request) => request.body)
  app.post('/form', async (request) => request.body)
  app.post('/upload', async (request) => digest(request.body))
  app.get('/download', (request, reply) => reply.send(Readable.from(pieces())))
  app.get('/stream', (request, reply) => reply.send(Readable.from(halves())))
  app.post('/release', async () => String(release()))
  app.get('/cookies', async (request, reply) => {
    reply.header('Set-Cookie', 'a=1').header('Set-Cookie', 'b=2; HttpOnly').header('Set-Cookie', ['c=3', 'd=4'])
    return parseCookies(request.headers.cookie)
  })
  app.get('/multiple', async (request, reply) => {
    reply.header('Link', ['</a>; rel=preload', '</b>; rel=preload']).type('application/json')
    return JSON.stringify(request.headers['x-several'])
  })
  app.get('/redirect/relative', (request, reply) => reply.redirect('../hello'))
  app.get('/redirect/absolute', (request, reply) => reply.redirect(`${request.protocol}://${request.host}/hello`, 301))
  app.get('/throw', () => {
    throw new Error('thrown')
  })
  app.get('/reject', async () => {
    throw new Error('rejected')
  })
  app.get('/client', async (request) => {
    return { ip: request.ip, isSecure: request.protocol === 'https', protocol: request.protocol, hostname: request.hostname }
  })
  app.get('/hang', (request, reply) => {
    const body = new Readable({ read: () => undefined })
    body.push('hanging\n')
    request.raw.on('close', () => departures.push('close'))
    return reply.send(body)
  })
  app.get('/departures', async () => departures)
  return app
}

function start(app, port, ready) {
  // A path is a name of its own for Fastify.
  app.listen(typeof port === 'number' ? { port } : { path: port }).then(ready)
  return app
}

export const ways = {
  own: (port, ready) => start(application(), port, ready),
  listen: async (port, ready) => {
    const app = application()
    await app.ready()
    listen(app.server, port, ready)
    return app
  },
  createServer: (port, ready) => start(application({ serverFactory: (handler) => createServer(handler) }), port, ready),
  attach: (port, ready) => start(application({ serverFactory: (handler) => attach(http.createServer(handler)) }), port, ready),
  'attach to fastify.server': (port, ready) => {
    const app = application()
    attach(app.server)
    return start(app, port, ready)
  },
}
export const close = (app) => app.close()
