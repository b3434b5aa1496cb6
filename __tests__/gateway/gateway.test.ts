import express from 'express'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, request as httpRequest, type RequestListener, type RequestOptions, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import supertest from 'supertest'
import { gateway, type Gateway, type GatewayOptions } from '../../lib/gateway'
import { answer, end, Peer, record, ScriptedApplication, type Script, stderr, stdout, type WireRequest } from '../support/scripted-application'

const closing: (() => unknown)[] = []
const applications: ScriptedApplication[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  expect(applications.splice(0).flatMap((application) => application.failures)).toEqual([])
})

async function start(script: Script, options?: GatewayOptions): Promise<{ application: ScriptedApplication; listener: Gateway }> {
  const application = await ScriptedApplication.start(script)
  applications.push(application)
  const listener = gateway(application.target, options)
  closing.push(() => listener.close(), () => application.close())
  return { application, listener }
}

/** Answers each request with what this function makes of it. */
function respond(make: (request: WireRequest) => string): Script {
  return async (peer) => {
    for (let request = await peer.request(); request !== undefined; request = await peer.request()) peer.write(answer(request.id, make(request)))
  }
}

async function serve(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  return { server, port: (server.address() as AddressInfo).port }
}

async function get(port: number, options: RequestOptions = {}): Promise<IncomingMessage> {
  const req = httpRequest({ port, host: '127.0.0.1', agent: false, ...options }).end()
  const [res] = await once(req, 'response') as [IncomingMessage]
  return res
}

describe('a request through the gateway', () => {
  it('reaches the application with its head and body, and the answer comes back', async () => {
    const { listener } = await start(respond(({ params, stdin }) => {
      const { REQUEST_METHOD, REQUEST_URI, CONTENT_LENGTH, CONTENT_TYPE, HTTP_X_A, SERVER_PROTOCOL, HTTP_CONTENT_LENGTH } = params
      const seen = { REQUEST_METHOD, REQUEST_URI, CONTENT_LENGTH, CONTENT_TYPE, HTTP_X_A, SERVER_PROTOCOL, HTTP_CONTENT_LENGTH, stdin: stdin.toString() }
      return `Status: 201 Made Here\r\nX-B: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(seen)}`
    }))
    const res = await supertest(listener).put('/p%20q?x=1').set('X-A', 'a').type('text/plain').send('hello')
    expect(res.status).toBe(201)
    expect(res.headers).toMatchObject({ 'x-b': '1', 'set-cookie': ['a=1', 'b=2'] })
    expect(res.body).toEqual({
      REQUEST_METHOD: 'PUT', REQUEST_URI: '/p%20q?x=1', CONTENT_LENGTH: '5', CONTENT_TYPE: 'text/plain', HTTP_X_A: 'a', SERVER_PROTOCOL: 'HTTP/1.1', stdin: 'hello',
    })
  })

  it('with a chunked body has no length, and says so', async () => {
    const { listener } = await start(respond(({ params, stdin }) => `X-Length: ${params['CONTENT_LENGTH']}\n\n${params['HTTP_TRANSFER_ENCODING']} ${stdin.toString()}`))
    const { port } = await serve(listener)
    const req = httpRequest({ port, method: 'POST', agent: false })
    req.write('one ')
    req.end('two')
    const [res] = await once(req, 'response') as [IncomingMessage]
    expect(res.headers['x-length']).toBe('undefined')
    expect((await res.toArray()).join('')).toBe('chunked one two')
  })

  it('keeps the reason phrase of the application', async () => {
    const { listener } = await start(respond(() => 'Status: 299 Custom Reason\n\n'))
    const { port } = await serve(listener)
    expect((await get(port)).statusMessage).toBe('Custom Reason')
  })

  it.each([
    ['in one record', [Buffer.from('Status: 200 Gr\xfcn\nX-Long: no\n\nbody', 'latin1')]],
    ['in two', [Buffer.from('Status: 200 Gr\xfcn\nX-Long: no\n\n', 'latin1'), Buffer.from('body')]],
  ])('keeps the bytes of a reason phrase that is no ASCII, head and body %s', async (_how, pieces) => {
    const { listener } = await start(async (peer) => {
      await peer.request()
      for (const piece of pieces) peer.write(record(6, 1, piece))
      peer.write(record(6, 1), end(1))
    })
    const { port } = await serve(listener)
    const res = await get(port)
    expect([res.statusMessage, (await res.toArray()).join('')]).toEqual(['Gr\xfcn', 'body'])
  })

  it.each([
    ['HEAD', 'HEAD', '200 OK', '5'],
    ['204', 'GET', '204 No Content', undefined],
    ['304', 'GET', '304 Not Modified', '5'],
  ])('%s has no body, even if the application sends one, and the connection goes on', async (_what, method, status, length) => {
    const { listener } = await start(respond(() => `Status: ${status}\nContent-Length: 5\n\nbody!`))
    const { port } = await serve(listener)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    closing.push(() => agent.destroy())
    for (let i = 0; i < 2; i++) {
      const res = await get(port, { method, agent })
      expect(res.headers['content-length']).toBe(length)
      expect((await res.toArray()).join('')).toBe('')
    }
  })

  it('may be answered with a head and nothing else for a while', async () => {
    const { application, listener } = await start(async (peer) => {
      await peer.request()
      peer.write(stdout(1, 'Content-Type: text/event-stream\n\n'))
    })
    const { port } = await serve(listener)
    const res = await get(port)
    expect(res.headers['content-type']).toBe('text/event-stream')
    application.peers[0]?.write(stdout(1, 'data: 1\n\n'))
    const [first] = await once(res, 'data') as [Buffer]
    expect(first.toString()).toBe('data: 1\n\n')
    application.peers[0]?.write(record(6, 1), end(1))
    await once(res, 'end')
  })

  it('Expect: 100-continue is answered before the body is sent', async () => {
    const { listener } = await start(respond(({ stdin }) => `X: y\n\n${stdin.toString()}`))
    const { port } = await serve(listener)
    const req = httpRequest({ port, method: 'POST', agent: false, headers: { Expect: '100-continue', 'Content-Length': 4 } })
    req.flushHeaders()
    await once(req, 'continue')
    req.end('body')
    const [res] = await once(req, 'response') as [IncomingMessage]
    expect((await res.toArray()).join('')).toBe('body')
  })

  it('mounted in Express: SCRIPT_NAME is the mount, REQUEST_URI stays whole', async () => {
    const { listener } = await start(respond(({ params }) => `X: y\n\n${params['SCRIPT_NAME']} ${params['PATH_INFO']} ${params['REQUEST_URI']}`))
    const res = await supertest(express().use('/app', listener)).get('/app/a?b').buffer(true).parse(textParser)
    expect(res.body).toBe('/app /a /app/a?b')
  })

  it('takes params, a script name and a document root from the options', async () => {
    const { listener } = await start(
      respond(({ params }) => `X: y\n\n${params['EXTRA']} ${params['SCRIPT_FILENAME']} ${params['PATH_INFO']}`),
      { params: (req) => ({ EXTRA: req.method }), scriptName: '/s', documentRoot: '/srv' },
    )
    const res = await supertest(listener).get('/s/x').buffer(true).parse(textParser)
    expect(res.body).toBe('GET /srv/s /x')
  })

  it('STDERR goes to onStderr', async () => {
    const seen: string[] = []
    const { listener } = await start(async (peer) => {
      await peer.request()
      peer.write(stderr(1, 'careful\n'), answer(1, 'X: y\n\n'))
    }, { onStderr: (text, req) => seen.push(`${req.url}: ${text.toString()}`) })
    await supertest(listener).get('/u').expect(200)
    expect(seen).toEqual(['/u: careful\n'])
  })

  it('STDERR goes to this process by default', async () => {
    const write = jest.spyOn(process.stderr, 'write').mockReturnValue(true)
    closing.push(() => write.mockRestore())
    const { listener } = await start(async (peer) => {
      await peer.request()
      peer.write(stderr(1, 'careful\n'), answer(1, 'X: y\n\n'))
    })
    await supertest(listener).get('/').expect(200)
    expect(write.mock.calls.map(([text]) => String(text))).toContain('careful\n')
  })
})

describe('an application that fails before its head was sent on', () => {
  const cases: [string, (peer: Peer) => void, number, RegExp][] = [
    ['closes without a word', (peer) => peer.socket.end(), 502, /FCGI_ERR_CONNECTION_LOST/],
    ['closes within its head', (peer) => peer.socket.end(stdout(1, 'X: y\n')), 502, /FCGI_ERR_CONNECTION_LOST/],
    ['ends without output', (peer) => peer.write(end(1)), 502, /sent no output.*FCGI_ERR_BAD_RESPONSE/],
    ['ends within its head', (peer) => peer.write(answer(1, 'X: y\n')), 502, /before the empty line.*FCGI_ERR_BAD_RESPONSE/],
    ['sends a bad head', (peer) => peer.write(answer(1, 'X: a\0b\n\n')), 502, /control character.*FCGI_ERR_BAD_RESPONSE/],
    ['sends HTTP instead of CGI', (peer) => peer.write(answer(1, 'HTTP/1.1 200 OK\r\n\r\n')), 502, /use "Status: 200 OK"/],
    ['sends an endless head', (peer) => peer.write(stdout(1, 'a'.repeat(60_000)), stdout(1, 'a'.repeat(60_000))), 502, /longer than 65536 bytes/],
    ['sends an informational status', (peer) => peer.write(answer(1, 'Status: 103 Early Hints\n\n')), 502, /informational/],
    ['speaks HTTP', (peer) => peer.socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), 502, /FCGI_ERR_VERSION/],
    ['speaks another version', (peer) => peer.socket.write(Buffer.from('0206000100000000', 'hex')), 502, /FCGI_ERR_VERSION/],
    ['cannot multiplex', (peer) => peer.write(end(1, 0, 1)), 502, /CANT_MPX_CONN.*FCGI_ERR_REQUEST_REFUSED/],
    ['is overloaded', (peer) => peer.write(end(1, 0, 2)), 503, /OVERLOADED.*FCGI_ERR_REQUEST_REFUSED/],
    ['does not know the role', (peer) => peer.write(end(1, 0, 3)), 502, /UNKNOWN_ROLE/],
    ['ends with a status nobody knows', (peer) => peer.write(end(1, 0, 9)), 502, /protocol status 9 \(unknown\)/],
    ['is silent', () => undefined, 504, /silent for 30 ms \(FCGI_ERR_TIMEOUT\)/],
  ]

  it.each(cases)('%s: the browser gets the reason', async (_what, misbehave, status, reason) => {
    const { listener } = await start(async (peer) => {
      await peer.request()
      misbehave(peer)
    }, status === 504 ? { timeoutMs: 30 } : {})
    const res = await supertest(listener).get('/')
    expect(res.status).toBe(status)
    expect(res.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(res.text).toMatch(reason)
  })

  it('is not there: 502 says what to do', async () => {
    const res = await supertest(gateway('/nowhere.sock')).get('/')
    expect(res.status).toBe(502)
    expect(res.text).toMatch(/unix:\/nowhere\.sock: there is no such socket.*FCGI_ERR_CONNECT/)
  })

  it('an upload under way does not keep the answer back', async () => {
    const { listener } = await start((peer) => { peer.socket.end() })
    const { port } = await serve(listener)
    const req = httpRequest({ port, method: 'POST', agent: false, headers: { 'Content-Length': 100 } })
    req.on('error', () => undefined)
    req.write('begun')
    const [res] = await once(req, 'response') as [IncomingMessage]
    expect(res.statusCode).toBe(502)
    req.destroy()
  })

  it('an option function that throws is a 500, not a crash', async () => {
    const { listener } = await start(respond(() => 'X: y\n\n'), { params: () => { throw new Error('mine') } })
    const res = await supertest(listener).get('/')
    expect(res.status).toBe(500)
    expect(res.text).toContain('mine')
  })

  it('a body that was read already is a 500 that says why', async () => {
    const { listener } = await start(respond(() => 'X: y\n\n'))
    const res = await supertest(express().use(express.json(), listener)).post('/').send({ a: 1 })
    expect(res.status).toBe(500)
    expect(res.text).toMatch(/put the gateway before body parsers/)
  })
})

describe('an application that fails after its head was sent on', () => {
  it.each<[string, (peer: Peer) => void]>([
    ['closes', (peer) => peer.socket.end()],
    ['closes behind STDOUT, before END_REQUEST', (peer) => peer.socket.end(record(6, 1))],
    ['breaks the protocol', (peer) => peer.write(record(77, 1))],
  ])('%s: the browser sees the cut', async (_what, misbehave) => {
    const { application, listener } = await start(async (peer) => {
      await peer.request()
      peer.write(stdout(1, 'Content-Type: text/plain\n\npart'))
    })
    const { port } = await serve(listener)
    const res = await get(port)
    const [part] = await once(res, 'data') as [Buffer]
    expect(part.toString()).toBe('part')
    misbehave(application.peers[0] as Peer)
    await expect(once(res, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(res.complete).toBe(false)
  })

  it('less than Content-Length: the browser sees the cut', async () => {
    const { listener } = await start(respond(() => 'Content-Length: 10\n\nshort'))
    const { port } = await serve(listener)
    // On a kept connection: only a cut tells the browser that nothing more will come.
    const agent = new Agent({ keepAlive: true })
    closing.push(() => agent.destroy())
    const res = await get(port, { agent })
    await expect(res.toArray()).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('more than Content-Length: the surplus is not the next answer', async () => {
    const { listener } = await start(respond(() => 'Content-Length: 3\n\nabcHTTP/1.1 200 OK\r\n\r\n'))
    const { port } = await serve(listener)
    const socket = connect(port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    const received = Buffer.concat(await socket.toArray() as Buffer[]).toString()
    expect(received).toMatch(/\r\nContent-Length: 3\r\n/)
    expect(received.slice(received.indexOf('\r\n\r\n'))).toBe('\r\n\r\nabc')
  })

  it('a protocol status after output changes nothing', async () => {
    const { listener } = await start(async (peer) => {
      await peer.request()
      peer.write(stdout(1, 'Status: 503 Busy\nX: y\n\nsorry'), record(6, 1), end(1, 0, 2))
    })
    const res = await supertest(listener).get('/').buffer(true).parse(textParser)
    expect(res.status).toBe(503)
    expect(res.body).toBe('sorry')
  })
})

describe('a browser that leaves', () => {
  it.each([
    ['before the answer', false],
    ['during the answer', true],
  ])('%s: the FastCGI request is given up', async (_when, answered) => {
    const { application, listener } = await start(async (peer) => {
      await peer.request()
      if (answered) peer.write(stdout(1, 'X: y\n\npart'))
    })
    const { port } = await serve(listener)
    const req = httpRequest({ port, agent: false }).end()
    req.on('error', () => undefined)
    if (answered) await once(req, 'response')
    const peer = await application.connection(1)
    req.destroy()
    await peer.closed
  })

  it('during its upload: the same', async () => {
    const { application, listener } = await start(async (peer) => {
      await peer.head()
    })
    const { port } = await serve(listener)
    const req = httpRequest({ port, method: 'POST', agent: false })
    req.on('error', () => undefined)
    req.write('begun')
    const peer = await application.connection(1)
    req.destroy()
    await peer.closed
  })
})

describe('back-pressure', () => {
  const PART = 65_000
  const PARTS = 512

  /** Writes part after part, each when the one before has left, `stalled` tells whether the other end stopped taking them. */
  function pour(socket: Socket, part: Buffer): { stalled: Promise<boolean>; finished: Promise<void> } {
    let left = 0
    const finished = (async () => {
      for (; left < PARTS; left++) await new Promise<void>((resolve) => { socket.write(part, () => resolve()) })
    })()
    const stalled = (async () => {
      let before = -1
      for (let still = 0; still < 200; still++) {
        await new Promise((resolve) => setImmediate(resolve))
        if (left !== before) still = 0
        before = left
      }
      return left < PARTS
    })()
    return { stalled, finished }
  }

  it('a browser that does not read holds the application back, and gets everything in the end', async () => {
    const { application, listener } = await start(async (peer) => {
      await peer.request()
      peer.write(stdout(1, 'X: y\n\n'))
    })
    const { port } = await serve(listener)
    const res = await get(port)
    res.pause()
    const peer = application.peers[0] as Peer
    const flow = pour(peer.socket, stdout(1, Buffer.alloc(PART)))
    expect(await flow.stalled).toBe(true)
    let total = 0
    res.on('data', (chunk: Buffer) => { total += chunk.length }).resume()
    await flow.finished
    peer.write(record(6, 1), end(1))
    await once(res, 'end')
    expect(total).toBe(PART * PARTS)
  })

  it('an application that does not read holds the browser back, and gets everything in the end', async () => {
    let total = 0
    const { application, listener } = await start((peer) => { peer.socket.pause() })
    const { port } = await serve(listener)
    const socket = connect(port, '127.0.0.1')
    closing.push(() => socket.destroy())
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${PART * PARTS}\r\n\r\n`)
    const flow = pour(socket, Buffer.alloc(PART))
    expect(await flow.stalled).toBe(true)
    const peer = application.peers[0] as Peer
    peer.socket.resume()
    await peer.head()
    for (let part = await peer.next(); part !== undefined && part.content.length > 0; part = await peer.next()) total += part.content.length
    expect(total).toBe(PART * PARTS)
    await flow.finished
  })
})

describe('a server in this process as the target', () => {
  function application(): ReturnType<typeof createNetServer> {
    const server = createNetServer((socket) => {
      const peer = new Peer(socket)
      void respond(({ params }) => `X: y\n\n${params['REQUEST_URI']}`)(peer, 1)
    })
    closing.push(() => new Promise((resolve) => {
      if (server.listening) server.close(resolve)
      else resolve(undefined)
    }))
    return server
  }

  it('that does not listen is made to, where only this user can connect', async () => {
    const server = application()
    await supertest(gateway(server)).get('/one').expect(200)
    const path = server.address() as string
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    server.close()
    await once(server, 'close')
    expect(existsSync(dirname(path))).toBe(false)
  })

  it('is started once, however many requests and gateways come first', async () => {
    const server = application()
    const listen = jest.spyOn(server, 'listen')
    const first = gateway(server)
    await Promise.all([supertest(first).get('/a').expect(200), supertest(first).get('/b').expect(200), supertest(gateway(server)).get('/c').expect(200)])
    await supertest(gateway(server)).get('/d').expect(200)
    expect(listen).toHaveBeenCalledTimes(1)
  })

  it.each([['0.0.0.0'], ['::'], ['127.0.0.1']])('that listens on %s is used where it is', async (host) => {
    const server = application().listen(0, host)
    await once(server, 'listening')
    const listener = gateway(server)
    closing.unshift(() => listener.close())
    await supertest(listener).get('/').expect(200)
  })

  it('that cannot listen is a 502 with the reason', async () => {
    const server = application()
    jest.spyOn(server, 'listen').mockImplementation(() => {
      process.nextTick(() => server.emit('error', new Error('no room')))
      return server
    })
    const res = await supertest(gateway(server)).get('/')
    expect(res.status).toBe(502)
    expect(res.text).toMatch(/could not be started: .*no room.*FCGI_ERR_CONNECT/)
  })
})

describe('close()', () => {
  it('answers what is under way with 503 and refuses what comes later', async () => {
    const { application, listener } = await start(() => undefined)
    const { port } = await serve(listener)
    const pending = get(port)
    await application.connection(1)
    await listener.close()
    expect((await pending).statusCode).toBe(503)
    expect((await get(port)).statusCode).toBe(503)
  })
})

describe('options', () => {
  it.each<[string, object]>([
    ['an unknown one', { timeout: 5 }],
    ['a script name without a slash', { scriptName: 'app' }],
    ['a script name that ends with one', { scriptName: '/app/' }],
    ['a timeout that is no number', { timeoutMs: 'soon' }],
  ])('%s is refused at once', (_what, options) => {
    expect(() => gateway('/x', options)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION' }))
  })

  it('a target that is none is refused at once', () => {
    expect(() => gateway('nonsense')).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION' }))
  })
})

/** Text whatever its type: supertest buffers only what it knows. */
function textParser(res: supertest.Response, done: (error: Error | null, body: string) => void): void {
  let body = ''
  res.on('data', (chunk: Buffer) => { body += chunk.toString() })
  res.on('end', () => done(null, body))
}
