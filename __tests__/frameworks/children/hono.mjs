import http from 'node:http'
import { createAdaptorServer, getRequestListener, serve } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import { serveStatic } from '@hono/node-server/serve-static'
import { attach, createServer, listen } from 'express-fastcgi'
import { Hono } from 'hono'
import { compress } from 'hono/compress'
import { getCookie, setCookie } from 'hono/cookie'
import { stream } from 'hono/streaming'
import { departures, digest, folder, halves, pieces, release } from './common.mjs'

const app = new Hono()
app.get('/hello', (c) => c.text('hello'))
app.get('/query', (c) => c.json(c.req.query()))
app.get('/users/:name', (c) => c.json(c.req.param()))
app.route('/mounted', new Hono().get('/inside', (c) => {
  const { pathname, search } = new URL(c.req.url)
  return c.json(['/mounted', (pathname + search).slice('/mounted'.length), pathname + search])
}))
app.post('/json', async (c) => c.json(await c.req.json()))
app.post('/form', async (c) => c.json(await c.req.parseBody()))
app.post('/upload', async (c) => c.json(await digest(c.req.raw.body)))
app.get('/download', (c) => c.body(ReadableStream.from(pieces())))
app.get('/stream', (c) =>
  stream(c, async (out) => {
    for await (const half of halves()) await out.write(half)
  }),
)
app.post('/release', (c) => c.text(String(release())))
app.get('/cookies', (c) => {
  setCookie(c, 'a', '1')
  setCookie(c, 'b', '2', { httpOnly: true })
  setCookie(c, 'c', '3')
  setCookie(c, 'd', '4')
  return c.json(getCookie(c))
})
app.get('/multiple', (c) => {
  c.header('Link', '</a>; rel=preload', { append: true })
  c.header('Link', '</b>; rel=preload', { append: true })
  return c.json(c.req.header('x-several'))
})
app.get('/redirect/relative', (c) => c.redirect('../hello'))
app.get('/redirect/absolute', (c) => c.redirect(new URL('/hello', c.req.url).href, 301))
app.get('/throw', () => {
  throw new Error('thrown')
})
app.get('/reject', async () => {
  throw new Error('rejected')
})
app.get('/client', (c) => {
  const url = new URL(c.req.url)
  return c.json({ ip: getConnInfo(c).remote.address, isSecure: url.protocol === 'https:', protocol: url.protocol.slice(0, -1), hostname: url.hostname })
})
app.get('/hang', (c) =>
  stream(c, async (out) => {
    out.onAbort(() => departures.push('onAbort'))
    await out.write('hanging\n')
    await new Promise((resolve) => c.req.raw.signal.addEventListener('abort', resolve))
    departures.push('signal')
  }),
)
app.get('/departures', (c) => c.json(departures))
app.get('/compressed', compress(), (c) => c.text('compress me '.repeat(1000)))
app.use('/files/*', serveStatic({ root: folder, rewriteRequestPath: (path) => path.replace(/^\/files/, '') }))
app.onError((error, c) => c.json({ error: error.message }, 500))

const { fetch } = app
export const ways = {
  own: (port, ready) => serve({ fetch, port }, ready),
  listen: (port, ready) => listen(getRequestListener(fetch), port, ready),
  createServer: (port, ready) => serve({ fetch, createServer, port }, ready),
  attach: (port, ready) => attach(createAdaptorServer({ fetch, createServer: http.createServer })).listen(port, ready),
}
export const close = (server) => new Promise((resolve) => server.close(resolve))
