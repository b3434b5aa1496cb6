// Every way there is to read a body: whichever an application takes, it gets the bytes the client sent, however many they are.

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished, PassThrough, Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { Answer, Client, Scenario } from '../scenario'

export const HAPROXY_GATHERS = 'HAProxy hands a body to a FastCGI application when it is complete, or 16 kB of it'

/** Bytes of which a lost, doubled or swapped piece changes the digest. */
export function bytes(length: number): Buffer {
  const made = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) made[i] = (i * 7 + (i >> 8) * 13 + (i >> 16)) & 255
  return made
}

export function digest(body: Uint8Array): string {
  return `${body.length} bytes ${createHash('sha256').update(body).digest('hex').slice(0, 16)}`
}

/** The whole body by 'data' and 'end', the way of most body parsers. */
export function readAll(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => resolve(Buffer.concat(chunks)))
    req.on('error', reject)
  })
}

/** Resolves when the whole of a body is there, read or not: only of a body that fits in the buffers. */
export async function arrived(req: IncomingMessage): Promise<void> {
  while (!req.complete) await new Promise((resolve) => setImmediate(resolve))
}

/** A web server answers 502 in place of an application that gave up; without one, the client's connection is closed. */
export function orNone({ status, body, complete }: Answer): unknown {
  return status === 0 || status >= 500 ? 'no answer of the application' : [status, body, complete]
}

// None, one, one below a size that buffers and records like, and more than any buffer on the way holds.
const SMALL_SIZES = [0, 1, 10_000]
const NGINX_ECHO = 'proxy_pass of nginx 1.22 stands still when an answer fills its buffers before the request was sent whole'
const SIZES = [0, 1, 65_535, 3_000_001]

type Way = (req: IncomingMessage) => Promise<Buffer>

/** Reads while 'readable' says so, by `take`. */
function readable(take: (req: IncomingMessage) => Buffer | null): Way {
  return (req) =>
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      req.on('readable', () => {
        let chunk: Buffer | null
        while ((chunk = take(req)) !== null) chunks.push(chunk)
      })
      req.on('end', () => resolve(Buffer.concat(chunks)))
      req.on('error', reject)
    })
}

const ways: Record<string, Way> = {
  "'data' and 'end'": readAll,

  "'readable' and read()": readable((req) => req.read() as Buffer | null),

  // Less than asked for comes only at the end.
  "'readable' and read(n)": readable((req) => (req.read(1_000) ?? (req.readableEnded ? null : req.read())) as Buffer | null),

  'for await': async (req) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  },

  'pipe() into a stream': (req) => buffer(req.pipe(new PassThrough())),

  'pipe() into a stream that takes its time': (req) =>
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      const slow = new Writable({
        highWaterMark: 1_000,
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk)
          setImmediate(done)
        },
      })
      req.pipe(slow).on('finish', () => resolve(Buffer.concat(chunks))).on('error', reject)
    }),

  'pipeline() through a transform': async (req) => {
    const chunks: Buffer[] = []
    await pipeline(
      req,
      new PassThrough(),
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk)
          done()
        },
      }),
    )
    return Buffer.concat(chunks)
  },

  'pipeline() into a file': async (req) => {
    const folder = mkdtempSync(join(tmpdir(), 'fidelity-'))
    try {
      await pipeline(req, createWriteStream(join(folder, 'upload')))
      return await buffer(createReadStream(join(folder, 'upload')))
    } finally {
      rmSync(folder, { recursive: true })
    }
  },

  'Readable.toWeb()': async (req) => {
    const chunks: Uint8Array[] = []
    const reader = Readable.toWeb(req).getReader() as ReadableStreamDefaultReader<Uint8Array>
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return Buffer.concat(chunks)
      chunks.push(value)
    }
  },

  'stream/consumers': (req) => buffer(req),

  "setEncoding('hex')": async (req) => {
    req.setEncoding('hex')
    let text = ''
    for await (const chunk of req) text += chunk as string
    return Buffer.from(text, 'hex')
  },

  // Cut anywhere, a character of several bytes stays whole.
  "setEncoding('latin1') while it arrives": (req) =>
    new Promise((resolve, reject) => {
      let text = ''
      req.setEncoding('latin1')
      req.on('data', (chunk: string) => (text += chunk))
      req.on('end', () => resolve(Buffer.from(text, 'latin1')))
      req.on('error', reject)
    }),

  'pause() and resume() at each chunk': (req) =>
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        req.pause()
        setImmediate(() => req.resume())
      })
      req.on('end', () => resolve(Buffer.concat(chunks)))
      req.on('error', reject)
    }),

  'unshift() of the first bytes, as one who looks ahead': (req) =>
    new Promise((resolve, reject) => {
      const onEnd = (): void => resolve(Buffer.alloc(0))
      req.once('end', onEnd)
      req.once('data', (chunk: Buffer) => {
        req.pause()
        req.removeListener('end', onEnd)
        req.unshift(chunk)
        readAll(req).then(resolve, reject)
        req.resume()
      })
    }),

  "a listener of 'data' taken away and set again": (req) =>
    new Promise((resolve, reject) => {
      const onEnd = (): void => resolve(Buffer.alloc(0))
      req.once('end', onEnd)
      req.once('data', (first: Buffer) => {
        req.pause()
        req.removeListener('end', onEnd)
        // A last piece has its 'end' in the next tick, pause or not.
        req.once('end', () => resolve(first))
        setImmediate(() => {
          if (req.readableEnded) return
          req.removeAllListeners('end')
          readAll(req).then((rest) => resolve(Buffer.concat([first, rest])), reject)
          req.resume()
        })
      })
    }),

  'stream.finished() beside the reader': async (req) => {
    const over = new Promise<void>((resolve, reject) => finished(req, (error) => (error ? reject(error) : resolve())))
    const body = await readAll(req)
    await over
    return body
  },

  'an asynchronous start: after a promise, a tick and a turn of the loop': async (req) => {
    await Promise.resolve()
    await new Promise((resolve) => process.nextTick(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setTimeout(resolve, 1))
    return readAll(req)
  },

  'an asynchronous start, of for await': async (req) => {
    await new Promise((resolve) => setImmediate(resolve))
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  },

  // What a body parser behind a slow session store does.
  'paused first, resumed later': async (req) => {
    req.pause()
    const body = readAll(req)
    await new Promise((resolve) => setImmediate(resolve))
    req.resume()
    return body
  },
}

async function postEach(client: Client): Promise<unknown> {
  const answers: unknown[] = []
  for (const size of SIZES) answers.push(await client.request({ method: 'POST', body: bytes(size), fields: [['Content-Length', String(size)]] }))
  return answers
}

const reading = Object.entries(ways).map(
  ([name, way]): Scenario => ({
    name: `request body: ${name}`,
    app(req, res, stage) {
      way(req).then(
        (body) => {
          stage.note('body', digest(body), req.complete, req.readableEnded, req.readableLength, req.destroyed)
          res.end(digest(body))
        },
        (error: unknown) => {
          stage.note('failed', error)
          res.end('failed')
        },
      )
    },
    client: postEach,
  }),
)

export const scenarios: readonly Scenario[] = [
  ...reading,

  {
    name: 'request body: req.pipe(res), small',
    app: (req, res) => void req.pipe(res),
    async client(client) {
      const answers: unknown[] = []
      for (const size of SMALL_SIZES) {
        const { status, body, complete } = await client.request({ method: 'POST', body: bytes(size), fields: [['Content-Length', String(size)]] })
        answers.push([status, complete, digest(Buffer.from(body, 'latin1'))])
      }
      return answers
    },
  },

  {
    name: 'request body: req.pipe(res), large',
    app: (req, res) => void req.pipe(res),
    async client(client) {
      const { status, body, complete } = await client.request({ method: 'POST', body: bytes(3_000_001) })
      return [status, complete, digest(Buffer.from(body, 'latin1'))]
    },
    impossible: { nginx: NGINX_ECHO },
  },

  {
    name: 'request body: pipeline(req, transform, res)',
    app(req, res, stage) {
      pipeline(req, new PassThrough(), res).then(
        () => stage.note('pipeline done', req.complete, res.writableFinished),
        (error: unknown) => stage.note('pipeline failed', error),
      )
    },
    async client(client) {
      const { status, body, complete } = await client.request({ method: 'POST', body: bytes(1_000_000) })
      return [status, complete, digest(Buffer.from(body, 'latin1'))]
    },
    until: ['pipeline done'],
    impossible: { nginx: NGINX_ECHO },
  },

  {
    name: 'request body: a character cut by pieces stays whole under setEncoding',
    app(req, res, stage) {
      let text = ''
      req.setEncoding('utf8')
      req.on('data', (chunk: string) => {
        text += chunk
        stage.signal('piece')
      })
      req.on('end', () => res.end(JSON.stringify(text)))
    },
    async client(client, stage) {
      const raw = await client.open()
      const body = Buffer.from('a\u20acb', 'utf8')
      raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`)
      raw.write(body.subarray(0, 2))
      await stage.seen('piece')
      raw.write(body.subarray(2))
      return (await raw.rest()).toString('latin1').includes('a\xe2\x82\xacb')
    },
    impossible: { haproxy: HAPROXY_GATHERS },
  },

  {
    name: "request body: breaking out of for await ends req, and what the client sees of it",
    app(req, res, stage) {
      stage.watch('req', req, ['end', 'error', 'aborted', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      void (async () => {
        for await (const chunk of req) {
          stage.note('chunk', typeof chunk)
          break
        }
        stage.note('broke', req.destroyed, Reflect.get(req, 'aborted'), req.complete, res.destroyed)
        res.end('never read on')
      })()
    },
    client: (client) => client.request({ method: 'POST', body: bytes(1_000_000) }),
    until: ['broke', 'req close', 'res close'],
  },

  {
    name: 'request body: leaving for await by break after all of a small body arrived',
    app(req, res, stage) {
      stage.watch('req', req, ['end', 'error', 'aborted', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      void (async () => {
        await arrived(req)
        for await (const chunk of req) {
          stage.note('chunk', String(chunk))
          break
        }
        stage.note('broke', req.destroyed, Reflect.get(req, 'aborted'), req.complete, res.destroyed)
        res.end('answer')
      })()
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: ['broke', 'req close', 'res close'],
  },

  {
    name: 'request body: an iterator that does not destroy (destroyOnReturn: false) leaves the rest to be read',
    app(req, res, stage) {
      void (async () => {
        for await (const chunk of req.iterator({ destroyOnReturn: false })) {
          stage.note('first', typeof chunk)
          req.unshift(chunk)
          break
        }
        const body = await readAll(req)
        stage.note('body', digest(body))
        res.end(digest(body))
      })()
    },
    client: (client) => client.request({ method: 'POST', body: bytes(300_000) }),
  },

  {
    name: 'request body: throwing inside for await',
    app(req, res, stage) {
      stage.watch('req', req, ['end', 'error', 'aborted', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      const loop = async (): Promise<void> => {
        for await (const chunk of req) throw new TypeError(`cannot take ${typeof chunk}`)
      }
      loop().catch((error: unknown) => {
        stage.note('caught', error, req.destroyed, Reflect.get(req, 'aborted'), req.errored, res.destroyed, res.writable)
        res.statusCode = 500
        res.end('sorry')
      })
    },
    client: (client) => client.request({ method: 'POST', body: bytes(1_000_000) }),
    until: ['caught', 'req close', 'res close'],
  },

  {
    name: 'request body: never read',
    app(req, res, stage) {
      stage.watch('req', req, ['end', 'error', 'aborted', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      void arrived(req).then(() => res.end('not looked at', () => stage.note('end callback', req.complete, req.readableFlowing)))
    },
    client: (client) => client.request({ method: 'POST', body: 'unread' }),
    until: ['end callback', 'req close', 'res close'],
  },

  {
    name: 'request body: read after the response ended',
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      void arrived(req).then(() => res.end('early'))
      res.on('finish', () => {
        stage.note('at finish', req.readable, req.readableEnded, req.destroyed, req.readableFlowing)
        req.on('data', (chunk: Buffer) => stage.note('late data', String(chunk)))
        req.on('end', () => stage.note('late end'))
      })
      req.on('close', () => stage.note('req close'))
    },
    client: (client) => client.request({ method: 'POST', body: 'small body' }),
    until: ['res close', 'req close'],
  },

  {
    name: "request body: 'readable' and 'end' listened to late, after a turn of the loop, of a request without body",
    app(req, res, stage) {
      setImmediate(() => {
        stage.note('before', req.readable, req.readableEnded, req.complete, req.readableFlowing, req.readableLength)
        req.on('readable', () => stage.note('readable', req.read()))
        req.on('end', () => {
          stage.note('end', req.readableEnded)
          res.end('ended')
        })
      })
    },
  },

  {
    name: "request body: nothing is lost when 'data' is listened to long after the body arrived",
    app(req, res, stage) {
      void arrived(req).then(async () => {
        stage.note('before', req.readableFlowing, req.readableEnded, req.destroyed, req.readableLength)
        res.end(digest(await readAll(req)))
      })
    },
    client: (client) => client.request({ method: 'POST', body: bytes(10_000) }),
  },

  {
    name: 'request body: req.destroy() in the middle, before an answer',
    app(req, res, stage) {
      stage.watch('req', req, ['end', 'error', 'aborted', 'close'])
      stage.watch('res', res, ['finish', 'error', 'close'])
      req.once('data', () => {
        req.destroy()
        stage.note('destroyed', req.destroyed, Reflect.get(req, 'aborted'), req.errored, res.destroyed)
      })
    },
    client: (client) => client.request({ method: 'POST', body: bytes(1_000_000) }).then(orNone),
    until: ['req close', 'res close'],
    alone: 'to see the connection closed',
  },
]
