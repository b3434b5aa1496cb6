// The Express application behind the web servers of these tests. It knows nothing of FastCGI: under node:http it answers the same.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import express, { type Express, type Request, type Response } from 'express'
import { type Deferred, deferred } from '../support/wait'

/** How a request ended, as the application saw it. */
export interface Ending {
  readonly writableEnded: boolean
  readonly requestDestroyed: boolean
}

/** Rendezvous between a test and the application: either side may come first, none waits for a clock. */
export class Signals<T> {
  private readonly known = new Map<string, Deferred<T>>()

  get(key: string): Deferred<T> {
    const signal = this.known.get(key) ?? deferred<T>()
    this.known.set(key, signal)
    return signal
  }
}

export interface TestApp {
  readonly app: Express
  /** Given by the application when a request with `?key=` reaches its handler. */
  readonly arrived: Signals<void>
  /** Given by the application at `close` of the response. */
  readonly ended: Signals<Ending>
  /** Given by the test; the handler goes on. */
  readonly go: Signals<void>
}

export const SSE_EVENTS = 5

/** Bytes that differ from one place to the next, so that a lost or doubled piece shows. */
export function pattern(length: number): Buffer {
  const content = Buffer.alloc(length)
  // A global costs a slow look-up each time inside jest.
  const { imul } = Math
  // The middle of a product with a large prime: no period that a buffer size could hide behind.
  for (let at = 0; at < length; at++) content[at] = imul(at + 1, 2_654_435_761) >>> 16
  return content
}

export function createApp(): TestApp {
  const app = express()
  const arrived = new Signals<void>()
  const ended = new Signals<Ending>()
  const go = new Signals<void>()

  const keyOf = (req: Request): string => req.query['key'] as string
  app.use((req, res, next) => {
    if (req.query['key'] === undefined) return next()
    res.on('close', () => ended.get(keyOf(req)).resolve({ writableEnded: res.writableEnded, requestDestroyed: req.destroyed }))
    arrived.get(keyOf(req)).resolve()
    next()
  })

  app.all('/echo{/*rest}', async (req, res) => {
    const body = Buffer.concat(await req.toArray()).toString('latin1')
    const { method, url, query, headers, ip, protocol, hostname, httpVersion } = req
    res.json({ method, url, query, headers, ip, protocol, hostname, httpVersion, body })
  })
  app.post('/form', express.urlencoded({ extended: false }), (req, res) => res.json(req.body))
  app.post('/json', express.json(), (req, res) => res.json(req.body))
  app.post('/upload', async (req, res) => {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of req as AsyncIterable<Buffer>) {
      bytes += chunk.length
      hash.update(chunk)
    }
    const { 'content-length': contentLength, 'transfer-encoding': transferEncoding } = req.headers
    res.json({ bytes, sha256: hash.digest('hex'), contentLength, transferEncoding })
  })

  app.get('/text', (_req, res) => res.send('a text with an entity tag'))
  app.get('/nothing', (_req, res) => res.status(204).end())
  app.get('/moved', (_req, res) => res.redirect(301, '/text'))
  app.post('/created', (_req, res) => res.status(201).location('/text').send('made'))
  app.get('/reason', (_req, res) => {
    res.statusMessage = 'Very Special'
    res.status(299).send('see the reason')
  })
  app.get('/cookies', (_req, res) => {
    for (let number = 1; number <= 20; number++) res.cookie(`cookie${number}`, `value ${number}`)
    res.send('cookies')
  })
  app.get('/large-head', (_req, res) => res.set('X-Large', 'x'.repeat(6000)).send('large'))
  app.get('/fails', () => {
    throw new Error('as planned')
  })

  app.get('/download', async (req, res) => {
    const content = pattern(1_048_576)
    if (req.query['length'] !== undefined) res.set('Content-Length', String(content.length))
    res.type('application/octet-stream')
    for (let at = 0; at < content.length; at += 50_000) {
      if (!res.write(content.subarray(at, at + 50_000))) await once(res, 'drain')
    }
    res.end()
  })
  app.get('/events', async (req, res) => {
    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' })
    for (let number = 1; number <= SSE_EVENTS; number++) {
      res.write(`data: ${number}\n\n`)
      await go.get(`${keyOf(req)} ${number}`).promise
    }
    res.end()
  })
  app.get('/never', () => undefined)
  app.get('/endless', (_req, res) => res.write(pattern(65_536)))
  app.get('/cut', async (req, res) => {
    if (req.query['length'] !== undefined) res.set('Content-Length', '1048576')
    res.write(pattern(65_536))
    await go.get(keyOf(req)).promise
    res.destroy()
  })
  // Ten bytes are announced, three come; in each way that a response can end.
  app.get('/cut/ended', (_req, res) => void res.writeHead(200, { 'Content-Length': 10 }).end('abc'))
  app.get('/cut/ended-later', (_req, res) => {
    res.writeHead(200, { 'Content-Length': 10 }).write('abc', () => res.end())
  })
  app.get('/cut/destroyed-and-ended', (_req, res) => {
    res.writeHead(200, { 'Content-Length': 10 }).write('abc', () => {
      res.socket?.destroy()
      res.end()
    })
  })
  app.get('/cut/by-hand', ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', () => socket.destroy()))
  app.get('/cut/by-hand-ended', ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'))
  app.get('/cut/by-hand-in-chunks', ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc', () => socket.destroy())
  })
  app.post('/early', (_req, res) => res.status(413).set('Connection', 'keep-alive').send('too much'))
  app.get('/interim', (_req, res: Response) => {
    res.writeContinue()
    res.writeProcessing()
    res.writeEarlyHints({ link: '</style.css>; rel=preload' })
    res.send('after the interim answers')
  })
  app.get('/accel', (_req, res) => res.set('X-Accel-Redirect', '/internal/file.txt').send('the application, not the file'))

  return { app, arrived, ended, go }
}
