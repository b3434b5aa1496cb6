// http-proxy-middleware: our application is itself a reverse proxy to a backend over HTTP, and either end may break off.
import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo } from 'node:net'
import express from 'express'
import { createProxyMiddleware, fixRequestBody, type Options, responseInterceptor } from 'http-proxy-middleware'
import { pattern } from '../servers/app'
import { deferred } from '../support/wait'
import { describeRoutes } from './routes'

describeRoutes('http-proxy-middleware', (route) => {
  let backend: http.Server
  let serve: http.RequestListener

  beforeAll(async () => {
    backend = http.createServer((req, res) => serve(req, res)).listen(0, '127.0.0.1')
    await once(backend, 'listening')
    // Each of the middleware's instances listens for the end of the server.
    route.server.setMaxListeners(0)
  })
  afterAll(() => backend.close().closeAllConnections())

  const target = (): string => `http://127.0.0.1:${(backend.address() as AddressInfo).port}`

  function proxying(options: Options = {}) {
    const app = route.app()
    app.use('/api', createProxyMiddleware({ target: target(), ...options }))
    return app
  }

  async function echo(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const body = Buffer.concat(await req.toArray()).toString('latin1')
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, body }))
  }

  it('GET: target, headers and answer', async () => {
    serve = (req, res) => {
      res.writeHead(203, 'As Seen', { 'X-B': 'b', 'Set-Cookie': ['a=1', 'b=2'] })
      res.end(`${req.url!} ${req.headers['x-a'] as string}`)
    }
    proxying()
    const answer = await route.ask('/api/p%2Fq?a=%20', { headers: { 'X-A': 'a' } })
    expect([answer.status, answer.reason, answer.text]).toEqual([203, 'As Seen', '/p%2Fq?a=%20 a'])
    expect(answer.headers).toMatchObject({ 'x-b': 'b', 'set-cookie': ['a=1', 'b=2'] })
  })

  it.each([
    ['of a known length', { 'Content-Length': 30_000 }],
    ['chunked', { 'Transfer-Encoding': 'chunked' }],
  ])('POST: a body %s arrives', async (_what, headers) => {
    serve = echo
    proxying()
    // HAProxy answers 400 to a chunked one that its buffer does not hold.
    const body = 'x'.repeat(30_000)
    for (const door of [route, route.unbuffered]) {
      const seen = JSON.parse((await door.ask('/api/', { method: 'POST', headers, body })).text) as { method: string; body: string }
      expect([seen.method, seen.body]).toEqual(['POST', body])
    }
  })

  it('a body that was parsed before is sent again', async () => {
    serve = echo
    const app = route.app()
    app.use(express.json())
    app.use(createProxyMiddleware({ target: target(), on: { proxyReq: fixRequestBody } }))
    const seen = JSON.parse((await route.post('/', 'application/json', '{"a":  "ü"}')).text) as { body: string }
    expect(Buffer.from(seen.body, 'latin1').toString()).toBe('{"a":"ü"}')
  })

  it("xfwd: the backend learns the client's address, protocol and host", async () => {
    serve = echo
    proxying({ xfwd: true })
    const { text } = await route.secure.ask('/api/', { headers: { Host: 'example.test' } })
    const { headers } = JSON.parse(text) as { headers: Record<string, string> }
    // Behind a proxy each field begins with what the proxy in front said.
    expect(['x-forwarded-for', 'x-forwarded-proto'].map((name) => headers[name]!.split(',')[0])).toEqual(['127.0.0.1', 'https'])
    expect(headers['x-forwarded-host']).toBe('example.test')
  })

  it.each([
    ['HEAD', 200],
    ['GET', 304],
    ['DELETE', 204],
  ])('%s answered with %d has no body', async (method, status) => {
    serve = (_req, res) => res.writeHead(status, status === 200 ? { 'Content-Length': 25 } : { ETag: '"1"' }).end()
    proxying()
    const answer = await route.ask('/api/', { method })
    expect([answer.status, answer.text, answer.complete]).toEqual([status, '', true])
    if (method === 'HEAD') expect(answer.headers['content-length']).toBe('25')
  })

  it('an answer in chunks arrives piece by piece, framed once', async () => {
    const arrived = [deferred(), deferred(), deferred()]
    serve = async (_req, res) => {
      for (const [index, one] of arrived.entries()) {
        res.write(`piece ${index}\n`)
        await one.promise
      }
      res.end()
    }
    proxying()
    const answer = await route.unbuffered.ask('/api/', {
      onData: (sofar) => {
        for (const one of arrived.slice(0, sofar.toString().split('\n').length - 1)) one.resolve()
      },
    })
    expect([answer.text, answer.headers['transfer-encoding'], answer.complete]).toEqual(['piece 0\npiece 1\npiece 2\n', 'chunked', true])
  })

  it('a large answer arrives whole, and an intercepted one as changed', async () => {
    const large = pattern(5_000_000)
    serve = (_req, res) => res.end(large)
    proxying()
    expect((await route.ask('/api/')).body.equals(large)).toBe(true)
    proxying({ selfHandleResponse: true, on: { proxyRes: responseInterceptor((buffer) => Promise.resolve(`${buffer.length} bytes`)) } })
    expect((await route.ask('/api/')).text).toBe('5000000 bytes')
  })

  it('a backend that is not there is 504', async () => {
    const app = route.app()
    const closed = http.createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    app.use(createProxyMiddleware({ target: `http://127.0.0.1:${port}` }))
    expect((await route.ask('/')).status).toBe(504)
  })

  it('a backend that dies before its answer is 504', async () => {
    serve = (req) => req.socket.destroy()
    proxying()
    expect((await route.ask('/api/')).status).toBe(504)
  })

  it('a backend that dies midway cuts the answer off, where the application says so', async () => {
    serve = (_req, res) => {
      res.setHeader('Content-Length', 1_000)
      res.write('the beginning', () => res.destroy())
    }
    // By itself the middleware would leave the answer open, under node:http as well.
    proxying({ on: { proxyRes: (proxyRes, _req, res) => void proxyRes.on('error', () => res.destroy()) } })
    const answer = await route.unbuffered.ask('/api/')
    expect([answer.status, answer.text, answer.complete]).toEqual([200, 'the beginning', false])
  })

  route.itBehindNginx('a client that leaves during its upload aborts the request to the backend', async () => {
    const begun = deferred()
    const aborted = deferred<boolean>()
    serve = (req) => {
      req.on('error', () => undefined)
      req.once('data', () => begun.resolve())
      req.on('close', () => aborted.resolve(req.complete))
    }
    proxying()
    const client = await route.unbuffered.raw()
    client.write('POST /api/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nthe beginning')
    await begun.promise
    client.leave()
    expect(await aborted.promise).toBe(false)
  })

  route.itBehindNginx('a client that leaves during the answer is seen by the backend', async () => {
    const aborted = deferred<boolean>()
    serve = (_req, res) => {
      res.on('close', () => aborted.resolve(res.writableFinished))
      res.write('the beginning')
    }
    proxying()
    const client = await route.unbuffered.raw()
    client.write('GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.head()
    client.leave()
    expect(await aborted.promise).toBe(false)
  })
})
