// AsyncLocalStorage: each request has a context of its own, however many share a connection, and it is the one that
// node:http would give it. What node gives differs between its lines (AsyncContextFrame, Node 24), so node itself is asked.

import { createServer } from 'express-fastcgi'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { abort, begin, params, stdin } from '../support/fcgi-bytes'
import { RawHttp } from '../support/http-raw'
import { GET, POST, serve, stopAll } from '../support/serve'
import { connect } from '../support/raw-client'
import { deferred, until } from '../support/wait'
import { type Entering, observe, type Stores } from './store'

const PIECES = ['ab', 'cd', 'ef']
const storage = new AsyncLocalStorage<string>()

afterEach(stopAll)

/** Waits until an application has seen so many pieces of a body. */
async function pieces(stores: Stores, url: string, count: number): Promise<void> {
  await until(`piece ${count} of ${url}`, () => stores.get(url)?.get('req data')?.length === count)
}

/** Both sides tell the store of each moment as own, other or undefined. */
function summary(stores: Stores, url: string): Record<string, string[]> {
  const words = (store: string | undefined): string => (store === undefined ? 'none' : store === url ? 'own' : `that of ${store}`)
  return Object.fromEntries([...(stores.get(url) ?? [])].sort().map(([moment, found]) => [moment, found.map(words)]))
}

/** What node:http gives to a request that has its connection for itself. */
async function ofNode(entering: Entering): Promise<Record<string, string[]>> {
  const { stores, handler } = observe(storage, entering)
  const server = http.createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const client = await RawHttp.connect((server.address() as AddressInfo).port)
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\n')
    for (const [index, piece] of PIECES.entries()) {
      client.write(piece)
      await pieces(stores, '/a', index + 1)
    }
    await client.rest()
    await until('the end of the request', () => stores.get('/a')?.has('res close'))
    return summary(stores, '/a')
  } finally {
    server.close().closeAllConnections()
  }
}

describe.each<Entering>(['run', 'enterWith'])('AsyncLocalStorage.%s in requests that are interleaved on one connection', (entering) => {
  it('is seen at every moment at which node:http shows it, and never by another request', async () => {
    const expected = await ofNode(entering)
    // Proves the comparison: node does show the store, and every moment was there.
    expect(expected).toMatchObject({ handler: ['none'], nextTick: ['own'], setImmediate: ['own'], 'promise of the test': ['own'] })
    expect(Object.keys(expected)).toEqual([
      'end callback', 'handler', 'handler, at its end', 'nextTick', 'promise of drain', 'promise of end', 'promise of the test',
      'req close', 'req data', 'req end', 'res close', 'res drain', 'res finish', 'setImmediate', 'timer', 'write callback',
    ])

    const urls = ['/a', '/b', '/c', '/d']
    const allArrived = deferred()
    const { stores, handler } = observe(storage, entering, () => allArrived.promise)
    const { client } = await serve(handler)
    const web = await client()
    for (const [index, url] of urls.entries()) {
      web.send(begin(index + 1, { keep: true }), params(index + 1, { ...POST, REQUEST_URI: url, CONTENT_LENGTH: '6' }))
    }
    for (const [count, piece] of PIECES.entries()) {
      // All in one write: the application hears of each within the same read.
      web.send(...urls.map((_, index) => stdin(index + 1, piece)))
      for (const url of urls) await pieces(stores, url, count + 1)
    }
    web.send(...urls.map((_, index) => stdin(index + 1)))
    allArrived.resolve()
    for (const index of urls.keys()) await web.response(index + 1)
    for (const url of urls) {
      await until('the end of the request', () => stores.get(url)?.has('res close'))
      expect({ url, ...summary(stores, url) }).toEqual({ url, ...expected })
    }
  })

  it('is gone when the next request comes with the same id', async () => {
    const found: (string | undefined)[] = []
    const { client } = await serve((req, res) => {
      found.push(storage.getStore())
      if (entering === 'run') {
        storage.run(req.url ?? '', () => res.end())
      } else {
        storage.enterWith(req.url ?? '')
        res.end()
      }
    })
    const web = await client()
    for (const url of ['/1', '/2', '/3']) {
      web.send(begin(1, { keep: true }), params(1, { ...GET, REQUEST_URI: url }), stdin(1))
      await web.response(1)
    }
    // And all at once, in one read.
    web.send(...[1, 2, 3].map((id) => Buffer.concat([begin(id, { keep: true }), params(id, GET), stdin(id)])))
    for (const id of [1, 2, 3]) await web.response(id)
    expect(found).toEqual(Array(6).fill(undefined))
  })

  it('is seen in the events of an abort, where others on the connection see their own', async () => {
    const found: Record<string, string | undefined> = {}
    const both = deferred()
    const { client } = await serve((req, res) => {
      const url = req.url ?? ''
      const enter = (): void => {
        for (const event of ['aborted', 'error', 'close']) req.on(event, () => (found[`${url} req ${event}`] = storage.getStore()))
        res.on('close', () => {
          found[`${url} res close`] = storage.getStore()
          void Promise.resolve().then(() => (found[`${url} promise`] = storage.getStore()))
        })
        if (url === '/stays') both.resolve()
        else res.write('begun')
      }
      if (entering === 'enterWith') {
        storage.enterWith(url)
        enter()
      } else {
        storage.run(url, enter)
      }
    })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...POST, REQUEST_URI: '/leaves', CONTENT_LENGTH: '5' }), stdin(1, 'ab'))
    web.send(begin(2, { keep: true }), params(2, { ...POST, REQUEST_URI: '/stays', CONTENT_LENGTH: '5' }), stdin(2, 'ab'))
    await both.promise
    web.send(abort(1))
    await until('the end of the aborted request', () => '/leaves promise' in found)
    expect(Object.keys(found).sort()).toEqual(['/leaves promise', '/leaves req aborted', '/leaves req close', '/leaves req error', '/leaves res close'])
    for (const store of Object.values(found)) expect([undefined, '/leaves']).toContain(store)
  })
})

describe('what was entered before the request', () => {
  /** What handlers find in each way of entering a store around `listen` and 'connection'. */
  async function found(make: () => http.Server, ask: (server: http.Server) => Promise<void>): Promise<Record<string, string | undefined>> {
    const stores: Record<string, string | undefined> = {}
    for (const when of ['around listen', "in a listener of 'connection'", "in a prepended listener of 'connection'"]) {
      const server = make()
      server.on('request', (_req, res) => {
        stores[when] = storage.getStore()
        res.end()
      })
      if (when.startsWith('in a listener')) server.on('connection', () => storage.enterWith('of the connection'))
      if (when.startsWith('in a prepended')) server.prependListener('connection', () => storage.enterWith('of the connection'))
      if (when === 'around listen') storage.run('of listen', () => server.listen(0, '127.0.0.1'))
      else server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      await ask(server)
      server.close().closeAllConnections()
    }
    return stores
  }

  const portOf = (server: http.Server): number => (server.address() as AddressInfo).port

  const askHttp = async (server: http.Server): Promise<void> => {
    const client = await RawHttp.connect(portOf(server))
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await client.rest()
  }

  const askFastCGI = async (server: http.Server): Promise<void> => {
    const web = await connect(portOf(server))
    web.send(begin(1), params(1, GET), stdin(1))
    await web.response(1)
    web.destroy()
  }

  it('is seen by the request as under node:http', async () => {
    const expected = await found(() => http.createServer(), askHttp)
    expect(expected).toMatchObject({ 'around listen': 'of listen' })
    expect(await found(() => createServer(), askFastCGI)).toEqual(expected)
  })

  it("is seen with protocol 'auto' as well, by requests of both protocols", async () => {
    const expected = await found(() => http.createServer(), askHttp)
    expect(await found(() => createServer({ protocol: 'auto' }), askFastCGI)).toEqual(expected)
    expect(await found(() => createServer({ protocol: 'auto' }), askHttp)).toEqual(expected)
  })

  it('is seen by every request of the connection, whatever those before it entered', async () => {
    const stores: (string | undefined)[] = []
    const server = createServer((_req, res) => {
      stores.push(storage.getStore())
      storage.enterWith('of a request')
      res.end()
    })
    storage.run('of listen', () => server.listen(0, '127.0.0.1'))
    await once(server, 'listening')
    const web = await connect(portOf(server))
    for (const id of [1, 2, 1]) {
      web.send(begin(id, { keep: true }), params(id, GET), stdin(id))
      await web.response(id)
    }
    web.destroy()
    server.close()
    expect(stores).toEqual(['of listen', 'of listen', 'of listen'])
  })
})

describe('what is entered outside the handler, but within one request', () => {
  it.each([
    ['req', 'IncomingMessage'],
    ['res', 'ServerResponse'],
  ])("in the constructor of a %s class of the application's own stays with that request", async (_name, option) => {
    const stores: (string | undefined)[] = []
    class Request extends http.IncomingMessage {
      constructor(...args: ConstructorParameters<typeof http.IncomingMessage>) {
        super(...args)
        if (option === 'IncomingMessage') storage.enterWith('of the constructor')
      }
    }
    class Response<R extends http.IncomingMessage = http.IncomingMessage> extends http.ServerResponse<R> {
      constructor(...args: ConstructorParameters<typeof http.ServerResponse<R>>) {
        super(...args)
        stores.push(storage.getStore())
        if (option === 'ServerResponse') storage.enterWith('of the constructor')
      }
    }
    const { client } = await serve((_req, res) => void res.end(storage.getStore() ?? 'none'), { IncomingMessage: Request, ServerResponse: Response })
    const web = await client()
    const answers: string[] = []
    for (let count = 0; count < 2; count++) {
      web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
      answers.push((await web.response(1)).body.toString())
    }
    expect(answers).toEqual(['of the constructor', 'of the constructor'])
    // The response is made after the request, so only what the other constructor entered may be seen here.
    const before = option === 'IncomingMessage' ? 'of the constructor' : undefined
    expect(stores).toEqual([before, before])
  })
})
