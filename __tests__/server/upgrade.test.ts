// 'upgrade': which requests become a connection of the application's own, and how that connection behaves.

import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { cgiParams, createServer } from '../../lib'
import { abort, begin, END_REQUEST, params, record, stdin, STDIN, STDOUT } from '../support/fcgi-bytes'
import type { RawClient } from '../support/raw-client'
import { GET, next, record as note, serve, type Served, stopAll } from '../support/serve'
import { deferred, until } from '../support/wait'

/** As lighttpd 1.4.79 with "upgrade" => "enable" asks. */
const UPGRADE = {
  ...GET,
  CONTENT_LENGTH: '0',
  SERVER_SOFTWARE: 'lighttpd/1.4.79',
  REMOTE_ADDR: '192.0.2.1',
  REMOTE_PORT: '5000',
  HTTP_HOST: 'a',
  HTTP_CONNECTION: 'Upgrade',
  HTTP_UPGRADE: 'test',
}
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: Upgrade\r\n\r\n'
const SWITCHED = 'Status: 101 Switching Protocols\r\nUpgrade: test\r\nConnection: Upgrade\r\n\r\n'

const ask = (id = 1, variables: Record<string, string> = UPGRADE, keep = false): Buffer => Buffer.concat([begin(id, { keep }), params(id, variables)])

interface Upgraded {
  readonly req: http.IncomingMessage
  readonly socket: net.Socket
  readonly head: Buffer
}

/** A server whose application gets upgrades, and answers anything else. */
async function serveUpgrades(options = {}): Promise<Served & { upgraded(): Promise<Upgraded>; log: string[] }> {
  const log: string[] = []
  const served = await serve((req, res) => {
    log.push(`request ${req.method ?? ''} ${String((req as { upgrade?: unknown }).upgrade)}`)
    res.end('an ordinary answer')
  }, options)
  served.server.on('requestError', (error: NodeJS.ErrnoException) => log.push(error.code ?? ''))
  const waiting: Upgraded[] = []
  served.server.on('upgrade', (req: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
    log.push(`upgrade ${req.method ?? ''}`)
    sockets.push(socket)
    waiting.push({ req, socket, head })
  })
  return {
    ...served,
    log,
    upgraded: () => until('an upgrade', () => waiting.shift()),
  }
}

const sockets: net.Socket[] = []

afterEach(async () => {
  // closeAllConnections() leaves these to the application.
  for (const socket of sockets.splice(0)) socket.destroy()
  await stopAll()
})

const output = (client: RawClient, id = 1): string =>
  Buffer.concat(client.records().filter((one) => one.type === STDOUT && one.id === id).map(({ content }) => content)).toString('latin1')

/** Upgraded, answered with 101, and both ends. */
async function tunnel(options = {}): Promise<Upgraded & { served: Awaited<ReturnType<typeof serveUpgrades>>; client: RawClient }> {
  const served = await serveUpgrades(options)
  const client = await served.client()
  client.send(ask())
  const upgraded = await served.upgraded()
  upgraded.socket.write(SWITCH)
  await client.until(() => output(client) === SWITCHED)
  return { ...upgraded, served, client }
}

describe('which requests are upgraded', () => {
  it('one whose STDIN stays open, without waiting for any of it', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask())
    const { req, socket, head } = await served.upgraded()
    expect([req.method, req.url, req.headers.upgrade, req.headers.connection, head.length]).toEqual(['GET', '/', 'test', 'Upgrade', 0])
    expect(req.socket).toBe(socket)
    expect(cgiParams(req)['SERVER_SOFTWARE']).toBe('lighttpd/1.4.79')
    expect(served.log).toEqual(['upgrade GET'])
  })

  it.each([
    ['keep-alive, Upgrade', true],
    ['upgrade', true],
    ['UPGRADE,close', true],
    ['keep-alive', false],
    ['', false],
    ['upgrade-insecure', false],
    ['not upgrade', false],
    ['a,,upgrade', true],
    ['"upgrade"', false],
    ['upgrade; q=1', false],
  ])('Connection: %s', async (connection, isUpgrade) => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, HTTP_CONNECTION: connection }))
    await until('a decision', () => served.log.length > 0)
    expect(served.log).toEqual([isUpgrade ? 'upgrade GET' : 'request GET false'])
  })

  it('no Upgrade field, or an empty one: an ordinary request', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    const without = Object.fromEntries(Object.entries(UPGRADE).filter(([name]) => name !== 'HTTP_UPGRADE'))
    client.send(ask(1, without, true), ask(2, { ...UPGRADE, HTTP_UPGRADE: '' }, true))
    expect([(await client.response(1)).body.toString(), (await client.response(2)).body.toString()]).toEqual(['an ordinary answer', 'an ordinary answer'])
  })

  it('nobody listens: an ordinary request, complete without the end of STDIN', async () => {
    const { client: connect } = await serve((req, res) => req.resume().on('end', () => res.end('read')))
    const client = await connect()
    client.send(ask())
    expect((await client.response(1)).body.toString()).toBe('read')
  })

  it.each([['with the request', true], ['a moment later', false]])('STDIN ends %s: an ordinary request, and a report that says what to change', async (_when, isTogether) => {
    const served = await serveUpgrades()
    const client = await served.client()
    const variables = { ...UPGRADE, SERVER_SOFTWARE: 'nginx/1.22.1', HTTP_UPGRADE: 'websocket' }
    if (isTogether) client.send(ask(1, variables), stdin(1))
    else {
      client.send(ask(1, variables))
      await client.flushed()
      await new Promise(setImmediate)
      client.send(stdin(1))
    }
    expect((await client.response(1)).body.toString()).toBe('an ordinary answer')
    expect(served.log.sort()).toEqual(['FCGI_ERR_NO_UPGRADE', 'request GET false'])
  })

  it('STDIN ends while other code keeps the event loop: the end is read before there is a doubt', async () => {
    const served = await serveUpgrades()
    const accepted = once(served.server, 'connection') as Promise<[net.Socket]>
    const client = await served.client()
    const [transport] = await accepted
    client.send(ask(1, { ...UPGRADE, SERVER_SOFTWARE: 'nginx/1.22.1', HTTP_UPGRADE: 'websocket' }))
    await until('the params', () => transport.bytesRead > 0)
    // Behind which timers come first.
    await new Promise(setImmediate)
    client.send(stdin(1))
    const kept = performance.now()
    while (performance.now() - kept < 150);
    expect((await client.response(1)).body.toString()).toBe('an ordinary answer')
    expect(served.log.sort()).toEqual(['FCGI_ERR_NO_UPGRADE', 'request GET false'])
  })

  it('without a listener of the report, one warning names the web server and what can pass WebSockets on', async () => {
    const served = await serve((_req, res) => res.end())
    served.server.on('upgrade', () => undefined)
    const warnings: [message: string, code: string | undefined][] = []
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(((message: string, { code }: { code?: string }) => warnings.push([message, code])) as never)
    const client = await served.client()
    for (const id of [1, 3]) {
      client.send(ask(id, { ...UPGRADE, SERVER_SOFTWARE: 'nginx/1.22.1', HTTP_UPGRADE: 'websocket' }, true), stdin(id))
      await client.response(id)
    }
    warn.mockRestore()
    const ours = warnings.filter(([, code]) => code === 'FCGI_ERR_NO_UPGRADE')
    expect(ours).toHaveLength(1)
    expect(ours[0]![0]).toMatch(/nginx\/1\.22\.1 .*lighttpd 1\.4\.74 .*"upgrade" => "enable"/)
  })

  it('another upgrade than a WebSocket, such as h2c, is no reason for a report', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, SERVER_SOFTWARE: 'nginx/1.22.1', HTTP_UPGRADE: 'h2c' }), stdin(1))
    await client.response(1)
    await new Promise(setImmediate)
    expect(served.log).toEqual(['request GET false'])
  })

  it.each(['lighttpd/1.4.79', 'express-fastcgi gateway'])('%s can upgrade: STDIN that ends with the request is a client that ended its side', async (name) => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, SERVER_SOFTWARE: name, HTTP_UPGRADE: 'websocket' }), stdin(1))
    const { socket } = await served.upgraded()
    await until('the end', () => socket.readableEnded)
    socket.end(`${SWITCH}the last word`)
    await client.response(1)
    expect(output(client)).toBe(`${SWITCHED}the last word`)
    expect(served.log).toEqual(['upgrade GET'])
  })

  it('nobody listens, and STDIN ends with the request: an ordinary request, and no report of a web server that can', async () => {
    const served = await serve((req, res) => req.resume().on('end', () => res.end('read')))
    const reports: unknown[] = []
    served.server.on('requestError', (error) => reports.push(error))
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, HTTP_UPGRADE: 'websocket' }, true), stdin(1), ask(2, UPGRADE, true), stdin(2))
    expect([(await client.response(1)).body.toString(), (await client.response(2)).body.toString()]).toEqual(['read', 'read'])
    expect(reports).toEqual([])
  })

  it('a web server of an unknown name, whose STDIN stays open', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, SERVER_SOFTWARE: '' }))
    await served.upgraded()
    expect(served.log).toEqual(['upgrade GET'])
  })

  it('STDIN with content before the decision is for the application to read', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, SERVER_SOFTWARE: 'something' }), stdin(1, 'first'))
    const { socket } = await served.upgraded()
    expect(String(await next<Buffer>(socket, 'data'))).toBe('first')
  })

  it.each([
    ['a length', { CONTENT_LENGTH: '5' }],
    ['chunks', { CONTENT_LENGTH: '', HTTP_TRANSFER_ENCODING: 'chunked' }],
  ])('a body with %s: an ordinary request', async (_how, variables) => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, ...variables, REQUEST_METHOD: 'POST' }), stdin(1, 'hello'), stdin(1))
    expect((await client.response(1)).body.toString()).toBe('an ordinary answer')
    expect(served.log).toEqual(['request POST false'])
  })

  it('params in pieces, byte by byte, and many requests on the connection', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    const bytes = Buffer.concat([ask(1, UPGRADE, true), ask(2, { ...GET }, true), stdin(2), ask(3, UPGRADE, true)])
    for (const byte of bytes) {
      client.send(Buffer.from([byte]))
      await client.flushed()
    }
    const [first, second] = [await served.upgraded(), await served.upgraded()]
    expect((await client.response(2)).body.toString()).toBe('an ordinary answer')
    first.socket.write(`${SWITCH}one`)
    second.socket.write(`${SWITCH}two`)
    await client.until(() => output(client, 1) === `${SWITCHED}one` && output(client, 3) === `${SWITCHED}two`)
  })

  it('aborted, or the connection gone, before the decision: the application never hears of it', async () => {
    const served = await serveUpgrades()
    const transports: net.Socket[] = []
    served.server.on('connection', (transport: net.Socket) => transports.push(transport))
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, SERVER_SOFTWARE: '' }, true), abort(1))
    await client.next((one) => one.type === END_REQUEST)
    const other = await served.client()
    other.send(ask(1, { ...UPGRADE, SERVER_SOFTWARE: '' }))
    await other.flushed()
    other.destroy()
    await once(transports[1]!, 'close')
    // Decided after those would have been.
    client.send(ask(2, { ...UPGRADE, SERVER_SOFTWARE: '', REQUEST_URI: '/last' }, true))
    expect((await served.upgraded()).req.url).toBe('/last')
    expect(served.log).toEqual(['upgrade GET'])
  })
})

// What node decides is compared with node itself; the option is in newer lines only.
describe('shouldUpgradeCallback', () => {
  const isKnown = 'shouldUpgradeCallback' in http.createServer()

  ;(isKnown ? it : it.skip)('decides with the request, and false is an ordinary request', async () => {
    const seen: unknown[] = []
    const served = await serveUpgrades({
      shouldUpgradeCallback(this: http.Server, req: http.IncomingMessage) {
        seen.push(req.url, req.headers.upgrade, this.listenerCount('upgrade'))
        return req.url !== '/no'
      },
    })
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, REQUEST_URI: '/no' }, true))
    expect((await client.response(1)).body.toString()).toBe('an ordinary answer')
    client.send(ask(2, { ...UPGRADE, REQUEST_URI: '/yes' }, true))
    await served.upgraded()
    expect([served.log, seen]).toEqual([['request GET false', 'upgrade GET'], ['/no', 'test', 1, '/yes', 'test', 1]])
  })

  ;(isKnown ? it : it.skip)('yes, and nobody listens: the request is given up, as by node', async () => {
    const served = await serve((_req, res) => res.end(), { shouldUpgradeCallback: () => true } as object)
    const client = await served.client()
    client.send(ask())
    expect((await client.response(1)).head.status).toBe(500)
  })

  ;(isKnown ? it : it.skip)('that throws: 500, and uncaughtException hears of it', async () => {
    const served = await serve((_req, res) => res.end(), {
      shouldUpgradeCallback: () => {
        throw new Error('of the application')
      },
    } as object)
    const thrown = deferred<Error>()
    process.setUncaughtExceptionCaptureCallback((error) => thrown.resolve(error))
    const client = await served.client()
    client.send(ask())
    const { head } = await client.response(1)
    expect([(await thrown.promise).message, head.status]).toEqual(['of the application', 500])
    process.setUncaughtExceptionCaptureCallback(null)
  })

  ;(isKnown ? it.skip : it)('is unknown to this node, and ignored here as well', async () => {
    const served = await serveUpgrades({ shouldUpgradeCallback: () => false })
    const client = await served.client()
    client.send(ask())
    await served.upgraded()
  })
})

describe('the answer', () => {
  it('101: Status comes first, for lighttpd, and what follows is bytes', async () => {
    const { client, socket } = await tunnel()
    socket.write(Buffer.from([0, 1, 2, 255]))
    socket.write('text, and HTTP/1.1 101 is none of our business\r\n\r\n', 'ascii')
    await client.until(() => output(client).endsWith('\r\n\r\n') && output(client).length > SWITCHED.length + 10)
    expect(output(client)).toBe(`${SWITCHED}\0\x01\x02\xfftext, and HTTP/1.1 101 is none of our business\r\n\r\n`)
  })

  it.each([
    ['as text', (socket: net.Socket) => socket.write(`${SWITCH}and on`)],
    ['as ASCII', (socket: net.Socket) => socket.write(`${SWITCH}and on`, 'ascii')],
    ['as bytes', (socket: net.Socket) => socket.write(Buffer.from(`${SWITCH}and on`))],
    ['character by character', (socket: net.Socket) => `${SWITCH}and on`.split('').map((character) => socket.write(character))],
    ['corked', (socket: net.Socket) => [socket.cork(), socket.write(SWITCH), socket.write('and '), socket.write('on'), socket.uncork()]],
  ])('printed %s', async (_how, print) => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask())
    print((await served.upgraded()).socket)
    await client.until(() => output(client) === `${SWITCHED}and on`)
  })

  it('fields that would frame what follows are dropped, all others stay', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask())
    const { socket } = await served.upgraded()
    socket.write('HTTP/1.1 101\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nStatus: 200\r\nX-A: 1\r\nX-A: 2\r\nUpgrade: x\r\n\r\n')
    await client.until(() => output(client) === 'Status: 101\r\nX-A: 1\r\nX-A: 2\r\nUpgrade: x\r\n\r\n')
  })

  it.each([
    ['with a length', 'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno', 'no'],
    ['without one', 'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\nno, no', 'no, no'],
    ['in chunks', 'HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n', 'no'],
    ['after an informational one', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n', ''],
  ])('a refusal %s is an ordinary answer', async (_how, text, body) => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask())
    const { socket } = await served.upgraded()
    const over = once(socket, 'close')
    socket.end(text)
    const response = await client.response(1)
    expect([response.head.status, response.head.headers.get('connection'), response.body.toString()]).toEqual([401, undefined, body])
    await over
  })

  it('a refusal by a ServerResponse over the socket, as frameworks do it', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask())
    const { req, socket } = await served.upgraded()
    const res = new http.ServerResponse(req)
    res.assignSocket(socket)
    res.writeHead(404, { 'X-A': '1' })
    res.write('not ')
    res.end('found')
    const response = await client.response(1)
    expect([response.head.status, response.head.headers.get('x-a'), response.body.toString()]).toEqual([404, '1', 'not found'])
  })

  it.each([
    ['nothing, and the end', (socket: net.Socket) => socket.end(), 500],
    ['nothing, and destroyed', (socket: net.Socket) => socket.destroy(), 500],
    ['half a head, and the end', (socket: net.Socket) => socket.end('HTTP/1.1 101 Switching'), 500],
    ['something that is no HTTP', (socket: net.Socket) => socket.write('hello\r\n\r\n'), 500],
  ])('%s: the web server gets an answer all the same', async (_what, answer, status) => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask())
    const { socket } = await served.upgraded()
    const over = once(socket, 'close')
    answer(socket)
    expect((await client.response(1)).head.status).toBe(status)
    await over
  })

  it('a refusal shorter than its length is cut off', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask())
    ;(await served.upgraded()).socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 20\r\n\r\nno')
    expect(await client.closed).toBe('end')
    expect(client.records().some(({ type }) => type === END_REQUEST)).toBe(false)
  })
})

describe('the socket', () => {
  it('is a net.Socket with the addresses of the client', async () => {
    const { socket, served } = await tunnel()
    expect(socket).toBeInstanceOf(net.Socket)
    expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily, socket.readyState, socket.pending, socket.connecting]).toEqual(['192.0.2.1', 5000, 'IPv4', 'open', false, false])
    expect(socket.setNoDelay(true).setKeepAlive(true).ref().unref()).toBe(socket)
    expect((socket as unknown as { server: unknown }).server).toBe(served.server)
    expect('encrypted' in socket).toBe(false)
  })

  it('over TLS has what the web server says of it', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(1, { ...UPGRADE, HTTPS: 'on', SSL_PROTOCOL: 'TLSv1.3', SSL_CLIENT_VERIFY: 'SUCCESS', SSL_CLIENT_S_DN: 'CN=somebody' }))
    const socket = (await served.upgraded()).socket as unknown as { encrypted: boolean; authorized: boolean; getProtocol(): string; getPeerCertificate(): { subject: { CN: string } } }
    expect([socket.encrypted, socket.authorized, socket.getProtocol(), socket.getPeerCertificate().subject.CN]).toEqual([true, true, 'TLSv1.3', 'somebody'])
  })

  it('STDIN is what is read, STDOUT what is written, and both are counted', async () => {
    const { socket, client } = await tunnel()
    client.send(stdin(1, 'from the '), record(STDIN, 1, 'client', 3))
    const read: Buffer[] = []
    socket.on('data', (chunk: Buffer) => read.push(chunk))
    await until('what was sent', () => Buffer.concat(read).length === 15)
    expect([Buffer.concat(read).toString(), socket.bytesRead, socket.bytesWritten]).toEqual(['from the client', 15, SWITCH.length])
  })

  it('what is read stays as it is when more comes', async () => {
    const { socket, client } = await tunnel()
    const kept: Buffer[] = []
    socket.on('data', (chunk: Buffer) => kept.push(chunk))
    for (const length of [10, 30_000, 65_535, 5, 65_535]) client.send(stdin(1, Buffer.alloc(length, length % 251)))
    await until('all', () => Buffer.concat(kept).length === 161_085)
    const all = Buffer.concat(kept)
    expect(all.equals(Buffer.concat([10, 30_000, 65_535, 5, 65_535].map((length) => Buffer.alloc(length, length % 251))))).toBe(true)
  })

  it('a small piece is not overwritten by the next', async () => {
    const { socket, client } = await tunnel()
    const kept: Buffer[] = []
    socket.on('data', (chunk: Buffer) => kept.push(chunk))
    for (const text of ['first', 'other', 'third']) {
      client.send(stdin(1, text))
      await until('it', () => kept.at(-1)?.toString() === text)
    }
    expect(kept.map(String)).toEqual(['first', 'other', 'third'])
  })

  it('a reader that pauses holds the web server back', async () => {
    const { socket, client } = await tunnel()
    const piece = stdin(1, Buffer.alloc(65_535))
    let sent = 0
    while (client.send(piece)) sent++
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    for (; sent < 400; sent++) client.send(piece)
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    expect(client.socket.writableLength).toBeGreaterThan(0)
    expect(socket.readableLength).toBeLessThan(1_000_000)
    let read = 0
    socket.on('data', (chunk: Buffer) => (read += chunk.length))
    await client.flushed()
    await until('all of it', () => read >= 400 * 65_535)
  })

  it('a paused reader on a shared connection holds up nobody until the buffer is full', async () => {
    const served = await serveUpgrades({ bodyBuffer: 65_536 })
    const client = await served.client()
    client.send(ask(1, UPGRADE, true), ask(2, UPGRADE, true))
    const [paused, other] = [await served.upgraded(), await served.upgraded()]
    client.send(stdin(1, Buffer.alloc(30_000)), stdin(2, 'still here'))
    expect(String(await next<Buffer>(other.socket, 'data'))).toBe('still here')
    // Beyond bodyBuffer the connection waits, and goes on when the reader does: nothing is lost.
    for (let i = 0; i < 20; i++) client.send(stdin(1, Buffer.alloc(30_000)))
    client.send(stdin(2, 'behind it'))
    const behind = next<Buffer>(other.socket, 'data')
    await until('the buffer to be full', () => paused.socket.readableLength > 60_000)
    // read() without a size empties the buffer, and asks for more before that.
    let read = 0
    paused.socket.on('readable', () => {
      for (let chunk = paused.socket.read() as Buffer | null; chunk !== null; chunk = paused.socket.read() as Buffer | null) read += chunk.length
    })
    expect(String(await behind)).toBe('behind it')
    await until('all', () => read === 21 * 30_000)
  })

  it("a client that does not read holds the writer back: write() says so, and 'drain' comes", async () => {
    const { socket, client } = await tunnel()
    client.pause()
    let taken = 0
    while (socket.write(Buffer.alloc(100_000), () => taken++) || socket.writableLength < 4_000_000) await new Promise(setImmediate)
    expect(socket.writableNeedDrain).toBe(true)
    const drained = once(socket, 'drain')
    client.resume()
    await drained
    expect(socket.writableLength).toBe(0)
    expect(taken).toBeGreaterThan(0)
  })

  it('a time-out is told to the socket alone, and ends nothing', async () => {
    const served = await serveUpgrades()
    served.server.timeout = 20
    let atServer = 0
    served.server.on('timeout', () => atServer++)
    const client = await served.client()
    client.send(ask())
    const { socket } = await served.upgraded()
    await once(socket, 'timeout')
    expect([socket.timeout, socket.destroyed, atServer]).toEqual([20, false, 0])
    socket.setTimeout(0)
    socket.write(`${SWITCH}still here`)
    await client.until(() => output(client).endsWith('still here'))
  })

  it('headersTimeout and requestTimeout are not for it', async () => {
    const { socket, client, served } = await tunnel({ headersTimeout: 20, requestTimeout: 20 })
    // On a connection of its own, what these two are for.
    const other = await served.client()
    other.send(begin(1, { keep: true }), begin(2, { keep: true }), params(2, { ...GET, REQUEST_METHOD: 'POST', CONTENT_LENGTH: '5' }))
    expect([(await other.response(1)).head.status, (await other.response(2)).head.status]).toEqual([408, 200])
    client.send(stdin(1, 'late'))
    expect(String(await next<Buffer>(socket, 'data'))).toBe('late')
  })
})

describe('the end', () => {
  it("the application's: the end of STDOUT and END_REQUEST, then 'finish', 'end' and 'close'", async () => {
    const { socket, client } = await tunnel()
    const log: string[] = []
    note(log, 'socket', socket, ['finish', 'end', 'close', 'error'])
    socket.resume()
    socket.end('bye')
    const response = await client.response(1)
    expect([response.body.toString(), response.stdoutEnded, response.end.appStatus, response.end.protocolStatus]).toEqual(['bye', true, 0, 0])
    await until('close', () => log.includes('socket close'))
    expect(log.sort()).toEqual(['socket close', 'socket end', 'socket finish'])
    expect(await client.closed).toBe('end')
  })

  it('of which much is still on its way: it arrives, and then comes finish', async () => {
    const { socket, client } = await tunnel()
    client.pause()
    const log: string[] = []
    note(log, 'socket', socket, ['finish', 'close', 'error'])
    const done = new Promise((resolve) => socket.end(Buffer.alloc(8_000_000, 'x'), () => resolve('told')))
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect(log).toEqual([])
    client.resume()
    expect((await client.response(1)).body).toHaveLength(8_000_000)
    expect(await done).toBe('told')
    await until('close', () => log.includes('socket close'))
    expect(log).toEqual(['socket finish', 'socket close'])
  })

  it.each([
    ['a refusal', 401, (socket: net.Socket): void => void socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')],
    ['an answer that is none', 500, (socket: net.Socket): void => void socket.write('no HTTP\r\n\r\n')],
  ])('%s closes the socket also where something came that nobody reads', async (_what, status, answer) => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(), stdin(1, 'impatient'))
    const { socket } = await served.upgraded()
    await until('what was sent', () => socket.readableLength > 0)
    const over = once(socket, 'close')
    answer(socket)
    expect((await client.response(1)).head.status).toBe(status)
    await over
  })

  it('destroyed by the application: the same, and what was written before is not lost', async () => {
    const { socket, client } = await tunnel()
    const over = once(socket, 'close')
    socket.write('last words')
    socket.destroy()
    const response = await client.response(1)
    expect([response.body.toString(), response.stdoutEnded]).toEqual(['last words', true])
    expect(await over).toEqual([false])
  })

  it('destroyed with an error', async () => {
    const { socket, client } = await tunnel()
    const errors: Error[] = []
    socket.on('error', (error) => errors.push(error))
    const over = new Promise((resolve) => socket.once('close', resolve))
    socket.destroy(new Error('mine'))
    await client.response(1)
    expect([await over, errors.map(({ message }) => message)]).toEqual([true, ['mine']])
  })

  it('STDIN ends: the other direction stays open', async () => {
    const { socket, client } = await tunnel()
    socket.resume()
    client.send(stdin(1, 'that was all'), stdin(1))
    await once(socket, 'end')
    socket.write('still here')
    await client.until(() => output(client).endsWith('still here'))
    expect(client.records().some(({ type }) => type === END_REQUEST)).toBe(false)
    socket.end()
    await client.response(1)
  })

  it.each([
    ['ends its side', (client: RawClient) => client.halfClose()],
    ['is gone', (client: RawClient) => client.destroy()],
    ['aborts the request', (client: RawClient) => void client.send(abort(1))],
  ])("the web server %s: 'end' and 'close', and no error", async (_how, leave) => {
    const { socket, client } = await tunnel()
    const log: string[] = []
    note(log, 'socket', socket, ['end', 'close', 'error'])
    socket.resume()
    client.send(stdin(1, 'and'))
    await until('what was sent', () => socket.bytesRead === 3)
    leave(client)
    await until('close', () => log.includes('socket close'))
    expect(log).toEqual(['socket end', 'socket close'])
  })

  it('the web server is gone, and the application writes on: its callback hears of it, nobody else', async () => {
    const { socket, client } = await tunnel()
    client.destroy()
    await until('the end', () => socket.readableEnded || socket.destroyed)
    const error = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => socket.write('into the void', resolve))
    expect(error?.code).toMatch(/^(EPIPE|ERR_STREAM_DESTROYED)$/)
    await until('close', () => socket.closed)
  })

  it('the web server is gone while the application does not read: what had come is still there to be read', async () => {
    const served = await serveUpgrades()
    const transport = next<net.Socket>(served.server, 'connection')
    const client = await served.client()
    client.send(ask())
    const { socket } = await served.upgraded()
    socket.write(SWITCH)
    client.send(stdin(1, 'last words'))
    await until('what was sent', () => socket.bytesRead === 10)
    const gone = once(await transport, 'close')
    client.destroy()
    await gone
    expect(socket.destroyed).toBe(false)
    const read: string[] = []
    socket.on('data', (chunk) => read.push(String(chunk)))
    await once(socket, 'close')
    expect(read).toEqual(['last words'])
  })

  it('STDIN behind END_REQUEST is ignored, and the id is free again', async () => {
    const served = await serveUpgrades()
    const client = await served.client()
    client.send(ask(1, UPGRADE, true))
    const { socket } = await served.upgraded()
    socket.end(SWITCH)
    await client.response(1)
    client.send(stdin(1, 'too late'), stdin(1), begin(1, { keep: true }), params(1, GET), stdin(1))
    expect((await client.response(1)).body.toString()).toBe('an ordinary answer')
  })

  it.each([
    ['is answered', (socket: net.Socket) => socket.end(`${SWITCH}done`), 'Status: 101'],
    ['is destroyed', (socket: net.Socket) => socket.destroy(), 'Status: 500'],
  ])('STDIN ended with the request, which %s at once: the id is free again', async (_how, answer, status) => {
    const served = await serve((_req, res) => res.end('an ordinary answer'))
    served.server.on('upgrade', (_req, socket: net.Socket) => void answer(socket))
    const client = await served.client()
    client.send(ask(1, UPGRADE, true), stdin(1))
    await client.response(1)
    expect(output(client)).toContain(status)
    client.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    expect((await client.response(1)).body.toString()).toBe('an ordinary answer')
  })

  it('a listener that throws is its own fault: other requests of the connection go on', async () => {
    const served = await serve((_req, res) => res.end('fine'))
    served.server.on('upgrade', (_req, socket: net.Socket) => {
      sockets.push(socket)
      throw new Error('of the application')
    })
    const thrown = deferred<Error>()
    process.setUncaughtExceptionCaptureCallback((error) => thrown.resolve(error))
    const client = await served.client()
    client.send(ask(1, UPGRADE, true), ask(2, GET, true), stdin(2))
    expect((await client.response(2)).body.toString()).toBe('fine')
    expect((await thrown.promise).message).toBe('of the application')
    process.setUncaughtExceptionCaptureCallback(null)
  })
})

describe('a server that closes', () => {
  it("close() waits for it, and 'close' comes when it is over", async () => {
    const { socket, served, client } = await tunnel()
    let isClosed = false
    served.server.close(() => (isClosed = true))
    served.server.closeIdleConnections()
    client.send(stdin(1, 'still here'))
    expect(String(await next<Buffer>(socket, 'data'))).toBe('still here')
    expect(isClosed).toBe(false)
    socket.end()
    await until('close', () => isClosed)
  })

  it('closeAllConnections() leaves it alone, as node:http does, and cuts off what else is on the connection', async () => {
    const served = await serveUpgrades()
    served.server.removeAllListeners('request').on('request', () => undefined)
    const client = await served.client()
    client.send(ask(1, UPGRADE, true), ask(2, GET, true), stdin(2))
    const { socket } = await served.upgraded()
    socket.write(SWITCH)
    await client.until(() => output(client) === SWITCHED)
    served.server.closeAllConnections()
    expect((await client.response(2)).end.appStatus).toBe(1)
    client.send(stdin(1, 'still here'))
    expect(String(await next<Buffer>(socket, 'data'))).toBe('still here')
    socket.end()
    await client.closed
  })
})

/** The same from node:http: the test is right if it holds there. */
describe.each([
  ['node:http', () => http.createServer()],
  ['FastCGI', () => createServer()],
] as const)('the event (%s)', (kind, create) => {
  it('what the application is given', async () => {
    const server = create()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
    if (kind === 'FastCGI') client.write(ask())
    else client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
    const [req, socket, head] = (await once(server, 'upgrade')) as [http.IncomingMessage & { upgrade: boolean; client: unknown }, net.Socket & { parser: unknown; server: unknown; _httpMessage: unknown }, Buffer]
    const log: string[] = []
    note(log, 'req', req, ['end', 'close', 'error', 'aborted'])
    expect({
      req: [req.upgrade, req.complete, req.readableEnded, req.readableFlowing, req.destroyed, req.httpVersion],
      same: [req.socket === socket, req.client === socket, socket.server === server, socket instanceof net.Socket],
      socket: [socket.readableFlowing, socket.isPaused(), socket.allowHalfOpen, socket.readable, socket.writable, socket.parser, socket._httpMessage ?? null, socket.timeout, socket.listenerCount('error'), socket.listenerCount('close'), socket.listenerCount('data')],
      marks: [socket.readableHighWaterMark, socket.writableHighWaterMark],
      head: [Buffer.isBuffer(head), head.length],
    }).toEqual({
      req: [true, true, false, null, false, '1.1'],
      same: [true, true, true, true],
      socket: [null, false, true, true, true, null, null, undefined, 0, 0, 0],
      marks: [new net.Socket().readableHighWaterMark, new net.Socket().writableHighWaterMark],
      head: [true, 0],
    })
    req.resume()
    await until('the end of the request', () => log.includes('req close'))
    expect(log).toEqual(['req end', 'req close'])
    socket.resume().once('end', () => socket.end())
    client.destroy()
    await once(socket, 'close')
    await once(server.close(), 'close')
  })
})
