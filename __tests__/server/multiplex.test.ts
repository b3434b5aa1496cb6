// Several requests on one connection: interleaved, out of order, in contexts of their own; and management records between.

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import { abort, begin, getValues, GET_VALUES_RESULT, params, parsePairs, record, stdin, UNKNOWN_TYPE } from '../support/fcgi-bytes'
import { GET, POST, serve, stopAll } from '../support/serve'

afterEach(stopAll)

describe('interleaved requests', () => {
  it('a body that is complete and that nobody reads holds up nobody, in one piece or in several', async () => {
    const { client } = await serve((req, res) => {
      if (req.method === 'GET') res.end('served')
    })
    for (const pieces of [[20_000], [10_000, 10_000], [1, 19_999]]) {
      const web = await client()
      web.send(begin(1, { keep: true }), params(1, { ...POST, CONTENT_LENGTH: '20000' }), ...pieces.map((size) => stdin(1, 'x'.repeat(size))), stdin(1))
      web.send(begin(2, { keep: true }), params(2, GET), stdin(2))
      expect((await web.response(2)).body.toString()).toBe('served')
    }
  })

  it.each([
    [1, 2],
    [1, 65_535],
    [255, 256],
  ])('with ids %i and %i complete in whatever order the application answers', async (a, b) => {
    const waiting = new Map<string, ServerResponse>()
    const { client } = await serve((req, res) => {
      waiting.set(req.url ?? '', res)
      if (waiting.size === 2) {
        waiting.get('/second')!.end('second')
        waiting.get('/first')!.end('first')
      }
    })
    const web = await client()
    web.send(begin(a, { keep: true }), begin(b, { keep: true }))
    web.send(params(b, { ...GET, REQUEST_URI: '/second' }), params(a, { ...GET, REQUEST_URI: '/first' }), stdin(b), stdin(a))
    expect((await web.response(a)).body.toString()).toBe('first')
    expect((await web.response(b)).body.toString()).toBe('second')
  })

  it('keep their uploads apart, byte for byte', async () => {
    const { client } = await serve((req, res) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => res.end(Buffer.concat(chunks)))
    })
    const web = await client()
    const ids = [1, 3, 5, 7, 9]
    const bodies = new Map(ids.map((id) => [id, Buffer.alloc(50_000, id)]))
    for (const id of ids) web.send(begin(id, { keep: true }), params(id, { ...POST, CONTENT_LENGTH: '50000' }))
    for (let at = 0; at < 50_000; at += 777) for (const id of ids) web.send(stdin(id, bodies.get(id)!.subarray(at, at + 777)))
    for (const id of ids) expect((await web.response(id)).body.equals(bodies.get(id)!)).toBe(true)
  })

  it('do not hold each other up: one reader that stops does not stop the others', async () => {
    const { client } = await serve((req, res) => {
      if (req.url === '/stuck') return
      req.resume()
      req.on('end', () => res.end('done'))
    })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...POST, REQUEST_URI: '/stuck', CONTENT_LENGTH: '900000' }))
    web.send(begin(2, { keep: true }), params(2, { ...POST, CONTENT_LENGTH: '10' }))
    web.send(stdin(1, Buffer.alloc(600_000)), stdin(2, '0123456789'))
    expect((await web.response(2)).body.toString()).toBe('done')
  })

  it('die alone: ABORT_REQUEST for one leaves the others as they are', async () => {
    const waiting = new Map<string, ServerResponse>()
    let aborted: () => void = () => undefined
    const isAborted = new Promise<void>((resolve) => (aborted = resolve))
    const { client } = await serve((req, res) => {
      waiting.set(req.url ?? '', res)
      if (req.url === '/gone') res.on('close', aborted)
    })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...GET, REQUEST_URI: '/gone' }), stdin(1))
    web.send(begin(2, { keep: true }), params(2, { ...GET, REQUEST_URI: '/stays' }), stdin(2), abort(1))
    await isAborted
    waiting.get('/stays')!.end('still here')
    expect((await web.response(2)).body.toString()).toBe('still here')
  })

  it('close the connection when the last of them is done and one did not ask to keep it', async () => {
    const waiting: ServerResponse[] = []
    const { client } = await serve((_req, res) => {
      waiting.push(res)
      if (waiting.length === 2) waiting[0]!.end('first')
    })
    const web = await client()
    web.send(begin(1), params(1, GET), stdin(1), begin(2, { keep: true }), params(2, GET), stdin(2))
    await web.response(1)
    expect(web.closedHow).toBeUndefined()
    waiting[1]!.end('second')
    await web.response(2)
    expect(await web.closed).toBe('end')
  })

  it('have an async context each, whatever enterWith does', async () => {
    const storage = new AsyncLocalStorage<string>()
    const resource = new AsyncResource('PROBE')
    resource.runInAsyncScope(() => storage.enterWith('entered'))
    // From node 24 on, what a listener enters ends with it, under node:http too.
    const isKept = resource.runInAsyncScope(() => storage.getStore()) === 'entered'
    const entered = (id: number): string => (isKept ? `/${id}` : 'none')
    const { client } = await serve((req, res) => {
      const before = storage.getStore() ?? 'none'
      storage.enterWith(req.url ?? '')
      req.on('data', () => undefined)
      req.on('end', () => {
        const atEnd = storage.getStore()
        res.write('x'.repeat(100))
        res.on('finish', () => finished.push(`${req.url ?? ''} ${storage.getStore() ?? 'none'}`))
        setImmediate(() => res.end(`${before} ${atEnd ?? 'none'} ${storage.getStore() ?? 'none'}`))
      })
    })
    const finished: string[] = []
    const web = await client()
    const ids = [1, 2, 3]
    web.send(
      ...ids.map((id) => Buffer.concat([begin(id, { keep: true }), params(id, { ...POST, REQUEST_URI: `/${id}`, CONTENT_LENGTH: '2' })])),
      ...ids.map((id) => stdin(id, 'ab')),
    )
    for (const id of ids) expect((await web.response(id)).body.toString().replace(/x+/, '')).toBe(`none ${entered(id)} ${entered(id)}`)
    await new Promise(setImmediate)
    expect(finished.sort()).toEqual(ids.map((id) => `/${id} ${entered(id)}`))
  })
})

describe('management records (FCGI 4)', () => {
  it('GET_VALUES is answered with what is known of what was asked', async () => {
    const { client } = await serve(() => undefined, { maxRequests: 50, maxConnections: 7 })
    const web = await client()
    web.send(getValues(['FCGI_MPXS_CONNS', 'FCGI_MAX_CONNS', 'FCGI_MAX_REQS', 'NO_SUCH']))
    const result = await web.next()
    expect([result.type, result.id]).toEqual([GET_VALUES_RESULT, 0])
    expect(Object.fromEntries(parsePairs(result.content))).toEqual({ FCGI_MPXS_CONNS: '1', FCGI_MAX_CONNS: '7', FCGI_MAX_REQS: '50' })
  })

  it('GET_VALUES says nothing of limits that there are not: HAProxy would take the number for its own', async () => {
    const { client } = await serve(() => undefined)
    const web = await client()
    web.send(getValues(['FCGI_MAX_CONNS', 'FCGI_MAX_REQS', 'FCGI_MPXS_CONNS']))
    expect(parsePairs((await web.next()).content)).toEqual([['FCGI_MPXS_CONNS', '1']])
  })

  it('says FCGI_MPXS_CONNS 0 when told not to multiplex', async () => {
    const { client } = await serve(() => undefined, { multiplex: false })
    const web = await client()
    web.send(getValues(['FCGI_MPXS_CONNS']))
    expect(parsePairs((await web.next()).content)).toEqual([['FCGI_MPXS_CONNS', '0']])
  })

  it('an unknown type is named in UNKNOWN_TYPE', async () => {
    const { client } = await serve(() => undefined)
    const web = await client()
    web.send(record(200, 0, 'whatever', 3))
    const answer = await web.next()
    expect([answer.type, answer.id, answer.content.toString('hex')]).toEqual([UNKNOWN_TYPE, 0, 'c800000000000000'])
  })

  it('come between the records of a request without harm', async () => {
    const { client } = await serve((req, res) => void req.resume().on('end', () => res.end('ok')))
    const web = await client()
    web.send(begin(1, { keep: true }), getValues(['FCGI_MPXS_CONNS']), params(1, { ...POST, CONTENT_LENGTH: '3' }, { end: true }))
    web.send(record(99, 0), stdin(1, 'abc'), record(77, 1, 'unknown for an active id'), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('ok')
    expect(web.records().filter(({ id }) => id === 0)).toHaveLength(2)
  })
})
