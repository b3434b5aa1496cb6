// Register in processes other than `node app.js`: workers of a cluster, children, the test runner, code on the command line.

import type net from 'node:net'
import { askFastCGI, askHttp, Workshop } from './application'
import { NodeProcess } from './node-process'

const workshop = new Workshop()
const socket = workshop.path('app.sock')
const env = { FASTCGI_LISTEN: socket }
const NODE_OPTIONS = '--import=express-fastcgi/register'

afterEach(() => workshop.clear())
afterAll(() => workshop.remove())

describe('node:cluster', () => {
  const cluster = `
    const cluster = require('node:cluster')
    if (cluster.isPrimary) {
      const workers = [cluster.fork(), cluster.fork()]
      let waiting = workers.length
      cluster.on('listening', (worker, address) => --waiting === 0 && report('listening', address))
      // Workers that answer leave, so that the other one has to.
      cluster.on('message', (worker) => worker.disconnect())
    } else {
      require('node:http').createServer((req, res) => res.end(String(cluster.worker.id), () => process.send('answered'))).listen(3000)
    }`

  it('all workers listen where the environment says', async () => {
    const child = workshop.run(cluster, { env })
    expect(await child.report('listening')).toMatchObject({ address: socket })
    expect([await askFastCGI(socket), await askFastCGI(socket)].sort()).toEqual(['1', '2'])
    expect(child.stderr).toBe('')
  })

  it('without that, all on the port they ask for, of 127.0.0.1', async () => {
    const child = workshop.run(cluster.replace('3000', '0'))
    const { address, port } = await child.report<{ address: string; port: number }>('listening')
    expect(address).toBe('127.0.0.1')
    const target = { address, port, family: 'IPv4' }
    expect([await askFastCGI(target), await askHttp(target)].sort()).toEqual(['1', '2'])
  })
})

it('a child has the environment of its parent: with NODE_OPTIONS it asks for the same place, and is told that it is taken', async () => {
  const child = workshop.run(
    `const server = require('node:http').createServer(answer)
     if (process.argv[2] === undefined) {
       server.listen(3000, () => {
         report('listening', server.address())
         require('node:child_process').spawn(process.execPath, [__filename, 'child'], { stdio: 'inherit' })
       })
     } else {
       server.on('error', (error) => report('error', error.code)).listen(3001)
     }`,
    { flags: [], env: { ...env, NODE_OPTIONS } },
  )
  expect(await child.report('error')).toBe('EADDRINUSE')
  expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
})

it('a child with another FASTCGI_LISTEN listens there', async () => {
  const other = workshop.path('other.sock')
  const child = workshop.run(
    `const server = require('node:http').createServer((req, res) => res.end(process.argv[2] ?? 'parent'))
     server.listen(3000, () => {
       report(process.argv[2] ?? 'parent', server.address())
       if (process.argv[2] !== undefined) return process.once('disconnect', () => process.exit())
       require('node:child_process').fork(__filename, ['child'], { env: { ...process.env, FASTCGI_LISTEN: ${JSON.stringify(other)} } })
     })`,
    { env },
  )
  expect([await child.report('child'), await child.report('parent')]).toEqual([other, socket])
  expect([await askFastCGI(other), await askFastCGI(socket)]).toEqual(['child', 'parent'])
})

it('node --test: servers of tests that find themselves a port are asked over HTTP as ever', async () => {
  const file = workshop.write(
    `const http = require('node:http')
     require('node:test').test('a server', async () => {
       for (const round of [1, 2]) {
         const server = http.createServer(answer)
         await new Promise((resolve) => server.listen(0, resolve))
         const response = await fetch('http://127.0.0.1:' + server.address().port + '/' + round)
         require('node:assert').equal(await response.text(), 'GET /' + round + ' of ' + process.pid)
         await new Promise((resolve) => server.close(resolve))
       }
     })`,
  )
  const child = new NodeProcess(['--test', '--test-reporter=tap', file], { cwd: workshop.folder, env: { NODE_OPTIONS } })
  try {
    expect([await child.exit(), child.stderr]).toEqual([0, ''])
    expect(child.stdout).toMatch(/^# pass 1$/m)
  } finally {
    await child.kill()
  }
})

it.each([
  ['node -e', ['-e', "console.log('ran', 1 + 1)"]],
  ['node --input-type=module -e', ['--input-type=module', '-e', "console.log('ran', await Promise.resolve(1 + 1))"]],
  ['node -p', ['-p', "'ran ' + (1 + 1)"]],
])('%s ends as ever, and takes nothing', async (_how, args) => {
  const child = new NodeProcess(args, { cwd: workshop.folder, env: { ...env, FASTCGI_LISTEN: '/nowhere/app.sock', NODE_OPTIONS } })
  try {
    expect([await child.exit(), child.stdout, child.stderr]).toEqual([0, 'ran 2\n', ''])
  } finally {
    await child.kill()
  }
})

it.each([
  ['in the way of an instrumentation, on the server', 'server'],
  ['in the way of an instrumentation, on its prototype', 'http.Server.prototype'],
])('listen() that the application wrapped %s: the wrapper is called each time', async (_how, wrapped) => {
  const child = workshop.run(
    `const http = require('node:http')
     const server = http.createServer(answer), { listen } = ${wrapped}
     let calls = 0
     ${wrapped}.listen = function (...args) {
       calls++
       return listen.apply(this, args)
     }
     server.listen(3000, () => server.close(() => server.listen(3001, () => report('listening', [calls, server.address()]))))`,
    { env },
  )
  expect(await child.report('listening')).toEqual([2, socket])
  expect(await askFastCGI(socket)).toBe(`GET / of ${child.pid}`)
})

it('an open port is warned of, and FCGI_WEB_SERVER_ADDRS is who may connect', async () => {
  const code = `const server = require('node:http').createServer(answer).listen(3000, () => report('listening', server.address()))`
  const open = workshop.run(`process.on('warning', ({ code }) => report('warning', code))\n${code}`, { env: { FASTCGI_LISTEN: '0.0.0.0:0' } })
  expect(await open.report('warning')).toBe('FCGI_WARN_OPEN_PORT')

  const closed = workshop.run(code, { env: { FASTCGI_LISTEN: '0.0.0.0:0', FCGI_WEB_SERVER_ADDRS: '192.0.2.7' } })
  const { port } = await closed.report<net.AddressInfo>('listening')
  await expect(askFastCGI(port)).rejects.toThrow('connection closed')
  expect(closed.stderr).toBe('')
})
