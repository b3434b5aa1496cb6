import http from 'node:http'
import { Readable } from 'node:stream'
import { attach, createServer, listen } from 'express-fastcgi'
import Koa from 'koa'
import { departures, digest, halves, pieces, release, text } from './common.mjs'

const app = new Koa()
// Koa prints every error of a request, those of clients that leave too.
app.silent = true

const routes = {
  'GET /hello': (ctx) => (ctx.body = 'hello'),
  'GET /query': (ctx) => (ctx.body = { ...ctx.query }),
  'GET /mounted/inside': (ctx) => (ctx.body = ['/mounted', ctx.path.slice('/mounted'.length), ctx.originalUrl]),
  'POST /json': async (ctx) => (ctx.body = JSON.parse(await text(ctx.req))),
  'POST /form': async (ctx) => (ctx.body = Object.fromEntries(new URLSearchParams(await text(ctx.req)))),
  'POST /upload': async (ctx) => (ctx.body = await digest(ctx.req)),
  'GET /download': (ctx) => (ctx.body = Readable.from(pieces())),
  'GET /stream': (ctx) => (ctx.body = Readable.from(halves())),
  'POST /release': (ctx) => (ctx.body = String(release())),
  'GET /cookies': (ctx) => {
    ctx.cookies.set('a', '1', { httpOnly: false }).set('b', '2').set('c', '3').set('d', '4')
    ctx.body = Object.fromEntries(['x', 'y'].map((name) => [name, ctx.cookies.get(name)]))
  },
  'GET /multiple': (ctx) => {
    ctx.append('Link', '</a>; rel=preload')
    ctx.append('Link', '</b>; rel=preload')
    ctx.body = JSON.stringify(ctx.get('x-several'))
  },
  'GET /redirect/relative': (ctx) => ctx.redirect('../hello'),
  'GET /redirect/absolute': (ctx) => {
    ctx.redirect(`${ctx.protocol}://${ctx.host}/hello`)
    ctx.status = 301
  },
  'GET /throw': () => {
    throw new Error('thrown')
  },
  'GET /reject': async () => {
    throw new Error('rejected')
  },
  'GET /client': (ctx) => (ctx.body = { ip: ctx.ip, isSecure: ctx.secure, protocol: ctx.protocol, hostname: ctx.hostname }),
  'GET /hang': (ctx) => {
    ctx.res.on('close', () => departures.push(ctx.res.writableFinished ? 'finished' : 'close'))
    ctx.body = new Readable({ read: () => undefined })
    ctx.body.push('hanging\n')
  },
  'GET /departures': (ctx) => (ctx.body = departures),
}

app.use(async (ctx, next) => {
  try {
    await next()
  } catch (error) {
    ctx.status = 500
    ctx.body = { error: error.message }
  }
})
app.use((ctx) => {
  const [, user] = /^\/users\/([^/]+)$/.exec(ctx.path) ?? []
  if (user !== undefined) ctx.body = { name: decodeURIComponent(user) }
  else return routes[`${ctx.method === 'HEAD' ? 'GET' : ctx.method} ${ctx.path}`]?.(ctx)
})

export const ways = {
  own: (port, ready) => app.listen(port, ready),
  listen: (port, ready) => listen(app, port, ready),
  createServer: (port, ready) => createServer(app.callback()).listen(port, ready),
  attach: (port, ready) => attach(http.createServer(app.callback())).listen(port, ready),
}
export const close = (server) => new Promise((resolve) => server.close(resolve))
