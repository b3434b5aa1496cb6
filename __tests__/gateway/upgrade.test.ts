// Upgrades through the gateway, where no WebSocket gets through: refusals, an application that fails, and the ways to set it up. What
// goes over them: __tests__/websockets.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import express from 'express'
import { cgiParams, createServer } from 'express-fastcgi'
import { gateway, type Gateway } from 'express-fastcgi/gateway'
import WebSocket, { WebSocketServer } from 'ws'
import { RawHttp } from '../support/http-raw'
import { until } from '../support/wait'

const UPGRADE = 'GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: Upgrade\r\n\r\n'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function front(listener: Gateway, server: http.Server = listener.listen(0, '127.0.0.1')): Promise<number> {
  if (!server.listening) await once(server, 'listening')
  closers.push(async () => {
    await listener.close()
    server.closeAllConnections()
    await once(server.close(), 'close')
  })
  return (server.address() as net.AddressInfo).port
}

/** An application in this process that the gateway starts by itself. */
function application(onUpgrade?: (req: http.IncomingMessage, socket: net.Socket) => void): http.Server {
  const server = createServer((req, res) => res.end(`an ordinary answer to ${req.url}`))
  const sockets: net.Socket[] = []
  if (onUpgrade !== undefined) {
    server.on('upgrade', (req, socket: net.Socket) => {
      sockets.push(socket)
      onUpgrade(req, socket)
    })
  }
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  return server
}

async function open(port: number, text = UPGRADE): Promise<RawHttp> {
  const client = await RawHttp.connect(port)
  closers.push(() => client.leave())
  return client.write(text)
}

it('listen() serves requests and upgrades, and the application sees who asked', async () => {
  let params: Readonly<Record<string, string>> = {}
  const port = await front(
    gateway(
      application((req, socket) => {
        params = cgiParams(req)
        socket.write(SWITCH)
        socket.pipe(socket)
      }),
    ),
  )
  const client = await open(port)
  const head = await client.head()
  expect([head.statusLine, head.values('upgrade'), head.values('connection')]).toEqual(['HTTP/1.1 101 Switching Protocols', ['test'], ['Upgrade']])
  client.write('echo')
  expect((await client.bytes(4)).toString()).toBe('echo')
  expect([params['REQUEST_URI'], params['HTTP_UPGRADE'], params['HTTP_CONNECTION'], params['CONTENT_LENGTH'], params['REMOTE_ADDR']]).toEqual(['/a?b', 'test', 'Upgrade', '0', '127.0.0.1'])
  expect(await (await fetch(`http://127.0.0.1:${port}/x`)).text()).toBe('an ordinary answer to /x')
})

it('beside other upgrades of a site of Express', async () => {
  const site = express()
  const app = application((_req, socket) => socket.end(`${SWITCH}through FastCGI`))
  const through = gateway(app, { scriptName: '/app' })
  site.use('/app', through)
  const server = http.createServer(site)
  const wss = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req, socket, head) => {
    if (req.url?.startsWith('/app/')) through.upgrade(req, socket, head)
    else wss.handleUpgrade(req, socket, head, (ws) => ws.close(4_000, 'of the site'))
  })
  const port = await front(through, server.listen(0, '127.0.0.1'))
  const client = await open(port, UPGRADE.replace('/a?b', '/app/a'))
  await client.head()
  expect((await client.rest()).toString()).toBe('through FastCGI')
  const ofSite = new WebSocket(`ws://127.0.0.1:${port}/`)
  const [code] = (await once(ofSite, 'close')) as [number]
  expect(code).toBe(4_000)
})

it('the application does not want it: an ordinary answer', async () => {
  const port = await front(gateway(application()))
  const client = await open(port)
  const head = await client.head()
  expect([head.statusLine, head.values('connection')]).toEqual(['HTTP/1.1 200 OK', ['close']])
  expect((await client.rest()).toString()).toBe('an ordinary answer to /a?b')
})

it('a refusal with a body larger than any buffer on the way', async () => {
  const body = 'x'.repeat(5_000_000)
  const port = await front(gateway(application((_req, socket) => socket.end(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${body.length}\r\n\r\n${body}`))))
  const client = await open(port)
  expect((await client.head()).statusLine).toBe('HTTP/1.1 403 Forbidden')
  expect((await client.rest()).length).toBe(body.length)
})

it('a request with a body is refused', async () => {
  const port = await front(gateway(application((_req, socket) => socket.end(SWITCH))))
  const client = await open(port, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: test\r\nContent-Length: 5\r\n\r\nhello')
  expect((await client.head()).statusLine).toBe('HTTP/1.1 400 Bad Request')
})

it.each([
  ['is not there', () => gateway('unix:/nowhere/at/all'), 502, 'FCGI_ERR_CONNECT'],
  ['is silent', () => gateway(application(() => undefined), { timeoutMs: 30 }), 504, 'FCGI_ERR_TIMEOUT'],
])('an application that %s: %s', async (_what, make, status, code) => {
  const client = await open(await front(make()))
  expect((await client.head()).statusLine).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect((await client.rest()).toString()).toContain(code)
})

it('an application that dies in the middle: the client is cut off', async () => {
  let transport: net.Socket | undefined
  const server = application((_req, socket) => void socket.write(`${SWITCH}and`))
  server.on('connection', (socket: net.Socket) => (transport = socket))
  const client = await open(await front(gateway(server)))
  await client.head()
  expect((await client.bytes(3)).toString()).toBe('and')
  transport!.destroy()
  expect((await client.rest()).length).toBe(0)
})

it('the client leaves before the answer, and after it: the application hears of both', async () => {
  const closed: string[] = []
  const sockets: net.Socket[] = []
  const port = await front(
    gateway(
      application((req, socket) => {
        sockets.push(socket)
        socket.on('close', () => closed.push(req.url ?? ''))
        if (req.url === '/answered') socket.write(SWITCH)
        // As under node:http, a client that leaves has ended its side first.
        socket.resume().on('end', () => socket.end())
      }),
    ),
  )
  const waiting = await open(port, UPGRADE.replace('/a?b', '/waiting'))
  await until('the upgrade', () => sockets.length === 1)
  waiting.leave()
  await until('the end', () => closed.length === 1)
  const answered = await open(port, UPGRADE.replace('/a?b', '/answered'))
  await answered.head()
  answered.leave()
  await until('the end', () => closed.length === 2)
  expect(closed).toEqual(['/waiting', '/answered'])
})

it.each([
  ['something', 'all of it'],
  ['nothing but the request', ''],
])('the client says %s and ends its side: the application has the last word', async (_what, said) => {
  const port = await front(
    gateway(
      application((_req, socket) => {
        socket.write(SWITCH)
        let heard = ''
        socket.on('data', (chunk) => (heard += String(chunk))).on('end', () => socket.end(`heard ${heard}`))
      }),
    ),
  )
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  closers.push(() => client.destroy())
  client.end(`${UPGRADE}${said}`)
  let text = ''
  for await (const chunk of client) text += String(chunk)
  expect(text).toMatch(/^HTTP\/1.1 101 /)
  expect(text.endsWith(`heard ${said}`)).toBe(true)
})

it('close() ends them', async () => {
  const listener = gateway(application((_req, socket) => void socket.write(SWITCH)))
  const client = await open(await front(listener))
  await client.head()
  await listener.close()
  expect((await client.rest()).length).toBe(0)
})
