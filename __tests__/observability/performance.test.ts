// perf_hooks: the HttpRequest entries of node's server, one for each request.

import { PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'
import type { RequestListener, ServerResponse } from 'node:http'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { describeWith } from '../support/need'
import { GET, serve, stopAll } from '../support/serve'
import { deferred, until } from '../support/wait'
import { ask, askAndLeave, serving, startWays, type WayName, type Ways } from './ways'

interface HttpEntry extends PerformanceEntry {
  readonly detail: {
    readonly req: { readonly method: string; readonly url: string; readonly headers: Record<string, string> }
    readonly res: { readonly statusCode: number; readonly statusMessage: string; readonly headers: Record<string, string> }
  }
}

afterEach(stopAll)

/** Observes for as long as `use` takes; it gets the entries so far. Those of the test's own client are left out. */
async function observed(use: (entries: () => HttpEntry[]) => Promise<unknown>): Promise<HttpEntry[]> {
  const all: HttpEntry[] = []
  const take = (entries: readonly PerformanceEntry[]): void => void all.push(...(entries as HttpEntry[]).filter(({ name }) => name === 'HttpRequest'))
  const observer = new PerformanceObserver((list) => take(list.getEntries()))
  observer.observe({ entryTypes: ['http'] })
  try {
    await use(() => all)
  } finally {
    take(observer.takeRecords())
    observer.disconnect()
  }
  return all
}

const handler: RequestListener = (req, res) => {
  res.statusCode = 201
  res.statusMessage = 'Made'
  res.setHeader('X-Answer', 'yes')
  res.setHeader('Set-Cookie', ['a=1', 'b=2'])
  req.resume().on('end', () => res.end('ok'))
}

describeWith('nginx', 'perf_hooks', () => {
  let ways: Ways
  beforeAll(async () => {
    ways = await startWays()
  })
  afterAll(() => ways.stop())

  /** An entry without its times and without what nginx adds for one protocol only. */
  function comparable({ name, entryType, duration, detail }: HttpEntry): object {
    const headers = { ...detail.req.headers }
    delete headers['connection']
    return { name, entryType, isTimed: duration >= 0, detail: { ...detail, req: { ...detail.req, headers } } }
  }

  async function entriesOf(way: WayName): Promise<object[]> {
    const entries = await observed((sofar) =>
      serving(ways, way, handler, async (_server, port) => {
        await ask(port, '/a?b=1', { method: 'POST', headers: { Host: 'www.example.test', 'X-Question': 'why' }, body: 'four' })
        await until('the entry', () => sofar().length > 0)
      }),
    )
    return entries.map(comparable)
  }

  it('say the same of a request as under node:http', async () => {
    const base = await entriesOf('http')
    expect(base).toMatchObject([
      {
        name: 'HttpRequest',
        entryType: 'http',
        isTimed: true,
        detail: {
          req: { method: 'POST', url: '/a?b=1', headers: { host: 'www.example.test', 'x-question': 'why' } },
          res: { statusCode: 201, statusMessage: 'Made', headers: { 'x-answer': 'yes' } },
        },
      },
    ])
    expect(await entriesOf('fastcgi')).toEqual(base)
  })

  it('say nothing of a request that is given up before its answer', async () => {
    const counts = await Promise.all(
      (['http', 'fastcgi'] as const).map(async (way) => {
        const entries = await observed(() => {
          const arrived = deferred()
          const closed = deferred()
          const silent: RequestListener = (_req, res) => {
            res.on('close', closed.resolve)
            arrived.resolve()
          }
          return serving(ways, way, silent, async (_server, port) => {
            await askAndLeave(port, `/given-up-${way}`, arrived.promise)
            await closed.promise
          })
        })
        return entries.filter(({ detail }) => detail.req.url === `/given-up-${way}`).length
      }),
    )
    expect(counts).toEqual([0, 0])
  })
})

it('gives one entry to each request of a connection, with its own duration', async () => {
  const waiting: ServerResponse[] = []
  const entries = await observed(async (sofar) => {
    const { client } = await serve((_req, res) => void waiting.push(res))
    const web = await client()
    web.send(...[1, 2, 3].map((id) => Buffer.concat([begin(id, { keep: true }), params(id, { ...GET, REQUEST_URI: `/${id}` }), stdin(id)])))
    await until('all three', () => waiting.length === 3)
    for (const id of [3, 1, 2]) {
      waiting[id - 1]!.end()
      await web.response(id)
    }
    await until('the entries', () => sofar().length >= 3)
  })
  const byEnd = [...entries].sort((a, b) => a.startTime + a.duration - (b.startTime + b.duration))
  expect(byEnd.map(({ detail }) => detail.req.url)).toEqual(['/3', '/1', '/2'])
})
