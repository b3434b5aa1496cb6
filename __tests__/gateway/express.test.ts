import express from 'express'
import { once } from 'node:events'
import { createServer as createHttpServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { type AddressInfo } from 'node:net'
import supertest from 'supertest'
import { cgiParams, createServer } from '../../lib'
import { gateway, type GatewayOptions } from '../../lib/gateway'

function app(): express.Express {
  const site = express()
  site.use(express.json())
  site.get('/hello', (req, res) => { res.json({ url: req.originalUrl, query: req.query, ip: req.ip, protocol: req.protocol, cookie: req.headers.cookie, twice: req.headers['x-twice'] }) })
  site.post('/echo', (req, res) => { res.status(201).json(req.body) })
  site.put('/count', (req, res) => {
    let total = 0
    req.on('data', (chunk: Buffer) => { total += chunk.length })
    req.on('end', () => res.json({ total, transferEncoding: req.headers['transfer-encoding'], length: req.headers['content-length'] }))
  })
  site.get('/etag', (_req, res) => { res.send('always the same') })
  site.post('/unread', (_req, res) => { res.send('early') })
  site.get('/moved', (_req, res) => { res.redirect(301, '/hello') })
  site.get('/big', (_req, res) => { res.type('bin').send(Buffer.alloc(4 * 1_048_576, 'b')) })
  site.get('/torn', (_req, res) => { res.write('begin'); setImmediate(() => res.destroy()) })
  site.get('/params', (req, res) => { res.json(cgiParams(req)) })
  site.get('/fails', () => { throw Object.assign(new Error('on purpose'), { expose: false }) })
  site.use((error: Error, _req: express.Request, res: express.Response, next: express.NextFunction) => {
    if (res.headersSent) next(error)
    else res.status(500).send('sorry')
  })
  return site
}

// Nobody starts the server: the gateway makes it listen, as supertest users have it.
describe.each<[string, GatewayOptions]>([
  ['a connection for each request', {}],
  ['kept connections', { keepAlive: true }],
  ['one multiplexed connection', { keepAlive: true, multiplex: true }],
])('an unmodified Express app through the gateway, over %s', (_how, options) => {
  const server = createServer(app())
  const listener = gateway(server, options)

  afterAll(async () => {
    await listener.close()
    await new Promise((resolve) => server.close(resolve))
  })

  it('answers as over HTTP', async () => {
    const ask = (through: Parameters<typeof supertest>[0]): supertest.Test =>
      supertest(through).get('/hello?a=1&a=2').set('Cookie', 'c=1').set('X-Twice', '1, 2').expect(200)
    const [overFastCGI, overHTTP] = [await ask(listener), await ask(app())]
    expect(overHTTP.body).toMatchObject({ url: '/hello?a=1&a=2', query: { a: ['1', '2'] }, protocol: 'http', cookie: 'c=1', twice: '1, 2' })
    expect(overFastCGI.body).toEqual(overHTTP.body)
    expect({ ...overFastCGI.headers, date: '' }).toEqual({ ...overHTTP.headers, date: '' })
  })

  it('parses a JSON body', async () => {
    const res = await supertest(listener).post('/echo').send({ name: 'caf\u00e9' }).expect(201)
    expect(res.body).toEqual({ name: 'caf\u00e9' })
  })

  it('redirects with the status it asked for', async () => {
    const res = await supertest(listener).get('/moved').expect(301)
    expect(res.headers['location']).toBe('/hello')
  })

  it('answers HEAD with the head alone, and 404 and 500 with its own pages', async () => {
    const head = await supertest(listener).head('/hello').expect(200)
    expect(Number(head.headers['content-length'])).toBeGreaterThan(0)
    await supertest(listener).get('/missing').expect(404, /Cannot GET \/missing/)
    await supertest(listener).get('/fails').expect(500, 'sorry')
  })

  it('answers 304 to a matching If-None-Match', async () => {
    const first = await supertest(listener).get('/etag').expect(200)
    await supertest(listener).get('/etag').set('If-None-Match', String(first.headers['etag'])).expect(304, '')
  })

  it('sends 4 MiB whole', async () => {
    const res = await supertest(listener).get('/big').buffer(true).expect(200)
    expect((res.body as Buffer).length).toBe(4 * 1_048_576)
  })

  it('gets an upload whole, with a length and without', async () => {
    const size = 2 * 1_048_576
    const sized = await supertest(listener).put('/count').type('bin').send(Buffer.alloc(size)).expect(200)
    expect(sized.body).toEqual({ total: size, length: String(size) })
    const front = createHttpServer(listener).listen(0, '127.0.0.1')
    await once(front, 'listening')
    const req = httpRequest({ port: (front.address() as AddressInfo).port, method: 'PUT', path: '/count', agent: false })
    for (let i = 0; i < 16; i++) req.write(Buffer.alloc(size / 16))
    req.end()
    const [res] = await once(req, 'response') as [IncomingMessage]
    expect(JSON.parse((await res.toArray()).join(''))).toEqual({ total: size, transferEncoding: 'chunked' })
    await new Promise((resolve) => front.close(resolve))
  })

  it('answers before it has read an upload, and the answer arrives', async () => {
    for (let i = 0; i < 3; i++) await supertest(listener).post('/unread').type('bin').send(Buffer.alloc(4 * 1_048_576)).expect(200, 'early')
  })

  it('a torn response is torn for the browser as well', async () => {
    const front = createHttpServer(listener).listen(0, '127.0.0.1')
    await once(front, 'listening')
    const req = httpRequest({ port: (front.address() as AddressInfo).port, path: '/torn', agent: false }).end()
    const [res] = await once(req, 'response') as [IncomingMessage]
    await expect(res.toArray()).rejects.toMatchObject({ code: 'ECONNRESET' })
    await new Promise((resolve) => front.close(resolve))
  })

  it('sees the meta-variables of the gateway', async () => {
    const res = await supertest(listener).get('/params').expect(200)
    expect(res.body).toMatchObject({ SERVER_SOFTWARE: 'express-fastcgi gateway', GATEWAY_INTERFACE: 'CGI/1.1', SCRIPT_NAME: '', PATH_INFO: '/params' })
  })

  it('runs many requests at once', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_none, n) => supertest(listener).post('/echo').send({ n })))
    expect(answers.map((res) => (res.body as { n: number }).n)).toEqual(Array.from({ length: 40 }, (_none, n) => n))
  })
})
