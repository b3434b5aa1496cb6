// `protocol: 'auto'`: FastCGI and HTTP on one address, told apart by the first byte of a connection.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server, type ServerOptions } from 'express-fastcgi'
import { askFastCGI, askHttp } from '../register/application'
import { begin, params, record as fcgiRecord, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { GET, next, POST } from '../support/serve'
import { until } from '../support/wait'

type Address = string | net.AddressInfo

const folder = mkdtempSync(join(tmpdir(), 'fcgi-auto-'))
const kinds = ['a unix socket', 'a TCP port'] as const
const HTTP_GET = 'GET /http HTTP/1.1\r\nHost: a.example\r\n\r\n'
const FASTCGI_GET = Buffer.concat([begin(1, { keep: true }), params(1, { ...GET, REQUEST_URI: '/fastcgi' }), stdin(1)])
let server: Server
let sockets: net.Socket[]

beforeEach(() => (sockets = []))

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  if (!server.listening) return
  // Nothing may hold it open.
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
})

afterAll(() => rmSync(folder, { recursive: true }))

async function start(kind: (typeof kinds)[number], handler: http.RequestListener, options: ServerOptions = {}): Promise<Address> {
  server = createServer({ ...options, protocol: 'auto' }, handler)
  await once(kind === 'a TCP port' ? server.listen(0) : server.listen(join(folder, 's')), 'listening')
  return server.address()!
}

/** A connection of its own, and the server's end of it. */
async function open(address: Address): Promise<{ ours: net.Socket; theirs: net.Socket }> {
  const accepted = next<net.Socket>(server, 'connection')
  const ours = typeof address === 'string' ? net.connect(address) : net.connect(address.port, address.address)
  sockets.push(ours)
  await once(ours, 'connect')
  // A reset is one way to be closed.
  ours.on('error', () => undefined)
  return { ours, theirs: await accepted }
}

/** Sends bytes and waits until the server has read them, so that they come to it by themselves. */
async function sendAlone(to: { ours: net.Socket; theirs: net.Socket }, bytes: Uint8Array): Promise<void> {
  const before = to.theirs.bytesRead
  to.ours.write(bytes)
  await until('the bytes to be read', () => to.theirs.bytesRead === before + bytes.length)
}

/** What a socket receives until it has `mark`; rejects when it closes before. */
async function received(socket: net.Socket, mark: string): Promise<string> {
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += (chunk as Buffer).toString('latin1')
    if (text.includes(mark)) return text
  }
  throw new Error(`closed before ${mark}: ${text}`)
}

/** All that a socket receives until the server closes it. */
async function everything(socket: net.Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

const connections = (): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))))

describe.each(kinds)('on %s', (kind) => {
  const sayUrl: http.RequestListener = (req, res) => res.end(`answer to ${req.url}`)

  it('both are answered, in any order and at the same time', async () => {
    const address = await start(kind, sayUrl)
    const paths = Array.from({ length: 20 }, (_, n) => `/${n}`)
    const answers = await Promise.all(paths.map((path, n) => (n % 3 === 0 ? askHttp(address, path) : askFastCGI(address, path))))
    expect(answers).toEqual(paths.map((path) => `answer to ${path}`))
  })

  it('byte by byte: HTTP', async () => {
    const connection = await open(await start(kind, sayUrl))
    for (const byte of Buffer.from(HTTP_GET)) await sendAlone(connection, Buffer.of(byte))
    expect(await received(connection.ours, '/http')).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  it('byte by byte: FastCGI', async () => {
    const connection = await open(await start(kind, sayUrl))
    for (const byte of FASTCGI_GET) await sendAlone(connection, Buffer.of(byte))
    expect((await received(connection.ours, '/fastcgi')).slice(0, 2)).toBe('\x01\x06')
  })

  it.each([['HTTP', Buffer.from('G')], ['FastCGI', Buffer.of(1)]])('a first byte of %s and then silence keeps nobody else from an answer', async (_protocol, byte) => {
    const address = await start(kind, sayUrl)
    await sendAlone(await open(address), byte)
    expect([await askHttp(address, '/a'), await askFastCGI(address, '/b')]).toEqual(['answer to /a', 'answer to /b'])
  })

  it('HTTP requests that come together are answered in order, on one connection', async () => {
    const { ours } = await open(await start(kind, sayUrl))
    ours.write(HTTP_GET.replace('/http', '/1') + HTTP_GET.replace('/http', '/2'))
    expect(await received(ours, '/2')).toMatch(/answer to \/1HTTP\/1\.1 200 OK[^]*answer to \/2/)
  })

  it('a connection that ends without a byte is closed, and nobody is told', async () => {
    const address = await start(kind, sayUrl)
    const told: string[] = []
    for (const event of ['request', 'clientError']) server.on(event, () => told.push(event))
    const { ours, theirs } = await open(address)
    const closed = once(theirs, 'close')
    ours.end()
    await closed
    expect([told, await connections()]).toEqual([[], 0])
  })

  it("garbage is answered with HTTP's 400, as by node", async () => {
    const address = await start(kind, sayUrl)
    for (const garbage of ['\x00\x00\x00\x00', '\x16\x03\x01\x02\x00', '\x02\x01\x00\x01\x00\x08\x00\x00']) {
      const { ours } = await open(address)
      ours.write(Buffer.from(garbage, 'latin1'))
      expect(await everything(ours)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    }
  })

  it('garbage behind a first byte of FastCGI is none of HTTP: the connection is closed', async () => {
    const address = await start(kind, sayUrl)
    const { ours } = await open(address)
    const violation = next<NodeJS.ErrnoException>(server, 'clientError')
    const answer = everything(ours)
    ours.write(Buffer.concat([fcgiRecord(9, 0), Buffer.from(HTTP_GET)]))
    expect((await violation).code).toBe('FCGI_ERR_VERSION')
    expect(await answer).not.toContain('HTTP/')
  })

  it("'upgrade' comes for HTTP, with the connection and what was sent behind the head", async () => {
    const address = await start(kind, sayUrl)
    server.on('upgrade', (req: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\n\r\n${head.toString()}`)
      socket.pipe(socket)
    })
    const { ours } = await open(address)
    ours.write(HTTP_GET.replace('\r\n\r\n', '\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst'))
    expect(await received(ours, 'first')).toMatch(/^HTTP\/1\.1 101 /)
    ours.write('second')
    expect(await received(ours, 'second')).toBe('second')
  })

  it('a large upload arrives byte for byte, either way', async () => {
    const hash: http.RequestListener = (req, res) => {
      const digest = createHash('sha256')
      req.on('data', (chunk: Buffer) => digest.update(chunk)).on('end', () => res.end(digest.digest('hex')))
    }
    const address = await start(kind, hash)
    const upload = Buffer.concat(Array.from({ length: 400 }, (_, n) => Buffer.alloc(20_001, `part ${n} `)))
    const expected = createHash('sha256').update(upload).digest('hex')

    const { ours } = await open(address)
    ours.write(HTTP_GET.replace('GET', 'POST').replace('\r\n\r\n', `\r\nContent-Length: ${upload.length}\r\n\r\n`))
    ours.write(upload)
    expect(await received(ours, expected)).toMatch(/^HTTP\/1\.1 200 OK/)

    const web = await connect(address)
    sockets.push(web.socket)
    web.send(begin(1), params(1, { ...POST, CONTENT_LENGTH: String(upload.length) }), stdin(1, upload), stdin(1))
    expect((await web.response(1)).body.toString()).toBe(expected)
  })
})

it('maxConnections counts connections of either kind, and those that are neither yet', async () => {
  const address = await start('a TCP port', (_req, res) => res.end('ok'), { maxConnections: 3 })
  const all = [await open(address), await open(address), await open(address)]
  all[0]!.ours.write(HTTP_GET)
  all[1]!.ours.write(FASTCGI_GET)
  await Promise.all([received(all[0]!.ours, 'ok'), received(all[1]!.ours, 'ok')])
  const dropped = once(server, 'drop')
  const further = net.connect((address as net.AddressInfo).port, '127.0.0.1')
  sockets.push(further)
  await Promise.all([dropped, everything(further)])
  all[2]!.ours.write(HTTP_GET)
  expect(await received(all[2]!.ours, 'ok')).toMatch(/^HTTP\/1\.1 200 OK/)
})

it('a connection that never says a word is closed after headersTimeout, as by node', async () => {
  const address = await start('a TCP port', (_req, res) => res.end('ok'), { headersTimeout: 50 })
  const { ours } = await open(address)
  await everything(ours)
  expect(await askFastCGI(address)).toBe('ok')
})

it('a connection reset before its first byte does no harm', async () => {
  const address = await start('a TCP port', (_req, res) => res.end('ok'))
  const { ours, theirs } = await open(address)
  // Not once(), which would reject with the reset.
  const closed = new Promise((resolve) => theirs.on('close', resolve))
  ours.resetAndDestroy()
  await closed
  expect([await askHttp(address), await askFastCGI(address)]).toEqual(['ok', 'ok'])
})

describe('closing', () => {
  const held: http.ServerResponse[] = []
  const hold: http.RequestListener = (req, res) => {
    if (req.url === '/idle') res.end('idle')
    else held.push(res.writeHead(200, { 'Content-Length': 4 }))
  }

  /** Connections of every kind; the last two are being answered. */
  async function everyKind(): Promise<Record<'undecided' | 'idleHttp' | 'idleFastCGI' | 'http' | 'fastcgi', net.Socket>> {
    const address = await start('a TCP port', hold)
    held.length = 0
    const all = {
      undecided: (await open(address)).ours,
      idleHttp: (await open(address)).ours,
      idleFastCGI: (await open(address)).ours,
      http: (await open(address)).ours,
      fastcgi: (await open(address)).ours,
    }
    all.idleHttp.write(HTTP_GET.replace('/http', '/idle'))
    await received(all.idleHttp, '\r\n\r\nidle')
    all.idleFastCGI.write(Buffer.concat([begin(1, { keep: true }), params(1, { ...GET, REQUEST_URI: '/idle' }), stdin(1)]))
    // The END_REQUEST record. FCGI 5.5
    await received(all.idleFastCGI, '\x01\x03\x00\x01')
    // Kept alive it would last for as long as node keeps a connection whose answer began before close().
    all.http.write(HTTP_GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    all.fastcgi.write(FASTCGI_GET)
    await until('both to be answered', () => held.length === 2)
    return all
  }

  const closing = (socket: net.Socket): Promise<unknown> => {
    socket.resume()
    return once(socket, 'close')
  }

  it.each(['close', 'closeAllConnections'] as const)("%s(), called when the first response of a connection is finished, closes that connection", async (closer) => {
    const address = await start('a unix socket', (_req, res) => {
      res.on('finish', () => server[closer]())
      res.end()
    })
    const { ours } = await open(address)
    const closed = closing(ours)
    ours.write(FASTCGI_GET)
    await closed
  })

  it('closeIdleConnections(): what has not said a word and what waits for a request, not what is being answered', async () => {
    const { undecided, idleHttp, idleFastCGI, http: busyHttp, fastcgi } = await everyKind()
    const idle = Promise.all([undecided, idleHttp, idleFastCGI].map(closing))
    server.closeIdleConnections()
    await idle
    const answers = Promise.all([received(busyHttp, 'done'), received(fastcgi, 'done')])
    for (const res of held) res.end('done')
    expect((await answers).map((text) => text.slice(0, 2))).toEqual(['HT', '\x01\x06'])
  })

  it('close(): the same, and the server is closed when the last is answered', async () => {
    const all = await everyKind()
    const idle = Promise.all([all.undecided, all.idleHttp, all.idleFastCGI].map(closing))
    const closed = once(server, 'close')
    server.close()
    await idle
    const answers = Promise.all([received(all.http, 'done'), received(all.fastcgi, 'done')])
    for (const res of held) res.end('done')
    await answers
    await closed
  })

  it('closeAllConnections(): all of them', async () => {
    const all = await everyKind()
    const gone = Promise.all(Object.values(all).map(closing))
    server.closeAllConnections()
    await gone
    await until('the server to have none', async () => (await connections()) === 0)
  })
})

describe('allowedClients counts for both', () => {
  it.each([['HTTP', Buffer.from(HTTP_GET)], ['FastCGI', FASTCGI_GET]])('%s', async (_protocol, request) => {
    const seen: string[] = []
    const address = await start('a TCP port', (req, res) => { seen.push(req.url ?? ''); res.end() }, { allowedClients: ['192.0.2.7'] })
    const dropped = once(server, 'drop')
    const { ours } = await open(address)
    const answer = everything(ours)
    ours.write(request)
    await dropped
    expect([await answer, seen]).toEqual(['', []])
  })

  it('who is on it is answered', async () => {
    const address = await start('a TCP port', (_req, res) => res.end('ok'), { allowedClients: ['127.0.0.0/8'] })
    expect([await askHttp(address), await askFastCGI(address)]).toEqual(['ok', 'ok'])
  })
})
