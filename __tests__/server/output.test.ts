// What leaves a server of ours: heads, bodies and the end of each request, byte for byte where web servers care.

import express from 'express'
import type * as http from 'node:http'
import type { Socket } from 'node:net'
import { begin, END_REQUEST, params, parseRecords, RESPONDER, stdin, STDOUT } from '../support/fcgi-bytes'
import type { RawResponse } from '../support/raw-client'
import { GET, serve, stopAll } from '../support/serve'

afterEach(stopAll)

/** The answer to one request over a connection of its own. */
async function answer(handler: http.RequestListener, variables: Record<string, string> = GET): Promise<RawResponse> {
  const { client } = await serve(handler)
  const web = await client()
  web.send(begin(1), params(1, variables), stdin(1))
  const response = await web.response(1)
  expect(await web.closed).toBe('end')
  return response
}

const names = (response: RawResponse): string[] => response.head.fields.map(([name]) => name)

describe('a small response', () => {
  it('is one STDOUT record, the empty one and END_REQUEST, in one write', async () => {
    const { client } = await serve((_req, res) => res.end('hello'))
    const web = await client()
    const chunks: Buffer[] = []
    web.socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    await web.response(1)
    expect(chunks).toHaveLength(1)
    expect(parseRecords(chunks[0]!).map(({ type, content }) => [type, content.length > 0])).toEqual([
      [STDOUT, true],
      [STDOUT, false],
      [END_REQUEST, true],
    ])
  })

  it('is one STDOUT record also when an Express application answers later', async () => {
    const app = express()
    app.get('/', (_req, res) => void setImmediate(() => res.json({ a: 1 })))
    const response = await answer(app)
    expect(response.records.map(({ type }) => type)).toEqual([STDOUT, STDOUT, END_REQUEST])
    expect(response.body.toString()).toBe('{"a":1}')
    expect(response.head.headers.get('content-type')).toBe('application/json; charset=utf-8')
  })

  it('ends with END_REQUEST: appStatus 0, REQUEST_COMPLETE', async () => {
    const response = await answer((_req, res) => res.end())
    expect(response.records.at(-1)!.content.toString('hex')).toBe('0000000000000000')
  })
})

describe('the head (CGI 6.3)', () => {
  it.each([
    [200, undefined, '200 OK'],
    [404, undefined, '404 Not Found'],
    [299, 'Custom Reason', '299 Custom Reason'],
    [599, undefined, '599 unknown'],
  ])('status %i with reason %s is Status: %s', async (status, reason, expected) => {
    const response = await answer((_req, res) => {
      res.statusCode = status
      if (reason !== undefined) res.statusMessage = reason
      res.end()
    })
    expect(response.head.fields.filter(([name]) => name === 'Status')).toEqual([['Status', expected]])
  })

  it.each([201, 301, 308])('puts Status behind Location: HAProxy turns %i into 302 otherwise', async (status) => {
    const response = await answer((_req, res) => res.writeHead(status, { Location: '/elsewhere', 'X-After': '1' }).end())
    expect(names(response).at(-1)).toBe('Status')
    expect(names(response)).toContain('Location')
    expect(response.head.status).toBe(status)
  })

  it('keeps repeated headers apart', async () => {
    const response = await answer((_req, res) => {
      res.setHeader('Set-Cookie', ['a=1', 'b=2', 'c=3', 'd=4'])
      res.end()
    })
    expect(response.head.fields.filter(([name]) => name === 'Set-Cookie').map(([, value]) => value)).toEqual(['a=1', 'b=2', 'c=3', 'd=4'])
  })

  it('drops what concerns one connection only, and what that names', async () => {
    const response = await answer((_req, res) => {
      res.writeHead(200, {
        Connection: 'keep-alive, X-Hop',
        'Keep-Alive': 'timeout=5',
        'Proxy-Connection': 'x',
        TE: 'trailers',
        Trailer: 'X-T',
        Upgrade: 'h2c',
        Status: '500 Nonsense',
        'X-Hop': 'gone',
        'X-Stays': 'here',
      })
      res.end('x')
    })
    expect(names(response).sort()).toEqual(['Content-Length', 'Date', 'Status', 'X-Stays'].filter((name) => names(response).includes(name)).sort())
    expect(response.head.headers.get('x-stays')).toBe('here')
    expect(response.head.status).toBe(200)
  })

  it('says Content-Length when the length is known, also to HTTP/1.0 clients', async () => {
    const response = await answer((_req, res) => res.end('12345'), { ...GET, SERVER_PROTOCOL: 'HTTP/1.0' })
    expect(response.head.headers.get('content-length')).toBe('5')
  })

  it('never frames a body in chunks', async () => {
    const response = await answer((_req, res) => {
      res.write('one ')
      setImmediate(() => res.end('two'))
    })
    expect(response.head.headers.has('transfer-encoding')).toBe(false)
    expect(response.body.toString()).toBe('one two')
  })

  it('takes the framing off again when the application asks node for it', async () => {
    const response = await answer((_req, res) => {
      res.setHeader('Transfer-Encoding', 'chunked')
      res.write('first, ')
      res.write(Buffer.alloc(70_000, 'x'))
      setImmediate(() => {
        res.write('ünd ')
        res.end('last')
      })
    })
    expect(response.head.headers.has('transfer-encoding')).toBe(false)
    expect(response.body.toString()).toBe(`first, ${'x'.repeat(70_000)}ünd last`)
  })

  it('is whole in the first record even when it is long', async () => {
    const response = await answer((_req, res) => {
      for (let i = 0; i < 30; i++) res.setHeader(`X-Long-${i}`, 'v'.repeat(1_000))
      res.flushHeaders()
      setImmediate(() => res.end('body'))
    })
    expect(response.records[0]!.content.includes('\r\n\r\n')).toBe(true)
    expect(response.body.toString()).toBe('body')
  })

  it('goes out by itself when the application flushes it', async () => {
    const { client } = await serve((_req, res) => res.flushHeaders())
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    const first = await web.next()
    expect(first.content.toString('latin1')).toMatch(/Status: 200 OK\r\n\r\n$/)
  })
})

describe('no body where HTTP has none', () => {
  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('%s with status %i', async (method, status) => {
    const response = await answer(
      (_req, res) => {
        res.writeHead(status, { ETag: '"e"' })
        res.write('not to be ')
        res.end('seen')
      },
      { ...GET, REQUEST_METHOD: method },
    )
    expect(response.body).toHaveLength(0)
    expect(response.head.status).toBe(status)
    expect(response.end).toEqual({ appStatus: 0, protocolStatus: 0 })
  })

  it('HEAD keeps Content-Length', async () => {
    const response = await answer((_req, res) => res.writeHead(200, { 'Content-Length': 12_345 }).end(), { ...GET, REQUEST_METHOD: 'HEAD' })
    expect(response.head.headers.get('content-length')).toBe('12345')
  })
})

describe('informational answers cannot cross CGI', () => {
  it('drops 100, 102 and 103 and calls their callbacks', async () => {
    const called: string[] = []
    const response = await answer((_req, res) => {
      res.writeContinue(() => called.push('100'))
      res.writeProcessing()
      res.writeEarlyHints({ link: '</s.css>; rel=preload' }, () => {
        called.push('103')
        res.end('final')
      })
    })
    expect(called).toEqual(['100', '103'])
    expect(response.head.status).toBe(200)
    expect(response.body.toString()).toBe('final')
  })

  it('answers 500 for an application whose only answer is informational', async () => {
    const { server, client } = await serve((_req, res) => res.writeHead(101, { Upgrade: 'x' }).end())
    const reported: string[] = []
    server.on('requestError', (error: { code: string }) => reported.push(error.code))
    const web = await client()
    web.send(begin(1), params(1, GET), stdin(1))
    const response = await web.response(1)
    expect(response.head.status).toBe(500)
    expect(response.body.toString()).toContain('informational')
    expect(reported).toEqual(['FCGI_ERR_BAD_RESPONSE'])
  })

  it('drops trailers', async () => {
    const response = await answer((_req, res) => {
      res.setHeader('Trailer', 'X-T')
      res.write('body')
      res.addTrailers({ 'X-T': 'v' })
      res.end()
    })
    expect(response.stdout.toString('latin1')).not.toContain('X-T')
    expect(response.body.toString()).toBe('body')
  })
})

describe('bodies', () => {
  it.each([0, 1, 65_527, 65_528, 65_529, 65_535, 65_536, 1_048_576])('%i bytes arrive as they were', async (length) => {
    const body = Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255))
    const response = await answer((_req, res) => res.end(body))
    expect(response.body.equals(body)).toBe(true)
    expect(response.stdoutEnded).toBe(true)
  })

  it.each(['utf8', 'latin1', 'hex', 'base64', 'utf16le'] as const)('a string in %s', async (encoding) => {
    const text = encoding === 'hex' ? 'c3a9' : encoding === 'base64' ? 'w6k=' : 'é'
    const response = await answer((_req, res) => {
      res.write(text, encoding)
      res.end()
    })
    expect(response.body.equals(Buffer.from(text, encoding))).toBe(true)
  })

  it('keeps the order of many small and large writes', async () => {
    const parts = Array.from({ length: 60 }, (_, i) => Buffer.alloc((i * 7_919) % 40_000, i))
    const response = await answer((_req, res) => {
      for (const part of parts) res.write(part)
      res.end()
    })
    expect(response.body.equals(Buffer.concat(parts))).toBe(true)
  })
})

it('reports a head above 4 KiB once: nginx answers 502 to it', async () => {
  const warnings: string[] = []
  const listener = (warning: Error & { code?: string }): void => void warnings.push(warning.code ?? '')
  process.on('warning', listener)
  const { client } = await serve((_req, res) => res.writeHead(200, { 'X-Big': 'v'.repeat(5_000) }).end())
  const web = await client()
  for (const id of [1, 2]) {
    web.send(begin(id, { keep: true, role: RESPONDER }), params(id, GET), stdin(id))
    await web.response(id)
  }
  await new Promise(setImmediate)
  process.off('warning', listener)
  expect(warnings.filter((code) => code === 'FCGI_WARN_LARGE_HEAD').length).toBeLessThanOrEqual(1)
})

it("'drain' of the connection comes for who waits for it", async () => {
  let drains = 0
  const { server, client } = await serve((_req, res) => {
    // Not within the chunk of the request, where all leaves at its end, and all of it at once.
    setImmediate(() => res.write(Buffer.alloc(65_536), () => res.end()))
  })
  server.prependListener('connection', (transport: Socket) => transport.on('drain', () => drains++))
  const web = await client()
  web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
  expect((await web.response(1)).body).toHaveLength(65_536)
  expect(drains).toBe(1)
})
