// Server-sent events, with no more than Express gives: they arrive one by one through a web server that buffers, and end both ways.
import type { Request, Response } from 'express'
import { deferred } from '../support/wait'
import { describeRoutes } from './routes'

describeRoutes('server-sent events', (route) => {
  /** What every such endpoint does first; `X-Accel-Buffering` is for nginx alone. */
  const open = (res: Response): void => {
    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', Connection: 'keep-alive', 'X-Accel-Buffering': 'no' })
    res.flushHeaders()
  }

  it('the head arrives before any event', async () => {
    const go = deferred()
    const app = route.app()
    app.get('/', async (_req, res) => {
      open(res)
      await go.promise
      res.end('data: 1\n\n')
    })
    const client = await route.raw()
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const { statusLine, values } = await client.head()
    expect([statusLine, values('content-type'), values('content-length'), values('transfer-encoding')]).toEqual([
      'HTTP/1.1 200 OK',
      ['text/event-stream; charset=utf-8'],
      [],
      ['chunked'],
    ])
    go.resolve()
    expect((await client.chunkedBody()).toString()).toBe('data: 1\n\n')
  })

  it('each event arrives before the next is sent', async () => {
    const arrived = Array.from({ length: 20 }, () => deferred())
    const app = route.app()
    app.get('/', async (_req, res) => {
      open(res)
      for (const [index, one] of arrived.entries()) {
        res.write(`id: ${index}\ndata: ${'é'.repeat(index)}\n\n`)
        await one.promise
      }
      res.end()
    })
    const { text, complete } = await route.ask('/', {
      onData: (sofar) => {
        const count = sofar.toString().split('\n\n').length - 1
        for (const one of arrived.slice(0, count)) one.resolve()
      },
    })
    expect([text, complete]).toEqual([arrived.map((_one, index) => `id: ${index}\ndata: ${'é'.repeat(index)}\n\n`).join(''), true])
  })

  route.itBehindNginx('fetch reads them as a stream, and leaving it is seen by the application', async () => {
    const closed = deferred<unknown[]>()
    const app = route.app()
    app.get('/', (req: Request, res: Response) => {
      const events: string[] = []
      for (const event of ['close', 'aborted', 'end']) req.on(event, () => events.push(`req ${event}`))
      res.on('close', () => {
        setImmediate(() => closed.resolve([req.headers['last-event-id'], res.writableEnded, res.destroyed, events.includes('req close')]))
      })
      open(res)
      res.write('data: 1\n\n')
    })
    const controller = new AbortController()
    const response = await fetch(route.url('/'), { signal: controller.signal, headers: { Accept: 'text/event-stream', 'Last-Event-ID': '7' } })
    const { value } = await response.body!.getReader().read()
    expect(Buffer.from(value as Uint8Array).toString()).toBe('data: 1\n\n')
    controller.abort()
    expect(await closed.promise).toEqual(['7', false, true, true])
  })

  route.itBehindNginx('several clients have each their own stream, and one that leaves disturbs none', async () => {
    const clients = new Map<string, Response>()
    const there = deferred()
    const gone = deferred<string>()
    const app = route.app()
    app.get('/:name', (req, res) => {
      clients.set(req.params.name, res)
      res.on('close', () => {
        clients.delete(req.params.name)
        if (!res.writableEnded) gone.resolve(req.params.name)
      })
      open(res)
      if (clients.size === 3) there.resolve()
    })
    const leaving = await route.raw()
    leaving.write('GET /leaving HTTP/1.1\r\nHost: a\r\n\r\n')
    const staying = [route.ask('/one'), route.ask('/two')]
    await there.promise
    for (const [name, res] of clients) res.write(`data: for ${name}\n\n`)
    leaving.leave()
    expect(await gone.promise).toBe('leaving')
    for (const [name, res] of clients) res.end(`data: last for ${name}\n\n`)
    expect((await Promise.all(staying)).map(({ text }) => text)).toEqual([
      'data: for one\n\ndata: last for one\n\n',
      'data: for two\n\ndata: last for two\n\n',
    ])
  })

  route.itBehindNginx('an application that sends on to a client that left gets no error', async () => {
    const outcome = deferred<unknown[]>()
    const app = route.app()
    app.get('/', (_req, res) => {
      const errors: unknown[] = []
      res.on('error', (error) => errors.push(error))
      res.on('close', () => {
        const written = res.write('data: too late\n\n')
        res.end()
        setImmediate(() => outcome.resolve([written, errors]))
      })
      open(res)
      res.write('data: 1\n\n')
    })
    const client = await route.raw()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.head()
    client.leave()
    expect(await outcome.promise).toEqual([false, []])
  })
})
