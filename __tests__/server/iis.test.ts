// The process contract of IIS on any system: a child that takes itself for one on Windows, with one end of a connected unix
// socket as standard input. The same on Windows' own node: __tests__/iis.

import { once } from 'node:events'
import net from 'node:net'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { RawClient } from '../support/raw-client'
import { type ApplicationOptions, Workshop } from '../register/application'
import { type NodeProcess } from '../register/node-process'

const NAME = '\\\\.\\pipe\\IISFCGI-0-1-2'

const workshop = new Workshop()
const listener = net.createServer({ pauseOnConnect: true })
const webs: RawClient[] = []
let windows: string

beforeAll(async () => {
  listener.listen(workshop.path('pipe'))
  await once(listener, 'listening')
  windows = workshop.write(`Object.defineProperty(process, 'platform', { value: 'win32' })`)
})
afterEach(async () => {
  for (const web of webs.splice(0)) web.destroy()
  await workshop.clear()
})
afterAll(async () => {
  await new Promise((resolve) => listener.close(resolve))
  await workshop.remove()
})

/** An application as IIS starts it, and IIS. */
async function start(code: string, { env = {}, flags = ['--import', 'express-fastcgi/register'], ...options }: ApplicationOptions = {}): Promise<{ app: NodeProcess; web: RawClient }> {
  const client = net.connect(workshop.path('pipe'))
  const [pipe] = (await once(listener, 'connection')) as [net.Socket]
  const app = workshop.run(code, { flags: ['-r', windows, ...flags], env: { _FCGI_X_PIPE_: NAME, ...env }, stdio: [pipe], ...options })
  pipe.destroy()
  const web = new RawClient(client, true)
  webs.push(web)
  return { app, web }
}

/** As IIS asks: the connection is kept, and there is one request at a time. */
async function ask(web: RawClient, path = '/'): Promise<string> {
  web.send(request(path))
  return (await web.response(1)).body.toString()
}

function request(path: string): Buffer {
  return Buffer.concat([begin(1, { keep: true }), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: path, SERVER_SOFTWARE: 'Microsoft-IIS/10.0' }), stdin(1)])
}

const serve = `const server = require('node:http').createServer(answer).listen(process.env.PORT ?? 3000, () => report('listening', { address: server.address(), listening: server.listening }))
server.on('close', () => report('close'))`

describe('the pipe of IIS', () => {
  it.each([
    ["the application's own listen() under register", serve, undefined],
    ['listen(app)', `const server = require('express-fastcgi').listen(answer, () => report('listening', { address: server.address(), listening: server.listening }))
      server.on('close', () => report('close'))`, []],
  ])('%s serves it, kept, and the process ends with it', async (_how, code, flags) => {
    const { app, web } = await start(code, flags && { flags })
    expect(await app.report('listening')).toEqual({ address: NAME, listening: true })
    for (const path of ['/1', '/2', '/3']) expect(await ask(web, path)).toBe(`GET ${path} of ${app.pid}`)
    web.halfClose()
    await app.report('close')
    expect(await app.exit()).toBe(0)
    expect(app.stderr).toBe('')
  })

  it('200 requests', async () => {
    const { app, web } = await start(serve)
    for (let i = 0; i < 200; i++) expect(await ask(web, `/${i}`)).toBe(`GET /${i} of ${app.pid}`)
  })

  it('a request that runs is aborted when the pipe closes', async () => {
    const { app, web } = await start(`require('node:http').createServer((req, res) => {
      req.on('aborted', () => report('aborted'))
      res.on('close', () => report('closed', res.writableFinished))
      res.write('begun')
    }).listen(0)`)
    web.send(request('/'))
    await web.next()
    web.destroy()
    await app.report('aborted')
    expect(await app.report('closed')).toBe(false)
    expect(await app.exit()).toBe(0)
  })

  it('what the application keeps open does not hold the process, and its exit code counts', async () => {
    const { app, web } = await start(`${serve}; setInterval(() => {}, 1000); server.on('close', () => { process.exitCode = 3 })`)
    expect(await ask(web)).toContain('GET')
    web.destroy()
    await app.report('close')
    expect(await app.exit()).toBe(3)
  })

  it('a response destroyed midway does not close it, which would be the end of the process', async () => {
    const { web } = await start(`require('node:http').createServer((req, res) => {
      if (req.url !== '/torso') return answer(req, res)
      res.write('torso')
      setImmediate(() => res.destroy())
    }).listen(0)`)
    web.send(request('/torso'))
    expect((await web.response(1)).end).toEqual({ appStatus: 1, protocolStatus: 0 })
    expect(await ask(web)).toContain('GET')
  })

  it("a URL that is the name of the application's own file is a URL like any other", async () => {
    const { app, web } = await start(serve)
    const [file] = app.process.spawnargs.slice(-1)
    web.send(begin(1, { keep: true }), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: '/app.js/a', SCRIPT_NAME: '/app.js', SCRIPT_FILENAME: file ?? '' }), stdin(1))
    expect((await web.response(1)).body.toString()).toContain('GET /app.js/a of')
  })

  it('neither a keepAliveTimeout nor waiting for HTTP closes it while it is idle', async () => {
    const { app, web } = await start(`server = require('node:http').createServer(answer)
      server.keepAliveTimeout = server.headersTimeout = 30
      server.listen(0, () => setTimeout(() => report('later'), 300))`, { env: { FASTCGI_PROTOCOL: 'auto' } })
    await app.report('later')
    expect(await ask(web)).toContain('GET')
  })

  it('server.close() closes it once it is idle; the process may go on with other things', async () => {
    const { app, web } = await start(`${serve}; server.on('request', () => server.close()); server.on('close', () => setTimeout(() => report('done'), 10))`)
    expect(await ask(web)).toContain('GET')
    expect(await web.closed).toBe('end')
    await app.report('done')
    expect(await app.exit()).toBe(0)
  })

  it('is nobody else\'s: children do not see it, and standard input is empty', async () => {
    const { app, web } = await start(`${serve}
      process.stdin.on('data', (data) => report('data', String(data))).on('end', () => report('end'))
      server.on('listening', () => report('variable', process.env._FCGI_X_PIPE_ ?? null))`)
    await app.report('end')
    expect(await app.report('variable')).toBeNull()
    expect(await ask(web)).toContain('GET')
    expect(app.stdout).not.toContain('data ')
  })

  it('a second listen() gets an error, and so does a second server', async () => {
    const { app } = await start(`const { createServer } = require('express-fastcgi')
      const one = createServer(answer).listen(() => {
        try { one.listen() } catch (error) { report('again', error.code) }
        try { createServer(answer).listen() } catch (error) { report('other', error.code) }
      })`, { flags: [] })
    expect(await app.report('again')).toBe('ERR_SERVER_ALREADY_LISTEN')
    expect(await app.report('other')).toBe('FCGI_ERR_NO_LISTEN_ADDRESS')
  })

  it('is not looked for without its variable, on another system, or when fd 0 is something else', async () => {
    const { address } = await (await start(serve, { env: { _FCGI_X_PIPE_: '', PORT: '0' } })).app.report<{ address: net.AddressInfo }>('listening')
    expect(address.address).toBe('127.0.0.1')
    for (const options of [{ flags: ['-r', 'express-fastcgi/register'] }, { flags: ['-r', windows, '-r', 'express-fastcgi/register'], stdio: ['ignore'] }]) {
      const app = workshop.run(serve, { ...options, env: { _FCGI_X_PIPE_: NAME, PORT: '0' } })
      expect(await app.report('listening')).toMatchObject({ address: { address: '127.0.0.1' } })
    }
  })

  it('that fails before it brought a request is an error', async () => {
    // A unix socket that is closed with something unread is reset.
    const { app, web } = await start(`require('node:fs').writeSync(0, Buffer.alloc(150_000)); ${serve}; server.on('error', ({ message }) => report('error', message))`)
    web.pause()
    await app.report('listening')
    web.destroy()
    expect(await app.report('error')).toMatch(/^the pipe that IIS gave as standard input failed before it brought a request: /)
    expect(await app.exit()).toBe(0)
  })

  it('FASTCGI_LISTEN goes first', async () => {
    const path = workshop.path('first.sock')
    const { app } = await start(serve, { env: { FASTCGI_LISTEN: path } })
    expect(await app.report('listening')).toMatchObject({ address: path })
  })
})
