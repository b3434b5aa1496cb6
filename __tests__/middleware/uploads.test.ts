// multipart uploads: multer with both of its stores, and busboy by itself.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import busboy from 'busboy'
import type { Express, RequestHandler } from 'express'
import multer from 'multer'
import { pattern } from '../servers/app'
import { deferred, until } from '../support/wait'
import { describeRoutes, type HttpError, onError } from './routes'

const TYPE = 'multipart/form-data; boundary=seam'

interface Part {
  readonly name: string
  readonly filename?: string
  readonly content: string | Buffer
}

/** A multipart body, RFC 7578. */
function multipart(...parts: readonly Part[]): Buffer {
  const file = (filename?: string): string => (filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: text/x-test`)
  const pieces = parts.flatMap(({ name, filename, content }) => [
    `--seam\r\nContent-Disposition: form-data; name="${name}"${file(filename)}\r\n\r\n`,
    content,
    '\r\n',
  ])
  return Buffer.concat([...pieces, '--seam--\r\n'].map((piece) => Buffer.from(piece)))
}

const LARGE = pattern(3_000_000)

describeRoutes('multer', (route) => {
  function receiving(upload: RequestHandler): Express {
    const app = route.app()
    app.post('/', upload, (req, res) => {
      const files = Array.isArray(req.files) ? req.files : Object.values<Express.Multer.File[]>(req.files ?? {}).flat()
      const described = [...files, ...(req.file ? [req.file] : [])].map((file) => ({
        field: file.fieldname,
        name: file.originalname,
        type: file.mimetype,
        size: file.size,
        isSame: file.buffer.equals(LARGE.subarray(0, file.size)),
      }))
      res.json({ body: req.body as unknown, files: described })
    })
    onError(app, (error, res) => res.status(400).json({ code: error.code, message: error.message }))
    return app
  }

  const memory = multer({ storage: multer.memoryStorage(), limits: { fileSize: 4_000_000 } })
  const file = (field: string, name: string, size: number) => ({ field, name, type: 'text/x-test', size, isSame: true })

  it('a file and its fields', async () => {
    receiving(memory.single('picture'))
    const body = multipart(
      { name: 'title', content: 'ü' },
      { name: 'tags[]', content: 'a' },
      { name: 'tags[]', content: 'b' },
      { name: 'picture', filename: 'p.txt', content: LARGE },
    )
    const answer = await route.post('/', TYPE, body)
    expect(JSON.parse(answer.text)).toEqual({ body: { title: 'ü', tags: ['a', 'b'] }, files: [file('picture', 'p.txt', LARGE.length)] })
  })

  it('several files, empty ones too, of several fields', async () => {
    receiving(memory.fields([{ name: 'a', maxCount: 2 }, { name: 'b' }]))
    const body = multipart(
      { name: 'a', filename: '1', content: LARGE.subarray(0, 10) },
      { name: 'b', filename: '2', content: '' },
      { name: 'a', filename: '3', content: LARGE.subarray(0, 70_000) },
    )
    const answer = await route.unbuffered.post('/', TYPE, body)
    expect(JSON.parse(answer.text)).toEqual({ body: {}, files: [file('a', '1', 10), file('a', '3', 70_000), file('b', '2', 0)] })
  })

  it('fields alone', async () => {
    receiving(memory.none())
    const answer = await route.post('/', TYPE, multipart({ name: 'a', content: '1' }))
    expect(JSON.parse(answer.text)).toEqual({ body: { a: '1' }, files: [] })
  })

  // Of HAProxy's FastCGI such a body must fit into one buffer.
  it('a chunked upload', async () => {
    receiving(memory.single('f'))
    const body = multipart({ name: 'f', filename: 'f', content: LARGE.subarray(0, 30_000) })
    // HAProxy answers 400 to a chunked one that its buffer does not hold.
    const answer = await route.unbuffered.ask('/', { method: 'POST', headers: { 'Content-Type': TYPE, 'Transfer-Encoding': 'chunked' }, body })
    expect(JSON.parse(answer.text)).toEqual({ body: {}, files: [file('f', 'f', 30_000)] })
  })

  const small = { name: 'f', filename: 'f', content: 'x' }
  it.each([
    ['a file that is too large', memory.single('f'), [{ name: 'f', filename: 'f', content: Buffer.alloc(4_000_001) }], 'LIMIT_FILE_SIZE'],
    ['a file of another field', memory.single('f'), [{ name: 'g', filename: 'g', content: 'x' }], 'LIMIT_UNEXPECTED_FILE'],
    ['one file too many', memory.array('f', 1), [small, { ...small, filename: 'g' }], 'LIMIT_UNEXPECTED_FILE'],
    ['one field too many', multer({ limits: { fields: 1 } }).none(), [{ name: 'a', content: '' }, { name: 'b', content: '' }], 'LIMIT_FIELD_COUNT'],
  ])('refuses %s', async (_what, upload, parts, code) => {
    receiving(upload)
    for (const door of [route, route.unbuffered]) {
      const answer = await door.post('/', TYPE, multipart(...parts))
      expect([answer.status, (JSON.parse(answer.text) as HttpError).code]).toEqual([400, code])
    }
  })

  it('a body without its last boundary is refused', async () => {
    receiving(memory.single('f'))
    const whole = multipart({ name: 'f', filename: 'f', content: 'x' })
    const answer = await route.post('/', TYPE, whole.subarray(0, -12))
    expect([answer.status, (JSON.parse(answer.text) as Error).message]).toEqual([400, 'Unexpected end of form'])
  })

  describe('on disk', () => {
    let folder = ''
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-multer-'))))
    afterEach(() => rmSync(folder, { recursive: true, force: true }))

    it('files are written whole', async () => {
      const app = route.app()
      app.post('/', multer({ dest: folder }).array('f'), async (req, res) => {
        const contents = await Promise.all((req.files as Express.Multer.File[]).map((one) => readFile(one.path)))
        res.json(contents.map((content) => [content.length, content.equals(LARGE.subarray(0, content.length))]))
      })
      const body = multipart({ name: 'f', filename: '1', content: LARGE }, { name: 'f', filename: '2', content: LARGE.subarray(0, 1) })
      const answer = await route.unbuffered.post('/', TYPE, body)
      expect(JSON.parse(answer.text)).toEqual([[3_000_000, true], [1, true]])
    })

    it('the file of an upload that breaks off is removed, and the application gets the error', async () => {
      const failed = deferred<HttpError>()
      const app = route.app()
      app.post('/', multer({ dest: folder }).single('f'))
      onError(app, (error, res) => {
        res.end()
        failed.resolve(error)
      })
      const client = await route.unbuffered.raw()
      client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${TYPE}\r\nContent-Length: 1000000\r\n\r\n`)
      client.write(multipart({ name: 'f', filename: 'f', content: LARGE }).subarray(0, 500_000))
      await until('the file to be there', () => readdirSync(folder).length === 1)
      client.leave()
      expect((await failed.promise).message).toBe('Request aborted')
      await until('the file to be gone', () => readdirSync(folder).length === 0)
    })
  })
})

describeRoutes('busboy', (route) => {
  it('hands over parts as they come, and reads no faster than they are taken', async () => {
    route.use((req, res) => {
      const seen: Record<string, unknown> = {}
      const parser = busboy({ headers: req.headers })
      parser.on('field', (name, value) => (seen[name] = value))
      parser.on('file', (name, stream, { filename, mimeType }) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          stream.pause()
          setImmediate(() => stream.resume())
        })
        stream.on('end', () => (seen[name] = [filename, mimeType, Buffer.concat(chunks).equals(LARGE)]))
      })
      parser.on('close', () => res.end(JSON.stringify(seen)))
      req.pipe(parser)
    })
    const body = multipart({ name: 'a', content: '1' }, { name: 'f', filename: 'f.bin', content: LARGE }, { name: 'b', content: '2' })
    for (const door of [route, route.unbuffered]) {
      const answer = await door.post('/', TYPE, body)
      expect(JSON.parse(answer.text)).toEqual({ a: '1', f: ['f.bin', 'text/x-test', true], b: '2' })
    }
  })

  it('parses forms as well', async () => {
    route.use((req, res) => {
      const seen: unknown[] = []
      req.pipe(busboy({ headers: req.headers }))
        .on('field', (name, value) => seen.push([name, value]))
        .on('close', () => res.end(JSON.stringify(seen)))
    })
    const answer = await route.post('/', 'application/x-www-form-urlencoded', 'a=1&b=x+y')
    expect(JSON.parse(answer.text)).toEqual([['a', '1'], ['b', 'x y']])
  })

  it('a limit is told, the rest of the file skipped, and the answer given', async () => {
    route.use((req, res) => {
      const parser = busboy({ headers: req.headers, limits: { fileSize: 1_000 } })
      let kept = 0
      let isCut = false
      parser.on('file', (_name, stream) => {
        stream.on('data', (chunk: Buffer) => (kept += chunk.length)).on('limit', () => (isCut = true))
      })
      parser.on('close', () => res.end(JSON.stringify({ kept, isCut })))
      req.pipe(parser)
    })
    const answer = await route.unbuffered.post('/', TYPE, multipart({ name: 'f', filename: 'f', content: LARGE }))
    expect(JSON.parse(answer.text)).toEqual({ kept: 1_000, isCut: true })
  })

  it('an answer given by the first part reaches the client, whatever else it sends', async () => {
    route.use((req, res) => {
      const parser = busboy({ headers: req.headers })
      parser.on('error', () => undefined)
      parser.on('field', () => {
        req.unpipe(parser)
        res.writeHead(403).end('enough')
        req.resume()
      })
      req.pipe(parser)
    })
    const answer = await route.post('/', TYPE, multipart({ name: 'a', content: '1' }, { name: 'f', filename: 'f', content: LARGE }))
    expect([answer.status, answer.text]).toEqual([403, 'enough'])
  })

  it('an upload that breaks off ends a pipeline with an error', async () => {
    const ended = deferred<string | undefined>()
    const begun = deferred()
    route.use((req) => {
      const parser = busboy({ headers: req.headers })
      parser.on('file', (_name, stream) => {
        stream.on('error', () => undefined).resume()
        begun.resolve()
      })
      pipeline(req, parser).then(
        () => ended.resolve('complete'),
        (error: unknown) => ended.resolve((error as NodeJS.ErrnoException).code),
      )
    })
    const client = await route.unbuffered.raw()
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${TYPE}\r\nContent-Length: 1000000\r\n\r\n`)
    client.write(multipart({ name: 'f', filename: 'f', content: LARGE }).subarray(0, 100_000))
    await begun.promise
    client.leave()
    expect(await ended.promise).toBe('ECONNRESET')
  })
})
