// `ws`, unchanged, on both ends.
import { once } from 'node:events'
import type http from 'node:http'
import type { Duplex } from 'node:stream'
import WebSocket, { WebSocketServer } from 'ws'
import { pattern } from '../servers/app'
import { RawHttp } from '../support/http-raw'
import { deferred, until } from '../support/wait'
import { describeWays } from './ways'

const MIB = 1_048_576

interface Message {
  readonly data: Buffer
  readonly isBinary: boolean
}

async function message(ws: WebSocket): Promise<Message> {
  const [data, isBinary] = (await once(ws, 'message')) as [Buffer, boolean]
  return { data, isBinary }
}

/** Nothing more is taken of what waits to be sent. */
async function standstill(ws: WebSocket): Promise<void> {
  let waiting = -1
  let looks = 0
  await until('nothing to be taken', () => {
    looks = ws.bufferedAmount === waiting ? looks + 1 : 0
    waiting = ws.bufferedAmount
    return looks === 40
  })
}

async function closed(ws: WebSocket): Promise<[number, string]> {
  const [code, reason] = (await once(ws, 'close')) as [number, Buffer]
  return [code, reason.toString()]
}

describeWays('ws', (route) => {
  let wss: WebSocketServer
  const clients: WebSocket[] = []

  beforeEach(() => {
    wss = new WebSocketServer({ server: route.server })
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.terminate()
    for (const ws of wss.clients) ws.terminate()
    await new Promise((resolve) => wss.close(resolve))
    route.server.removeAllListeners('upgrade').removeAllListeners('request')
  })

  function connect(path = '/', protocols: string[] = [], options: WebSocket.ClientOptions = {}): WebSocket {
    const client = new WebSocket(route.url(path), protocols, options)
    clients.push(client)
    return client
  }

  async function open(path?: string, options?: WebSocket.ClientOptions): Promise<WebSocket> {
    const client = connect(path, [], options)
    await once(client, 'open')
    return client
  }

  /** A client and what the server has of it. */
  async function pair(options?: WebSocket.ClientOptions): Promise<[client: WebSocket, ofServer: WebSocket]> {
    const connected = once(wss, 'connection') as Promise<[WebSocket]>
    const client = await open('/', options)
    return [client, (await connected)[0]]
  }

  const echo = (ws: WebSocket): void => void ws.on('message', (data, binary) => ws.send(data, { binary }))

  it('text and bytes go there and back', async () => {
    wss.on('connection', echo)
    const client = await open()
    client.send('Grüße')
    const text = await message(client)
    expect([text.data.toString(), text.isBinary]).toEqual(['Grüße', false])
    client.send(Buffer.from([0, 255, 13, 10]))
    const bytes = await message(client)
    expect([[...bytes.data], bytes.isBinary]).toEqual([[0, 255, 13, 10], true])
    client.send('')
    expect((await message(client)).data).toHaveLength(0)
  })

  it.each([
    ['125', 125],
    ['126', 126],
    ['16 KiB and a byte', 16_385],
    ['a STDIN record and a byte', 65_536],
    ['1 MiB', MIB],
  ])('a message of %s', async (_size, length) => {
    wss.on('connection', echo)
    const client = await open()
    const sent = pattern(length)
    client.send(sent)
    expect((await message(client)).data.equals(sent)).toBe(true)
  })

  it('1 MiB of text, compressed', async () => {
    wss.close()
    route.server.removeAllListeners('upgrade')
    wss = new WebSocketServer({ server: route.server, perMessageDeflate: true })
    wss.on('connection', echo)
    const client = await open('/', { perMessageDeflate: true })
    expect(client.extensions).toBe('permessage-deflate')
    const sent = 'so and so. '.repeat(MIB / 11)
    client.send(sent)
    expect((await message(client)).data.toString() === sent).toBe(true)
  })

  it('many small messages keep their order', async () => {
    wss.on('connection', echo)
    const client = await open()
    const seen: string[] = []
    const all = deferred()
    client.on('message', (data: Buffer) => {
      seen.push(data.toString())
      if (seen.length === 2_000) all.resolve()
    })
    for (let i = 0; i < 2_000; i++) client.send(String(i))
    await all.promise
    expect(seen).toEqual(Array.from({ length: 2_000 }, (_, i) => String(i)))
  })

  it('pings of both sides are answered', async () => {
    const [client, ofServer] = await pair()
    const pongs = [once(client, 'pong'), once(ofServer, 'pong')] as const
    client.ping('of the client')
    ofServer.ping('of the server')
    expect((await Promise.all(pongs)).map(([data]) => String(data))).toEqual(['of the client', 'of the server'])
  })

  it('the application speaks first, together with its answer', async () => {
    wss.on('connection', (ws) => ws.send('welcome'))
    const client = connect()
    expect((await message(client)).data.toString()).toBe('welcome')
  })

  it('the client speaks before it has the answer', async () => {
    wss.on('connection', echo)
    const client = await RawHttp.connect(route.port)
    const text = Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('early')])
    const head = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
    client.write(Buffer.concat([Buffer.from(head), text]))
    expect((await client.head()).statusLine).toBe('HTTP/1.1 101 Switching Protocols')
    expect((await client.bytes(7)).subarray(2).toString()).toBe('early')
    client.leave()
  })

  it('the client closes, with a code and a reason', async () => {
    const [client, ofServer] = await pair()
    const both = Promise.all([closed(client), closed(ofServer)])
    client.close(4_001, 'I have seen enough')
    expect(await both).toEqual([
      [4_001, 'I have seen enough'],
      [4_001, 'I have seen enough'],
    ])
  })

  it('the application closes, with a code and a reason', async () => {
    const [client, ofServer] = await pair()
    const both = Promise.all([closed(client), closed(ofServer)])
    ofServer.close(1_001, 'going away')
    expect(await both).toEqual([
      [1_001, 'going away'],
      [1_001, 'going away'],
    ])
  })

  it.each(['the client', 'the application'] as const)('%s breaks off', async (who) => {
    const [client, ofServer] = await pair()
    const both = Promise.all([closed(client), closed(ofServer)])
    if (who === 'the client') client.terminate()
    else ofServer.terminate()
    expect(await both).toEqual([
      [1_006, ''],
      [1_006, ''],
    ])
  })

  it('a message that is not finished when the client breaks off', async () => {
    const [client, ofServer] = await pair()
    const over = closed(ofServer)
    const socket = (client as unknown as { _socket: Duplex })._socket
    socket.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4, 5]))
    client.terminate()
    expect(await over).toEqual([1_006, ''])
  })

  it('the request, its headers and the protocol that was agreed on', async () => {
    const seen = deferred<http.IncomingMessage>()
    wss.on('connection', (_ws, req) => seen.resolve(req))
    const client = connect('/room/1?name=%C3%A9', ['chat', 'superchat'], { origin: 'http://example.org', headers: { Cookie: 'a=1' } })
    await once(client, 'open')
    const req = await seen.promise
    expect([req.method, req.url, req.headers.origin, req.headers.cookie, req.headers.upgrade, req.httpVersion]).toEqual([
      'GET',
      '/room/1?name=%C3%A9',
      'http://example.org',
      'a=1',
      'websocket',
      '1.1',
    ])
    expect([req.socket.remoteAddress, client.protocol]).toEqual(['127.0.0.1', 'chat'])
  })

  it.each([
    ['with a status', (socket: Duplex) => socket.end('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n'), 401, 'no\n'],
    ['and destroyed at once', (socket: Duplex) => void (socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'), socket.destroy()), 403, ''],
  ])('a handshake refused by the application, %s', async (_how, refuse, status, body) => {
    wss.close()
    route.server.removeAllListeners('upgrade')
    route.server.on('upgrade', (_req, socket) => refuse(socket))
    const client = connect()
    client.on('error', () => undefined)
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, http.IncomingMessage]
    let text = ''
    for await (const chunk of response) text += String(chunk)
    expect([response.statusCode, text]).toEqual([status, body])
  })

  it('verifyClient says no', async () => {
    wss.close()
    route.server.removeAllListeners('upgrade')
    wss = new WebSocketServer({ server: route.server, verifyClient: (_info, done) => done(false, 418, 'a teapot') })
    const client = connect()
    client.on('error', () => undefined)
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, http.IncomingMessage]
    expect(response.statusCode).toBe(418)
    response.destroy()
  })

  it('the application takes its time with the answer', async () => {
    wss.close()
    route.server.removeAllListeners('upgrade')
    wss = new WebSocketServer({ noServer: true })
    const waiting: (() => void)[] = []
    route.server.on('upgrade', (req, socket, head) => waiting.push(() => wss.handleUpgrade(req, socket, head, (ws) => ws.send(req.url ?? ''))))
    route.server.on('request', (_req, res) => res.end('done'))
    const client = connect('/late')
    await until('the upgrade', () => waiting.length === 1)
    // Others are served meanwhile.
    for (let i = 0; i < 3; i++) expect(await (await fetch(route.url('/', 'http'))).text()).toBe('done')
    waiting[0]?.()
    expect((await message(client)).data.toString()).toBe('/late')
  })

  it('two hundred at a time, each with its own messages', async () => {
    wss.on('connection', (ws, req) => {
      ws.on('message', (data: Buffer) => ws.send(`${req.url} ${data.toString()}`))
    })
    const all = await Promise.all(Array.from({ length: 200 }, (_, i) => open(`/${i}`)))
    const answers = await Promise.all(
      all.map(async (client, i) => {
        client.send(`from ${i}`)
        return String((await message(client)).data)
      }),
    )
    expect(answers).toEqual(all.map((_, i) => `/${i} from ${i}`))
    expect(wss.clients.size).toBe(200)
    const left = Promise.all(all.map(closed))
    for (const client of all) client.close()
    await left
    await until('the server to know', () => wss.clients.size === 0)
  })

  it('a client that does not read holds the application back, and loses nothing', async () => {
    const [client, ofServer] = await pair()
    client.pause()
    const total = 64
    let sent = 0
    for (let i = 0; i < total; i++) ofServer.send(pattern(MIB), () => sent++)
    // A few megabytes fit into the buffers of sockets on the way; the rest waits with the application.
    await until('something to be taken', () => sent > 0)
    await standstill(ofServer)
    expect(ofServer.bufferedAmount).toBeGreaterThan(16 * MIB)
    let bytes = 0
    client.on('message', (data: Buffer) => (bytes += data.length))
    client.resume()
    await until('all of it', () => bytes === total * MIB)
    await until('the callbacks', () => sent === total)
    expect(ofServer.bufferedAmount).toBe(0)
  })

  it('an application that does not read loses nothing', async () => {
    const [client, ofServer] = await pair()
    ofServer.pause()
    const total = 64
    for (let i = 0; i < total; i++) client.send(pattern(MIB))
    if (route.holdsClientsBack) {
      await standstill(client)
      expect(client.bufferedAmount).toBeGreaterThan(16 * MIB)
    }
    let bytes = 0
    ofServer.on('message', (data: Buffer) => (bytes += data.length))
    ofServer.resume()
    await until('all of it', () => bytes === total * MIB)
  })

  it('ordinary requests are answered beside it', async () => {
    route.server.on('request', (req, res) => res.end(`${req.method} ${req.url}`))
    wss.on('connection', echo)
    const client = await open()
    for (let i = 0; i < 5; i++) {
      client.send(`m${i}`)
      const [{ data }, answer] = await Promise.all([message(client), fetch(route.url(`/${i}`, 'http')).then((response) => response.text())])
      expect([String(data), answer]).toEqual([`m${i}`, `GET /${i}`])
    }
  })

  it('a server that closes leaves its WebSockets to the application', async () => {
    const [client, ofServer] = await pair()
    echo(ofServer)
    route.server.closeAllConnections()
    route.server.closeIdleConnections()
    client.send('still here')
    expect(String((await message(client)).data)).toBe('still here')
  })
})
