// How a server, a connection and a response end: by the application's will.

import { createServer } from 'express-fastcgi'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { begin, END_REQUEST, GET_VALUES_RESULT, getValues, params, stdin, STDOUT } from '../support/fcgi-bytes'
import { GET, next, serve, stopAll } from '../support/serve'

afterEach(stopAll)

const get = (id: number, keep = true, more: Record<string, string> = {}): Buffer =>
  Buffer.concat([begin(id, { keep }), params(id, { ...GET, ...more }), stdin(id)])

describe('KEEP_CONN (FCGI 5.1)', () => {
  it('unset: the connection is closed behind the answer', async () => {
    const { client } = await serve((_req, res) => res.end('ok'))
    const web = await client()
    web.send(get(1, false))
    await web.response(1)
    expect(await web.closed).toBe('end')
  })

  it('set: it serves request after request, with the same id or another', async () => {
    const { client } = await serve((req, res) => res.end(req.url))
    const web = await client()
    for (const id of [1, 1, 2, 65_535, 1]) {
      web.send(get(id, true, { REQUEST_URI: `/${id}` }))
      expect((await web.response(id)).body.toString()).toBe(`/${id}`)
    }
    expect(web.closedHow).toBeUndefined()
  })

  it('pipelined requests are all answered', async () => {
    const { client } = await serve((req, res) => void setImmediate(() => res.end(req.url)))
    const web = await client()
    web.send(...[1, 2, 3, 4].map((id) => get(id, true, { REQUEST_URI: `/${id}` })))
    for (const id of [4, 3, 2, 1]) expect((await web.response(id)).body.toString()).toBe(`/${id}`)
  })
})

describe('server.close()', () => {
  it('lets active requests finish, then closes; no new connection is taken', async () => {
    const { server, client, path } = await serve((_req, res) => void held.push(res))
    const held: ServerResponse[] = []
    const web = await client()
    const arrived = next(server, 'request')
    web.send(get(1))
    await arrived
    const closed = once(server, 'close')
    server.close()
    await expect(client()).rejects.toMatchObject({ code: expect.stringMatching(/ENOENT|ECONNREFUSED/) as string })
    held[0]!.end('finished in peace')
    expect((await web.response(1)).body.toString()).toBe('finished in peace')
    expect(await web.closed).toBe('end')
    await closed
    expect(path).toBeTruthy()
  })

  it('serves a request that crosses with the last answer: the web server could not know', async () => {
    const { server, client } = await serve((req, res) => (req.url === '/held' ? void held.push(res) : res.end(req.url)))
    const held: ServerResponse[] = []
    const web = await client()
    const arrived = next(server, 'request')
    web.send(get(1, true, { REQUEST_URI: '/held' }))
    await arrived
    server.close()
    held[0]!.end('held')
    await web.response(1)
    // In two reads, with another record in front; then once more.
    const [crossing, again] = ['/crossing', '/again'].map((url) => get(2, true, { REQUEST_URI: url })) as [Buffer, Buffer]
    web.send(getValues(['FCGI_MPXS_CONNS']), crossing.subarray(0, 5))
    await web.next(({ type }) => type === GET_VALUES_RESULT)
    web.send(crossing.subarray(5))
    expect((await web.response(2)).body.toString()).toBe('/crossing')
    web.send(again)
    expect((await web.response(2)).body.toString()).toBe('/again')
    expect(await web.closed).toBe('end')
  })

  it('is not held open by idle kept connections, nor by connections that never said a word', async () => {
    const { server, client } = await serve((_req, res) => res.end('ok'))
    const [used, silent] = [await client(), await client()]
    used.send(get(1))
    await used.response(1)
    const closed = once(server, 'close')
    server.close()
    await closed
    expect(await used.closed).toBe('end')
    await silent.closed
  })

  it('is not held open by a request that was answered before its empty STDIN record came', async () => {
    const { server, client } = await serve((_req, res) => res.end('ok'))
    const web = await client({ allowHalfOpen: true })
    web.send(begin(1, { keep: true }), params(1, GET))
    await web.response(1)
    web.send(stdin(1))
    // Another exchange, so that the record has certainly been read.
    web.send(get(2))
    await web.response(2)
    const ended = new Promise<void>((resolve) => web.socket.once('end', resolve))
    const closed = once(server, 'close')
    server.close()
    await ended
    // The peer's side is still open: only a connection that lingers would wait for it.
    await closed
    web.destroy()
  }, 4_000)

  it('calls back, also with the error of a server that does not run', async () => {
    const { server } = await serve(() => undefined)
    await new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())))
    const error = await new Promise<unknown>((resolve) => server.close(resolve))
    expect(error).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' })
  })

  it('lets the server listen again', async () => {
    const { server, client, path } = await serve((_req, res) => res.end('ok'))
    await new Promise((resolve) => server.close(resolve))
    await once(server.listen(path), 'listening')
    const web = await client()
    web.send(get(1))
    await web.response(1)
    web.send(get(2))
    expect((await web.response(2)).body.toString()).toBe('ok')
  })
})

it('closeIdleConnections closes idle ones only; the server stays open', async () => {
  const held: ServerResponse[] = []
  const { server, client } = await serve((req, res) => {
    if (req.url === '/held') held.push(res)
    else res.end('ok')
  })
  const [idle, busy] = [await client(), await client()]
  idle.send(get(1))
  await idle.response(1)
  const arrived = next(server, 'request')
  busy.send(get(1, true, { REQUEST_URI: '/held' }))
  await arrived
  server.closeIdleConnections()
  expect(await idle.closed).toBe('end')
  held[0]!.end('busy')
  expect((await busy.response(1)).body.toString()).toBe('busy')
  busy.send(get(2))
  await busy.response(2)
})

it('closeAllConnections closes busy ones too; their requests are aborted', async () => {
  const { server, client } = await serve(() => undefined)
  const web = await client()
  const arrived = once(server, 'request') as Promise<[NodeJS.EventEmitter, ServerResponse]>
  web.send(get(1))
  const [, res] = await arrived
  const closed = once(res, 'close')
  server.closeAllConnections()
  await closed
  await web.closed
  expect(res.writableFinished).toBe(false)
})

describe('an application that gives its response up midway', () => {
  it.each(['res.destroy', 'req.destroy', 'socket.destroy'])('%s, alone on the connection: it is closed without END_REQUEST', async (how) => {
    const { client } = await serve((req, res) => {
      res.writeHead(200, { 'Content-Length': '100' })
      res.write('torso')
      req.on('error', () => undefined)
      setImmediate(() => (how === 'res.destroy' ? res : how === 'req.destroy' ? req : req.socket).destroy())
    })
    const web = await client()
    web.send(get(1))
    await web.closed
    expect(web.records().map(({ type }) => type)).toEqual([STDOUT])
    expect(web.records()[0]!.content.toString()).toMatch(/torso$/)
  })

  it('beside other requests: END_REQUEST with appStatus 1, and they go on', async () => {
    const { client } = await serve((req, res) => {
      if (req.url === '/other') return void setTimeout(() => res.end('other'), 20)
      res.write('torso')
      setImmediate(() => res.destroy())
    })
    const web = await client()
    web.send(get(2, true, { REQUEST_URI: '/other' }), get(1))
    const torso = await web.response(1)
    expect(torso.end).toEqual({ appStatus: 1, protocolStatus: 0 })
    expect(torso.body.toString()).toBe('torso')
    expect((await web.response(2)).body.toString()).toBe('other')
  })

  it('beside other requests and before its head: a real answer, 500', async () => {
    const { client } = await serve((req, res) => {
      if (req.url === '/other') return void setTimeout(() => res.end('other'), 20)
      res.destroy()
    })
    const web = await client()
    web.send(get(2, true, { REQUEST_URI: '/other' }), get(1))
    const answer = await web.response(1)
    expect(answer.head.status).toBe(500)
    expect(answer.end).toEqual({ appStatus: 1, protocolStatus: 0 })
    expect((await web.response(2)).body.toString()).toBe('other')
  })

  it("emits 'close' on res and 'aborted' never for a request that was read", async () => {
    const log: string[] = []
    const { client } = await serve((req, res) => {
      req.on('aborted', () => log.push('aborted'))
      res.on('close', () => log.push(`close, destroyed: ${String(res.destroyed)}, finished: ${String(res.writableFinished)}`))
      req.resume().on('end', () => res.destroy())
    })
    const web = await client()
    web.send(get(1))
    await web.closed
    expect(log).toEqual(['close, destroyed: true, finished: false'])
  })
})

it('a lingering connection is cut off when its peer neither sends nor closes', async () => {
  // The bounds are 5 s and 30 s; their clock goes twenty times as fast here.
  const start = performance.now()
  const origin = process.hrtime.bigint()
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => start + (20 * Number(process.hrtime.bigint() - origin)) / 1e6)
  try {
    const { server, client } = await serve((_req, res) => res.end('early'))
    const web = await client({ allowHalfOpen: true })
    web.send(begin(1), params(1, { ...GET, REQUEST_METHOD: 'POST', CONTENT_LENGTH: '1000' }))
    await web.response(1)
    await web.closed
    const closed = once(server, 'close')
    server.close()
    await closed
    web.destroy()
  } finally {
    clock.mockRestore()
  }
})

describe('the peer ends its side', () => {
  it('with httpAllowHalfOpen the answer is still sent', async () => {
    const { server, client } = await serve((_req, res) => void setTimeout(() => res.end('late but there'), 20))
    Object.assign(server, { httpAllowHalfOpen: true })
    const web = await client({ allowHalfOpen: true })
    web.send(get(1))
    web.halfClose()
    expect((await web.response(1)).body.toString()).toBe('late but there')
    await web.closed
  })

  it('without it a request that is not answered yet is aborted, as by node:http', async () => {
    const { server, client } = await serve(() => undefined)
    const web = await client({ allowHalfOpen: true })
    const arrived = once(server, 'request') as Promise<[NodeJS.EventEmitter, ServerResponse]>
    web.send(get(1))
    const [, res] = await arrived
    const closed = once(res, 'close')
    web.halfClose()
    await closed
    await web.closed
    expect(web.records().some(({ type }) => type === END_REQUEST)).toBe(false)
  })
})

it('a server that was never asked to listen needs no closing', () => {
  expect(createServer(() => undefined).listening).toBe(false)
})
