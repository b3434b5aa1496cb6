// Whatever goes wrong with an authorizer, access is denied: by an answer other than 200, or by a connection that closes without
// END_REQUEST. lighttpd grants access by END_REQUEST without output.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerOptions } from 'express-fastcgi'
import { abort, AUTHORIZER, begin, END_REQUEST, params, STDOUT } from '../support/fcgi-bytes'
import { connect, type RawClient } from '../support/raw-client'
import { GET, serve, stopAll } from '../support/serve'
import { deferred } from '../support/wait'

afterEach(stopAll)

/** Waits for what the web server gets for a request, and says how that denies. */
async function denial(web: RawClient, id: number): Promise<'answer' | 'closed'> {
  await web.until(() => web.closedHow !== undefined || web.records().some((record) => record.id === id && record.type === END_REQUEST))
  const records = web.records().filter((record) => record.id === id)
  const output = Buffer.concat(records.filter(({ type }) => type === STDOUT).map(({ content }) => content)).toString('latin1')
  // Neither by itself nor in front of anything.
  expect(output).not.toMatch(/^Status: 2/m)
  if (!records.some(({ type }) => type === END_REQUEST)) {
    expect(web.closedHow).toBe('end')
    return 'closed'
  }
  expect(output).toMatch(/^Status: [345]\d\d [^]*\r\n\r\n/m)
  return 'answer'
}

interface Way {
  readonly what: string
  readonly handler: http.RequestListener
  readonly alone: 'answer' | 'closed'
  /** When another request is active on the connection. */
  readonly shared: 'answer' | 'closed'
}

const status: http.RequestListener = (_req, res) => void res.writeHead(200)

const ways: readonly Way[] = [
  { what: 'destroys the socket', handler: (req) => req.socket.destroy(), alone: 'closed', shared: 'answer' },
  { what: 'destroys it with an error', handler: (req) => req.socket.destroy(new Error('x')), alone: 'closed', shared: 'answer' },
  { what: 'destroys the request', handler: (req) => req.destroy(), alone: 'closed', shared: 'answer' },
  { what: 'destroys the response', handler: (_req, res) => res.destroy(), alone: 'closed', shared: 'answer' },
  { what: 'says 200, and destroys the response', handler: (req, res) => (status(req, res), res.destroy()), alone: 'closed', shared: 'answer' },
  {
    what: 'says 200 and sends the head, and destroys the socket a while later',
    handler: (req, res) => {
      res.writeHead(200, { 'Variable-X': '1' }).flushHeaders()
      res.write('granted', () => setImmediate(() => req.socket.destroy()))
    },
    alone: 'closed',
    shared: 'answer',
  },
  {
    what: 'says 403, and destroys the socket a while later',
    handler: (req, res) => void res.writeHead(403).write('de', () => setImmediate(() => req.socket.destroy())),
    alone: 'closed',
    shared: 'answer',
  },
  { what: 'ends the socket', handler: (req) => req.socket.end(), alone: 'closed', shared: 'answer' },
  {
    what: 'says 200, and ends the socket',
    handler: (req, res) => {
      res.writeHead(200).flushHeaders()
      req.socket.end()
    },
    alone: 'closed',
    shared: 'answer',
  },
  { what: 'ends the socket when its response is gone', handler: (req, res) => (res.detachSocket(req.socket), res.end(), req.socket.end()), alone: 'closed', shared: 'answer' },
  { what: 'destroys the socket when its response is gone', handler: (req, res) => (res.detachSocket(req.socket), res.end(), req.socket.destroy()), alone: 'closed', shared: 'answer' },
  { what: 'says 100', handler: (_req, res) => res.writeHead(100).end(), alone: 'answer', shared: 'answer' },
  { what: 'writes 200 on the socket', handler: (req) => req.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'), alone: 'answer', shared: 'answer' },
  {
    what: 'writes 200 on the socket, and destroys it',
    handler: (req) => {
      req.socket.write('HTTP/1.1 200 OK\r\n\r\n')
      req.socket.destroy()
    },
    alone: 'answer',
    shared: 'answer',
  },
  { what: 'writes 403 on the socket', handler: (req) => req.socket.end('HTTP/1.1 403 Forbidden\r\n\r\nno'), alone: 'answer', shared: 'answer' },
  { what: 'writes something on the socket', handler: (req) => req.socket.end('200 OK\r\n\r\n'), alone: 'answer', shared: 'answer' },
  { what: 'writes half a head on the socket', handler: (req) => req.socket.end('HTTP/1.1 200 OK\r\nVariable'), alone: 'closed', shared: 'answer' },
  {
    what: 'says 200, and 403 on the socket then',
    handler: (req, res) => {
      res.writeHead(200).flushHeaders()
      req.socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    },
    alone: 'closed',
    shared: 'answer',
  },
  { what: 'lets the time pass (headers of the response never sent, server.timeout)', handler: (req) => req.socket.setTimeout(10), alone: 'closed', shared: 'answer' },
]

/** Never answered: it keeps the connection shared. */
const hold = '/hold'

describe.each(ways)('an authorizer that $what', ({ handler, alone, shared }) => {
  const authorizer: http.RequestListener = (req, res) => (req.url === hold ? undefined : handler(req, res))

  it('alone on its connection', async () => {
    const { client, server } = await serve(() => undefined, { authorizer })
    server.on('requestError', () => undefined)
    const web = await client()
    web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, GET))
    expect(await denial(web, 1)).toBe(alone)
  })

  it('beside another request', async () => {
    const { client, server } = await serve(() => undefined, { authorizer })
    server.on('requestError', () => undefined)
    const web = await client()
    web.send(begin(2, { role: AUTHORIZER, keep: true }), params(2, { ...GET, REQUEST_URI: hold }), begin(1, { role: AUTHORIZER, keep: true }), params(1, GET))
    expect(await denial(web, 1)).toBe(shared)
    expect(web.records().filter(({ id }) => id === 2)).toEqual([])
  })
})

describe('an authorizer that throws', () => {
  let folder: string
  const children: ChildProcess[] = []
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'fcgi-authorizer-'))))
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  async function start(mode: string): Promise<{ child: ChildProcess; web: RawClient }> {
    const path = join(folder, 's')
    const child = fork(join(__dirname, 'children', 'roles.cjs'), [path, mode], { stdio: ['ignore', 'inherit', 'ignore', 'ipc'] })
    children.push(child)
    await once(child, 'message')
    return { child, web: await connect(path) }
  }

  it.each([
    ['/throws', { caught: '/throws' }, 'answer'],
    ['/throws-behind-head', { caught: '/throws-behind-head' }, 'answer'],
    ['/throws-behind-end', { caught: '/throws-behind-end' }, 'answer'],
    ['/throws-behind-denial', { caught: '/throws-behind-denial' }, 'answer'],
    ['/rejects', { rejected: '/rejects' }, 'answer'],
    ['/rejects-later', { rejected: '/rejects-later' }, 'answer'],
    ['/rejects-strangely', { rejected: '/rejects-strangely' }, 'answer'],
    ['/express', undefined, 'answer'],
  ])('in a process that survives it: %s', async (url, told, how) => {
    const { child, web } = await start('survive')
    const message = told && (once(child, 'message') as Promise<[unknown]>)
    web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, { ...GET, REQUEST_URI: url }))
    expect(await denial(web, 1)).toBe(how)
    if (message !== undefined) expect((await message)[0]).toEqual(told)
  })

  it.each(['/throws', '/throws-behind-end', '/rejects', '/rejects-later'])('and ends its process by it: %s', async (url) => {
    const { child, web } = await start('die')
    const exit = once(child, 'exit')
    web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, { ...GET, REQUEST_URI: url }))
    await denial(web, 1)
    expect(await exit).toEqual([1, null])
  })
})

describe('access is denied as well', () => {
  const silent: http.RequestListener = () => undefined

  it('when the web server gives the request up, whatever the application has said so far', async () => {
    const log: string[] = []
    const authorizer: http.RequestListener = (req, res) => {
      req.on('close', () => log.push(`close ${String(req.url)}`))
      if (req.url === '/granting') res.writeHead(200).flushHeaders()
      if (req.url === '/denying') res.writeHead(403).flushHeaders()
    }
    const { client } = await serve(silent, { authorizer })
    const web = await client()
    for (const [id, url] of [[1, '/'], [2, '/granting'], [3, '/denying']] as const) {
      web.send(begin(id, { role: AUTHORIZER, keep: true }), params(id, { ...GET, REQUEST_URI: url }), abort(id))
      expect(await denial(web, id)).toBe('answer')
    }
    expect(log).toEqual(['close /', 'close /granting', 'close /denying'])
  })

  it('when it is given up before its variables are complete', async () => {
    const { client } = await serve(silent, { authorizer: silent })
    const web = await client()
    web.send(begin(1, { role: AUTHORIZER, keep: true }), abort(1))
    expect(await denial(web, 1)).toBe('answer')
  })

  it.each<[string, ServerOptions, number]>([
    ['maxRequests', { maxRequests: 1 }, 503],
    ['maxPendingRequests', { maxPendingRequests: 1 }, 503],
    ['multiplex', { multiplex: false }, 503],
  ])('by overload: %s', async (_name, options, expected) => {
    const { client } = await serve(silent, { authorizer: silent, ...options })
    const web = await client()
    web.send(begin(1, { role: AUTHORIZER, keep: true }), begin(2, { role: AUTHORIZER, keep: true }), params(2, GET))
    expect(await denial(web, 2)).toBe('answer')
    expect((await web.response(2)).head.status).toBe(expected)
  })

  it('by params that are too long, or never complete', async () => {
    const { client } = await serve(silent, { authorizer: silent, maxParamsSize: 1_024, headersTimeout: 40 })
    const web = await client()
    web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, { ...GET, X: 'x'.repeat(2_000) }))
    expect(await denial(web, 1)).toBe('answer')
    web.send(begin(2, { role: AUTHORIZER, keep: true }))
    expect(await denial(web, 2)).toBe('answer')
    expect((await web.response(2)).head.status).toBe(408)
  })

  it('by variables that are no request', async () => {
    const { client, server } = await serve(silent, { authorizer: silent })
    server.on('requestError', () => undefined)
    const web = await client()
    for (const pairs of [{}, { ...GET, HTTP_X: 'a\nb' }, { ...GET, REQUEST_METHOD: 'FOO' }, { ...GET, REQUEST_URI: '/a b' }, { ...GET, CONTENT_LENGTH: 'x' }]) {
      web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, pairs))
      expect(await denial(web, 1)).toBe('answer')
      await web.response(1)
    }
  })

  it('in a listener of clientError that answers by 200: only an authorizer grants', async () => {
    const { client, server } = await serve(silent, { authorizer: silent })
    server.on('clientError', (_error, socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'))
    server.on('requestError', () => undefined)
    const web = await client()
    web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, { ...GET, REQUEST_METHOD: 'FOO' }))
    expect(await denial(web, 1)).toBe('answer')
  })

  it('when the server closes all connections', async () => {
    for (const url of ['/silent', '/granting']) {
      const arrived = deferred()
      const { client, server } = await serve(silent, {
        authorizer: (req, res) => {
          if (req.url === '/granting') res.writeHead(200).flushHeaders()
          arrived.resolve()
        },
      })
      const web = await client()
      web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, { ...GET, REQUEST_URI: url }), begin(2, { role: AUTHORIZER, keep: true }))
      await arrived.promise
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await denial(web, 1)
      await denial(web, 2)
      await closed
    }
  })

  it('while the server is closing, an authorizer that has the request goes on', async () => {
    const held: http.ServerResponse[] = []
    const { client, server } = await serve(silent, { authorizer: (_req, res) => void held.push(res) })
    const web = await client()
    web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, GET))
    await web.flushed()
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const closed = once(server, 'close')
    server.close()
    held[0]?.writeHead(403).end()
    expect(await denial(web, 1)).toBe('answer')
    await closed
  })

  it('by a peer that breaks the protocol on the connection', async () => {
    const { client, server } = await serve(silent, { authorizer: silent })
    server.on('clientError', () => undefined)
    const web = await client()
    web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, GET), Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    expect(await denial(web, 1)).toBe('closed')
  })
})
