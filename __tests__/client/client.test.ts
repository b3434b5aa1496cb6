import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { type Client, type ClientOptions, type ClientRequest, type ClientTarget, createClient, parseTarget } from '../../lib/client'
import { answer, end, type Peer, record, ScriptedApplication, type Script, stderr, stdout, type WireRequest } from '../support/scripted-application'

const GET = { REQUEST_METHOD: 'GET' }
const POST = { REQUEST_METHOD: 'POST' }

const closing: (() => Promise<void>)[] = []
const applications: ScriptedApplication[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  expect(applications.splice(0).flatMap((application) => application.failures)).toEqual([])
})

async function start(script: Script, options?: ClientOptions, tcp = false): Promise<{ application: ScriptedApplication; client: Client }> {
  const application = await ScriptedApplication.start(script, { tcp })
  applications.push(application)
  const client = createClient(application.target, options)
  closing.push(() => client.close(), () => application.close())
  return { application, client }
}

async function read(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

async function text(request: ClientRequest): Promise<string> {
  return read(request.stdout)
}

/** Answers every request on every connection with its number on that connection. */
const counting: Script = async (peer, connection) => {
  for (let n = 1; ; n++) {
    const request = await peer.request()
    if (request === undefined) return
    peer.write(answer(request.id, `${connection}.${n}`))
  }
}

describe('a request', () => {
  it('is BEGIN_REQUEST, PARAMS and STDIN, byte for byte (FCGI 5, Appendix B)', async () => {
    const received: Buffer[] = []
    const { client } = await start((peer) => {
      peer.socket.on('data', (chunk: Buffer) => {
        received.push(chunk)
        if (Buffer.concat(received).length === 80) peer.write(answer(1, 'ok'))
      })
    })
    const request = client.request({ params: ['SERVER_PORT', '80', 'X', 'caf\xe9'], body: 'name=value' })
    expect(await text(request)).toBe('ok')
    expect(Buffer.concat(received).toString('hex')).toBe(
      [
        '0101000100080000', '0001010000000000',
        '0104000100160000', '0b02', Buffer.from('SERVER_PORT80').toString('hex'), '0104', '58636166e9',
        '0104000100000000',
        '01050001000a0000', Buffer.from('name=value').toString('hex'),
        '0105000100000000',
      ].join(''),
    )
  })

  it.each([
    ['a Responder gets an empty STDIN', 1, [5]],
    ['an Authorizer gets no STDIN', 2, []],
    ['a Filter gets STDIN, then DATA', 3, [5, 8]],
  ] as const)('%s', async (_rule, role, types) => {
    const { client } = await start(async (peer) => {
      const head = await peer.head()
      expect(head?.role).toBe(role)
      for (const type of types) expect(await peer.next()).toMatchObject({ type, content: Buffer.alloc(0) })
      peer.write(answer(1, 'done'))
    })
    expect(await text(client.request({ params: {}, role }))).toBe('done')
  })

  it('sends DATA behind STDIN, each with its end (FCGI 6.4)', async () => {
    const { client } = await start(async (peer) => {
      await peer.head()
      const seen: string[] = []
      for (let i = 0; i < 4; i++) {
        const part = await peer.next()
        seen.push(`${part?.type}:${part?.content.toString()}`)
      }
      peer.write(answer(1, seen.join(' ')))
    })
    expect(await text(client.request({ params: {}, role: 3, body: Readable.from(['in']), data: Buffer.from('file') }))).toBe('5:in 5: 8:file 8:')
  })

  it('takes params as an object; text that is not latin1 goes as UTF-8', async () => {
    const { client } = await start(async (peer) => {
      const request = await peer.request()
      expect(request?.params).toEqual({ A: 'x'.repeat(70_000), B: '\xc4\x8a', __proto: '' })
      peer.write(answer(1, 'ok'))
    })
    expect(await text(client.request({ params: { A: 'x'.repeat(70_000), B: '\u010a', __proto: '' } }))).toBe('ok')
  })

  it('tells STDERR apart from STDOUT, and how the application ended it', async () => {
    const { client } = await start(async (peer) => {
      await peer.request()
      peer.write(stderr(1, 'warn'), stdout(1, 'a'), stderr(1, 'ing'), record(7, 1), stdout(1, 'b'), record(6, 1), end(1, 7))
    })
    const request = client.request({ params: GET })
    const errors: string[] = []
    request.on('stderr', (chunk) => errors.push(chunk.toString()))
    expect(await text(request)).toBe('ab')
    expect(errors.join('')).toBe('warning')
    await expect(request.ended).resolves.toEqual({ appStatus: 7, protocolStatus: 0 })
  })

  it('understands records cut anywhere and padding of any length', async () => {
    const { client } = await start(async (peer) => {
      await peer.request()
      const bytes = Buffer.concat([record(6, 1, 'hello ', 255), record(6, 1, 'world', 1), record(6, 1), end(1)])
      peer.socket.setNoDelay(true)
      for (const byte of bytes) await new Promise<void>((resolve) => peer.socket.write(Buffer.from([byte]), () => resolve()))
    }, {}, true)
    expect(await text(client.request({ params: GET }))).toBe('hello world')
  })

  it('ends with END_REQUEST also when the application never closed STDOUT', async () => {
    const { client } = await start(async (peer) => {
      await peer.request()
      peer.write(stdout(1, 'x'), end(1))
    })
    expect(await text(client.request({ params: GET }))).toBe('x')
  })

  it('refused without output, rejects with the protocol status (FCGI 5.5)', async () => {
    const { client } = await start(async (peer) => {
      await peer.request()
      peer.write(end(1, 0, 2))
    })
    const request = client.request({ params: GET })
    await expect(request.ended).rejects.toMatchObject({ code: 'FCGI_ERR_REQUEST_REFUSED', protocolStatus: 2, message: expect.stringContaining('OVERLOADED') })
    await expect(text(request)).rejects.toMatchObject({ code: 'FCGI_ERR_REQUEST_REFUSED' })
  })

  it('refused after output, delivers the output and reports the status', async () => {
    const { client } = await start(async (peer) => {
      await peer.request()
      peer.write(stdout(1, 'sorry'), end(1, 0, 2))
    })
    const request = client.request({ params: GET })
    expect(await text(request)).toBe('sorry')
    await expect(request.ended).resolves.toEqual({ appStatus: 0, protocolStatus: 2 })
  })
})

describe('callers who err', () => {
  it.each([
    ['an odd list of params', { params: ['A'] }],
    ['a param that is no text', { params: { A: 1 } as unknown as Record<string, string> }],
    ['an unknown role', { params: {}, role: 9 as 1 }],
    ['a body that is none', { params: {}, body: { a: 1 } as unknown as Buffer }],
    ['a timeout that is no number', { params: {}, timeoutMs: -1 }],
    ['data for another role than Filter', { params: {}, role: 1 as 3, data: 'file' }],
    ['its length, the same', { params: {}, role: 2 as 3, dataLength: 4 }],
    ['a length that is none', { params: {}, role: 3 as const, data: 'file', dataLength: 1.5 }],
    ['a time that is none', { params: {}, role: 3 as const, data: 'file', dataLastModified: new Date(Number.NaN) }],
    ['a time before 1970', { params: {}, role: 3 as const, data: 'file', dataLastModified: new Date(-1) }],
  ])('%s is refused at once', (_what, options) => {
    const client = createClient('/nowhere')
    expect(() => client.request(options)).toThrow(expect.objectContaining({ name: 'OptionError', code: 'FCGI_ERR_OPTION' }))
  })

  it('an unknown option is refused by name', () => {
    expect(() => createClient('/x', { keepalive: true } as ClientOptions)).toThrow(/no option "keepalive"; known: keepAlive,/)
  })

  it.each([
    ['keepAlive', 'yes'], ['maxConnections', -1], ['maxIdle', 1.5], ['maxRequestsPerConnection', 0], ['maxRequestsPerConnection', 65_536],
  ])('%s: %j is refused', (name, value) => {
    expect(() => createClient('/x', { [name]: value })).toThrow(new RegExp(`^${name} must be`))
  })
})

describe('a target', () => {
  it.each<[ClientTarget, object]>([
    ['unix:/run/app.sock', { path: '/run/app.sock' }],
    ['unix:///run/app.sock', { path: '/run/app.sock' }],
    ['/run/app.sock', { path: '/run/app.sock' }],
    ['./app.sock', { path: './app.sock' }],
    ['\\\\.\\pipe\\app', { path: '\\\\.\\pipe\\app' }],
    ['localhost:9000', { host: 'localhost', port: 9000 }],
    [':9000', { host: '127.0.0.1', port: 9000 }],
    ['tcp://10.0.0.1:9000', { host: '10.0.0.1', port: 9000 }],
    ['tcp://10.0.0.1:9000/', { host: '10.0.0.1', port: 9000 }],
    ['[::1]:9000', { host: '::1', port: 9000 }],
    [{ port: 9000 }, { host: '127.0.0.1', port: 9000 }],
    [{ host: 'h', port: 1 }, { host: 'h', port: 1 }],
    [{ path: '/p' }, { path: '/p' }],
  ])('%j', (target, address) => {
    expect(parseTarget(target)).toEqual(address)
  })

  it.each<[ClientTarget]>([[''], ['9000'], ['http://x:80/'], ['host:0'], ['host:65536'], ['a b:1'], ['unix:'], [{ port: 1.5 }], [{ path: '' }]])('%j is refused', (target) => {
    expect(() => createClient(target)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION' }))
  })
})

describe('an application that cannot be reached', () => {
  it('missing socket: says what to do', async () => {
    const client = createClient('/nowhere/at/all.sock')
    const request = client.request({ params: GET })
    await expect(request.ended).rejects.toMatchObject({
      code: 'FCGI_ERR_CONNECT',
      message: expect.stringMatching(/unix:\/nowhere\/at\/all\.sock: there is no such socket \(ENOENT\); start the application/),
    })
    await expect(text(request)).rejects.toMatchObject({ code: 'FCGI_ERR_CONNECT' })
  })

  it('a path nobody listens on', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'client-'))
    await writeFile(join(folder, 'plain'), '')
    await expect(createClient(join(folder, 'plain')).request({ params: GET }).ended).rejects.toThrow(/nobody listens on it/)
    await rm(folder, { recursive: true })
  })

  it('a port nobody listens on', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    await expect(createClient({ port }).request({ params: GET }).ended).rejects.toThrow(/nothing listens there/)
  })

  it('every request that waits learns of it', async () => {
    const client = createClient('/nowhere', { maxConnections: 1 })
    const requests = [1, 2, 3].map(() => client.request({ params: GET }))
    for (const request of requests) await expect(request.ended).rejects.toMatchObject({ code: 'FCGI_ERR_CONNECT' })
  })

  it('leaves the body unread, so that it can still go elsewhere', async () => {
    const body = Readable.from(['a', 'b'])
    await expect(createClient('/nowhere').request({ params: POST, body }).ended).rejects.toMatchObject({ code: 'FCGI_ERR_CONNECT' })
    expect(await read(body.map((part: string) => Buffer.from(part)))).toBe('ab')
  })
})

describe('a bad answer', () => {
  const cases: [string, (peer: Peer, request: WireRequest) => void, object][] = [
    ['closed before any byte', (peer) => peer.socket.end(), { code: 'FCGI_ERR_CONNECTION_LOST' }],
    ['closed midway', (peer) => peer.socket.end(stdout(1, 'part')), { code: 'FCGI_ERR_CONNECTION_LOST' }],
    ['closed behind STDOUT, before END_REQUEST', (peer) => peer.socket.end(Buffer.concat([stdout(1, 'all'), record(6, 1)])), { code: 'FCGI_ERR_CONNECTION_LOST' }],
    ['closed inside a record', (peer) => peer.socket.end(Buffer.from('0106000100080000aa', 'hex')), { code: 'FCGI_ERR_CONNECTION_LOST', message: expect.stringContaining('inside a record') }],
    ['not FastCGI', (peer) => peer.socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), { code: 'FCGI_ERR_VERSION' }],
    ['version 2', (peer) => peer.socket.write(Buffer.from('0206000100000000', 'hex')), { code: 'FCGI_ERR_VERSION' }],
    ['END_REQUEST of the wrong length', (peer) => peer.write(record(3, 1, 'x')), { code: 'FCGI_ERR_RECORD_LENGTH' }],
    ['STDOUT for another request', (peer) => peer.write(stdout(2, 'x')), { code: 'FCGI_ERR_UNEXPECTED_RECORD', requestId: 2 }],
    ['END_REQUEST for another request', (peer) => peer.write(end(2)), { code: 'FCGI_ERR_UNEXPECTED_RECORD', requestId: 2 }],
    ['STDOUT behind its end', (peer) => peer.write(stdout(1, 'a'), record(6, 1), stdout(1, 'b')), { code: 'FCGI_ERR_UNEXPECTED_RECORD' }],
    ['BEGIN_REQUEST', (peer) => peer.write(record(1, 1, '\0\x01\0\0\0\0\0\0')), { code: 'FCGI_ERR_UNEXPECTED_RECORD' }],
    ['STDIN', (peer) => peer.write(record(5, 1, 'x')), { code: 'FCGI_ERR_UNEXPECTED_RECORD' }],
    ['GET_VALUES_RESULT nobody asked for', (peer) => peer.write(record(10, 0)), { code: 'FCGI_ERR_UNEXPECTED_RECORD' }],
    ['an unknown record type', (peer) => peer.write(record(77, 1, 'x')), { code: 'FCGI_ERR_UNEXPECTED_RECORD' }],
  ]

  it.each(cases)('%s', async (_what, misbehave, error) => {
    const { application, client } = await start(async (peer) => {
      const request = await peer.request()
      if (request !== undefined) misbehave(peer, request)
    })
    const request = client.request({ params: GET })
    await expect(request.ended).rejects.toMatchObject(error)
    await expect(text(request)).rejects.toMatchObject(error)
    await application.peers[0]?.closed
    expect(application.peers).toHaveLength(1)
  })

  it('never asked for on an idle connection closes it, and the next request gets another', async () => {
    const { application, client } = await start(counting)
    expect(await text(client.request({ params: GET }))).toBe('1.1')
    application.peers[0]?.write(stdout(1, 'late'))
    await application.peers[0]?.closed
    expect(await text(client.request({ params: GET }))).toBe('2.1')
  })

  it('nobody looks at ends nothing: no unhandled rejection, no uncaught error', async () => {
    const { application, client } = await start((peer) => { peer.socket.end() })
    client.request({ params: GET })
    await (await application.connection(1)).closed
    expect(await new Promise((resolve) => setImmediate(() => resolve('alive')))).toBe('alive')
  })
})

describe('connections', () => {
  it('are kept and used again, with the KEEP_CONN flag set', async () => {
    const { application, client } = await start(async (peer) => {
      for (let n = 1; n <= 3; n++) {
        const request = await peer.request()
        expect(request).toMatchObject({ id: 1, keepConnection: true })
        peer.write(answer(1, String(n)))
      }
    })
    for (const n of ['1', '2', '3']) expect(await text(client.request({ params: GET }))).toBe(n)
    expect(application.peers).toHaveLength(1)
  })

  it('are closed after each request without keepAlive', async () => {
    const { application, client } = await start(async (peer) => {
      const request = await peer.request()
      expect(request?.keepConnection).toBe(false)
      peer.write(answer(1, 'x'))
    }, { keepAlive: false })
    await text(client.request({ params: GET }))
    await text(client.request({ params: GET }))
    for (const peer of application.peers) await peer.closed
    expect(application.peers).toHaveLength(2)
  })

  it('are no more than maxConnections; the others wait their turn', async () => {
    const { application, client } = await start(counting, { maxConnections: 2 })
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => text(client.request({ params: GET }))))
    expect(application.peers).toHaveLength(2)
    expect(new Set(answers).size).toBe(6)
  })

  it('are kept up to maxIdle', async () => {
    const { application, client } = await start(counting, { maxIdle: 1 })
    await Promise.all([1, 2, 3].map(() => text(client.request({ params: GET }))))
    const three = application.peers.slice(0, 3)
    expect(three).toHaveLength(3)
    await Promise.race([Promise.all([three[0]?.closed, three[1]?.closed]), Promise.all([three[0]?.closed, three[2]?.closed]), Promise.all([three[1]?.closed, three[2]?.closed])])
    expect(await text(client.request({ params: GET }))).toMatch(/^[123]\.2$/)
  })

  it('are closed when idle for idleTimeoutMs', async () => {
    const { application, client } = await start(counting, { idleTimeoutMs: 5 })
    await text(client.request({ params: GET }))
    await application.peers[0]?.closed
  })

  it('the application closed are not used again', async () => {
    const { application, client } = await start(counting)
    expect(await text(client.request({ params: GET }))).toBe('1.1')
    application.peers[0]?.socket.end()
    await application.peers[0]?.closed
    expect(await text(client.request({ params: POST }))).toBe('2.1')
  })
})

describe('a kept connection that closes when the request arrives', () => {
  /** Answers the first request, then closes as soon as the second one comes. */
  const stale: Script = async (peer, connection) => {
    const first = await peer.request()
    peer.write(answer(first?.id ?? 0, `connection ${connection}`))
    if (connection > 1) return
    await peer.head()
    peer.socket.destroy()
  }

  it.each([['GET'], ['PUT'], ['DELETE']])('%s is sent once more, on a fresh connection', async (method) => {
    const { application, client } = await start(stale)
    await text(client.request({ params: GET }))
    expect(await text(client.request({ params: { REQUEST_METHOD: method }, body: 'body' }))).toBe('connection 2')
    expect(application.peers).toHaveLength(2)
  })

  it.each([
    ['POST is not: it may have been done already', POST],
    ['a request without a method is not', {}],
  ])('%s', async (_rule, params) => {
    const { application, client } = await start(stale)
    await text(client.request({ params: GET }))
    await expect(client.request({ params, body: 'body' }).ended).rejects.toMatchObject({ code: 'FCGI_ERR_CONNECTION_LOST' })
    expect(application.peers).toHaveLength(1)
  })

  it('a body that was read from a stream is not sent again', async () => {
    const { client } = await start(async (peer) => {
      peer.write(answer((await peer.request())?.id ?? 0, 'first'))
      await peer.head()
      await peer.next()
      peer.socket.destroy()
    })
    await text(client.request({ params: GET }))
    const body = new PassThrough()
    body.write('some')
    await expect(client.request({ params: { REQUEST_METHOD: 'PUT' }, body }).ended).rejects.toMatchObject({ code: 'FCGI_ERR_CONNECTION_LOST' })
  })

  it('a body that was not read yet is', async () => {
    const { application, client } = await start(async (peer, connection) => {
      const first = await peer.request()
      peer.write(answer(first?.id ?? 0, `${connection}: ${first?.stdin.toString()}`))
      if (connection > 1) return
      await peer.head()
      peer.socket.destroy()
    })
    const body = new PassThrough()
    await text(client.request({ params: GET }))
    const request = client.request({ params: { REQUEST_METHOD: 'PUT' }, body })
    await application.connection(2)
    body.end('late body')
    expect(await text(request)).toBe('2: late body')
  })

  it('an answer that began is not asked for again', async () => {
    const { application, client } = await start(async (peer) => {
      peer.write(answer((await peer.request())?.id ?? 0, 'first'))
      await peer.request()
      peer.socket.end(stderr(1, 'x'))
    })
    await text(client.request({ params: GET }))
    await expect(client.request({ params: GET }).ended).rejects.toMatchObject({ code: 'FCGI_ERR_CONNECTION_LOST' })
    expect(application.peers).toHaveLength(1)
  })

  it('a second time is the end', async () => {
    const { application, client } = await start(async (peer, connection) => {
      if (connection === 1) peer.write(answer((await peer.request())?.id ?? 0, 'first'))
      await peer.request()
      peer.socket.destroy()
    })
    await text(client.request({ params: GET }))
    await expect(client.request({ params: GET }).ended).rejects.toMatchObject({ code: 'FCGI_ERR_CONNECTION_LOST' })
    expect(application.peers).toHaveLength(2)
  })
})

describe('streaming', () => {
  it('an upload whose peer does not read holds its source back', async () => {
    const { application, client } = await start((peer) => { peer.socket.pause() })
    let produced = 0
    const body = new Readable({
      highWaterMark: 65_536,
      read() {
        produced += 65_536
        this.push(produced > 64 * 1_048_576 ? null : Buffer.alloc(65_536, 'u'))
      },
    })
    const request = client.request({ params: POST, body })
    await application.connection(1)
    await once(body, 'pause')
    const atPause = produced
    // Sockets hold some; what matters is that reading stopped far below what the source could give.
    expect(atPause).toBeLessThan(8 * 1_048_576)
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(body.isPaused()).toBe(true)
    expect(produced).toBe(atPause)
    request.abort()
    await expect(request.ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
  })

  it('an upload goes on when its peer reads on, and arrives whole', async () => {
    const size = 8 * 1_048_576
    const { client } = await start(async (peer) => {
      while (await peer.head() !== undefined) {
        let total = 0
        for (;;) {
          const part = await peer.next()
          if (part === undefined || part.content.length === 0) break
          total += part.content.length
        }
        peer.write(answer(1, String(total)))
      }
    })
    expect(await text(client.request({ params: POST, body: Buffer.alloc(size) }))).toBe(String(size))
    const parts = Array.from({ length: 128 }, () => Buffer.alloc(65_536))
    expect(await text(client.request({ params: GET, body: Readable.from(parts) }))).toBe(String(size))
  })

  it('a STDOUT nobody reads stops the application', async () => {
    const { application, client } = await start(async (peer) => {
      await peer.request()
    })
    const request = client.request({ params: GET })
    const peer = await application.connection(1)
    const part = stdout(1, Buffer.alloc(65_000))
    // Far more than sockets hold: what is not read stays in the application's own buffer.
    for (let i = 0; i < 256; i++) peer.socket.write(part)
    await until(() => request.stdout.readableLength >= 65_536)
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(request.stdout.readableLength).toBeGreaterThanOrEqual(65_536)
    expect(request.stdout.readableLength).toBeLessThan(3 * 65_536)
    expect(peer.socket.writableLength).toBeGreaterThan(8 * 1_048_576)
    peer.write(stdout(1, 'last'), end(1))
    const whole = await text(request)
    expect(whole).toHaveLength(256 * 65_000 + 4)
    expect(whole.endsWith('last')).toBe(true)
  })

  it('an answer before the upload is complete is delivered; the upload stops and the connection is not used again', async () => {
    const { application, client } = await start(async (peer, connection) => {
      const request = connection === 1 ? await peer.head() : await peer.request()
      peer.write(answer(request?.id ?? 0, `early ${connection}`))
    })
    const body = new PassThrough()
    body.write('begun')
    const request = client.request({ params: POST, body })
    expect(await text(request)).toBe('early 1')
    await application.peers[0]?.closed
    expect(body.destroyed).toBe(false)
    expect(body.listenerCount('data')).toBe(0)
    expect(await text(client.request({ params: GET }))).toBe('early 2')
  })
})

describe('giving a request up', () => {
  it('alone on its connection, closes it', async () => {
    const { application, client } = await start(async (peer) => {
      await peer.request()
      expect(await peer.next()).toBeUndefined()
    })
    const request = client.request({ params: GET })
    await application.connection(1)
    request.abort()
    await expect(request.ended).rejects.toMatchObject({ name: 'RequestAbortedError', code: 'FCGI_ERR_ABORTED' })
    await application.peers[0]?.closed
  })

  it.each([
    ['before it is sent', true],
    ['while it runs', false],
  ])('by signal, %s', async (_when, before) => {
    const { application, client } = await start(() => undefined)
    const controller = new AbortController()
    if (before) controller.abort()
    const request = client.request({ params: GET, signal: controller.signal })
    if (!before) {
      await application.connection(1)
      controller.abort(new Error('enough'))
    }
    const error: unknown = await request.ended.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    if (!before) expect(error).toMatchObject({ cause: { message: 'enough' } })
  })

  it('by destroying its STDOUT', async () => {
    const { application, client } = await start((peer) => { peer.write(stdout(1, 'x')) })
    const request = client.request({ params: GET })
    await once(request.stdout, 'data')
    request.stdout.destroy()
    await expect(request.ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    await application.peers[0]?.closed
  })

  it('while it waits for a connection, gives its place to the next', async () => {
    const { application, client } = await start(async (peer) => {
      const first = await peer.request()
      expect(first?.params).toMatchObject({ N: '1' })
      release = () => peer.write(answer(1, 'one'))
      entered()
      const second = await peer.request()
      peer.write(answer(1, `got ${second?.params['N']}`))
    }, { maxConnections: 1 })
    let release: () => void = () => undefined
    let entered: () => void = () => undefined
    const isEntered = new Promise<void>((resolve) => { entered = resolve })
    const requests = ['1', '2', '3'].map((N) => client.request({ params: { N } }))
    await isEntered
    requests[1]?.abort()
    release()
    await expect(requests[1]?.ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    expect(await text(requests[2] as ClientRequest)).toBe('got 3')
    expect(application.peers).toHaveLength(1)
  })

  it('because its body failed', async () => {
    const { application, client } = await start(() => undefined)
    const body = new PassThrough()
    const request = client.request({ params: POST, body })
    await application.connection(1)
    body.destroy(new Error('disk on fire'))
    await expect(request.ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED', message: expect.stringContaining('disk on fire') })
    await application.peers[0]?.closed
  })

  it('because its body was closed before its end, or already', async () => {
    const { client } = await start(() => undefined)
    const body = new PassThrough()
    body.destroy()
    await expect(client.request({ params: POST, body }).ended).rejects.toThrow(/body closed before its end/)
  })

  it('because the application is silent', async () => {
    const { application, client } = await start(async (peer) => { await peer.request() }, { timeoutMs: 20 })
    await expect(client.request({ params: GET }).ended).rejects.toMatchObject({ code: 'FCGI_ERR_TIMEOUT', message: expect.stringContaining('20 ms') })
    await application.peers[0]?.closed
  })

  it('after its end is nothing', async () => {
    const { application, client } = await start(counting)
    const request = client.request({ params: GET })
    await text(request)
    request.abort()
    await expect(request.ended).resolves.toEqual({ appStatus: 0, protocolStatus: 0 })
    expect(await text(client.request({ params: GET }))).toBe('1.2')
    expect(application.peers).toHaveLength(1)
  })
})

describe('multiplexing (FCGI 3.3)', () => {
  it('runs several requests on one connection, answered in any order', async () => {
    const { application, client } = await start(async (peer) => {
      const ids = [1, 2, 3]
      for (const id of ids) expect(await peer.request()).toMatchObject({ id })
      peer.write(stdout(3, 'c'), stdout(1, 'a'), stdout(2, 'b'), stdout(3, 'C'), end(3), end(1), stdout(2, 'B'), end(2))
    }, { multiplex: true })
    const requests = ids3(client)
    expect(await Promise.all(requests.map(text))).toEqual(['a', 'bB', 'cC'])
    expect(application.peers).toHaveLength(1)
  })

  it('up to maxRequestsPerConnection', async () => {
    const { application, client } = await start(counting, { multiplex: true, maxRequestsPerConnection: 2 })
    await Promise.all(ids3(client).map(text))
    expect(application.peers).toHaveLength(2)
  })

  it('an aborted request is told so, and its id is used again only after its END_REQUEST (FCGI 5.4)', async () => {
    const seen: string[] = []
    const { application, client } = await start(async (peer) => {
      for (;;) {
        const part = await peer.next()
        if (part === undefined) return
        if (part.type === 1 || part.type === 2) seen.push(`${part.type}:${part.id}`)
        if (part.type === 2) {
          // Output of an aborted request is still legal, and nobody's.
          peer.write(stdout(1, 'late'), answer(2, 'other'))
        }
        if (part.type === 5 && part.content.length === 0 && part.id > 2) {
          peer.write(answer(part.id, `id ${part.id}`))
        }
      }
    }, { multiplex: true, maxRequestsPerConnection: 2 })
    const doomed = client.request({ params: GET })
    const other = client.request({ params: GET })
    await until(() => seen.length === 2)
    doomed.abort()
    await expect(doomed.ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    expect(await text(other)).toBe('other')
    // The aborted request still counts: one place is left beside it.
    expect(await text(client.request({ params: GET }))).toBe('id 3')
    expect(seen).toEqual(['1:1', '1:2', '2:1', '1:3'])
    application.peers[0]?.write(end(1))
    expect(await text(client.request({ params: GET }))).toBe('id 4')
    expect(application.peers).toHaveLength(1)
  })

  it('output nobody reads is buffered up to a cap, so that others go on', async () => {
    const { client } = await start(async (peer) => {
      await peer.request()
      await peer.request()
      for (let i = 0; i < 8; i++) peer.write(stdout(1, Buffer.alloc(65_000)))
      peer.write(answer(2, 'second'), end(1))
    }, { multiplex: true })
    const unread = client.request({ params: GET })
    expect(await text(client.request({ params: GET }))).toBe('second')
    expect(await text(unread)).toHaveLength(8 * 65_000)
  })

  it('past the cap the connection waits for the reader', async () => {
    const { client } = await start(async (peer) => {
      await peer.request()
      await peer.request()
      for (let i = 0; i < 16; i++) peer.write(stdout(1, Buffer.alloc(65_000)))
      peer.write(answer(2, 'second'), end(1))
    }, { multiplex: true, maxBufferedBytes: 130_000 })
    const unread = client.request({ params: GET })
    const second = client.request({ params: GET })
    await until(() => unread.stdout.readableLength >= 130_000)
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    // One read of the socket may go past the cap, not more.
    expect(unread.stdout.readableLength).toBeLessThan(130_000 + 2 * 65_536)
    expect(await text(unread)).toHaveLength(16 * 65_000)
    expect(await text(second)).toBe('second')
  })

  it('the early end of one upload leaves the connection to the others', async () => {
    const { application, client } = await start(async (peer) => {
      const first = await peer.head()
      await peer.next()
      const second = await peer.request()
      peer.write(answer(first?.id ?? 0, 'early'))
      peer.write(answer(second?.id ?? 0, 'second'))
      const third = await peer.request()
      peer.write(answer(third?.id ?? 0, 'third'))
    }, { multiplex: true })
    const body = new PassThrough()
    body.write('begun')
    const first = client.request({ params: POST, body })
    await until(() => body.readableLength === 0 && application.peers.length === 1)
    const second = client.request({ params: GET })
    expect(await text(first)).toBe('early')
    expect(await text(second)).toBe('second')
    expect(await text(client.request({ params: GET }))).toBe('third')
    expect(application.peers).toHaveLength(1)
  })

  it('a violation fails every request on that connection, and only those', async () => {
    const { client } = await start(async (peer, connection) => {
      await peer.request()
      if (connection === 2) {
        peer.write(answer(1, 'unharmed'))
        return
      }
      await peer.request()
      peer.write(record(77, 0))
    }, { multiplex: true, maxRequestsPerConnection: 2 })
    const [first, second, third] = ids3(client)
    await expect(first?.ended).rejects.toMatchObject({ code: 'FCGI_ERR_UNEXPECTED_RECORD' })
    await expect(second?.ended).rejects.toMatchObject({ code: 'FCGI_ERR_UNEXPECTED_RECORD' })
    expect(await text(third as ClientRequest)).toBe('unharmed')
  })

  function ids3(client: Client): ClientRequest[] {
    return [1, 2, 3].map(() => client.request({ params: GET }))
  }
})

describe('getValues (FCGI 4.1)', () => {
  it('asks for the three variables and returns what it is told', async () => {
    const { client } = await start(async (peer) => {
      const asked = await peer.next()
      expect(asked).toMatchObject({ type: 9, id: 0 })
      expect(asked?.content.toString('latin1')).toBe('\x0e\0FCGI_MAX_CONNS\x0d\0FCGI_MAX_REQS\x0f\0FCGI_MPXS_CONNS')
      peer.write(record(10, 0, '\x0d\x03FCGI_MAX_REQS100\x0f\x01FCGI_MPXS_CONNS1'))
    })
    await expect(client.getValues()).resolves.toEqual({ FCGI_MAX_REQS: '100', FCGI_MPXS_CONNS: '1' })
  })

  it.each([
    ['an application that knows no GET_VALUES has no values', (peer: Peer) => peer.write(record(11, 0, '\x09\0\0\0\0\0\0\0')), {}],
    ['an empty answer has none', (peer: Peer) => peer.write(record(10, 0)), {}],
  ])('%s', async (_rule, reply, values) => {
    const { client } = await start(async (peer) => {
      await peer.next()
      reply(peer)
    })
    await expect(client.getValues(['FCGI_MAX_REQS'])).resolves.toEqual(values)
  })

  it.each([
    ['another record', (peer: Peer) => peer.write(end(1)), 'FCGI_ERR_UNEXPECTED_RECORD'],
    ['a pair that lies', (peer: Peer) => peer.write(record(10, 0, '\x7f\x01a')), 'FCGI_ERR_TRUNCATED_PAIR'],
    ['a closed connection', (peer: Peer) => peer.socket.end(), 'FCGI_ERR_CONNECTION_LOST'],
    ['silence', () => undefined, 'FCGI_ERR_TIMEOUT'],
  ])('%s is an error', async (_what, reply, code) => {
    const { application, client } = await start(async (peer) => {
      await peer.next()
      reply(peer)
    })
    await expect(client.getValues(undefined, { timeoutMs: code === 'FCGI_ERR_TIMEOUT' ? 10 : 10_000 })).rejects.toMatchObject({ code })
    await application.peers[0]?.closed
  })

  it('nobody there is an error', async () => {
    await expect(createClient('/nowhere').getValues()).rejects.toMatchObject({ code: 'FCGI_ERR_CONNECT' })
  })
})

describe('close()', () => {
  it('fails what runs and what waits, and closes every socket', async () => {
    const { application, client } = await start(() => undefined, { maxConnections: 1 })
    const running = client.request({ params: GET })
    const waiting = client.request({ params: GET })
    await application.connection(1)
    await client.close()
    await expect(running.ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    await expect(waiting.ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    await expect(client.request({ params: GET }).ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    await expect(client.getValues()).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    await application.peers[0]?.closed
  })
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
