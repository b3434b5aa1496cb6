// The diagnostics channels of node's HTTP server: the same messages, at the same moments between the events, as under node:http
// behind the same web server.

import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import type http from 'node:http'
import { AsyncLocalStorage } from 'node:async_hooks'
import { abort, begin, params, stdin } from '../support/fcgi-bytes'
import { describeWith } from '../support/need'
import { GET, serve, stopAll } from '../support/serve'
import { deferred, until } from '../support/wait'
import { ask, askAndLeave, serving, startWays, type WayName, type Ways } from './ways'

const CHANNELS = ['http.server.request.start', 'http.server.response.created', 'http.server.response.finish'] as const

interface Message {
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
  readonly socket?: unknown
  readonly server?: http.Server
}

/** Subscribes to all three for as long as `use` takes. */
async function subscribed<T>(onMessage: (channel: string, message: Message) => void, use: () => Promise<T>): Promise<T> {
  const subscriptions = CHANNELS.map((name) => {
    const listener = (message: unknown): void => onMessage(name.replace('http.server.', ''), message as Message)
    diagnostics.subscribe(name, listener)
    return { name, listener }
  })
  try {
    return await use()
  } finally {
    for (const { name, listener } of subscriptions) diagnostics.unsubscribe(name, listener)
  }
}

// node:http itself says which of them this node has.
const hasCreated = Number(process.versions.node.split('.')[0]) >= 22

afterEach(stopAll)

describeWith('nginx', 'diagnostics channels', () => {
  let ways: Ways
  beforeAll(async () => {
    ways = await startWays()
  })
  afterAll(() => ways.stop())

  /** Everything that happens to one request, in order, until res 'close'. */
  async function story(way: WayName, handler: http.RequestListener, use: (port: number, said: (what: string) => Promise<unknown>) => Promise<unknown>): Promise<string[]> {
    const log: string[] = []
    const isOf = (req: http.IncomingMessage): boolean => req.url === '/story'
    const noting: http.RequestListener = (req, res) => {
      log.push('handler')
      for (const event of ['end', 'aborted', 'error', 'close']) req.on(event, () => log.push(`req ${event}`))
      for (const event of ['prefinish', 'finish', 'close']) res.on(event, () => log.push(`res ${event}`))
      handler(req, res)
    }
    const said = (what: string): Promise<unknown> => until(what, () => log.includes(what))
    await subscribed(
      (channel, { request }) => {
        if (isOf(request)) log.push(channel)
      },
      () =>
        serving(ways, way, noting, async (_server, port) => {
          await use(port, said)
          await said('res close')
        }),
    )
    return log
  }

  const begun = deferred()

  it.each<[title: string, handler: http.RequestListener, use: (port: number, said: (what: string) => Promise<unknown>) => Promise<unknown>, expected: string[]]>([
    [
      'an answer at once',
      (_req, res) => res.end('ok'),
      (port) => ask(port, '/story'),
      ['request.start', 'handler', 'res prefinish', 'response.finish', 'res finish', 'res close'],
    ],
    [
      'an answer after the body',
      (req, res) => req.resume().on('end', () => res.end('ok')),
      (port) => ask(port, '/story', { method: 'POST', body: 'four' }),
      ['request.start', 'handler', 'req end', 'response.finish', 'res finish', 'res close'],
    ],
    [
      'an answer in pieces',
      (_req, res) => {
        res.write('a')
        setImmediate(() => res.end('b'))
      },
      (port) => ask(port, '/story'),
      ['request.start', 'handler', 'response.finish', 'res finish', 'res close'],
    ],
    [
      'a client that leaves midway',
      (_req, res) => {
        res.write('begun')
        begun.resolve()
      },
      (port, said) => askAndLeave(port, '/story', said('handler')),
      ['request.start', 'handler', 'req aborted', 'res close'],
    ],
    [
      'a response that the application destroys',
      (_req, res) => {
        res.write('begun')
        setImmediate(() => res.destroy())
      },
      (port, said) => askAndLeave(port, '/story', said('res close')),
      ['request.start', 'handler', 'res close'],
    ],
  ])('%s', async (_title, handler, use, expected) => {
    const base = await story('http', handler, use)
    // Proves the base: the channels do publish, and only where they should.
    expect(base.filter((what) => expected.includes(what))).toEqual(expected)
    expect(base.filter((what) => what === 'response.created')).toHaveLength(hasCreated ? 1 : 0)
    expect(await story('fastcgi', handler, use)).toEqual(base)
  })

  it('carry the request, the response, the socket and the server', async () => {
    /** Names instead of objects, so that both ways can be compared. */
    async function messages(way: WayName): Promise<Record<string, Record<string, boolean>>> {
      const seen: Record<string, Record<string, boolean>> = {}
      let app: { req: http.IncomingMessage; res: http.ServerResponse; socket: unknown; server?: http.Server } | undefined
      const all: [string, Message, unknown][] = []
      await subscribed(
        (channel, message) => void all.push([channel, message, message.response.socket]),
        () =>
          serving(
            ways,
            way,
            (req, res) => {
              app = { req, res, socket: req.socket }
              res.end()
            },
            async (server, port) => {
              await ask(port, '/')
              await until('the last message', () => all.some(([channel]) => channel === 'response.finish'))
              app!.server = server
            },
          ),
      )
      for (const [channel, message, responseSocket] of all) {
        seen[channel] = {
          ...Object.fromEntries(Object.keys(message).map((key) => [`has ${key}`, true])),
          'request is req': message.request === app?.req,
          'response is res': message.response === app?.res,
          "socket is req's": message.socket === app?.socket,
          'server is the server': message.server === app?.server,
          'res.socket is there': responseSocket !== null,
        }
      }
      return seen
    }
    const base = await messages('http')
    expect(base['request.start']).toMatchObject({ 'has socket': true, 'request is req': true, 'response is res': true, 'server is the server': true })
    expect(base['response.finish']).toMatchObject({ 'has server': true, "socket is req's": true })
    expect(await messages('fastcgi')).toEqual(base)
  })
})

it('publish once for each request of a connection, and nothing for what the application never sees', async () => {
  const published: string[] = []
  const waiting: http.ServerResponse[] = []
  await subscribed(
    (channel, { request }) => void published.push(`${channel} ${request.url ?? ''}`),
    async () => {
      const { client, server } = await serve((_req, res) => void waiting.push(res))
      server.on('requestError', () => undefined)
      const web = await client()
      web.send(...[1, 2, 3].map((id) => Buffer.concat([begin(id, { keep: true }), params(id, { ...GET, REQUEST_URI: `/${id}` }), stdin(id)])))
      // Refused: no HTTP request can have this target.
      web.send(begin(4, { keep: true }), params(4, { ...GET, REQUEST_URI: '/4 4' }), stdin(4))
      await web.response(4)
      const closed = once(waiting[1]!, 'close')
      web.send(abort(2))
      await closed
      waiting[2]!.end()
      waiting[0]!.end()
      await web.response(1)
      await until('the last message', () => published.includes('response.finish /1'))
    },
  )
  const times = (what: string): number => published.filter((name) => name === what).length
  for (const url of ['/1', '/2', '/3']) expect([url, times(`request.start ${url}`), times(`response.created ${url}`)]).toEqual([url, 1, hasCreated ? 1 : 0])
  expect(published.filter((name) => name.startsWith('response.finish')).sort()).toEqual(['response.finish /1', 'response.finish /3'])
  expect(published.filter((name) => name.endsWith('4'))).toEqual([])
})

it("what a subscriber of 'response.created' or 'request.start' enters is seen by the handler, and by no other request", async () => {
  const storage = new AsyncLocalStorage<string>()
  const found: string[] = []
  for (const entered of hasCreated ? ['request.start', 'response.created'] : ['request.start']) {
    await subscribed(
      (channel, { request }) => {
        if (channel !== entered) return
        found.push(`${channel} ${storage.getStore() ?? 'none'}`)
        storage.enterWith(request.url ?? '')
      },
      async () => {
        const { client } = await serve((req, res) => {
          found.push(`${req.url ?? ''} ${storage.getStore() ?? 'none'}`)
          res.end()
        })
        const web = await client()
        web.send(...[1, 2].map((id) => Buffer.concat([begin(id, { keep: true }), params(id, { ...GET, REQUEST_URI: `/${id}` }), stdin(id)])))
        for (const id of [1, 2]) await web.response(id)
      },
    )
    expect(found.splice(0)).toEqual([`${entered} none`, '/1 /1', `${entered} none`, '/2 /2'])
  }
})
