// on-finished, which loggers, body parsers and stores stand on: when a request or a response is over, and how it knows.
import { AsyncLocalStorage } from 'node:async_hooks'
import type http from 'node:http'
import onFinished from 'on-finished'
import { deferred, until } from '../support/wait'
import { describeRoutes } from './routes'

const { isFinished } = onFinished
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

describeRoutes('on-finished', (route) => {
  it('a response: not before its end, once, without an error, in order', async () => {
    const log: unknown[] = []
    const over = deferred()
    route.use((_req, res) => {
      onFinished(res, (error, message) => log.push('first', error, message === res, isFinished(res)))
      onFinished(res, () => over.resolve())
      log.push(isFinished(res))
      res.write('a')
      log.push(isFinished(res))
      res.end('b')
    })
    await route.ask('/')
    await over.promise
    expect(log).toEqual([false, false, 'first', null, true, true])
  })

  it('a response that is over already: later, but not within the call', async () => {
    const log: string[] = []
    const over = deferred()
    route.use((_req, res) => {
      res.end('x')
      res.on('finish', () => {
        setImmediate(() => {
          onFinished(res, () => {
            log.push('called')
            over.resolve()
          })
          log.push('returned')
        })
      })
    })
    await route.ask('/')
    await over.promise
    expect(log).toEqual(['returned', 'called'])
  })

  it.each([
    ['without a body', 'GET', undefined],
    ['with a body', 'POST', 'x'.repeat(100_000)],
  ])('a request %s: when it has been read to its end', async (_what, method, body) => {
    const log: unknown[] = []
    route.use((req, res) => {
      onFinished(req, (error, message) => {
        log.push(error, message === req, isFinished(req))
        res.end('x')
      })
      log.push(isFinished(req))
      req.resume()
    })
    expect((await route.unbuffered.ask('/', { method, ...(body === undefined ? {} : { body }) })).text).toBe('x')
    expect(log).toEqual([false, null, true, true])
  })

  it('a request nobody reads: with its response', async () => {
    const over = deferred<boolean>()
    route.use((req, res) => {
      onFinished(req, () => over.resolve(isFinished(req)))
      res.end('x')
    })
    await route.ask('/', { method: 'POST', headers: { 'Content-Length': 5 }, body: 'hello' })
    expect(await over.promise).toBe(true)
  })

  route.itBehindNginx.each<[when: string, begin: (res: http.ServerResponse) => unknown]>([
    ['before the answer', () => undefined],
    ['during the answer', (res: http.ServerResponse) => res.write('a piece')],
  ])('a client that leaves %s ends request and response', async (_when, begin) => {
    const arrived = deferred()
    const over: string[] = []
    let finished: unknown[] = []
    route.use((req, res) => {
      onFinished(req, () => over.push('req'))
      onFinished(res, () => {
        over.push('res')
        finished = [isFinished(req), isFinished(res), res.writableFinished]
      })
      begin(res)
      arrived.resolve()
    })
    const client = await route.unbuffered.raw()
    client.write(GET)
    await arrived.promise
    client.leave()
    await until('both to be over', () => over.length === 2)
    expect([over.sort(), finished]).toEqual([['req', 'res'], [true, true, false]])
  })

  route.itBehindNginx('an upload that breaks off', async () => {
    const arrived = deferred()
    const over = deferred<unknown[]>()
    route.use((req) => {
      onFinished(req, () => over.resolve([req.complete, isFinished(req)]))
      req.on('error', () => undefined)
      req.once('data', () => arrived.resolve())
    })
    const client = await route.unbuffered.raw()
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
    await arrived.promise
    client.leave()
    expect(await over.promise).toEqual([false, true])
  })

  it('a response that the application destroys', async () => {
    const over = deferred<unknown[]>()
    route.use((_req, res) => {
      onFinished(res, () => over.resolve([isFinished(res), res.writableFinished]))
      res.setHeader('Content-Length', 10)
      res.write('hello', () => res.destroy())
    })
    const { complete } = await route.unbuffered.ask('/')
    expect([complete, await over.promise]).toEqual([false, [true, false]])
  })

  it('runs in the async context of the one who asked', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: Record<string, string | undefined> = {}
    route.use((req, res) => {
      storage.run(req.url!, () => {
        onFinished(res, () => (seen[req.url!] = storage.getStore()))
        setImmediate(() => res.end('x'))
      })
    })
    const paths = Array.from({ length: 10 }, (_, index) => `/${index}`)
    await Promise.all(paths.map((path) => route.ask(path)))
    await until('all to be over', () => Object.keys(seen).length === paths.length)
    expect(seen).toEqual(Object.fromEntries(paths.map((path) => [path, path])))
  })

  it('each of several requests on one connection is over by itself', async () => {
    const over: string[] = []
    let mostListeners = 0
    route.use((req, res) => {
      onFinished(req, () => over.push(`req ${req.url!}`))
      onFinished(res, () => over.push(`res ${req.url!}`))
      mostListeners = Math.max(mostListeners, req.socket.listenerCount('close'), req.socket.listenerCount('error'))
      res.end(req.url)
    })
    const client = await route.raw()
    for (const path of ['/1', '/2', '/3', '/4', '/5']) {
      client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      const head = await client.head()
      expect((await client.bytes(Number(head.values('content-length')[0]))).toString()).toBe(path)
    }
    await until('all to be over', () => over.length === 10)
    expect(over.map((line) => line.slice(-2))).toEqual(['/1', '/1', '/2', '/2', '/3', '/3', '/4', '/4', '/5', '/5'])
    expect(mostListeners).toBeLessThan(10)
  })
})
