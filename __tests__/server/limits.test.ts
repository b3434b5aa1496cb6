// Every limit and time-out, each with the answer the client gets: always a real one before END_REQUEST.

import type { ServerOptions } from 'express-fastcgi'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AUTHORIZER, begin, FILTER, params, stdin } from '../support/fcgi-bytes'
import type { RawResponse } from '../support/raw-client'
import { GET, POST, next, serve, stopAll } from '../support/serve'

afterEach(stopAll)

const REQUEST_COMPLETE = 0
const CANT_MPX_CONN = 1
const OVERLOADED = 2
const UNKNOWN_ROLE = 3

function expectRefusal(response: RawResponse, status: number, protocolStatus: number): void {
  expect(response.head.status).toBe(status)
  expect(response.head.reason).not.toBe('')
  expect(response.body.toString()).toMatch(/^[\x20-\x7e]+\n$/)
  expect(response.head.headers.get('content-length')).toBe(String(response.body.length))
  expect(response.stdoutEnded).toBe(true)
  expect(response.end.protocolStatus).toBe(protocolStatus)
}

/** A server whose handler keeps every response open. */
async function holding(options: ServerOptions): Promise<Awaited<ReturnType<typeof serve>> & { held: ServerResponse[] }> {
  const held: ServerResponse[] = []
  return Object.assign(await serve((_req, res) => void held.push(res), options), { held })
}

describe('roles', () => {
  it.each([
    ['Authorizer', AUTHORIZER],
    ['Filter', FILTER],
    ['unknown', 4_711],
  ])('%s: 500 and UNKNOWN_ROLE, since lighttpd takes END_REQUEST without output for access granted', async (_name, role) => {
    const { client } = await holding({})
    const web = await client()
    web.send(begin(1, { role, keep: true }), params(1, GET))
    expectRefusal(await web.response(1), 500, UNKNOWN_ROLE)
    expect(web.closedHow).toBeUndefined()
  })
})

describe('multiplex: false', () => {
  it('answers a second request on the connection with 503 and CANT_MPX_CONN', async () => {
    const { client, held } = await holding({ multiplex: false })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1), begin(2, { keep: true }), params(2, GET), stdin(2))
    expectRefusal(await web.response(2), 503, CANT_MPX_CONN)
    held[0]!.end('first')
    expect((await web.response(1)).body.toString()).toBe('first')
    web.send(begin(3, { keep: true }), params(3, GET), stdin(3))
    await new Promise((resolve) => setImmediate(resolve))
  })
})

describe('maxRequests', () => {
  it('answers 503 and OVERLOADED beyond it, over all connections, and recovers', async () => {
    const { client, held, server } = await holding({ maxRequests: 1 })
    const [one, two] = [await client(), await client()]
    const arrived = next(server, 'request')
    one.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    await arrived
    two.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    expectRefusal(await two.response(1), 503, OVERLOADED)
    held[0]!.end('first')
    await one.response(1)
    const again = next(server, 'request')
    two.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    await again
    held[1]!.end('second')
    expect((await two.response(1)).body.toString()).toBe('second')
  })
})

describe('maxPendingRequests', () => {
  it('answers 503 and OVERLOADED to the BEGIN_REQUEST beyond it; requests begun before are served', async () => {
    const { client } = await serve((_req, res) => res.end('ok'), { maxPendingRequests: 2 })
    const web = await client()
    web.send(begin(1, { keep: true }), begin(2, { keep: true }), begin(3, { keep: true }))
    expectRefusal(await web.response(3), 503, OVERLOADED)
    web.send(params(2, GET), stdin(2), begin(4, { keep: true }), params(4, GET), stdin(4))
    expect((await web.response(2)).body.toString()).toBe('ok')
    expect((await web.response(4)).body.toString()).toBe('ok')
  })
})

describe('maxParamsSize', () => {
  it.each([
    ['exactly the limit', 0, 200],
    ['one byte more', 1, 431],
  ])('%s', async (_case, surplus, status) => {
    const { client } = await serve((_req, res) => res.end('ok'), { maxParamsSize: 4_096 })
    const web = await client()
    // Beside the value: 4 + 14, 1 + 11, 1 + 8 bytes for GET, and two lengths of 1 and 4 bytes and a name for the filler.
    const fixed = Object.entries(GET).reduce((sum, [name, value]) => sum + 2 + name.length + value.length, 0)
    const filler = 'v'.repeat(4_096 - fixed - 1 - 4 - 'HTTP_X_FILL'.length + surplus)
    web.send(begin(1, { keep: true }), params(1, { ...GET, HTTP_X_FILL: filler }), stdin(1))
    const response = await web.response(1)
    expect(response.head.status).toBe(status)
    if (status === 431) expectRefusal(response, 431, REQUEST_COMPLETE)
    web.send(begin(2, { keep: true }), params(2, GET), stdin(2))
    expect((await web.response(2)).body.toString()).toBe('ok')
  })
})

describe('maxHeadersCount', () => {
  it('leaves further headers out of req.headers, or answers 431, as this node does', async () => {
    const { client } = await serve((req, res) => res.end(Object.keys(req.headers).join()), { maxHeadersCount: 3 })
    const web = await client()
    web.send(begin(1), params(1, { ...GET, HTTP_A: '1', HTTP_B: '2', HTTP_C: '3', HTTP_D: '4' }), stdin(1))
    const { head, body } = await web.response(1)
    if (Number(process.versions.node.split('.')[0]) >= 22) expect(head.status).toBe(431)
    else expect(body.toString()).toBe('a,b,c')
  })
})

describe('maxConnections', () => {
  it("closes further connections and emits 'drop'", async () => {
    const { client, server } = await serve((_req, res) => res.end('ok'), { maxConnections: 1 })
    const first = await client()
    first.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    await first.response(1)
    const dropped = next(server, 'drop')
    const second = await client()
    await dropped
    await second.closed
    first.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    expect((await first.response(1)).body.toString()).toBe('ok')
  })
})

describe('headersTimeout', () => {
  it.each([
    ['no params at all', Buffer.alloc(0)],
    ['params that never end', params(1, GET, { end: false })],
    ['a POST that leaves open whether it has a body', params(1, POST)],
  ])('%s: 408', async (_case, sent) => {
    const { client } = await serve((_req, res) => res.end('ok'), { headersTimeout: 80 })
    const web = await client()
    web.send(begin(1, { keep: true }), sent)
    expectRefusal(await web.response(1), 408, REQUEST_COMPLETE)
    web.send(begin(2, { keep: true }), params(2, GET), stdin(2))
    expect((await web.response(2)).body.toString()).toBe('ok')
  })
})

describe('requestTimeout', () => {
  it('answers 408 when the body does not come; the application sees an abort', async () => {
    const { client, server } = await serve(() => undefined, { requestTimeout: 80, headersTimeout: 0 })
    const arrived = next<IncomingMessage>(server, 'request')
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '10' }), stdin(1, 'abc'))
    const aborted = next(await arrived, 'aborted')
    expectRefusal(await web.response(1), 408, REQUEST_COMPLETE)
    await aborted
  })

  it('closes the connection when the answer has begun: the web server then cuts its client off', async () => {
    const { client } = await serve((req, res) => void res.write('begun', () => req.resume()), { requestTimeout: 80, headersTimeout: 0 })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '10' }), stdin(1, 'abc'))
    await web.closed
    expect(web.records().some(({ type }) => type === 3)).toBe(false)
    expect(web.records()[0]!.content.toString()).toMatch(/begun$/)
  })

  it('does not cut off an answer whose request announced no body, though STDIN is never closed', async () => {
    const { client } = await serve(
      (req, res) => {
        res.write('a stream, ')
        if (req.method === 'POST') req.resume()
      },
      { requestTimeout: 40, headersTimeout: 0 },
    )
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET))
    await web.next()
    // The clock has certainly gone past the limit once another request ran into it.
    const other = await client()
    other.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '10' }))
    await other.closed
    expect(web.closedHow).toBeUndefined()
  })

  it('does not concern a request whose body is complete', async () => {
    const { client, held } = await holding({ requestTimeout: 40, headersTimeout: 0, keepAliveTimeout: 0 })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    // The clock has certainly gone past the limit once another request ran into it.
    const other = await client()
    other.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '10' }))
    await other.response(1)
    held[0]!.end('still wanted')
    expect((await web.response(1)).body.toString()).toBe('still wanted')
  })
})

describe('keepAliveTimeout', () => {
  it('closes an idle connection; off unless asked for', async () => {
    const { client, server } = await serve((_req, res) => res.end('ok'), { keepAliveTimeout: 50 })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    await web.response(1)
    expect(await web.closed).toBe('end')
    expect(server.keepAliveTimeout).toBe(50)
    expect((await serve(() => undefined)).server.keepAliveTimeout).toBe(0)
  })
})

describe('idle sockets', () => {
  it("server.setTimeout: 'timeout' with the request's socket, which is destroyed when nobody listens", async () => {
    const { client, server } = await serve(() => undefined)
    server.setTimeout(40)
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    await web.closed
  })

  it("req.setTimeout and res.setTimeout: 'timeout', and the request goes on", async () => {
    const { client } = await serve((req, res) => {
      res.setTimeout(20, () => res.end('timed out, still answering'))
      req.resume()
    })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('timed out, still answering')
  })
})

describe('options', () => {
  it.each([
    [{ maxParamsSise: 1 }, /unknown option maxParamsSise; known are maxParamsSize/],
    [{ maxParamsSize: 10 }, /option maxParamsSize must be a whole number of bytes, at least 1024, not 10/],
    [{ maxRequests: -1 }, /option maxRequests must be/],
    [{ maxRequests: '5' }, /option maxRequests must be a whole number of requests, at least 0, not "5"/],
    [{ multiplex: 'no' }, /option multiplex must be true or false/],
    [{ mount: 'app' }, /option mount must be/],
    [{ headersTimeout: 100, requestTimeout: 50 }, /headersTimeout must not be above requestTimeout/],
  ])('%j is refused by name', async (options, message) => {
    await expect(serve(() => undefined, options as ServerOptions)).rejects.toThrow(message)
    await expect(serve(() => undefined, options as ServerOptions)).rejects.toMatchObject({ code: 'FCGI_ERR_OPTION' })
  })
})
