// What an application finds behind req.socket, res.socket and cgiParams().

import { attach, cgiParams, createServer, Server } from 'express-fastcgi'
import express from 'express'
import * as http from 'node:http'
import * as net from 'node:net'
import { Duplex, finished, Readable, Writable } from 'node:stream'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { GET, serve, stopAll } from '../support/serve'

afterEach(stopAll)

const CLIENT = {
  ...GET,
  REMOTE_ADDR: '192.0.2.7',
  REMOTE_PORT: '51234',
  SERVER_ADDR: '198.51.100.1',
  SERVER_PORT: '443',
  HTTP_HOST: 'www.example.test:8443',
}

/** What `look` makes of one request. */
async function seen<T>(variables: Record<string, string>, look: (req: http.IncomingMessage, res: http.ServerResponse) => T): Promise<T> {
  let result: T | undefined
  const { client } = await serve((req, res) => {
    result = look(req, res)
    res.end()
  })
  const web = await client()
  web.send(begin(1), params(1, variables), stdin(1))
  await web.response(1)
  return result as T
}

it("is node's own: http.Server, IncomingMessage, ServerResponse, net.Socket", async () => {
  expect(createServer()).toBeInstanceOf(http.Server)
  expect(createServer()).toBeInstanceOf(Server)
  expect(
    await seen(CLIENT, (req, res) => [
      Object.getPrototypeOf(req) === http.IncomingMessage.prototype,
      Object.getPrototypeOf(res) === http.ServerResponse.prototype,
      req.socket instanceof net.Socket,
      req.socket instanceof Duplex,
      req.socket instanceof Readable,
      req.socket instanceof Writable,
      req.socket === res.socket,
      (req as unknown as { connection: unknown }).connection === req.socket,
    ]),
  ).toEqual([true, true, true, true, true, true, true, true])
})

it("has the client's addresses, not the web server's", async () => {
  const addresses = await seen(CLIENT, ({ socket }) => [
    socket.remoteAddress,
    socket.remotePort,
    socket.remoteFamily,
    socket.localAddress,
    socket.localPort,
    socket.localFamily,
    socket.address(),
  ])
  expect(addresses).toEqual(['192.0.2.7', 51_234, 'IPv4', '198.51.100.1', 443, 'IPv4', { address: '198.51.100.1', family: 'IPv4', port: 443 }])
})

it.each([
  ['::1', '[::1]', 'lighttpd'],
  ['2001:db8::7', '2001:db8::1', 'others'],
])('knows IPv6: %s from %s (%s)', async (remote, local) => {
  const families = await seen({ ...CLIENT, REMOTE_ADDR: remote, SERVER_ADDR: local }, ({ socket }) => [
    socket.remoteFamily,
    socket.localFamily,
    socket.localAddress,
  ])
  expect(families).toEqual(['IPv6', 'IPv6', local.replace(/[[\]]/g, '')])
})

it('has undefined for what the web server did not say', async () => {
  expect(await seen(GET, ({ socket }) => [socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort])).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

it.each<[Record<string, string>, boolean]>([
  [{ HTTPS: 'on' }, true],
  [{ HTTPS: '1' }, true],
  [{ HTTPS: 'YES' }, true],
  [{ REQUEST_SCHEME: 'https' }, true],
  [{ SERVER_PORT_SECURE: '1' }, true],
  [{ HTTPS: 'off' }, false],
  [{ HTTPS: '' }, false],
  [{ SERVER_PORT_SECURE: '0' }, false],
  [{ HTTP_HTTPS: 'on' }, false],
  [{}, false],
])('%j: encrypted is %s', async (variables, expected) => {
  expect(await seen({ ...GET, ...variables }, ({ socket }) => (socket as { encrypted?: boolean }).encrypted === true)).toBe(expected)
})

it('gives Express req.ip, req.protocol, req.secure and req.hostname without trust proxy', async () => {
  const app = express()
  app.use((req, res) => void res.json([req.ip, req.protocol, req.secure, req.hostname]))
  const { client } = await serve(app)
  const web = await client()
  web.send(begin(1), params(1, { ...CLIENT, HTTPS: 'on' }), stdin(1))
  expect(JSON.parse((await web.response(1)).body.toString())).toEqual(['192.0.2.7', 'https', true, 'www.example.test'])
})

it('is a socket of its own for each request, also on one connection', async () => {
  const sockets = new Set<net.Socket>()
  const { client } = await serve((req, res) => {
    sockets.add(req.socket)
    res.end()
  })
  const web = await client()
  for (const id of [1, 1, 2]) {
    web.send(begin(id, { keep: true }), params(id, CLIENT), stdin(id))
    await web.response(id)
  }
  expect(sockets.size).toBe(3)
})

it("still tells loggers the address in the response's 'finish' and 'close'", async () => {
  const told: unknown[] = []
  await seen(CLIENT, (req, res) => {
    res.on('finish', () => told.push(req.socket.remoteAddress))
    res.on('close', () => told.push(req.socket.remoteAddress))
  })
  await new Promise(setImmediate)
  expect(told).toEqual(['192.0.2.7', '192.0.2.7'])
})

it('works with stream.finished, with pipe, and with listeners that make it a readable stream', async () => {
  const log: string[] = []
  await seen(CLIENT, (req) => {
    finished(req.socket, () => log.push('finished'))
    req.socket.on('data', () => log.push('data'))
    req.socket.on('close', () => log.push('close'))
    log.push(`${req.socket.readableLength} bytes to read`)
  })
  await new Promise(setImmediate)
  expect(log[0]).toBe('0 bytes to read')
  expect(log).toEqual(expect.arrayContaining(['finished', 'close']))
  expect(log).not.toContain('data')
})

it('what may be set on a net.Socket may be set, in strict mode too', async () => {
  expect(
    await seen(CLIENT, ({ socket }) => {
      const open = socket as unknown as Record<string, unknown>
      for (const name of ['connecting', 'allowHalfOpen', '_hadError']) Object.assign(open, { [name]: open[name] })
      return [open['connecting'], open['allowHalfOpen'], open['_hadError']]
    }),
  ).toEqual([false, true, false])
})

it('accepts what people call on a socket', async () => {
  const same = await seen(CLIENT, ({ socket }) =>
    [socket.setNoDelay(true), socket.setKeepAlive(true), socket.ref(), socket.unref(), socket.setTimeout(1_000), socket.setTimeout(0)].every((it) => it === socket),
  )
  expect(same).toBe(true)
})

it.each(['before', 'behind'] as const)("'end' comes to a reader that began with req.read() %s the end of STDIN", async (order) => {
  const { client } = await serve((req, res) => {
    req.read()
    setImmediate(() => {
      req.on('readable', () => void req.read())
      req.on('end', () => res.end('ended'))
    })
  })
  const web = await client()
  if (order === 'before') web.send(begin(1), params(1, GET), stdin(1))
  else {
    web.send(begin(1), params(1, GET))
    await new Promise(setImmediate)
    web.send(stdin(1))
  }
  expect((await web.response(1)).body.toString()).toBe('ended')
})

it("req is not over yet for a listener of the response's 'finish', and closes afterwards", async () => {
  const log: string[] = []
  await seen(GET, (req, res) => {
    res.on('finish', () => {
      log.push(`destroyed ${String(req.destroyed)}`)
      req.on('close', () => log.push('close'))
    })
  })
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  expect(log).toEqual(['destroyed false', 'close'])
})

it('attach leaves a time-out off that was off', () => {
  expect(attach(http.createServer({ headersTimeout: 0 })).headersTimeout).toBe(0)
  expect(attach(http.createServer({ requestTimeout: 5_000 })).headersTimeout).toBe(5_000)
})

it('counts bytes', async () => {
  const counted = await seen(CLIENT, (req, res) => {
    res.write('12345')
    return [req.socket.bytesRead, req.socket.bytesWritten > 5, res.writableLength > 5]
  })
  expect(counted).toEqual([0, true, true])
})

describe('cgiParams', () => {
  it('are the meta-variables as sent: null-prototype, frozen, the last of a repeated name', async () => {
    const raw = await seen({ ...CLIENT, DOCUMENT_ROOT: '/srv/www' }, (req) => {
      const first = cgiParams(req)
      return { params: first, same: cgiParams(req) === first }
    })
    expect(Object.getPrototypeOf(raw.params)).toBeNull()
    expect(Object.isFrozen(raw.params)).toBe(true)
    expect(raw.same).toBe(true)
    expect({ ...raw.params }).toEqual({ ...CLIENT, DOCUMENT_ROOT: '/srv/www' })
  })

  it('can be read behind Express, which replaces the prototypes of req and res', async () => {
    const app = express()
    app.get('/', (req, res) => void res.send(cgiParams(req)['REMOTE_PORT']))
    const { client } = await serve(app)
    const web = await client()
    web.send(begin(1), params(1, CLIENT), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('51234')
  })

  it('are empty for a request of a plain HTTP server, and refuse what is no request', () => {
    const req = new http.IncomingMessage(new net.Socket())
    expect(Object.keys(cgiParams(req))).toEqual([])
    expect(() => cgiParams(JSON.parse('{}') as http.IncomingMessage)).toThrow(/takes the request/)
  })
})

describe('mount', () => {
  it.each([
    ['/app', '/app/a?x=1', ['/a?x=1', '/app/a?x=1', '/app']],
    ['/app/', '/app', ['/', '/app', '/app']],
    ['/app', '/app?x', ['/?x', '/app?x', '/app']],
    ['/app', '/apple', ['/apple', '/apple', '']],
  ] as const)('%s takes its prefix off %s, as app.use would', async (mount, uri, expected) => {
    const app = express()
    app.use((req, res) => void res.json([req.url, req.originalUrl, req.baseUrl]))
    const { client } = await serve(app, { mount })
    const web = await client()
    web.send(begin(1), params(1, { ...GET, REQUEST_URI: uri }), stdin(1))
    expect(JSON.parse((await web.response(1)).body.toString())).toEqual(expected)
  })

  it('a target that is not below it is told once, quoted and cut', async () => {
    const warnings: unknown[][] = []
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation((...args: unknown[]) => void warnings.push(args))
    const { client } = await serve((req, res) => res.end(req.url), { mount: '/app' })
    const ofRoot = await serve((req, res) => res.end(req.url), { mount: '/' })
    for (const [to, uri] of [[client, '/app/a'], [ofRoot.client, '/nothing is outside of'], [client, '/other'], [client, `/${'x'.repeat(500)}`]] as const) {
      const web = await to()
      web.send(begin(1), params(1, { ...GET, REQUEST_URI: encodeURI(uri) }), stdin(1))
      await web.response(1)
    }
    warn.mockRestore()
    expect(warnings).toEqual([[expect.stringContaining('"/other" is not below the mount prefix /app'), { type: 'FastCGIWarning', code: 'FCGI_WARN_MOUNT' }]])
  })

  it('auto leaves every target alone when no web server spawned this process', async () => {
    expect(await seen({ ...GET, REQUEST_URI: '/app.fcgi/a', SCRIPT_NAME: '/app.fcgi', SCRIPT_FILENAME: process.argv[1] ?? '' }, (req) => req.url)).toBe('/app.fcgi/a')
  })
})
