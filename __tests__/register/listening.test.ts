// Where an application listens under register, and that its own listen() behaves as it does without.

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { connect } from '../support/raw-client'
import { askFastCGI, askHttp, Workshop } from './application'

const workshop = new Workshop()
const socket = workshop.path('app.sock')
const env = { FASTCGI_LISTEN: socket }

afterEach(() => workshop.clear())
afterAll(() => workshop.remove())

describe('FASTCGI_LISTEN is where the first server listens', () => {
  const commonjs = `
    const http = require('node:http')
    const server = http.createServer(answer).listen(3000, () => report('listening', server.address()))`
  const esm = `
    import { createServer } from 'node:http'
    await new Promise((resolve) => setImmediate(resolve))
    const server = createServer(answer)
    await new Promise((resolve) => server.listen(3000, resolve))
    report('listening', server.address())`

  describe.each(['--import', '-r'])('node %s', (flag) => {
    it.each([
      ['CommonJS', 'commonjs' as const, commonjs],
      ['an ES module that awaits at its top level', 'module' as const, esm],
    ])('%s', async (_kind, type, code) => {
      const child = workshop.run(code, { type, flags: [flag, 'express-fastcgi/register'], env })
      expect(await child.report('listening')).toBe(socket)
      expect(await askFastCGI(socket, '/a?b')).toBe(`GET /a?b of ${child.pid}`)
      expect(child.stderr).toBe('')
    })
  })

  it('NODE_OPTIONS does it as well', async () => {
    const child = workshop.run(commonjs, { flags: [], env: { ...env, NODE_OPTIONS: '--import=express-fastcgi/register' } })
    expect(await child.report('listening')).toBe(socket)
    expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
  })

  it('an import in the code does it as well, for a server that was created before', async () => {
    const child = workshop.run(
      `import http from 'node:http'
       const server = http.createServer(answer)
       await import('express-fastcgi/register')
       server.listen(3000, () => report('listening', server.address()))`,
      { type: 'module', flags: [], env },
    )
    expect(await child.report('listening')).toBe(socket)
    expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
  })

  it.each([
    ['nothing', ''],
    ['a port as text', "'3000'"],
    ['a port and a host', "3000, '0.0.0.0'"],
    ['a port, a host and a backlog', "3000, '0.0.0.0', 10"],
    ['port 0', '0'],
    ['a path', "'/nowhere/other.sock'"],
    ['options', "{ port: 3000, host: '::', exclusive: true, ipv6Only: true }"],
    ['options with a path', "{ path: '/nowhere/other.sock', readableAll: true }"],
    ['undefined, as of a variable that is not set', 'undefined'],
    ['a port that cannot be', '70000'],
  ])('instead of %s', async (_what, args) => {
    const child = workshop.run(
      `const server = require('node:http').createServer(answer).listen(${args})
       server.on('listening', () => report('listening', server.address()))`,
      { env },
    )
    expect(await child.report('listening')).toBe(socket)
    expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
    expect(child.stderr).toBe('')
  })

  it('which speaks FastCGI and nothing else', async () => {
    const child = workshop.run(commonjs, { env })
    await child.line('listening')
    expect(await askHttp(socket)).toContain('speaks FastCGI, not HTTP')
  })

  it('FASTCGI_PROTOCOL=auto: HTTP as well', async () => {
    const child = workshop.run(commonjs, { env: { ...env, FASTCGI_PROTOCOL: 'auto' } })
    await child.line('listening')
    expect([await askHttp(socket), await askFastCGI(socket)]).toEqual(Array(2).fill(`GET / of ${child.pid}`))
  })

  it('a port of TCP', async () => {
    const child = workshop.run(commonjs, { env: { FASTCGI_LISTEN: '127.0.0.1:0' } })
    const address = await child.report<net.AddressInfo>('listening')
    expect(address).toMatchObject({ address: '127.0.0.1' })
    expect(await askFastCGI(address)).toBe(`GET / of ${child.pid}`)
  })

  it('set by code that runs before it listens, as by dotenv, and by pm2 for its cluster', async () => {
    const child = workshop.run(`process.env.FASTCGI_LISTEN = ${JSON.stringify(socket)}\n${commonjs}`)
    expect(await child.report('listening')).toBe(socket)
    expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
  })

  it('read before the application could change it', async () => {
    const child = workshop.run(`delete process.env.FASTCGI_LISTEN\n${commonjs}`, { env })
    expect(await child.report('listening')).toBe(socket)
  })
})

describe('without an address in the environment', () => {
  it('the arguments count: FastCGI and HTTP on one port, of 127.0.0.1 unless a host is given', async () => {
    const child = workshop.run(`const server = require('node:http').createServer(answer).listen(0, () => report('listening', server.address()))`)
    const address = await child.report<net.AddressInfo>('listening')
    expect(address.address).toBe('127.0.0.1')
    expect([await askHttp(address), await askFastCGI(address)]).toEqual(Array(2).fill(`GET / of ${child.pid}`))
    expect(child.stderr).toBe('')
  })

  it('a path: FastCGI and HTTP on one unix socket', async () => {
    const own = workshop.path('own.sock')
    const child = workshop.run(
      `const server = require('node:http').createServer(answer).listen({ path: ${JSON.stringify(own)} }, () => report('listening', server.address()))`,
    )
    expect(await child.report('listening')).toBe(own)
    expect([await askHttp(own), await askFastCGI(own)]).toEqual(Array(2).fill(`GET / of ${child.pid}`))
  })

  it('FASTCGI_PROTOCOL=fastcgi: no HTTP', async () => {
    const code = `const server = require('node:http').createServer(answer).listen(0, () => report('listening', server.address()))`
    const child = workshop.run(code, { env: { FASTCGI_PROTOCOL: 'fastcgi' } })
    const address = await child.report<net.AddressInfo>('listening')
    expect(await askFastCGI(address)).toBe(`GET / of ${child.pid}`)
    expect(await askHttp(address)).toContain('speaks FastCGI, not HTTP')
  })

  it.each([['listen()', ''], ['listen(callback)', '() => report("called")'], ['listen(undefined)', 'undefined'], ['listen(null, callback)', 'null, () => report("called")']])(
    '%s: a port that was free, and a warning that names it',
    async (_form, args) => {
      const child = workshop.run(
        `const server = require('node:http').createServer(answer).listen(${args})
         server.on('listening', () => report('listening', server.address()))`,
      )
      const address = await child.report<net.AddressInfo>('listening')
      expect(await askHttp(address)).toBe(`GET / of ${child.pid}`)
      await child.kill()
      expect(child.stderr).toContain(`[FCGI_WARN_NO_LISTEN_ADDRESS] FastCGIWarning: listen() was called without an address`)
      expect(child.stderr).toContain(`127.0.0.1:${address.port}`)
      if (args.includes('report')) expect(child.stdout).toContain('called')
    },
  )
})

describe('listen() behaves as it does without register', () => {
  const sockets = [workshop.path('plain.sock'), workshop.path('registered.sock')] as const

  /** What an application prints, under node alone and under register. */
  async function both(code: string): Promise<{ plain: string; registered: string }> {
    const [plain, registered] = sockets.map((path, index) =>
      workshop.run(`const http = require('node:http'), path = ${JSON.stringify(path)};\n${code}`, {
        // Not --import, with which node starts the application in a microtask.
        ...(index === 0 ? { flags: [] } : { flags: ['-r', 'express-fastcgi/register'], env: { FASTCGI_LISTEN: path } }),
      }),
    )
    for (const child of [plain!, registered!]) await child.exit()
    const outcome = (index: number, { stdout, stderr, ended }: NonNullable<typeof plain>): string =>
      // Paths, stacks and the words behind a code differ, what happened must not.
      `${stdout}${/^Error: listen E\w+/m.exec(stderr)?.[0] ?? stderr}\nexit ${ended}`.replaceAll(sockets[index]!, 'PATH')
    return { plain: outcome(0, plain!), registered: outcome(1, registered!) }
  }

  it.each([
    ['the order of everything, with the server returned at once', `
      const server = http.createServer()
      server.on('listening', () => report('before'))
      const returned = server.listen(path, function () { report('callback', [this === server, server.listening, server.address()]) })
      report('returned', [returned === server, server.listening, server.address()])
      server.on('listening', () => report('after'))
      server.on('close', () => report('close', [server.listening, server.address()]))
      process.nextTick(() => report('tick'))
      Promise.resolve().then(() => report('microtask'))
      setImmediate(() => { report('immediate', server.listening); server.close(() => report('closed')) })`],
    ["events.once(server, 'listening')", `
      const server = http.createServer().listen(path)
      require('node:events').once(server, 'listening').then(() => { report('listening', server.address()); server.close() })`],
    ['a second listen() while it listens throws', `
      const server = http.createServer().listen(path, () => {
        try { server.listen(path) } catch (error) { report('thrown', error.code) }
        server.close()
      })`],
    ['a second listen() in the same tick throws', `
      const server = http.createServer().listen(path, () => server.close())
      try { server.listen(path) } catch (error) { report('thrown', error.code) }`],
    ['close() before it listens', `
      const server = http.createServer()
      server.on('listening', () => report('listening')).on('close', () => report('close'))
      server.listen(path, () => report('callback'))
      server.close((error) => report('closed', error?.code))`],
    ['listen() again after close()', `
      const server = http.createServer()
      server.listen(path, () => {
        report('first', server.address())
        server.close(() => server.listen(path, () => { report('second', server.address()); server.close() }))
      })`],
    ['a signal that is aborted', `
      const controller = new AbortController()
      const server = http.createServer().on('close', () => report('close'))
      server.listen({ path, signal: controller.signal }, () => { report('listening'); controller.abort() })`],
    ['unref()', `http.createServer().listen(path, () => report('listening')).unref(); setImmediate(() => report('immediate'))`],
    ["an 'error' listener", `
      const other = require('node:net').createServer().listen(path, () => {
        const server = http.createServer().on('error', (error) => {
          report('error', [error.code, error.syscall, error.address, server.listening])
          other.close()
        })
        server.on('listening', () => report('listening'))
        server.listen(path)
      })`],
    ["no 'error' listener: the process ends with it", `
      require('node:net').createServer().listen(path, () => http.createServer().listen(path))`],
  ])('%s', async (_what, code) => {
    const { plain, registered } = await both(code)
    expect(registered).toBe(plain)
    expect(plain).toMatch(/^(?:(?:\w+ .*\n)+\nexit 0|Error: listen EADDRINUSE\nexit 1)$/)
  })

  it("an error without a listener ends the process, with node's words and what to do", async () => {
    const taken = workshop.path('taken.sock')
    const child = workshop.run(
      `require('node:net').createServer().listen(${JSON.stringify(taken)}, () => {
         require('node:http').createServer().listen(3000, () => report('listening'))
       })`,
      { env: { FASTCGI_LISTEN: taken } },
    )
    expect([await child.exit(), child.stdout]).toEqual([1, ''])
    expect(child.stderr).toMatch(/Unhandled 'error' event|throw er/)
    expect(child.stderr).toContain(`listen EADDRINUSE: another process answers on ${taken}`)
  })

  it('EADDRINUSE, and listening again when the other is gone', async () => {
    const taken = workshop.path('contested.sock')
    const other = net.createServer().listen(taken)
    await once(other, 'listening')
    const child = workshop.run(
      `const server = require('node:http').createServer(answer)
       server.on('error', (error) => { report('error', error.code); process.stdin.once('data', () => server.listen(3000)) })
       server.on('listening', () => report('listening', server.address()))
       server.listen(3000)`,
      { env: { FASTCGI_LISTEN: taken }, stdio: ['pipe'] },
    )
    expect(await child.report('error')).toBe('EADDRINUSE')
    await new Promise((resolve) => other.close(resolve))
    child.process.stdin!.write('again')
    expect(await child.report('listening')).toBe(taken)
    expect(await askFastCGI(taken)).toBe(`GET / of ${child.pid}`)
  })

  it('a socket file that a dead process left is replaced', async () => {
    const first = workshop.run(`require('node:http').createServer(answer).listen(1, () => report('listening'))`, { env })
    await first.line('listening')
    await first.kill()
    expect(existsSync(socket)).toBe(true)
    const second = workshop.run(
      `const server = require('node:http').createServer(answer)
       report('returned', server.listen(1, () => report('listening', server.address())) === server)`,
      { env },
    )
    expect(await second.report('returned')).toBe(true)
    expect(await second.report('listening')).toBe(socket)
    expect(await askFastCGI(socket)).toBe(`GET / of ${second.pid}`)
  })
})

describe('what cannot be right stops the start, before any code of the application', () => {
  it.each([
    ['FASTCGI_LISTEN', 'app.sock', 'FASTCGI_LISTEN=app.sock is not an address'],
    ['FASTCGI_LISTEN', '127.0.0.1:http', 'FASTCGI_LISTEN=127.0.0.1:http is not an address'],
    ['FASTCGI_LISTEN', '70000', 'FASTCGI_LISTEN=70000 is not an address'],
    ['FASTCGI_PROTOCOL', 'http', 'FASTCGI_PROTOCOL=http is unknown: use fastcgi, or auto'],
    ['FASTCGI_PROTOCOL', 'FASTCGI', 'FASTCGI_PROTOCOL=FASTCGI is unknown'],
    ['FASTCGI_MOUNT', 'shop', 'FASTCGI_MOUNT=shop is no path prefix'],
    ['FASTCGI_MOUNT', 'http://example.org/shop', 'FASTCGI_MOUNT=http://example.org/shop is no path prefix'],
    ['FASTCGI_MOUNT', '//shop', 'FASTCGI_MOUNT=//shop is no path prefix'],
    ['FASTCGI_MOUNT', '/shop?x', 'FASTCGI_MOUNT=/shop?x is no path prefix'],
  ])('%s=%s', async (name, value, message) => {
    const child = workshop.run(`report('ran')`, { env: { [name]: value } })
    expect([await child.exit(), child.stdout]).toEqual([1, ''])
    expect(child.stderr).toContain(message)
    expect(child.stderr).toContain('FCGI_ERR_OPTION')
  })

  it.each(['FASTCGI_LISTEN', 'FASTCGI_PROTOCOL', 'FASTCGI_MOUNT'])('an empty %s is as good as none', async (name) => {
    const child = workshop.run(`report('ran')`, { env: { [name]: '' } })
    expect([await child.exit(), child.stdout, child.stderr]).toEqual([0, 'ran null\n', ''])
  })
})

it('without a server nothing happens, and the process ends', async () => {
  const child = workshop.run(`report('ran')`, { env })
  expect([await child.exit(), child.stdout, child.stderr]).toEqual([0, 'ran null\n', ''])
  await expect(connect(socket)).rejects.toThrow()
})
