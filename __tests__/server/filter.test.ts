// The Filter role (FCGI 6.4): the file behind the body, as a stream, whatever of the two the application reads, and whatever of them
// the web server sends.

import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import type http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { DataStream, FastCGISocket, ServerOptions } from 'express-fastcgi'
import { cgiParams } from 'express-fastcgi'
import express from 'express'
import { abort, begin, data, FILTER, params, type Pairs, RESPONDER, stdin } from '../support/fcgi-bytes'
import { connect, type RawClient, type RawResponse } from '../support/raw-client'
import { GET, POST, type Served, serve, stopAll } from '../support/serve'
import { deferred, until } from '../support/wait'

afterEach(stopAll)

type Filter = (req: http.IncomingMessage, res: http.ServerResponse, file: DataStream) => unknown

const never: http.RequestListener = () => {
  throw new Error('the Responder was called')
}

/** The errors that the server reported, by code. */
const reported: (string | undefined)[] = []
beforeEach(() => (reported.length = 0))

async function filtering(filter: Filter, options: ServerOptions = {}): Promise<Served> {
  const served = await serve(never, {
    ...options,
    filter: (req, res) => {
      const file = (req.socket as FastCGISocket).data
      if (file === undefined) throw new Error('no data')
      return filter(req, res, file)
    },
  })
  served.server.on('requestError', (error: NodeJS.ErrnoException) => reported.push(error.code))
  return served
}

const start = (id: number, pairs: Pairs, keep = true): Buffer => Buffer.concat([begin(id, { role: FILTER, keep }), params(id, pairs)])
type Variables = Readonly<Record<string, string>>
const withFile = (length: number | string, pairs: Variables = GET): Variables => ({ ...pairs, FCGI_DATA_LENGTH: String(length) })

async function answer(served: Served, ...bytes: readonly Buffer[]): Promise<RawResponse> {
  const web = await served.client()
  web.send(...bytes)
  return web.response(1)
}

const upperCase = (): Transform => new Transform({ transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString().toUpperCase()) })

const reading: Filter = async (_req, res, file) => {
  try {
    res.end(`file: ${await text(file)}`)
  } catch (error) {
    res.writeHead(500).end(`${(error as NodeJS.ErrnoException).code}: ${(error as Error).message}`)
  }
}

describe('a Filter', () => {
  it('reads the file, and answers as a Responder does', async () => {
    const served = await filtering(async (_req, res, file) => {
      res.setHeader('Content-Type', 'text/plain')
      await pipeline(file, upperCase(), res)
    })
    const response = await answer(served, start(1, withFile(11)), stdin(1), data(1, 'hello world'), data(1))
    expect(response.head.fields).toContainEqual(['Content-Type', 'text/plain'])
    expect(response.head.status).toBe(200)
    expect(response.body.toString()).toBe('HELLO WORLD')
    expect(response.end).toEqual({ appStatus: 0, protocolStatus: 0 })
  })

  it('can be an Express application, with its body parsers', async () => {
    const app = express()
    app.use(express.json())
    app.use(async (req, res) => void res.send({ body: req.body as unknown, file: await text((req.socket as unknown as FastCGISocket).data as Readable) }))
    const served = await serve(never, { filter: app })
    const upload = { ...POST, CONTENT_TYPE: 'application/json', CONTENT_LENGTH: '7' }
    const response = await answer(served, start(1, withFile(3, upload)), stdin(1, '{"a":1}'), stdin(1), data(1, 'abc'), data(1))
    expect(JSON.parse(response.body.toString())).toEqual({ body: { a: 1 }, file: 'abc' })
  })

  it('knows the role, the length and the time of the file', async () => {
    let seen: unknown
    const served = await filtering((req, res, file) => {
      const { FCGI_DATA_LENGTH, FCGI_DATA_LAST_MOD } = cgiParams(req)
      seen = { role: (req.socket as FastCGISocket).role, length: file.length, lastModified: file.lastModified, FCGI_DATA_LENGTH, FCGI_DATA_LAST_MOD }
      res.end()
    })
    await answer(served, start(1, { ...withFile(4), FCGI_DATA_LAST_MOD: '784111777' }), stdin(1), data(1, 'abcd'), data(1))
    expect(seen).toEqual({
      role: 'filter',
      length: 4,
      lastModified: new Date('1994-11-06T08:49:37Z'),
      FCGI_DATA_LENGTH: '4',
      FCGI_DATA_LAST_MOD: '784111777',
    })
  })

  it.each([undefined, '', 'yesterday', '-1', '1e3', '99999999999999'])('a time that is none is undefined: %j', async (time) => {
    let seen: unknown = 'nothing'
    const served = await filtering((_req, res, file) => res.end(void (seen = file.lastModified)))
    await answer(served, start(1, { ...withFile(0), ...(time !== undefined && { FCGI_DATA_LAST_MOD: time }) }), stdin(1), data(1))
    expect(seen).toBeUndefined()
  })

  it('gets the file in whatever pieces it comes', async () => {
    const served = await filtering(reading)
    const bytes = Buffer.concat([start(1, withFile(6)), stdin(1), data(1, 'abc'), data(1, 'def'), data(1)])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const web = await served.client()
      web.send(bytes.subarray(0, cut))
      await web.flushed()
      web.send(bytes.subarray(cut))
      expect((await web.response(1)).body.toString()).toBe('file: abcdef')
      web.destroy()
    }
  })

  it('runs the handler in one async context, and the file in it', async () => {
    const storage = new AsyncLocalStorage<string>()
    const log: (string | undefined)[] = []
    const served = await filtering((req, res, file) => {
      storage.enterWith(String(req.url))
      file.on('data', () => log.push(storage.getStore())).on('end', () => res.end(void log.push(storage.getStore())))
    })
    const web = await served.client()
    const url = (id: number): Variables => ({ ...withFile(1), REQUEST_URI: `/${id}` })
    web.send(start(1, url(1)), stdin(1), start(2, url(2)), stdin(2), data(2, 'x'), data(1, 'x'), data(1), data(2))
    await Promise.all([web.response(1), web.response(2)])
    expect(log.sort()).toEqual(['/1', '/1', '/2', '/2'])
  })
})

describe('the length of the file', () => {
  it.each<[string, Pairs, string[], string, (string | undefined)[]]>([
    ['as announced', withFile(3), ['abc', ''], 'file: abc', []],
    ['as announced, without the empty record', withFile(3), ['abc'], 'file: abc', []],
    ['not announced: the empty record is its end', GET, ['abc', 'def', ''], 'file: abcdef', []],
    ['announced as nothing', withFile(0), [''], 'file: ', []],
    ['announced as nothing, and nothing comes at all', withFile(0), [], 'file: ', []],
    ['announced by an empty variable: not at all', withFile(''), ['ab', ''], 'file: ab', []],
    ['longer: cut off, and reported once', withFile(3), ['ab', 'cd', 'ef', ''], 'file: abc', ['FCGI_ERR_DATA_TOO_LONG']],
    ['longer than nothing', withFile(0), ['ab', ''], 'file: ', ['FCGI_ERR_DATA_TOO_LONG']],
    ['shorter: an error to who reads', withFile(5), ['abc', ''], 'FCGI_ERR_DATA_TOO_SHORT: the data ended after 3 of 5 bytes (FCGI_DATA_LENGTH)', ['FCGI_ERR_DATA_TOO_SHORT']],
    ['shorter: nothing at all', withFile(5), [''], 'FCGI_ERR_DATA_TOO_SHORT: the data ended after 0 of 5 bytes (FCGI_DATA_LENGTH)', ['FCGI_ERR_DATA_TOO_SHORT']],
  ])('%s', async (_rule, pairs, pieces, body, codes) => {
    const held = deferred()
    const served = await filtering(async (req, res, file) => {
      await reading(req, later(res, held.promise), file)
    })
    const web = await served.client()
    web.send(start(1, pairs), stdin(1), ...pieces.map((piece) => data(1, piece)))
    // While the request is active: afterwards nobody looks at what still comes.
    await until('the report', () => reported.length === codes.length)
    held.resolve()
    expect((await web.response(1)).body.toString()).toBe(body)
    expect(reported).toEqual(codes)
  })

  it.each(['x', '-1', '1.5', ' 1', '1e3', '9999999999999999'])('that is no number is refused: %j', async (length) => {
    const response = await answer(await filtering(never), start(1, withFile(length)), stdin(1), data(1, 'x'), data(1))
    expect(response.head.status).toBe(400)
    expect(response.body.toString()).toBe('FCGI_DATA_LENGTH is not a number of bytes\n')
    expect(reported).toEqual(['FCGI_ERR_BAD_REQUEST'])
  })

  it('too short, and nobody reads: the application goes on', async () => {
    const go = deferred()
    const served = await filtering((_req, res) => void go.promise.then(() => res.end('fine')))
    const web = await served.client()
    web.send(start(1, withFile(5)), stdin(1), data(1, 'abc'), data(1))
    await until('the report', () => reported.length > 0)
    go.resolve()
    expect((await web.response(1)).body.toString()).toBe('fine')
  })
})

describe('the body in front of the file', () => {
  const upload = (length: number): Variables => withFile(3, { ...POST, CONTENT_LENGTH: String(length) })

  it('is read first, or at the same time, or not at all, or last', async () => {
    const orders: Record<string, (req: http.IncomingMessage, file: DataStream) => Promise<string>> = {
      first: async (req, file) => `${await text(req)} ${await text(file)}`,
      together: async (req, file) => (await Promise.all([text(req), text(file)])).join(' '),
      last: async (req, file) => {
        const content = await text(file)
        return `${await text(req)} ${content}`
      },
    }
    const served = await filtering((req, res, file) => orders[String(req.url).slice(1)]!(req, file).then((content) => res.end(content)))
    for (const order of Object.keys(orders)) {
      const pairs = { ...upload(4), REQUEST_URI: `/${order}` }
      expect((await answer(served, start(1, pairs), stdin(1, 'body'), stdin(1), data(1, 'abc'), data(1))).body.toString()).toBe('body abc')
    }
    expect((await answer(await filtering(reading), start(1, upload(4)), stdin(1, 'body'), stdin(1), data(1, 'abc'), data(1))).body.toString()).toBe('file: abc')
  })

  it('waits in memory while the file is read, up to bodyBuffer', async () => {
    const served = await filtering(async (req, res, file) => {
      const content = await text(file)
      res.end(`${(await buffer(req)).length} ${content}`)
    })
    const size = 900_000
    const web = await served.client()
    web.send(start(1, upload(size)), stdin(1, Buffer.alloc(size)), stdin(1), data(1, 'abc'), data(1))
    expect((await web.response(1)).body.toString()).toBe(`${size} abc`)
  })

  it('beyond that, whoever reads the file gets an error that says what to do; the body is still there', async () => {
    const served = await filtering(
      async (req, res, file) => {
        const error = (await text(file).catch((reason: unknown) => reason)) as NodeJS.ErrnoException
        res.end(`${(await buffer(req)).length} ${String(error.code)} ${error.message}`)
      },
      { bodyBuffer: 65_536 },
    )
    const size = 5_000_000
    const web = await served.client()
    web.send(start(1, upload(size)), stdin(1, Buffer.alloc(size)), stdin(1), data(1, 'abc'), data(1))
    expect((await web.response(1)).body.toString()).toMatch(/^5000000 FCGI_ERR_BODY_NOT_READ the data was read while \d+ bytes of request body wait in front of it \(bodyBuffer\); read the body first, or discard it by req\.resume\(\)$/)
  })

  it('the same beside other requests on the connection', async () => {
    const served = await filtering(
      async (req, res, file) => {
        if (req.url === '/hold') return
        const error = (await text(file).catch((reason: unknown) => reason)) as NodeJS.ErrnoException
        res.writeHead(500).end(error.code)
      },
      { bodyBuffer: 65_536 },
    )
    const web = await served.client()
    web.send(start(2, { ...GET, REQUEST_URI: '/hold' }), start(1, upload(500_000)), stdin(1, Buffer.alloc(500_000)), stdin(1), data(1, 'abc'), data(1))
    expect((await web.response(1)).body.toString()).toBe('FCGI_ERR_BODY_NOT_READ')
  })

  it('is out of the way once it is discarded', async () => {
    const served = await filtering((req, res, file) => reading(req.resume(), res, file), { bodyBuffer: 65_536 })
    const web = await served.client()
    web.send(start(1, upload(5_000_000)), stdin(1, Buffer.alloc(5_000_000)), stdin(1), data(1, 'abc'), data(1))
    expect((await web.response(1)).body.toString()).toBe('file: abc')
  })

  it('has back-pressure while it is read, also when the file is wanted', async () => {
    const go = deferred()
    const started = deferred()
    const served = await filtering(
      async (req, res, file) => {
        const content = text(file)
        let length = 0
        const read = (): void => {
          for (let chunk = req.read() as Buffer | null; chunk !== null; chunk = req.read() as Buffer | null) length += chunk.length
        }
        req.on('readable', () => {
          started.resolve()
          void go.promise.then(read)
        })
        await once(req, 'end')
        res.end(`${length} ${await content}`)
      },
      { bodyBuffer: 65_536 },
    )
    const size = 20_000_000
    const web = await served.client()
    web.send(start(1, upload(size)), stdin(1, Buffer.alloc(size)), stdin(1), data(1, 'abc'), data(1))
    await started.promise
    await stillness(web)
    expect(web.socket.writableLength).toBeGreaterThan(size / 2)
    go.resolve()
    expect((await web.response(1)).body.toString()).toBe(`${size} abc`)
  })

  it.each<[string, Pairs, Buffer[]]>([
    ['left out', withFile(3), []],
    ['left out of a POST that announces none', withFile(3, POST), []],
    ['without its end', withFile(3, { ...POST, CONTENT_LENGTH: '2' }), [stdin(1, 'ab')]],
    ['without its end, and without a length', withFile(3, POST), [stdin(1, 'ab')]],
  ])('may be %s: the first of the file ends it', async (_rule, pairs, before) => {
    const served = await filtering(async (req, res, file) => res.end(`${(await text(req)).length} ${await text(file)}`))
    const response = await answer(served, start(1, pairs), ...before, data(1, 'abc'), stdin(1, 'late'), data(1))
    expect(response.body.toString()).toBe(`${before.length * 2} abc`)
  })

  it('too short: the request is refused as a Responder would refuse it', async () => {
    const ended = deferred<unknown>()
    const served = await filtering((_req, _res, file) => void file.on('error', (error) => ended.resolve(error)).resume())
    const response = await answer(served, start(1, upload(9)), stdin(1, 'abc'), data(1, 'abc'), data(1))
    expect(response.head.status).toBe(400)
    expect(reported).toEqual(['FCGI_ERR_BODY_TOO_SHORT'])
    expect(await ended.promise).toMatchObject({ code: 'ECONNRESET' })
  })
})

describe('back-pressure of the file', () => {
  const size = 30_000_000

  it('pauses the connection while nobody reads, and goes on when somebody does', async () => {
    const go = deferred()
    const served = await filtering(async (_req, res, file) => {
      await go.promise
      let length = 0
      for await (const chunk of file) length += (chunk as Buffer).length
      res.end(String(length))
    })
    const web = await served.client()
    web.send(start(1, withFile(size)), stdin(1), data(1, Buffer.alloc(size)), data(1))
    await stillness(web)
    expect(web.socket.writableLength).toBeGreaterThan(size / 2)
    go.resolve()
    expect((await web.response(1)).body.toString()).toBe(String(size))
  })

  it.each<[string, (file: DataStream) => Promise<number>]>([
    ["by 'data'", async (file) => {
      let length = 0
      file.on('data', (chunk: Buffer) => (length += chunk.length))
      await once(file, 'end')
      return length
    }],
    ["by 'readable', all that is there", async (file) => {
      let length = 0
      file.on('readable', () => {
        for (let chunk = file.read() as Buffer | null; chunk !== null; chunk = file.read() as Buffer | null) length += chunk.length
      })
      await once(file, 'end')
      return length
    }],
    ['with pauses', async (file) => {
      let length = 0
      file.on('data', (chunk: Buffer) => {
        length += chunk.length
        file.pause()
        setImmediate(() => file.resume())
      })
      await once(file, 'end')
      return length
    }],
    ['by async iteration', async (file) => {
      let length = 0
      for await (const chunk of file) length += (chunk as Buffer).length
      return length
    }],
  ])('every way to read gets all of it, alone and beside others: %s', async (_way, read) => {
    const served = await filtering(async (req, res, file) => {
      if (req.url !== '/hold') res.end(String(await read(file)))
    })
    for (const others of [[], [start(9, { ...GET, REQUEST_URI: '/hold' })]]) {
      const web = await served.client()
      web.send(...others, start(1, withFile(size)), stdin(1), data(1, Buffer.alloc(size)), data(1))
      expect((await web.response(1)).body.toString()).toBe(String(size))
      web.destroy()
    }
  })

  it('of two on one connection: the one that is read arrives, up to what the other may hold', async () => {
    const served = await filtering((req, res, file) => (req.url === '/' ? reading(req, res, file) : undefined))
    const web = await served.client()
    web.send(start(1, withFile(3)), stdin(1), start(2, { ...withFile(500_000), REQUEST_URI: '/unread' }), stdin(2), data(2, Buffer.alloc(500_000)), data(1, 'abc'), data(1))
    expect((await web.response(1)).body.toString()).toBe('file: abc')
  })
})

describe('the end of a Filter request', () => {
  const size = 3_000_000

  it.each([
    ['destroys it', (file: DataStream) => void file.destroy()],
    ['leaves it alone', () => undefined],
    ['has begun to read it', (file: DataStream) => void file.once('data', () => file.pause())],
  ])('an application that %s and answers is done with it, and the connection goes on', async (_what, touch) => {
    const served = await filtering((_req, res, file) => {
      touch(file)
      res.end('early')
    })
    const web = await served.client()
    for (let i = 0; i < 3; i++) {
      web.send(start(1, withFile(size)), stdin(1), data(1, Buffer.alloc(size)), data(1))
      expect((await web.response(1)).body.toString()).toBe('early')
    }
    expect(reported).toEqual([])
  })

  it('an early answer is not lost to a reset: the rest of the file is read before the connection closes', async () => {
    const served = await filtering((_req, res) => res.end('early'))
    const web = await served.client({ allowHalfOpen: true })
    web.send(start(1, withFile(size), false), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('early')
    expect(await web.closed).toBe('end')
    const closed = once(web.socket, 'close')
    web.send(data(1, Buffer.alloc(size)), data(1))
    web.halfClose()
    await closed
    expect(web.error).toBeUndefined()
  })

  it('an unread file that is complete can still be read after the response', async () => {
    const content = deferred<string>()
    const served = await filtering((_req, res, file) => {
      res.on('close', () => void text(file).then(content.resolve, content.reject))
      setImmediate(() => res.end())
    })
    const web = await served.client()
    web.send(start(1, withFile(3)), stdin(1), data(1, 'abc'), data(1))
    await web.response(1)
    expect(await content.promise).toBe('abc')
  })

  it.each<[string, (web: RawClient) => void]>([
    ['ABORT_REQUEST', (web) => void web.send(abort(1))],
    ['the end of the connection', (web) => web.halfClose()],
    ['a lost connection', (web) => web.destroy()],
  ])('%s in the middle of the file is an error to who reads it', async (_what, end) => {
    const begun = deferred()
    const failed = deferred<unknown>()
    const served = await filtering((_req, _res, file) => void file.on('data', () => begun.resolve()).on('error', failed.resolve))
    const web = await served.client()
    web.send(start(1, withFile(9)), stdin(1), data(1, 'abc'))
    await begun.promise
    end(web)
    expect(await failed.promise).toMatchObject({ code: 'ECONNRESET' })
  })

  it('a socket that the application destroys takes the file with it', async () => {
    const failed = deferred<unknown>()
    const served = await filtering((req, _res, file) => {
      file.on('error', failed.resolve).resume()
      req.socket.destroy()
    })
    const web = await served.client()
    web.send(start(1, withFile(9)), stdin(1), data(1, 'abc'))
    expect(await failed.promise).toMatchObject({ code: 'ECONNRESET' })
    expect(await web.closed).toBe('end')
  })

  it('a file that does not come is waited for as long as requestTimeout says', async () => {
    const served = await filtering(reading, { requestTimeout: 40, headersTimeout: 40 })
    const web = await served.client()
    web.send(start(1, withFile(9)), stdin(1), data(1, 'abc'))
    const response = await web.response(1)
    expect([response.head.status, response.body.toString()]).toEqual([408, 'the body was not complete within 40 ms (requestTimeout)\n'])
  })

  it.each(['/throws', '/rejects-later', '/express'])('a handler that throws or rejects answers by 500 with it: %s', async (url) => {
    const folder = mkdtempSync(join(tmpdir(), 'fcgi-filter-'))
    const path = join(folder, 's')
    const child = fork(join(__dirname, 'children', 'roles.cjs'), [path, 'survive'], { stdio: ['ignore', 'inherit', 'ignore', 'ipc'] })
    try {
      await once(child, 'message')
      const web = await connect(path)
      web.send(start(1, { ...GET, REQUEST_URI: url }), stdin(1))
      const response = await web.response(1)
      expect([response.head.status, response.body.length > 0]).toEqual([500, true])
      web.destroy()
    } finally {
      child.kill()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('DATA before the variables are complete, and after its own end', async () => {
    const violations: unknown[] = []
    const served = await filtering(reading)
    served.server.on('clientError', (error: NodeJS.ErrnoException) => violations.push(error.code))
    const web = await served.client()
    web.send(start(1, GET), stdin(1), data(1, 'abc'), data(1), data(1, 'more'))
    expect((await web.response(1)).body.toString()).toBe('file: abc')
    web.send(begin(1, { role: FILTER }), data(1, 'x'))
    await web.closed
    expect(violations).toEqual(['FCGI_ERR_STDIN_BEFORE_PARAMS_END'])
  })

  it('DATA for a Responder is ignored, as before', async () => {
    const served = await serve((_req, res) => res.end('fine'), { filter: never })
    const web = await served.client()
    web.send(begin(1, { role: RESPONDER }), params(1, { ...POST, CONTENT_LENGTH: '1' }), data(1, 'x'), stdin(1, 'a'), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('fine')
  })
})

/** A response that is ended when a promise says so. */
function later(res: http.ServerResponse, when: Promise<unknown>): http.ServerResponse {
  const held = {
    end: (content: string): void => void when.then(() => res.end(content)),
    writeHead(status: number) {
      res.statusCode = status
      return held
    },
  }
  return held as unknown as http.ServerResponse
}

/** Resolves when a client that sends could not get rid of anything more for a while: the peer has stopped reading. */
async function stillness(web: RawClient): Promise<void> {
  let before = -1
  await until('the peer to stop reading', async () => {
    const { writableLength } = web.socket
    const isStill = writableLength === before
    before = writableLength
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    return isStill && web.socket.writableLength === before
  })
}
