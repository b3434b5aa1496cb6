// compression: what it compresses and what it leaves alone, and that a flushed piece leaves at once.
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { brotliDecompressSync, constants, gunzipSync, inflateSync } from 'node:zlib'
import compression from 'compression'
import { pattern } from '../servers/app'
import { deferred } from '../support/wait'
import { type Answer, describeRoutes } from './routes'

const TEXT = 'a text to be compressed, '.repeat(100)
const GZIP = { 'Accept-Encoding': 'gzip' }

/** What of a gzip stream can be read already. */
const gunzipSofar = (bytes: Buffer): string => gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString()

const framing = ({ headers }: Answer): unknown[] => [headers['content-encoding'], headers['content-length'], headers.vary]

describeRoutes('compression', (route) => {
  it.each([
    ['gzip', gunzipSync],
    ['deflate', inflateSync],
    ['br', brotliDecompressSync],
  ])('%s: the answer is compressed, without the length of the text, and varies', async (encoding, decompress) => {
    const app = route.app()
    app.use(compression())
    app.get('/', (_req, res) => res.type('text').send(TEXT))
    const answer = await route.ask('/', { headers: { 'Accept-Encoding': encoding } })
    expect([answer.status, answer.complete]).toEqual([200, true])
    expect([answer.headers['content-encoding'], answer.headers.vary]).toEqual([encoding, 'Accept-Encoding'])
    expect([answer.headers['content-length'], answer.headers['transfer-encoding']]).toEqual([undefined, 'chunked'])
    expect(decompress(answer.body).toString()).toBe(TEXT)
  })

  it.each([
    ['a client that takes no encoding', '/text', {}, 'Accept-Encoding'],
    ['an answer below the threshold', '/small', GZIP, 'Accept-Encoding'],
    ['a type that is compressed already', '/image', GZIP, undefined],
    ['Cache-Control: no-transform', '/untouched', GZIP, undefined],
    ['an answer with an encoding', '/encoded', GZIP, 'Accept-Encoding'],
    ['an answer the filter leaves out', '/text', { ...GZIP, 'X-Plain': '1' }, undefined],
  ])('leaves alone: %s', async (_what, path, headers, vary) => {
    const app = route.app()
    app.use(compression({ filter: (req, res) => req.headers['x-plain'] === undefined && compression.filter(req, res) }))
    app.get('/text', (_req, res) => res.type('text').send(TEXT))
    app.get('/small', (_req, res) => res.type('text').send('small'))
    app.get('/image', (_req, res) => res.type('png').send(Buffer.from(TEXT)))
    app.get('/untouched', (_req, res) => res.set('Cache-Control', 'public, no-transform').type('text').send(TEXT))
    app.get('/encoded', (_req, res) => res.set('Content-Encoding', 'x-own').type('text').send(TEXT))
    const answer = await route.ask(path, { headers })
    const text = path === '/small' ? 'small' : TEXT
    expect(framing(answer)).toEqual([path === '/encoded' ? 'x-own' : undefined, String(text.length), vary])
    expect(answer.text).toBe(text)
  })

  it('HEAD has the fields of the answer and no encoding', async () => {
    const app = route.app()
    app.use(compression())
    app.get('/', (_req, res) => res.type('text').send(TEXT))
    const answer = await route.ask('/', { method: 'HEAD', headers: GZIP })
    expect([answer.status, ...framing(answer), answer.text]).toEqual([200, undefined, String(TEXT.length), 'Accept-Encoding', ''])
  })

  it('a 304 has neither body nor encoding', async () => {
    const app = route.app()
    app.use(compression())
    app.get('/', (_req, res) => res.type('text').send(TEXT))
    const { headers } = await route.ask('/', { headers: GZIP })
    const answer = await route.ask('/', { headers: { ...GZIP, 'If-None-Match': headers.etag } })
    expect([answer.status, answer.headers['content-encoding'], answer.text]).toEqual([304, undefined, ''])
  })

  it('several writes of unknown length are one compressed answer', async () => {
    route.use((req, res) => {
      compression()(req as never, res as never, () => {
        res.setHeader('Content-Type', 'text/plain')
        for (const word of ['a', Buffer.from('é'), 'c'.repeat(100_000)]) res.write(word)
        res.end('end')
      })
    })
    const answer = await route.ask('/', { headers: GZIP })
    expect(gunzipSync(answer.body).toString()).toBe(`aé${'c'.repeat(100_000)}end`)
  })

  it.each([
    ['a flushed piece', 'text/plain', ['one, ', 'two, ', 'three']],
    ['a flushed event', 'text/event-stream', ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']],
  ])('%s arrives before the next is written', async (_what, type, pieces) => {
    const arrived = pieces.map(() => deferred())
    const app = route.app()
    app.use(compression({ filter: () => true }))
    app.get('/', async (_req, res) => {
      res.set({ 'Content-Type': type, 'X-Accel-Buffering': 'no' })
      for (const [index, piece] of pieces.entries()) {
        res.write(piece)
        res.flush()
        await arrived[index]!.promise
      }
      res.end()
    })
    const answer = await route.ask('/', {
      headers: GZIP,
      onData: (sofar) => {
        const text = gunzipSofar(sofar)
        pieces.forEach((_piece, index) => {
          if (text.startsWith(pieces.slice(0, index + 1).join(''))) arrived[index]!.resolve()
        })
      },
    })
    expect([answer.headers['content-encoding'], gunzipSync(answer.body).toString()]).toEqual(['gzip', pieces.join('')])
  })

  it("8 MiB piped through keep to 'drain' and arrive whole", async () => {
    const content = pattern(8 * 1_048_576)
    let drains = 0
    const app = route.app()
    app.use(compression({ level: 1 }))
    app.get('/', (_req, res) => {
      res.type('text')
      res.on('drain', () => drains++)
      const pieces = Array.from({ length: 128 }, (_, index) => content.subarray(index * 65_536, (index + 1) * 65_536))
      Readable.from(pieces).pipe(res)
    })
    const answer = await route.ask('/', { headers: GZIP })
    expect(gunzipSync(answer.body).equals(content)).toBe(true)
    expect(drains).toBeGreaterThan(0)
  })

  it.each([true, false])("write() says when to wait and 'drain' when to go on (compressed: %s)", async (isCompressed) => {
    const piece = pattern(65_536)
    const log: string[] = []
    const app = route.app()
    app.use(compression({ level: 0, filter: () => isCompressed }))
    app.get('/', async (_req, res) => {
      res.type('text')
      let written = 0
      while (res.write(piece)) written++
      log.push('full')
      await once(res, 'drain')
      log.push('drain')
      res.end(String(written + 1))
    })
    const answer = await route.unbuffered.ask('/', { headers: GZIP })
    const content = isCompressed ? gunzipSync(answer.body) : answer.body
    expect(log).toEqual(['full', 'drain'])
    expect(Number(content.subarray(Math.floor(content.length / 65_536) * 65_536).toString())).toBe(Math.floor(content.length / 65_536))
  })

  route.itBehindNginx('a client that leaves midway ends the answer', async () => {
    const begun = deferred()
    const closed = deferred<boolean>()
    const app = route.app()
    app.use(compression())
    app.get('/', (_req, res) => {
      res.type('text')
      res.on('close', () => closed.resolve(res.writableFinished))
      res.write(TEXT)
      res.flush()
      begun.resolve()
    })
    const client = await route.unbuffered.raw()
    client.write('GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n')
    await begun.promise
    await client.head()
    client.leave()
    expect(await closed.promise).toBe(false)
  })
})
