// Bodies in chunks for the one web server that hands them on, HAProxy: node frames as on a connection of its own, and whatever
// becomes of the response, the last chunk is there before END_REQUEST. Without it HAProxy's client waits.

import * as http from 'node:http'
import { begin, params, stdin } from '../support/fcgi-bytes'
import type { RawResponse } from '../support/raw-client'
import { GET, serve, stopAll } from '../support/serve'

afterEach(stopAll)

const HAPROXY = { ...GET, SERVER_SOFTWARE: 'HAProxy 2.6.12-1+deb12u4' }

/** The answer to one request; with `beside`, while another request waits on the same connection. */
async function answer(handler: http.RequestListener, variables: Record<string, string> = HAPROXY, { beside = false } = {}): Promise<RawResponse> {
  const { client } = await serve((req, res) => {
    if (req.url !== '/waits') handler(req, res)
  })
  const web = await client()
  if (beside) web.send(begin(9, { keep: true }), params(9, { ...HAPROXY, REQUEST_URI: '/waits' }), stdin(9))
  web.send(begin(1, { keep: true }), params(1, variables), stdin(1))
  return web.response(1)
}

const fieldsOf = ({ head }: RawResponse): unknown =>
  Object.fromEntries(['transfer-encoding', 'content-length', 'trailer', 'connection', 'keep-alive'].filter((name) => head.headers.has(name)).map((name) => [name, head.headers.get(name)]))

const inPieces: http.RequestListener = (_req, res) => {
  res.write('one ')
  setImmediate(() => res.end('two'))
}

describe('behind HAProxy', () => {
  it('a body of unknown length is framed by node, and the head says so', async () => {
    const response = await answer(inPieces)
    expect(fieldsOf(response)).toEqual({ 'transfer-encoding': 'chunked' })
    expect(response.body.toString()).toBe('4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n')
  })

  it('bytes, texts and encodings of every kind are whole chunks', async () => {
    const response = await answer((_req, res) => {
      res.write('\u00e9')
      res.write('\xe9', 'latin1')
      res.write('caf\xe9', 'ascii')
      res.write('6162', 'hex')
      res.write('YWJj', 'base64')
      res.write('ab', 'utf16le')
      res.write(new Uint8Array([100, 101]))
      res.end(Buffer.alloc(20_000, 'x'))
    })
    expect(response.body.toString('latin1')).toBe(
      `2\r\n\xc3\xa9\r\n1\r\n\xe9\r\n4\r\ncaf\xe9\r\n2\r\nab\r\n3\r\nabc\r\n4\r\na\0b\0\r\n2\r\nde\r\n4e20\r\n${'x'.repeat(20_000)}\r\n0\r\n\r\n`,
    )
  })

  it('fields of the connection are dropped all the same', async () => {
    const response = await answer((req, res) => {
      res.writeHead(200, { Connection: 'keep-alive, X-Hop', 'Keep-Alive': 'timeout=5', 'X-Hop': '1' })
      inPieces(req, res)
    })
    expect(fieldsOf(response)).toEqual({ 'transfer-encoding': 'chunked' })
    expect(response.head.headers.has('x-hop')).toBe(false)
  })

  it('a known length is said as ever', async () => {
    const response = await answer((_req, res) => res.end('whole'))
    expect([fieldsOf(response), response.body.toString()]).toEqual([{ 'content-length': '5' }, 'whole'])
  })

  it('trailers and their announcement arrive', async () => {
    const response = await answer((_req, res) => {
      res.setHeader('Trailer', 'X-Sum')
      res.write('body')
      res.addTrailers([['X-Sum', '1'], ['X-Sum', '2']])
      res.end()
    })
    expect(fieldsOf(response)).toEqual({ 'transfer-encoding': 'chunked', trailer: 'X-Sum' })
    expect(response.body.toString()).toBe('4\r\nbody\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n')
  })

  it('a Trailer field that cannot be right throws, as in node', async () => {
    const errors: unknown[] = []
    await answer((_req, res) => {
      try {
        res.writeHead(200, { Trailer: 'X-Sum', 'Content-Length': 4 })
      } catch (error) {
        errors.push((error as NodeJS.ErrnoException).code)
      }
      res.removeHeader('trailer')
      res.end('body')
    })
    expect(errors).toEqual(['ERR_HTTP_TRAILER_INVALID'])
  })

  it.each<[string, Record<string, string>, number]>([
    ['HEAD', { REQUEST_METHOD: 'HEAD' }, 200],
    ['204', {}, 204],
    ['304', {}, 304],
  ])('%s has no last chunk, also when the application asked for chunks', async (_what, variables, status) => {
    for (const fields of [{}, { 'Transfer-Encoding': 'chunked' }]) {
      const response = await answer(
        (_req, res) => {
          res.writeHead(status, fields)
          res.write('some')
          res.end('body')
        },
        { ...HAPROXY, ...variables },
      )
      // Of a 304 in chunks HAProxy 2.6 makes one with a length as well, and closes.
      expect(fieldsOf(response)).toEqual(status === 200 && 'Transfer-Encoding' in fields ? { 'transfer-encoding': 'chunked' } : {})
      expect(response.body.toString()).toBe('')
    }
  })

  it.each<[string, string, string, string | undefined]>([
    ['HTTP/1.0 gets the body as it is', 'HTTP/1.0', 'one two', undefined],
    ['HTTP/2, of which node:http would hear as HTTP/1.1, gets chunks', 'HTTP/2.0', '4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n', 'chunked'],
  ])('a client of %s', async (_what, version, body, coding) => {
    const response = await answer(inPieces, { ...HAPROXY, SERVER_PROTOCOL: version })
    expect([response.body.toString(), response.head.headers.get('transfer-encoding')]).toEqual([body, coding])
  })

  it.each<[string, (res: http.ServerResponse) => void]>([
    ['useChunkedEncodingByDefault set to false', (res) => (res.useChunkedEncodingByDefault = false)],
    ['Transfer-Encoding removed', (res) => res.removeHeader('transfer-encoding')],
  ])('%s: no chunks', async (_what, prepare) => {
    const response = await answer((req, res) => {
      prepare(res)
      inPieces(req, res)
    })
    expect([response.body.toString(), fieldsOf(response)]).toEqual(['one two', {}])
  })

  it('another web server gets no chunks', async () => {
    const response = await answer(inPieces, { ...GET, SERVER_SOFTWARE: 'nginx/1.22.1' })
    expect([response.body.toString(), fieldsOf(response)]).toEqual(['one two', {}])
  })
})

describe('behind HAProxy, a response that was given up beside other requests', () => {
  it.each<[string, (res: http.ServerResponse) => void, string]>([
    ['between two chunks', (res) => res.write('torso', () => res.destroy()), '5\r\ntorso\r\n0\r\n\r\n'],
    ['behind its head', (res) => {
      res.flushHeaders()
      setImmediate(() => res.destroy())
    }, '0\r\n\r\n'],
    ['with more that waits in a corked response', (res) => {
      res.write('torso')
      setImmediate(() => {
        res.cork()
        res.write('never sent')
        res.destroy()
      })
    }, '5\r\ntorso\r\n0\r\n\r\n'],
    ['in a chunk of which the application wrote the size on the socket', (res) => {
      res.write('torso', () => {
        res.socket?.write('ff\r\nbegun')
        res.destroy()
      })
    }, '5\r\ntorso\r\n5\r\nbegun\r\n0\r\n\r\n'],
  ])('%s, ends with the last chunk', async (_when, handle, body) => {
    const response = await answer((_req, res) => handle(res), HAPROXY, { beside: true })
    expect([response.body.toString(), response.end.appStatus]).toEqual([body, 1])
  })

  it('before anything of it left, is a 500 and no chunk', async () => {
    const response = await answer((_req, res) => {
      res.write('torso')
      res.destroy()
    }, HAPROXY, { beside: true })
    expect([response.head.status, response.head.headers.get('content-length')]).toEqual([500, String(response.body.length)])
  })
})

describe('behind HAProxy, what the application writes on the socket itself', () => {
  const raw = (text: string): http.RequestListener => (req) => void req.socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text}`, 'latin1')

  it.each([
    ['chunks stay chunks', '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n', '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'],
    ['what is no chunk ends the body', '5\r\nhello\r\nand more\r\n5\r\nhello\r\n', '5\r\nhello\r\n0\r\n\r\n'],
    ['what is no trailer is left out', '0\r\nno field\r\nX Y: 1\r\nX-Sum: 1\r\n\r\n', '0\r\nX-Sum: 1\r\n\r\n'],
  ])('%s', async (_what, written, body) => {
    const response = await answer(raw(written))
    expect([response.body.toString(), fieldsOf(response)]).toEqual([body, { 'transfer-encoding': 'chunked' }])
  })

  // Alone on its connection it is cut off.
  it.each([
    ['a missing end is made up for', '5\r\nhello\r\n'],
    ['half a chunk is a chunk', 'ff\r\nhello'],
  ])('beside other requests, %s', async (_what, written) => {
    const response = await answer(raw(written), HAPROXY, { beside: true })
    expect([response.body.toString(), response.end.appStatus]).toEqual(['5\r\nhello\r\n0\r\n\r\n', 1])
  })

  it('amid the chunks of node, ends the body where it is no chunk', async () => {
    const response = await answer((_req, res) => {
      res.write('one', () => {
        res.socket?.write('HTTP/1.1 500 Internal Server Error\r\n\r\n')
        res.end('two')
      })
    })
    expect(response.body.toString()).toBe('3\r\none\r\n0\r\n\r\n')
  })

  it('a second response, of known length, before the first has left', async () => {
    const response = await answer((req, res) => {
      res.writeHead(200)
      res.detachSocket(req.socket)
      const second = new http.ServerResponse(req)
      second.assignSocket(req.socket)
      second.setHeader('Content-Length', 6)
      second.end('second')
    })
    expect([response.body.toString(), fieldsOf(response)]).toEqual(['second', { 'content-length': '6' }])
  })
})
