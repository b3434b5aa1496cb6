// An Express application behind real nginx, over every kind of door: unix socket and TCP, connections kept and not,
// nginx buffering both ways and not at all.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listen } from 'express-fastcgi'
import { RawHttp } from '../support/http-raw'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'
import { createApp, type Ending, pattern, SSE_EVENTS } from './app'

interface Door {
  readonly transport: 'unix' | 'tcp'
  readonly kept: boolean
  readonly buffered: boolean
}

const doors: readonly Door[] = (['unix', 'tcp'] as const).flatMap((transport) =>
  [false, true].flatMap((kept) => [true, false].map((buffered) => ({ transport, kept, buffered }))),
)
const doorName = ({ transport, kept, buffered }: Door): string =>
  `${transport}, connections ${kept ? 'kept' : 'not kept'}, ${buffered ? 'buffered' : 'unbuffered'}`

interface Answer {
  readonly status: number
  readonly reason: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  /** False when the connection ended before the body did. */
  readonly complete: boolean
}

interface Question {
  readonly method?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string | Buffer
  /** Called with what has arrived of the body, each time more has. */
  readonly onData?: (sofar: Buffer) => void
}

describeWith('nginx', 'an Express application behind nginx', () => {
  const { app, arrived, ended, go } = createApp()
  const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-servers-'))
  const servers = {} as Record<Door['transport'], http.Server>
  const connections = { unix: 0, tcp: 0 }
  const cleanUp: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
  let nginx: Nginx
  let keys = 0

  beforeAll(async () => {
    mkdirSync(join(folder, 'internal'))
    writeFileSync(join(folder, 'internal', 'file.txt'), 'the file, not the application')
    servers.unix = listen(app, join(folder, 'app.sock'))
    servers.tcp = listen(app, 0, '127.0.0.1')
    for (const transport of ['unix', 'tcp'] as const) {
      const server = servers[transport]
      cleanUp.push(() => server.close().closeAllConnections())
      server.on('connection', () => connections[transport]++)
      if (!server.listening) await once(server, 'listening')
    }
    const address = { unix: `unix:${folder}/app.sock`, tcp: `127.0.0.1:${(servers.tcp.address() as AddressInfo).port}` }
    nginx = await startNginx({
      ports: doors.length,
      http: (ports) => doors.map((door, index) => serverBlock(door, index, ports[index]!, address[door.transport])).join('\n'),
    })
    cleanUp.push(() => nginx.stop())
  })

  afterAll(async () => {
    for (const step of cleanUp.reverse()) await step()
  })

  function serverBlock({ kept, buffered }: Door, index: number, port: number, address: string): string {
    const onOff = buffered ? 'on' : 'off'
    return `
  upstream app${index} { server ${address}; ${kept ? 'keepalive 4;' : ''} }
  server {
    listen 127.0.0.1:${port};
    server_name example.test;
    location / {
      include fastcgi_params;
      fastcgi_pass app${index};
      fastcgi_keep_conn ${kept ? 'on' : 'off'};
      fastcgi_buffering ${onOff};
      fastcgi_request_buffering ${onOff};
      fastcgi_buffer_size 16k;
      fastcgi_buffers 8 16k;
      # No second try: it would hide a connection that we closed too early.
      fastcgi_next_upstream off;
    }
    location /internal/ { internal; root ${folder}; }
  }`
  }

  describe.each(doors.map((door, index) => ({ ...door, index, name: doorName(door) })))('$name', (door) => {
    const port = (): number => nginx.ports[door.index]!
    const newKey = (): string => `key${++keys}`

    async function ask(path: string, { method = 'GET', headers = {}, body, onData }: Question = {}): Promise<Answer> {
      const request = http.request({ host: '127.0.0.1', port: port(), path, method, agent: false, headers })
      request.end(body)
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      // Errors after the response began are told by `complete`.
      request.on('error', () => undefined)
      response.on('error', () => undefined)
      let content = Buffer.alloc(0)
      response.on('data', (chunk: Buffer) => {
        content = Buffer.concat([content, chunk])
        onData?.(content)
      })
      if (!response.destroyed) await new Promise((resolve) => response.once('close', resolve))
      return {
        status: response.statusCode!,
        reason: response.statusMessage!,
        headers: response.headers,
        body: content,
        complete: response.complete,
      }
    }

    async function askJson(path: string, question?: Question): Promise<Record<string, unknown>> {
      const { status, body } = await ask(path, question)
      expect(status).toBe(200)
      return JSON.parse(body.toString()) as Record<string, unknown>
    }

    describe('the request', () => {
      it('GET arrives with its target byte for byte and its client', async () => {
        expect(await askJson('/echo/caf%C3%A9%2Fbar?a=1&b=%20&c', { headers: { 'X-Custom': 'one' } })).toMatchObject({
          method: 'GET',
          url: '/echo/caf%C3%A9%2Fbar?a=1&b=%20&c',
          query: { a: '1', b: ' ', c: '' },
          headers: { 'x-custom': 'one', host: '127.0.0.1' },
          ip: '127.0.0.1',
          protocol: 'http',
          hostname: '127.0.0.1',
          httpVersion: '1.1',
          body: '',
        })
      })

      it('GET has neither content-length nor content-type, though nginx sends both as empty params', async () => {
        const { headers } = await askJson('/echo')
        expect(Object.keys(headers as object)).not.toContain('content-length')
        expect(Object.keys(headers as object)).not.toContain('content-type')
        expect(Object.keys(headers as object)).not.toContain('transfer-encoding')
      })

      it('a form is parsed', async () => {
        const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
        expect(await askJson('/form', { method: 'POST', headers, body: 'a=1&b=x+y' })).toEqual({ a: '1', b: 'x y' })
      })

      it('JSON is parsed', async () => {
        const headers = { 'Content-Type': 'application/json' }
        expect(await askJson('/json', { method: 'POST', headers, body: '{"a":[1,{"b":"ü"}]}' })).toEqual({ a: [1, { b: 'ü' }] })
      })

      it('a body of no bytes ends', async () => {
        expect(await askJson('/upload', { method: 'POST', headers: { 'Content-Length': 0 } })).toMatchObject({ bytes: 0 })
      })

      it('8 MiB arrive whole', async () => {
        const body = pattern(8 * 1_048_576)
        const seen = await askJson('/upload', { method: 'POST', headers: { 'Content-Length': body.length }, body })
        expect(seen).toEqual({ bytes: 8_388_608, sha256: sha256(body), contentLength: '8388608' })
      })

      it('a chunked upload that is still on its way when the request begins arrives whole', async () => {
        const key = newKey()
        const pieces = [pattern(10), pattern(40_000), pattern(300_000), Buffer.from('the end')]
        const client = await RawHttp.connect(port())
        client.write(`POST /upload?key=${key} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`)
        client.write(chunk(pieces[0]!))
        // With buffering the application hears of the request when it is complete.
        if (!door.buffered) await arrived.get(key).promise
        pieces.slice(1).forEach((piece) => client.write(chunk(piece)))
        client.write('0\r\n\r\n')
        const seen = await jsonAnswer(client)
        const content = Buffer.concat(pieces)
        expect(seen).toMatchObject({ bytes: content.length, sha256: sha256(content) })
        if (door.buffered) expect(seen['contentLength']).toBe('340017')
        else expect([seen['transferEncoding'], seen['contentLength']]).toEqual(['chunked', undefined])
      })

      it('chunked JSON still on its way is parsed', async () => {
        const key = newKey()
        const client = await RawHttp.connect(port())
        const type = 'Content-Type: application/json\r\n'
        client.write(`POST /json?key=${key} HTTP/1.1\r\nHost: a\r\n${type}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n`)
        client.write(chunk(Buffer.from('{"a":')))
        if (!door.buffered) await arrived.get(key).promise
        client.write(chunk(Buffer.from('1}'))).write('0\r\n\r\n')
        expect(await jsonAnswer(client)).toEqual({ a: 1 })
      })

      it('an expectation is met before the body is sent', async () => {
        const client = await RawHttp.connect(port())
        client.write('POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n')
        expect((await client.head()).statusLine).toBe('HTTP/1.1 100 Continue')
        client.write('body')
        expect(await jsonAnswer(client)).toMatchObject({ method: 'POST', body: 'body' })
      })

      it('50 at the same time get each its own answer', async () => {
        const numbers = Array.from({ length: 50 }, (_, number) => number)
        const answers = await Promise.all(
          numbers.map((number) => askJson(`/echo?number=${number}`, { method: 'POST', body: `body ${number} `.repeat(number) })),
        )
        expect(answers.map(({ url, body }) => [url, body])).toEqual(
          numbers.map((number) => [`/echo?number=${number}`, `body ${number} `.repeat(number)]),
        )
      })
    })

    describe('the answer', () => {
      it.each([
        ['HEAD', 'has the head of GET and no body', 'HEAD /text', '', 'HTTP/1.1 200 OK', '25'],
        ['a fulfilled If-None-Match', 'is a 304 without body', 'GET /text', etagOf('a text with an entity tag'), 'HTTP/1.1 304 Not Modified', undefined],
        ['204', 'has no body', 'GET /nothing', '', 'HTTP/1.1 204 No Content', undefined],
      ])('%s %s: the next answer follows the head', async (_what, _rule, target, etag, statusLine, length) => {
        const condition = etag === '' ? '' : `If-None-Match: ${etag}\r\n`
        const client = await RawHttp.connect(port())
        client.write(`${target} HTTP/1.1\r\nHost: a\r\n${condition}\r\n`)
        const first = await client.head()
        client.write('GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        const second = await client.head()
        expect([first.statusLine, first.values('content-length')]).toEqual([statusLine, length === undefined ? [] : [length]])
        expect([second.statusLine, (await client.rest()).toString()]).toEqual(['HTTP/1.1 200 OK', 'a text with an entity tag'])
      })

      it('of HEAD for a large download is its head alone', async () => {
        const client = await RawHttp.connect(port())
        client.write('HEAD /download?length HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        expect((await client.head()).values('content-length')).toEqual(['1048576'])
        expect((await client.rest()).toString('latin1')).toBe('')
      })

      it('301 stays 301 beside Location', async () => {
        expect(await ask('/moved')).toMatchObject({ status: 301, reason: 'Moved Permanently', headers: { location: '/text' } })
      })

      it('201 stays 201 beside Location', async () => {
        expect(await ask('/created', { method: 'POST' })).toMatchObject({ status: 201, headers: { location: '/text' } })
      })

      it("the application's own reason phrase reaches the client", async () => {
        expect(await ask('/reason')).toMatchObject({ status: 299, reason: 'Very Special' })
      })

      it('every Set-Cookie stays a field of its own, in order', async () => {
        const { headers } = await ask('/cookies')
        const expected = Array.from({ length: 20 }, (_, index) => `cookie${index + 1}=value%20${index + 1}; Path=/`)
        expect(headers['set-cookie']).toEqual(expected)
      })

      it('a head of 6 kB passes when nginx has the buffer for it', async () => {
        const { status, headers } = await ask('/large-head')
        expect([status, headers['x-large']]).toEqual([200, 'x'.repeat(6000)])
      })

      it('has the entity tag of Express, and no field that is for CGI or one hop', async () => {
        const { headers } = await ask('/text')
        expect(headers.etag).toBe(etagOf('a text with an entity tag'))
        expect(headers).not.toHaveProperty('status')
        // nginx adds Connection on its own account, `close` because the client asked for it.
        expect(headers.connection).toBe('close')
      })

      it.each(['/download', '/download?length'])('1 MiB of %s arrives whole', async (path) => {
        const { status, body, complete } = await ask(path)
        expect([status, complete, body.length, sha256(body)]).toEqual([200, true, 1_048_576, sha256(pattern(1_048_576))])
      })

      it('events arrive one by one, each before the next is sent', async () => {
        const key = newKey()
        let seen = 0
        const { headers, body } = await ask(`/events?key=${key}`, {
          onData: (sofar) => {
            const count = sofar.toString().split('\n\n').length - 1
            while (seen < count) go.get(`${key} ${++seen}`).resolve()
          },
        })
        expect(headers['content-type']).toBe('text/event-stream; charset=utf-8')
        expect(body.toString()).toBe(Array.from({ length: SSE_EVENTS }, (_, index) => `data: ${index + 1}\n\n`).join(''))
      })

      it('an exception in a handler is the error page of Express', async () => {
        const { status, reason, headers, body } = await ask('/fails')
        expect([status, reason, headers['content-type']]).toEqual([500, 'Internal Server Error', 'text/html; charset=utf-8'])
        expect(body.toString()).toContain('Error: as planned')
      })

      it('interim answers are dropped without a trace', async () => {
        const client = await RawHttp.connect(port())
        client.write('GET /interim HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        expect((await client.head()).statusLine).toBe('HTTP/1.1 200 OK')
        expect((await client.rest()).toString()).toBe('after the interim answers')
      })

      it('X-Accel-Redirect hands over to nginx', async () => {
        const { status, headers, body } = await ask('/accel')
        expect([status, body.toString()]).toEqual([200, 'the file, not the application'])
        expect(headers).not.toHaveProperty('x-accel-redirect')
      })
    })

    describe('what is cut short', () => {
      it('the client leaves while the application computes: the response closes without having ended', async () => {
        const key = newKey()
        const client = await RawHttp.connect(port())
        client.write(`GET /never?key=${key} HTTP/1.1\r\nHost: a\r\n\r\n`)
        await arrived.get(key).promise
        client.leave()
        expect(await ended.get(key).promise).toEqual<Ending>({ writableEnded: false, requestDestroyed: true })
      })

      it('the client leaves in the middle of the response: the same', async () => {
        const key = newKey()
        const client = await RawHttp.connect(port())
        client.write(`GET /endless?key=${key} HTTP/1.1\r\nHost: a\r\n\r\n`)
        expect((await client.head()).statusLine).toBe('HTTP/1.1 200 OK')
        client.leave()
        expect(await ended.get(key).promise).toEqual<Ending>({ writableEnded: false, requestDestroyed: true })
      })

      // To nginx 1.22.1 the end of the connection alone would be the end of a response without a length, except at the first door.
      it.each(['/cut', '/cut?length'])('the application destroys %s: the client sees it', async (path) => {
        const key = newKey()
        const { status, body, complete } = await ask(`${path}${path.includes('?') ? '&' : '?'}key=${key}`, {
          onData: () => go.get(key).resolve(),
        })
        expect([status, complete]).toEqual([200, false])
        expect(body.equals(pattern(65_536).subarray(0, body.length))).toBe(true)
        expect(await askJson('/echo?after')).toMatchObject({ url: '/echo?after' })
      })

      // nginx 1.22.1 would keep the connection of its client, who takes the next answer for the rest of this one.
      it.each(['ended', 'ended-later', 'destroyed-and-ended', 'by-hand', 'by-hand-ended', 'by-hand-in-chunks'])(
        'an answer with less than it announced (%s) ends the connection of the client',
        async (how) => {
          const client = await RawHttp.connect(port())
          client.write(`GET /cut/${how}?short HTTP/1.1\r\nHost: a\r\n\r\nGET /echo?next HTTP/1.1\r\nHost: a\r\n\r\n`)
          const received = (await client.rest()).toString()
          expect(received).not.toContain('/echo?next')
          expect(received).not.toContain('\r\n0\r\n\r\n')
        },
      )

      it('an answer before a body of 1 MiB that nobody reads arrives, and so do the next ones', async () => {
        const body = pattern(1_048_576)
        for (let round = 1; round <= 3; round++) {
          const early = await ask('/early', { method: 'POST', headers: { 'Content-Length': body.length }, body })
          expect([early.status, early.body.toString(), early.complete]).toEqual([413, 'too much', true])
          expect(await askJson(`/echo?round=${round}`, { method: 'POST', body: 'small' })).toMatchObject({
            url: `/echo?round=${round}`,
            body: 'small',
          })
        }
      })

      if (door.kept && door.buffered) {
        it('a connection stays in use after an answer whose body nobody read', async () => {
          // Small enough for nginx to have sent it whole before the answer: only then does it keep the connection.
          const body = pattern(60_000)
          await askJson('/echo?before')
          const before = connections[door.transport]
          const early = await ask('/early', { method: 'POST', headers: { 'Content-Length': body.length }, body })
          expect([early.status, early.body.toString()]).toEqual([413, 'too much'])
          expect(await askJson('/echo?after', { method: 'POST', body: 'small' })).toMatchObject({ url: '/echo?after', body: 'small' })
          expect(connections[door.transport]).toBe(before)
        })
      }
    })

    it(`connections are ${door.kept ? 'used again' : 'made for each request'}`, async () => {
      await askJson('/echo')
      const before = connections[door.transport]
      for (let count = 1; count <= 5; count++) await askJson('/echo')
      expect(connections[door.transport] - before).toBe(door.kept ? 0 : 5)
    })
  })

  it('close() does not wait for the connections that nginx keeps', async () => {
    expect(await Promise.all(Object.values(servers).map((server) => new Promise((resolve) => server.close(resolve))))).toEqual([undefined, undefined])
  })

  it('nginx had nothing to complain about but the responses that were cut', () => {
    const complaints = nginx.errorLog().split('\n').filter((line) => /\[(warn|error|crit|alert|emerg)\]/.test(line))
    expect(complaints.filter((line) => !/"GET \/cut[?/]/.test(line) && !line.includes('is buffered to a temporary file'))).toEqual([])
  })
})

function chunk(content: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n')])
}

async function jsonAnswer(client: RawHttp): Promise<Record<string, unknown>> {
  expect((await client.head()).statusLine).toBe('HTTP/1.1 200 OK')
  return JSON.parse((await client.rest()).toString()) as Record<string, unknown>
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** As Express makes it: weak, length in hexadecimal, the first 27 characters of a SHA-1. */
function etagOf(text: string): string {
  return `W/"${text.length.toString(16)}-${createHash('sha1').update(text).digest('base64').slice(0, 27)}"`
}
