// Request bodies: when they are complete, too short or too long, and how they flow.

import express from 'express'
import type { IncomingMessage } from 'node:http'
import { abort, begin, params, record, stdin, STDIN } from '../support/fcgi-bytes'
import { GET, next, POST, serve, stopAll } from '../support/serve'
import { until } from '../support/wait'

afterEach(stopAll)

const echo = (req: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => resolve(Buffer.concat(chunks).toString('latin1')))
    req.on('error', reject)
  })

describe('a body is complete', () => {
  const served = () =>
    serve((req, res) => {
      void echo(req).then((body) => res.end(`${body}|${String(req.complete)}|${req.headers['transfer-encoding'] ?? '-'}|${req.headers['content-length'] ?? '-'}`))
    })

  it('at CONTENT_LENGTH bytes, although STDIN is never closed (HAProxy)', async () => {
    const { client } = await served()
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '5' }), stdin(1, 'hello'))
    expect((await web.response(1)).body.toString()).toBe('hello|true|-|5')
  })

  it('at once for CONTENT_LENGTH 0', async () => {
    const { client } = await served()
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '0' }))
    expect((await web.response(1)).body.toString()).toBe('|true|-|0')
  })

  it.each([
    ['absent', {}],
    ['empty (nginx)', { CONTENT_LENGTH: '' }],
    ['-1 (Caddy)', { CONTENT_LENGTH: '-1' }],
    ['empty beside HTTP_TRANSFER_ENCODING (nginx, unbuffered)', { CONTENT_LENGTH: '', HTTP_TRANSFER_ENCODING: 'chunked' }],
  ])('at the end of STDIN when the length is %s', async (_case, variables) => {
    const { client } = await served()
    const web = await client()
    web.send(begin(1), params(1, { ...POST, ...variables }))
    web.send(stdin(1, 'of unknown '), stdin(1, 'length'))
    web.send(stdin(1))
    expect((await web.response(1)).body.toString()).toBe('of unknown length|true|chunked|-')
  })

  it('and no Transfer-Encoding is invented for a POST without a body', async () => {
    const { client } = await served()
    const web = await client()
    web.send(begin(1), params(1, { ...POST, CONTENT_LENGTH: '' }), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('|true|-|-')
  })

  it('and Transfer-Encoding goes where the length is known (nginx sends both)', async () => {
    const { client } = await served()
    const web = await client()
    web.send(begin(1), params(1, { ...POST, CONTENT_LENGTH: '2', HTTP_TRANSFER_ENCODING: 'chunked' }), stdin(1, 'ab'), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('ab|true|-|2')
  })

  it('for express.json() when the length is unknown', async () => {
    const app = express().use(express.json())
    app.post('/', (req, res) => void res.json(req.body))
    const { client } = await serve(app)
    const web = await client()
    web.send(begin(1), params(1, { ...POST, CONTENT_TYPE: 'application/json', CONTENT_LENGTH: '' }), stdin(1, '{"a":[1,2]}'), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('{"a":[1,2]}')
  })
})

describe('a body shorter than CONTENT_LENGTH', () => {
  it('is an abort for the application, never a complete request, and a 400 for the client', async () => {
    const events: string[] = []
    const { server, client } = await serve((req, res) => {
      req.on('data', () => events.push('data'))
      for (const event of ['aborted', 'end', 'close']) req.on(event, () => events.push(`req ${event}`))
      req.on('error', (error: NodeJS.ErrnoException) => events.push(`req error ${error.code ?? ''}`))
      res.on('close', () => events.push('res close'))
    })
    const reported = next<{ code: string; message: string }>(server, 'requestError')
    const web = await client()
    web.send(begin(1), params(1, { ...POST, CONTENT_LENGTH: '10' }), stdin(1, 'only'), stdin(1))
    const response = await web.response(1)
    expect(response.head.status).toBe(400)
    expect(response.body.toString()).toContain('4 of 10 bytes')
    expect((await reported).code).toBe('FCGI_ERR_BODY_TOO_SHORT')
    await web.closed
    expect(events).toContain('req aborted')
    expect(events).not.toContain('req end')
    expect(events).toContain('req error ECONNRESET')
    expect(events).toContain('res close')
  })
})

describe('a body longer than CONTENT_LENGTH', () => {
  it('loses the surplus, which is reported once', async () => {
    const { server, client } = await serve((req, res) => void echo(req).then((body) => setImmediate(() => res.end(body))))
    const reported: string[] = []
    server.on('requestError', (error: { code: string }) => reported.push(error.code))
    const web = await client()
    web.send(begin(1), params(1, { ...POST, CONTENT_LENGTH: '3' }), stdin(1, 'abcdef'), stdin(1, 'ghi'), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('abc')
    expect(reported).toEqual(['FCGI_ERR_BODY_TOO_LONG'])
  })

  it('STDIN after its end is ignored', async () => {
    const { server, client } = await serve((req, res) => void echo(req).then((body) => setImmediate(() => res.end(body))))
    const reported: unknown[] = []
    server.on('requestError', (error) => reported.push(error))
    server.on('clientError', (error) => reported.push(error))
    const web = await client()
    web.send(begin(1), params(1, { ...POST, CONTENT_LENGTH: '' }), stdin(1, 'abc'), stdin(1), stdin(1, 'late'), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('abc')
    expect(reported).toEqual([])
  })
})

it('pieces of an upload that the application keeps are never written over by what comes later', async () => {
  const kept: Buffer[] = []
  const { client } = await serve((req, res) => {
    req.on('data', (chunk: Buffer) => kept.push(chunk))
    req.on('end', () => res.end(String(kept.length)))
  })
  const web = await client()
  const upload = Buffer.from(Array.from({ length: 4 * 1_048_576 }, (_, i) => (i * 31 + (i >> 12)) & 255))
  web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: String(upload.length) }), stdin(1, upload), stdin(1))
  await web.response(1)
  // Other requests use the read buffers again before the pieces are looked at.
  for (let id = 2; id < 6; id++) {
    web.send(begin(id, { keep: true }), params(id, { ...POST, CONTENT_LENGTH: '70000' }), stdin(id, Buffer.alloc(70_000, 0xff)), stdin(id))
    await web.response(id)
  }
  const pieces = kept.splice(0)
  expect(Buffer.concat(pieces).subarray(0, upload.length).equals(upload)).toBe(true)
})

describe('an early answer', () => {
  it('leaves the connection usable: the tail of the upload is ignored (CVE-2026-129289)', async () => {
    const { client } = await serve((req, res) => res.end(`answer to ${req.url ?? ''}`))
    const web = await client()
    const upload = Buffer.alloc(1_048_576, 'x')
    web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: String(upload.length) }))
    expect((await web.response(1)).body.toString()).toBe('answer to /')
    // The tail holds bytes that would be a request if they were read as records.
    const smuggled = Buffer.concat([begin(9, { keep: true }), params(9, { ...GET, REQUEST_URI: '/smuggled' }), stdin(9)])
    web.send(stdin(1, smuggled), stdin(1, upload.subarray(smuggled.length)), stdin(1))
    web.send(begin(1, { keep: true }), params(1, { ...GET, REQUEST_URI: '/second' }), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('answer to /second')
    expect(web.records().filter(({ id }) => id === 9)).toEqual([])
  })

  it('of a request without KEEP_CONN is not lost to a reset: the rest of the upload is read and discarded', async () => {
    const { client } = await serve((_req, res) => res.writeHead(413).end('too large'))
    const web = await client({ allowHalfOpen: true })
    const upload = Buffer.alloc(4 * 1_048_576, 'x')
    web.send(begin(1), params(1, { ...POST, CONTENT_LENGTH: String(upload.length) }))
    const response = await web.response(1)
    expect(response.head.status).toBe(413)
    await web.until(() => web.closedHow === 'end')
    const written = new Promise((resolve) => web.socket.write(stdin(1, upload), resolve))
    await written
    expect(web.error).toBeUndefined()
    web.halfClose()
  })

  it('ends the req of an application that never read it, and aborts one that still does', async () => {
    const log: string[] = []
    const { client } = await serve((req, res) => {
      const name = req.url ?? ''
      if (name === '/reading') req.on('data', () => undefined)
      for (const event of ['aborted', 'end', 'close']) req.on(event, () => log.push(`${name} ${event}`))
      req.on('error', () => undefined)
      res.end('early')
    })
    const web = await client()
    for (const [id, name] of [
      [1, '/ignoring'],
      [2, '/reading'],
    ] as const) {
      web.send(begin(id, { keep: true }), params(id, { ...POST, REQUEST_URI: name, CONTENT_LENGTH: '10' }), stdin(id, 'abc'))
      await web.response(id)
    }
    await new Promise(setImmediate)
    expect(log).toEqual(expect.arrayContaining(['/ignoring end', '/ignoring close', '/reading aborted', '/reading close']))
    expect(log).not.toContain('/reading end')
    expect(log).not.toContain('/ignoring aborted')
  })
})

describe('the client goes away', () => {
  it.each(['ABORT_REQUEST', 'the end of the connection', 'a reset'])('by %s: req is aborted, res closes, nothing else happens', async (how) => {
    const log: string[] = []
    let arrived: () => void = () => undefined
    const hasArrived = new Promise<void>((resolve) => (arrived = resolve))
    let closed: () => void = () => undefined
    const isClosed = new Promise<void>((resolve) => (closed = resolve))
    const { client } = await serve((req, res) => {
      for (const event of ['aborted', 'error', 'end', 'close']) req.on(event, () => log.push(`req ${event}`))
      res.on('finish', () => log.push('res finish'))
      res.on('close', () => {
        log.push(`res close, ended: ${String(res.writableEnded)}`)
        setImmediate(closed)
      })
      req.once('data', arrived)
    })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '100' }), stdin(1, 'part'))
    await hasArrived
    if (how === 'ABORT_REQUEST') web.send(abort(1))
    else if (how === 'a reset') web.destroy()
    else web.halfClose()
    await isClosed
    expect(log).toEqual(['req aborted', 'res close, ended: false', 'req error', 'req close'])
    if (how !== 'ABORT_REQUEST') return
    const end = await web.next()
    expect([end.type, end.content.toString('hex')]).toEqual([3, '0000000000000000'])
  })

  it('and comes back on the same connection after ABORT_REQUEST', async () => {
    const { client } = await serve((req, res) => {
      if (req.method === 'GET') res.end('second')
    })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '100' }), abort(1), record(STDIN, 1, 'late'))
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    await web.response(1)
    expect((await web.response(1)).body.toString()).toBe('second')
  })

  it('before the params were complete (HAProxy, OPTIONS *): END_REQUEST, and the application never sees it', async () => {
    let calls = 0
    const { client } = await serve(() => calls++)
    const web = await client()
    web.send(begin(1, { keep: true }), abort(1))
    const response = await web.response(1)
    expect(response.records).toHaveLength(1)
    expect(response.end).toEqual({ appStatus: 0, protocolStatus: 0 })
    expect(calls).toBe(0)
  })
})

it('an early answer to an upload that is being read aborts the request, and is no error of a client', async () => {
  const errors: string[] = []
  const { server, client } = await serve((req, res) => {
    req.on('data', () => res.end('enough'))
    req.on('error', (error: NodeJS.ErrnoException) => errors.push(`req ${error.code ?? ''}`))
    req.on('close', () => errors.push('req close'))
  })
  server.on('clientError', (error: NodeJS.ErrnoException) => errors.push(`clientError ${error.code ?? ''}`))
  const web = await client()
  web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '1000' }), stdin(1, 'some'))
  expect((await web.response(1)).body.toString()).toBe('enough')
  await until('the end of the request', () => errors.includes('req close'))
  expect(errors).toEqual(['req ECONNRESET', 'req close'])
})

// Node asks for more just before it takes what is there: what waits then is as good as gone, and must not keep more from coming.
describe('a body is read to its end with the least that bodyBuffer and connectionBodyBuffer may be', () => {
  const size = 3_000_000
  const ways: Record<string, (req: IncomingMessage) => void> = {
    'resume()': (req) => void req.resume(),
    "by 'data'": (req) => void req.on('data', () => undefined),
    "by 'readable', a while later": (req) => {
      const read = (): void => {
        while (req.read() !== null);
      }
      req.on('readable', () => setImmediate(read))
    },
  }

  it.each(Object.entries(ways).flatMap(([name, read]) => [false, true].map((shared) => [name, shared ? 'beside another' : 'alone', read, shared] as const)))(
    '%s, %s',
    async (_name, _beside, read, shared) => {
      const { client } = await serve(
        (req, res) => {
          if (req.url === '/hold') return
          read(req)
          req.on('end', () => res.end('read'))
        },
        { bodyBuffer: 65_536, connectionBodyBuffer: 65_536 },
      )
      const web = await client()
      if (shared) web.send(begin(2, { keep: true }), params(2, { ...GET, REQUEST_URI: '/hold' }))
      web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: String(size) }), stdin(1, Buffer.alloc(size)), stdin(1))
      expect((await web.response(1)).body.toString()).toBe('read')
    },
  )
})
