// body-parser in all its forms, as Express uses it: what it parses, what it refuses, and what becomes of a body that breaks off.
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import bodyParser from 'body-parser'
import type { NextHandleFunction } from 'connect'
import type { Express } from 'express'
import { deferred } from '../support/wait'
import { describeRoutes, type HttpError, onError } from './routes'

describeRoutes('body-parser', (route) => {
  /** An application that answers with the body as parsed, or with the error the parser had. */
  function parsing(...parsers: NextHandleFunction[]): Express {
    const app = route.app()
    app.use(...parsers)
    app.use((req, res) => {
      const { body } = req as { body: unknown }
      res.json({ body: Buffer.isBuffer(body) ? { buffer: body.toString('hex') } : body })
    })
    onError(app, (error, res) => res.status(error.status).json({ type: error.type }))
    return app
  }

  const json = (text: string): unknown => JSON.parse(text)

  describe('json', () => {
    it.each([
      ['an object', '{"a":[1,{"b":"ü"}]}', { a: [1, { b: 'ü' }] }],
      ['an array', '[1,2,3]', [1, 2, 3]],
      ['an object behind blanks', ' \r\n\t{"a":1}', { a: 1 }],
    ])('parses %s', async (_what, sent, body) => {
      parsing(bodyParser.json())
      const answer = await route.post('/', 'application/json', sent)
      expect([answer.status, json(answer.text)]).toEqual([200, { body }])
    })

    it.each([
      ['is cut off', '{"a":', undefined, 400, 'entity.parse.failed'],
      ['is a primitive while strict', '"text"', undefined, 400, 'entity.parse.failed'],
      ['is larger than the limit', JSON.stringify('x'.repeat(2_000)), { limit: 1_000 }, 413, 'entity.too.large'],
    ])('refuses a body that %s', async (_what, sent, options, status, type) => {
      parsing(bodyParser.json(options))
      const answer = await route.post('/', 'application/json', sent)
      expect([answer.status, json(answer.text)]).toEqual([status, { type }])
    })

    it('takes a primitive when not strict', async () => {
      parsing(bodyParser.json({ strict: false }))
      expect(json((await route.post('/', 'application/json', 'true')).text)).toEqual({ body: true })
    })

    it('an empty body of a known length is an empty object', async () => {
      parsing(bodyParser.json())
      const answer = await route.post('/', 'application/json', '')
      expect([answer.status, json(answer.text)]).toEqual([200, { body: {} }])
    })

    // HAProxy tells FastCGI a length of 0 for it.
    it('a GET without body is left alone', async () => {
      parsing(bodyParser.json())
      const answer = await route.ask('/', { headers: { 'Content-Type': 'application/json' } })
      expect([answer.status, json(answer.text)]).toEqual([200, {}])
    })

    it('a GET with a body is parsed', async () => {
      parsing(bodyParser.json())
      const body = '{"a":1}'
      const answer = await route.ask('/', { headers: { 'Content-Type': 'application/json', 'Content-Length': body.length }, body })
      expect(json(answer.text)).toEqual({ body: { a: 1 } })
    })

    it.each([
      ['another type', 'text/plain', {}],
      ['a type of the application', 'application/vnd.api+json', { body: { a: 1 } }],
    ])('%s: %s', async (_what, type, expected) => {
      parsing(bodyParser.json({ type: ['application/json', '+json'] }))
      expect(json((await route.post('/', type, '{"a":1}')).text)).toEqual(expected)
    })

    it.each([
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
    ])('inflates %s', async (encoding, compress) => {
      parsing(bodyParser.json())
      const body = compress('{"name":"论"}')
      expect(json((await route.post('/', 'application/json', body, { 'Content-Encoding': encoding })).text)).toEqual({ body: { name: '论' } })
    })

    it.each([
      ['an unknown encoding', 'nulls', Buffer.from('000000000000'), {}, 415, 'encoding.unsupported'],
      ['a compressed body when told not to inflate', 'gzip', gzipSync('{}'), { inflate: false }, 415, 'encoding.unsupported'],
      ['a body that is not what its encoding says', 'gzip', Buffer.from('no gzip at all'), {}, 400, undefined],
      ['a small body that inflates beyond the limit', 'gzip', gzipSync(`"${'x'.repeat(100_000)}"`), { limit: 1_000 }, 413, 'entity.too.large'],
    ])('refuses %s', async (_what, encoding, body, options, status, type) => {
      parsing(bodyParser.json(options))
      const answer = await route.post('/', 'application/json', body, { 'Content-Encoding': encoding })
      expect(answer.status).toBe(status)
      if (type !== undefined) expect(json(answer.text)).toEqual({ type })
    })

    it('UTF-16 is decoded, a charset JSON does not have is refused', async () => {
      parsing(bodyParser.json())
      const utf16 = Buffer.from('\ufeff{"name":"论"}', 'utf16le')
      expect(json((await route.post('/', 'application/json; charset=utf-16', utf16)).text)).toEqual({ body: { name: '论' } })
      const answer = await route.post('/', 'application/json; charset=x-johab', '{}')
      expect([answer.status, json(answer.text)]).toEqual([415, { type: 'charset.unsupported' }])
    })

    it('verify gets req, res and the raw bytes, and its error is the answer', async () => {
      const seen: unknown[] = []
      const verify: NonNullable<bodyParser.OptionsJson['verify']> = (req, res, buffer, encoding) => {
        seen.push(req.method, res.headersSent, buffer.toString(), encoding)
        if (buffer[0] === 0x5b) throw Object.assign(new Error('no arrays'), { status: 403 })
      }
      parsing(bodyParser.json({ verify }))
      expect((await route.post('/', 'application/json', '{"a":1}')).status).toBe(200)
      const answer = await route.post('/', 'application/json', '[]')
      expect([answer.status, json(answer.text)]).toEqual([403, { type: 'entity.verify.failed' }])
      expect(seen).toEqual(['POST', false, '{"a":1}', 'utf-8', 'POST', false, '[]', 'utf-8'])
    })
  })

  describe('urlencoded', () => {
    it.each([
      ['simple', { extended: false }, 'a=1&a=2&b=x+y%26&c[d]=e', { a: ['1', '2'], b: 'x y&', 'c[d]': 'e' }],
      ['extended', { extended: true }, 'c[d]=e&f[]=1&f[]=2&g[h][i]=j', { c: { d: 'e' }, f: ['1', '2'], g: { h: { i: 'j' } } }],
    ])('%s', async (_what, options, sent, body) => {
      parsing(bodyParser.urlencoded(options))
      expect(json((await route.post('/', 'application/x-www-form-urlencoded', sent)).text)).toEqual({ body })
    })

    it('refuses too many parameters', async () => {
      parsing(bodyParser.urlencoded({ parameterLimit: 10 }))
      const answer = await route.post('/', 'application/x-www-form-urlencoded', 'a=1&'.repeat(11))
      expect([answer.status, json(answer.text)]).toEqual([413, { type: 'parameters.too.many' }])
    })

    it('ISO-8859-1 is decoded', async () => {
      parsing(bodyParser.urlencoded({ extended: true }))
      const body = Buffer.from('name=%E9t%E9', 'latin1')
      const answer = await route.post('/', 'application/x-www-form-urlencoded; charset=iso-8859-1', body)
      expect(json(answer.text)).toEqual({ body: { name: 'été' } })
    })
  })

  describe('text and raw', () => {
    it('text is decoded by its charset', async () => {
      parsing(bodyParser.text())
      expect(json((await route.post('/', 'text/plain; charset=iso-8859-1', Buffer.from([0xe9]))).text)).toEqual({ body: 'é' })
      expect(json((await route.post('/', 'text/plain', 'é')).text)).toEqual({ body: 'é' })
    })

    it('raw is every byte there is', async () => {
      parsing(bodyParser.raw())
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      const answer = await route.post('/', 'application/octet-stream', all)
      expect(json(answer.text)).toEqual({ body: { buffer: all.toString('hex') } })
    })

    it('4 MiB of text arrive', async () => {
      parsing(bodyParser.text({ limit: '5mb' }))
      const answer = await route.post('/', 'text/plain', 'abcdefgh'.repeat(524_288))
      expect((json(answer.text) as { body: string }).body).toBe('abcdefgh'.repeat(524_288))
    })
  })

  it('the parsers follow one another, and the first that fits takes the body', async () => {
    parsing(bodyParser.json(), bodyParser.urlencoded({ extended: false }), bodyParser.text(), bodyParser.raw())
    const bodies = await Promise.all([
      route.post('/', 'application/json', '{"a":1}'),
      route.post('/', 'application/x-www-form-urlencoded', 'a=1'),
      route.post('/', 'text/plain', 'a'),
      route.post('/', 'application/octet-stream', 'a'),
      route.post('/', 'image/png', 'a'),
    ])
    expect(bodies.map(({ text }) => json(text))).toEqual([
      { body: { a: 1 } },
      { body: { a: '1' } },
      { body: 'a' },
      { body: { buffer: '61' } },
      {},
    ])
  })

  describe('chunked uploads', () => {
    const CHUNKED = 'Host: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'

    it('are parsed, buffered by the web server or not', async () => {
      parsing(bodyParser.json())
      for (const door of [route, route.unbuffered]) {
        const client = await door.raw()
        client.write(`POST / HTTP/1.1\r\n${CHUNKED}5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n`)
        expect((await client.head()).statusLine).toBe('HTTP/1.1 200 OK')
        expect(json((await client.rest()).toString())).toEqual({ body: { a: 1 } })
      }
    })

    // HAProxy waits for more than this of a chunked body.
    route.itBehindNginx('are parsed when the pieces come while the parser reads', async () => {
      const arrived = deferred()
      const app = route.app()
      app.use((_req, _res, next) => {
        arrived.resolve()
        next()
      })
      app.use(bodyParser.json())
      app.use((req, res) => {
        res.json({ body: req.body as unknown, length: req.headers['content-length'], coding: req.headers['transfer-encoding'] })
      })
      const client = await route.unbuffered.raw()
      client.write(`POST / HTTP/1.1\r\n${CHUNKED}5\r\n{"a":\r\n`)
      await arrived.promise
      client.write('2\r\n1}\r\n0\r\n\r\n')
      await client.head()
      expect(json((await client.rest()).toString())).toEqual({ body: { a: 1 }, coding: 'chunked' })
    })

    it('beyond the limit are read to their end and refused then', async () => {
      parsing(bodyParser.json({ limit: 1_000 }))
      const client = await route.unbuffered.raw()
      client.write(`POST / HTTP/1.1\r\n${CHUNKED}7d0\r\n${'x'.repeat(2_000)}\r\n7d0\r\n${'x'.repeat(2_000)}\r\n0\r\n\r\n`)
      expect((await client.head()).statusLine).toBe('HTTP/1.1 413 Payload Too Large')
      expect((await client.rest()).toString()).toBe('{"type":"entity.too.large"}')
    })

    it('that are empty are an empty object', async () => {
      parsing(bodyParser.json())
      const client = await route.unbuffered.raw()
      client.write(`POST / HTTP/1.1\r\n${CHUNKED}0\r\n\r\n`)
      await client.head()
      expect(json((await client.rest()).toString())).toEqual({ body: {} })
    })
  })

  describe('a body that breaks off', () => {
    route.itBehindNginx.each([
      ['of a known length', 'Content-Length: 100\r\n\r\n{"a":'],
      ['chunked', 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n'],
    ])('%s is an aborted request with status 400, and no handler runs', async (_what, body) => {
      const arrived = deferred()
      const failed = deferred<HttpError>()
      let handled = 0
      const app = route.app()
      app.use((_req, _res, next) => {
        next()
        // The parser listens by now.
        arrived.resolve()
      })
      app.use(bodyParser.json())
      app.use((_req, res) => {
        handled++
        res.end()
      })
      onError(app, (error, res) => {
        res.end()
        failed.resolve(error)
      })
      const client = await route.unbuffered.raw()
      client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${body}`)
      await arrived.promise
      client.leave()
      const { status, type, message } = await failed.promise
      expect({ status, type, message, handled }).toEqual({ status: 400, type: 'request.aborted', message: 'request aborted', handled: 0 })
    })
  })

  it('a refused upload leaves the connection fit for the next request', async () => {
    parsing(bodyParser.json({ limit: 100 }))
    const large = `"${'x'.repeat(300_000)}"`
    for (let time = 0; time < 3; time++) {
      expect((await route.post('/', 'application/json', large)).status).toBe(413)
      expect((await route.post('/', 'application/json', '{"a":1}')).status).toBe(200)
    }
  })
})
