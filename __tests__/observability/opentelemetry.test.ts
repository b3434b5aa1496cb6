// OpenTelemetry's stock HTTP instrumentation, in processes of their own: one correct server span for each request, the same as
// under node:http behind the same web server but for the client's address, which FastCGI tells and a proxy hides.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { abort, begin, params, stdin } from '../support/fcgi-bytes'
import { describeWith } from '../support/need'
import { connect } from '../support/raw-client'
import { GET } from '../support/serve'
import { until } from '../support/wait'
import { ask, askAndLeave, startWays, type Ways } from './ways'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'
const TRACEPARENT = `00-${TRACE}-${CALLER}-01`

interface Span {
  readonly name: string
  readonly kind: 'SERVER' | 'CLIENT' | 'INTERNAL'
  readonly status: 'UNSET' | 'OK' | 'ERROR'
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: Readonly<Record<string, string | number>>
  readonly isOver: boolean
}

type AppWay = 'http' | 'createServer' | 'attach' | 'register' | 'register before the instrumentation'

/** The application in a process of its own. */
class App {
  private readonly said: Record<string, unknown>[] = []

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (message) => this.said.push(message as Record<string, unknown>))
  }

  static async start(way: AppWay, path: string, backend: number): Promise<App> {
    const file = join(__dirname, 'children', 'opentelemetry.cjs')
    const preloads = [join(__dirname, 'children', 'tracing.cjs')]
    if (way === 'register') preloads.push('express-fastcgi/register')
    if (way === 'register before the instrumentation') preloads.unshift('express-fastcgi/register')
    const execArgv = preloads.flatMap((preload) => ['-r', preload])
    const env = way.startsWith('register') ? { ...process.env, FASTCGI_LISTEN: path } : process.env
    const child = fork(file, [way, path, String(backend)], { execArgv, env, cwd: join(__dirname, '..', '..'), stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const app = new App(child)
    await app.message('listening')
    return app
  }

  /** The first message with this key. */
  message(key: string): Promise<unknown> {
    return until(`a message "${key}"`, () => {
      if (this.child.exitCode !== null) throw new Error(`the application ended before it said "${key}"`)
      return this.said.find((message) => key in message)?.[key]
    })
  }

  /** The finished spans, once there are so many. */
  async spans(count: number): Promise<Span[]> {
    return await until(`${count} spans`, async () => {
      this.said.length = 0
      this.child.send('spans')
      const spans = (await this.message('spans')) as Span[]
      return spans.length >= count && spans
    })
  }

  async stop(): Promise<void> {
    const exited = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exited
  }
}

describeWith('nginx', "OpenTelemetry's HTTP instrumentation", () => {
  let ways: Ways
  let backend: http.Server
  const backendSaw: (string | undefined)[] = []

  beforeAll(async () => {
    ways = await startWays()
    backend = http.createServer((req, res) => {
      backendSaw.push(req.headers['traceparent'] as string | undefined)
      res.end('nested')
    })
    await once(backend.listen(0, '127.0.0.1'), 'listening')
  })
  afterAll(async () => {
    await ways.stop()
    backend.close().closeAllConnections()
  })

  async function running<T>(way: AppWay, use: (app: App, port: number, path: string) => Promise<T>): Promise<T> {
    const side = way === 'http' ? 'http' : 'fastcgi'
    const app = await App.start(way, ways.socket(side), (backend.address() as AddressInfo).port)
    try {
      return await use(app, ways.port(side), ways.socket(side))
    } finally {
      await app.stop()
      rmSync(ways.socket(side), { force: true })
    }
  }

  // Of these a proxy tells the application its own, or none.
  const PEER = ['net.peer.ip', 'net.peer.port', 'network.peer.address', 'network.peer.port', 'client.address', 'client.port']
  const LOCAL = ['net.host.ip', 'net.host.port', 'server.port']
  // A unix socket behind the proxy has no address, so node:http has none of these.
  const withoutAddresses = (span: Span): object => ({
    name: span.name,
    kind: span.kind,
    status: span.status,
    attributes: Object.fromEntries(Object.entries(span.attributes).filter(([name]) => ![...PEER, ...LOCAL].includes(name))),
    isOver: span.isOver,
    traceId: span.traceId === TRACE ? TRACE : 'a new one',
    parentSpanId: span.parentSpanId === CALLER ? CALLER : span.parentSpanId,
  })

  /** Spans of one request each, and of requests that end in ways of their own. */
  function story(way: AppWay): Promise<{ spans: Span[]; clientPort: number }> {
    return running(way, async (app, port) => {
      const headers = { Host: 'www.example.test:8080', 'User-Agent': 'test/1', Traceparent: TRACEPARENT }
      let count = 0
      const done = async (): Promise<Span[]> => await app.spans(++count)
      const request = http.request({ host: '127.0.0.1', port, path: '/ok?x=1&sig=secret', headers, agent: false }).end()
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      const clientPort = (request.socket!.address() as AddressInfo).port
      await once(response.resume(), 'end')
      await done()
      for (const path of ['/missing', '/broken']) {
        await ask(port, path, { headers: { Host: 'www.example.test' } })
        await done()
      }
      await ask(port, '/body', { method: 'POST', body: 'four' })
      await done()
      await askAndLeave(port, '/never', app.message('begun'))
      await done()
      await askAndLeave(port, '/destroyed', app.spans(count + 1))
      return { spans: await done(), clientPort }
    })
  }

  let base: { spans: Span[]; clientPort: number }
  beforeAll(async () => {
    base = await story('http')
  })

  it('makes of requests to node:http what these tests expect', () => {
    expect(base.spans.map(({ name, kind, status }) => [name, kind, status])).toEqual([
      ['GET', 'SERVER', 'UNSET'],
      ['GET', 'SERVER', 'UNSET'],
      ['GET', 'SERVER', 'ERROR'],
      ['POST', 'SERVER', 'UNSET'],
      ['GET', 'SERVER', 'UNSET'],
      ['GET', 'SERVER', 'UNSET'],
    ])
    expect(base.spans[0]).toMatchObject({ traceId: TRACE, parentSpanId: CALLER, isOver: true })
  })

  describe.each<AppWay>(['createServer', 'attach', 'register', 'register before the instrumentation'])('with %s', (way) => {
    it('gives one server span to each request, the same as under node:http', async () => {
      const { spans, clientPort } = await story(way)
      expect(spans.map(withoutAddresses)).toEqual(base.spans.map(withoutAddresses))
      expect(spans[0]!.attributes).toMatchObject({
        'client.address': '127.0.0.1',
        'network.peer.address': '127.0.0.1',
        'network.peer.port': clientPort,
        'server.address': 'www.example.test',
        'server.port': 8080,
      })
    })

    it('the span is active in the handler, its timers and promises, and when the response is finished', async () => {
      await running(way, async (app, port) => {
        const { body } = await ask(port, '/context')
        const finish = await app.message('finish')
        const [{ spanId } = { spanId: '' }] = await app.spans(1)
        expect([JSON.parse(body), finish]).toEqual([{ handler: spanId, timer: spanId, promise: spanId }, spanId])
      })
    })

    it('a request that the handler makes is a child of it, and tells its trace to the backend', async () => {
      await running(way, async (app, port) => {
        backendSaw.length = 0
        await ask(port, '/client', { headers: { Traceparent: TRACEPARENT } })
        const [client, server] = (await app.spans(2)).sort((a, b) => (a.kind < b.kind ? -1 : 1))
        expect([client?.kind, server?.kind]).toEqual(['CLIENT', 'SERVER'])
        expect([server?.traceId, server?.parentSpanId]).toEqual([TRACE, CALLER])
        expect([client?.traceId, client?.parentSpanId]).toEqual([TRACE, server?.spanId])
        expect(backendSaw).toEqual([`00-${TRACE}-${client?.spanId}-01`])
      })
    })

    it('requests that share a connection and overlap have a span each', async () => {
      await running(way, async (app, _port, path) => {
        const web = await connect(path)
        const ids = [1, 2, 3, 4, 5, 6, 7, 8]
        const client = (id: number) => ({ REMOTE_ADDR: `192.0.2.${id}`, REMOTE_PORT: String(50_000 + id) })
        web.send(begin(9, { keep: true }), params(9, { ...GET, REQUEST_URI: '/never' }), stdin(9))
        await app.message('begun')
        web.send(...ids.map((id) => Buffer.concat([begin(id, { keep: true }), params(id, { ...GET, ...client(id), REQUEST_URI: `/together?id=${id}` }), stdin(id)])))
        const active = await Promise.all(ids.map(async (id) => (await web.response(id)).body.toString()))
        web.send(abort(9))
        const spans = await app.spans(17)
        web.destroy()
        expect(spans.filter(({ attributes }) => attributes['url.path'] === '/never')).toHaveLength(1)
        expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(9)
        expect(new Set(active).size).toBe(8)
        for (const [index, id] of ids.entries()) {
          const server = spans.find(({ spanId }) => spanId === active[index])
          expect(server).toMatchObject({ kind: 'SERVER', attributes: { 'url.query': `id=${id}`, 'client.address': `192.0.2.${id}`, 'network.peer.port': 50_000 + id } })
          expect(spans.find(({ name }) => name === `inside /together?id=${id}`)).toMatchObject({ traceId: server?.traceId, parentSpanId: server?.spanId })
        }
      })
    })
  })
})
