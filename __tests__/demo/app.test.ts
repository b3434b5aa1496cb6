// The site alone over plain HTTP, and the same site through FastCGI: nobody should be able to tell the difference.
import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo } from 'node:net'
import express, { type Express } from 'express'
import { cgiParams, createServer, type Server } from 'express-fastcgi'
import { gateway } from 'express-fastcgi/gateway'
import request, { type Response } from 'supertest'
import { createApp } from '../../demo-app/app'

const servers: Server[] = []
const overHttp = (app: Express): RequestListener => app
function overFastCGI(app: Express): RequestListener {
  const server = createServer(app)
  servers.push(server)
  return gateway(server)
}
afterEach(() => servers.splice(0).forEach((server) => server.close()))

const pages = [
  ['/', 'The request, twice'],
  ['/upload', 'Upload, watched from both ends'],
  ['/live', 'Live, two events a second'],
  ['/download', 'Download, at your pace'],
  ['/echo', 'Echo, over a WebSocket'],
  ['/session', 'Session and cookies'],
  ['/errors', 'Errors, on purpose'],
] as const

/** The cell beside a name in one of the inspector's tables, tags and break opportunities removed. */
function cell(page: string, section: 'request' | 'variables', name: string): string | undefined {
  const start = page.indexOf(`id="${section}"`)
  const part = page.slice(start, page.indexOf('</section>', start)).replaceAll('<wbr>', '').replace(/<span class="unseen">.*?<\/span>/g, '')
  return part.split(`<th scope="row">${name}</th>`)[1]?.match(/^\s*<td>(.*?)<\/td>/s)?.[1]
}

describe.each([
  ['over plain HTTP', overHttp],
  ['through FastCGI', overFastCGI],
])('the demo site %s', (_way, through) => {
  const site = (): RequestListener => through(createApp({ metaVariables: cgiParams }))

  describe('pages', () => {
    it.each(pages)('%s has the title "%s"', async (path, title) => {
      const answer = await request(site()).get(path).expect(200).expect('Content-Type', 'text/html; charset=utf-8')
      expect(answer.text).toContain(`<h1>${title}</h1>`)
      expect(answer.text).toContain(`<a href="${path}" aria-current="page">`)
    })

    it.each(pages)('%s needs nothing from any other host, and forbids it', async (path) => {
      const answer = await request(site()).get(path)
      expect(answer.get('Content-Security-Policy')).toContain("default-src 'self'")
      expect(answer.text).not.toMatch(/(?:href|src|action)="(?:https?:)?\/\//)
    })

    it.each(pages)('%s links under the prefix the site is mounted at', async (path) => {
      const parent = express().use('/demo', createApp())
      const { text } = await request(through(parent)).get(`/demo${path}`).expect(200)
      const links = [...text.matchAll(/ (?:href|src|action|data-action|data-events|data-ping|data-block|data-socket)="([^"]*)"/g)].map(([, link]) => link)
      expect(links.length).toBeGreaterThan(8)
      expect(links.filter((link) => link !== '#main' && link?.startsWith('/demo/') !== true)).toEqual([])
    })

    it('has its own style sheet, which need not be sent twice', async () => {
      const target = site()
      const first = await request(target).get('/assets/style.css').expect(200).expect('Content-Type', /^text\/css/)
      const again = await request(target).get('/assets/style.css').set('If-None-Match', first.get('ETag') ?? '').expect(304)
      expect(again.text).toBe('')
    })

    it('serves no file outside public/', async () => {
      await request(site()).get('/assets/..%2fapp.ts').expect(404)
    })
  })

  describe('request inspector', () => {
    it('shows the request as Express sees it', async () => {
      const { text } = await request(site()).put('/inspect/caf%C3%A9/a%2Fb?tag=1&tag=2').set('X-Greeting', 'hello').send('{"a":1}').expect(200)
      expect(cell(text, 'request', 'req.method')).toBe('PUT')
      expect(cell(text, 'request', 'req.originalUrl')).toBe('/inspect/caf%C3%A9/a%2Fb?tag=1&amp;tag=2')
      expect(cell(text, 'request', 'req.query')).toBe('{&quot;tag&quot;:[&quot;1&quot;,&quot;2&quot;]}')
      expect(cell(text, 'request', 'req.protocol')).toBe('http')
      expect(cell(text, 'request', 'req.secure')).toBe('false')
      expect(cell(text, 'request', 'req.hostname')).toBe('127.0.0.1')
      expect(cell(text, 'request', 'x-greeting')).toBe('hello')
      expect(text).toContain('<pre>{&quot;a&quot;:1}</pre>')
    })

    it('escapes what the client made up', async () => {
      const { text } = await request(site()).get('/?<script>alert(1)</script>').set('X-Evil', '"><img src=x>')
      expect(text).toContain('&quot;&gt;&lt;img src=x&gt;')
      expect(text).not.toContain('<img')
      expect(text).not.toContain('<script>')
    })

    it('shows the beginning of a long body, and its length', async () => {
      const { text } = await request(site()).post('/inspect').type('text/plain').send(`${'x'.repeat(2048)}${'y'.repeat(2 ** 20)}`).expect(200)
      expect(text).toContain('1 MiB')
      expect(text).toContain(`<pre>${'x'.repeat(2048)} …</pre>`)
    })
  })

  describe('upload', () => {
    // FIPS 180-4, example of SHA-256.
    const sha256OfAbc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

    it('is counted and hashed', async () => {
      const { body } = await request(site()).post('/upload/file').type('application/octet-stream').send('abc').expect(200)
      expect(body).toMatchObject({ bytes: 3, sha256: sha256OfAbc })
    })

    it('may have no length', async () => {
      // superagent always gives a length.
      const server = createHttpServer(site()).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from('a'))
          controller.enqueue(Buffer.from('bc'))
          controller.close()
        },
      })
      const answer = await fetch(`http://127.0.0.1:${port}/upload/file`, { method: 'POST', body, duplex: 'half' })
      expect(await answer.json()).toMatchObject({ bytes: 3, sha256: sha256OfAbc })
      server.close()
      server.closeAllConnections()
    })

    it('may be empty', async () => {
      const { body } = await request(site()).post('/upload/file').expect(200)
      expect(body).toMatchObject({ bytes: 0, sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' })
    })
  })

  describe('download', () => {
    it('has exactly the size asked for and says so', async () => {
      const answer = await request(site()).get('/download/file?mib=3').buffer(true).parse(collect).expect(200)
      expect(answer.get('Content-Length')).toBe('3145728')
      expect(answer.get('Content-Disposition')).toBe('attachment; filename=demo-3-mib.bin')
      expect((answer.body as Buffer).length).toBe(3145728)
    })

    it('answers HEAD with the head alone', async () => {
      const answer = await request(site()).head('/download/file?mib=4096').expect(200)
      expect(answer.get('Content-Length')).toBe('4294967296')
    })

    it.each(['', '0', '-1', '1.5', '4097', 'many', '1&mib=2'])('refuses the size "%s"', async (mib) => {
      await request(site()).get(`/download/file?mib=${mib}`).expect(400)
    })
  })

  describe('session', () => {
    const visits = (text: string): string | undefined => text.match(/<output id="visits">(\d+)</)?.[1]

    it('counts the visits of each browser by itself', async () => {
      const target = site()
      const one = request.agent(target)
      const other = request.agent(target)
      expect(visits((await one.get('/session')).text)).toBe('1')
      expect(visits((await one.get('/session')).text)).toBe('2')
      expect(visits((await other.get('/session')).text)).toBe('1')
      expect(visits((await one.get('/session')).text)).toBe('3')
    })

    it('remembers a name, as text', async () => {
      const browser = request.agent(site())
      await browser.get('/session')
      await browser.post('/session/name').type('form').send({ name: '<b>Ada</b>' }).expect(303).expect('Location', '/session')
      const { text } = await browser.get('/session')
      expect(text).toContain('by &lt;b&gt;Ada&lt;/b&gt;')
      expect(text).not.toContain('<b>Ada')
    })

    it('sets the session and another cookie in one answer, and removes the other again', async () => {
      const browser = request.agent(site())
      const set = await browser.post('/session/cookies').type('form').send({ name: 'flavour', value: 'oat & raisin' }).expect(303)
      expect(set.get('Set-Cookie')).toEqual(['flavour=oat%20%26%20raisin; Path=/; SameSite=Lax', expect.stringMatching(/^demo\.sid=.*; HttpOnly; SameSite=Lax$/)])
      expect((await browser.get('/session')).text).toContain('oat%20%26%20raisin')
      await browser.post('/session/cookies/remove').type('form').send({ name: 'flavour' }).expect(303)
      expect((await browser.get('/session')).text).not.toContain('oat%20%26%20raisin')
    })

    it.each(['', 'a b', 'a;b', 'a=b', 'demo.sid', 'x'.repeat(65)])('refuses a cookie named "%s"', async (name) => {
      const answer = await request(site()).post('/session/cookies').type('form').send({ name, value: '1' }).expect(400)
      expect(answer.get('Set-Cookie')).toBeUndefined()
    })

    it('ends', async () => {
      const browser = request.agent(site())
      await browser.get('/session')
      await browser.post('/session/end').expect(303)
      expect(visits((await browser.get('/session')).text)).toBe('1')
    })
  })

  describe('errors', () => {
    it.each([
      ['/errors/throw', 500, 'Internal Server Error', 'thrown by a handler, &lt;b&gt;on purpose&lt;/b&gt;'],
      ['/errors/reject', 500, 'Internal Server Error', 'rejected by an async handler, on purpose'],
      ['/errors/forbidden', 403, 'Forbidden', 'this one is for nobody'],
      ['/no/such/page', 404, 'Not Found', 'nothing answers to GET /no/such/page'],
    ])('%s answers %i', async (path, status, title, message) => {
      const { text } = await request(site()).get(path).expect(status)
      expect(text).toContain(`<h1>${title}</h1>`)
      expect(text).toContain(message)
    })

    it('are told in JSON to who prefers that', async () => {
      const { body } = await request(site()).get('/errors/forbidden').accept('application/json').expect(403)
      expect(body).toEqual({ status: 403, error: 'Forbidden', message: 'this one is for nobody' })
    })

    it('keep their reasons to themselves in production', async () => {
      const app = createApp()
      app.set('env', 'production')
      const { text } = await request(through(app)).get('/errors/throw').expect(500)
      expect(text).toContain('The application failed. The log has the reason.')
      expect(text).not.toContain('on purpose')
    })

    it('of an answer that has begun are seen by the client', async () => {
      await expect(request(site()).get('/errors/midway')).rejects.toThrow(/aborted|ECONNRESET|socket hang up/)
    })
  })

  describe('live events', () => {
    it('arrive one by one, numbered, and end when the process is about to stop', async () => {
      const stopping = new AbortController()
      const app = createApp({ stopping: stopping.signal })
      const seen: string[] = []
      const answer = await request(through(app)).get('/live/events').buffer(true).parse((res, done) => {
        let text = ''
        res.setEncoding('utf8')
        res.on('data', (part: string) => {
          text += part
          // Behind the opening comment; what has no empty line after it is not complete yet.
          seen.splice(0, seen.length, ...text.split('\n\n').slice(1, -1))
          if (seen.length >= 2) stopping.abort()
        })
        res.on('end', () => done(null, text))
      })
      expect(answer.get('Content-Type')).toBe('text/event-stream; charset=utf-8')
      expect(answer.get('X-Accel-Buffering')).toBe('no')
      expect(seen.slice(0, 2)).toEqual([
        expect.stringMatching(/^id: 1\nevent: sample\ndata: \{"id":1,.*\}$/),
        expect.stringMatching(/^id: 2\nevent: sample\ndata: \{"id":2,.*\}$/),
      ])
    })
  })
})

describe('the demo site beside FastCGI', () => {
  it('shows no meta-variables for a request that came over plain HTTP', async () => {
    const { text } = await request(createApp({ metaVariables: cgiParams })).get('/')
    expect(text).toContain('id="plain-http"')
    expect(text).toContain('Served by plain HTTP')
  })

  it('shows the meta-variables a request arrived with', async () => {
    const { text } = await request(overFastCGI(createApp({ metaVariables: cgiParams }))).get('/?q=1').set('X-Greeting', 'hello')
    expect(cell(text, 'variables', 'REQUEST_METHOD')).toBe('GET')
    expect(cell(text, 'variables', 'REQUEST_URI')).toBe('/?q=1')
    expect(cell(text, 'variables', 'QUERY_STRING')).toBe('q=1')
    expect(cell(text, 'variables', 'HTTP_X_GREETING')).toBe('hello')
    expect(cell(text, 'variables', 'REMOTE_ADDR')).toBe(cell(text, 'request', 'req.ip'))
    expect(cell(text, 'variables', 'REMOTE_PORT')).toBe(cell(text, 'request', 'req.socket.remotePort'))
    expect(cell(text, 'variables', 'SERVER_PORT')).toBe(cell(text, 'request', 'req.socket.localPort'))
  })
})

/** A parser for supertest that keeps the bytes. */
function collect(res: Response, done: (error: Error | null, body: Buffer) => void): void {
  // What supertest hands over here is node's own response still; its types say otherwise.
  const stream = res as unknown as NodeJS.ReadableStream
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('end', () => done(null, Buffer.concat(chunks)))
}
