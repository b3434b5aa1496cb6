// Several servers in one process under register, and those that it has to leave alone.

import type net from 'node:net'
import { askFastCGI, askHttp, Workshop } from './application'

const workshop = new Workshop()
const socket = workshop.path('app.sock')
const env = { FASTCGI_LISTEN: socket }

afterEach(() => workshop.clear())
afterAll(() => workshop.remove())

describe('a further server', () => {
  it('listens where it is told to, for FastCGI and HTTP', async () => {
    const child = workshop.run(
      `const http = require('node:http')
       const first = http.createServer(answer).listen(3000)
       const second = http.createServer(answer).listen(0)
       second.on('listening', () => report('listening', [first.address(), second.address()]))`,
      { env },
    )
    const [first, second] = await child.report<[string, net.AddressInfo]>('listening')
    expect([first, second.address]).toEqual([socket, '127.0.0.1'])
    expect([await askFastCGI(socket), await askFastCGI(second), await askHttp(second)]).toEqual(Array(3).fill(`GET / of ${child.pid}`))
    expect(await askHttp(socket)).toContain('speaks FastCGI, not HTTP')
  })

  it.each([
    ['listen()', ''],
    ['listen(callback)', '() => report("called")'],
    ['listen({ port: undefined })', '{ port: undefined, host: "127.0.0.1" }'],
  ])('%s: an error, and no port that nobody knows', async (_form, args) => {
    const child = workshop.run(
      `const http = require('node:http')
       http.createServer(answer).listen(3000, () => {
         const further = http.createServer(answer)
         further.on('error', (error) => report('error', [error.code, further.listening, further.address()]))
         report('returned', further.listen(${args}) === further)
       })`,
      { env },
    )
    expect(await child.report('error')).toEqual(['FCGI_ERR_NO_LISTEN_ADDRESS', false, null])
    expect(await child.report('returned')).toBe(true)
    expect(child.stdout).not.toContain('called')
    expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
  })

  it('gets the place of the first when that is closed', async () => {
    const child = workshop.run(
      `const http = require('node:http')
       const first = http.createServer((req, res) => res.end('first')).listen(3000, () => first.close(() => {
         const second = http.createServer((req, res) => res.end('second')).listen(3001, () => report('listening', second.address()))
       }))`,
      { env },
    )
    expect(await child.report('listening')).toBe(socket)
    expect(await askFastCGI(socket)).toBe('second')
  })

  it('of a worker thread, which has no part in what the process was started with, listens where it is told to', async () => {
    const child = workshop.run(
      `const { isMainThread, Worker } = require('node:worker_threads')
       const server = require('node:http').createServer(answer)
       if (isMainThread) new Worker(__filename).on('message', (address) => server.listen(3000, () => report('listening', [server.address(), address])))
       else server.listen(0, () => require('node:worker_threads').parentPort.postMessage(server.address()))`,
      { env },
    )
    const [main, worker] = await child.report<[string, net.AddressInfo]>('listening')
    expect([main, worker.address]).toEqual([socket, '127.0.0.1'])
    expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
    expect([await askHttp(worker), await askFastCGI(worker)]).toEqual(Array(2).fill(`GET / of ${child.pid}`))
  })
})

describe('left alone', () => {
  it('servers of net, https and http2: they listen where they are told to, and take no place of the environment', async () => {
    const child = workshop.run(
      `const servers = [require('node:net').createServer(), require('node:https').createServer(), require('node:http2').createServer()]
       let waiting = servers.length
       for (const server of servers) server.listen(0, '127.0.0.1', () => {
         if (--waiting > 0) return
         const last = require('node:http').createServer(answer)
         last.listen(3000, () => report('listening', [...servers, last].map((one) => one.address().address ?? one.address())))
       })`,
      { env },
    )
    expect(await child.report('listening')).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1', socket])
  })

  it.each([
    ['createServer', "createServer(answer).listen(path, () => report('listening', path))"],
    ['listen', "listen(answer, path, () => report('listening', path))"],
    ['attach', "attach(http.createServer(answer)).listen(path, () => report('listening', path))"],
    ['a class of its own', "new (class extends Server {})(answer).listen(path, () => report('listening', path))"],
  ])('%s of this package: FastCGI where the code says', async (_name, start) => {
    const own = workshop.path('own.sock')
    const child = workshop.run(
      `import http from 'node:http'
       import { attach, createServer, listen, Server } from 'express-fastcgi'
       const path = ${JSON.stringify(own)}
       ${start}
       const further = http.createServer(answer).listen(3000, () => report('further', further.address()))`,
      { type: 'module', env },
    )
    expect([await child.report('listening'), await child.report('further')]).toEqual([own, socket])
    expect([await askFastCGI(own), await askFastCGI(socket)]).toEqual(Array(2).fill(`GET / of ${child.pid}`))
    expect(await askHttp(own)).toContain('speaks FastCGI, not HTTP')
  })

  it('the gateway of this package, and the server in this process that it is in front of', async () => {
    const child = workshop.run(
      `import http from 'node:http'
       import { createServer } from 'express-fastcgi'
       import { gateway } from 'express-fastcgi/gateway'
       const inner = createServer(answer)
       const front = http.createServer(gateway(inner)).listen(3000, () => report('listening', front.address()))
       inner.on('listening', () => report('inner', inner.address()))`,
      { type: 'module', env },
    )
    expect(await child.report('listening')).toBe(socket)
    expect(await askFastCGI(socket, '/through')).toBe(`GET /through of ${child.pid}`)
    expect(await child.report('inner')).not.toBe(socket)
  })

  it('a server whose class has a listen() of its own: that is called, and what it calls is redirected', async () => {
    const child = workshop.run(
      `const http = require('node:http')
       class Own extends http.Server {
         listen(...args) {
           report('own', args.length)
           return super.listen(...args)
         }
       }
       const server = new Own(answer)
       server.listen(3000, () => report('listening', server.address()))`,
      { env },
    )
    expect([await child.report('own'), await child.report('listening')]).toEqual([2, socket])
    expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
  })

  it('requests to others: the http client is what it was', async () => {
    const child = workshop.run(
      `const http = require('node:http')
       const server = http.createServer(answer).listen(0, () => {
         http.get({ port: server.address().port, path: '/a' }, (res) => res.setEncoding('utf8').on('data', (text) => report('got', text)))
       })`,
    )
    expect(await child.report('got')).toBe(`GET /a of ${child.pid}`)
  })
})
