// Sockets that an application under register was started with: from spawn-fcgi on fd 0, from systemd from fd 3 on.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, renameSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { describeWith, program } from '../support/need'
import { until } from '../support/wait'
import { askFastCGI, askHttp, Workshop } from './application'

const workshop = new Workshop()
const opened: net.Server[] = []

afterEach(async () => {
  await workshop.clear()
  for (const listener of opened.splice(0)) if (listener.listening) await new Promise((resolve) => listener.close(resolve))
})
afterAll(() => workshop.remove())

/** A listening unix socket: its file descriptor is for a child. */
async function listener(name: string): Promise<{ path: string; fd: number }> {
  const path = workshop.path(name)
  const server = net.createServer().listen(path)
  await once(server, 'listening')
  opened.push(server)
  return { path, fd: (server as unknown as { _handle: { fd: number } })._handle.fd }
}

/** Leaves the sockets to the child that has them. */
async function handOver(): Promise<void> {
  for (const server of opened.splice(0)) {
    const path = server.address() as string
    // Closing removes the file, which is the child's from now on.
    renameSync(path, `${path}.kept`)
    await new Promise((resolve) => server.close(resolve))
    renameSync(`${path}.kept`, path)
  }
}

const one = `const server = require('node:http').createServer(answer).listen(0, () => report('listening', server.address()))`

describe('fd 0', () => {
  it('a socket that listens (FCGI 2.2) is where the first server listens', async () => {
    const { path, fd } = await listener('fd0.sock')
    const child = workshop.run(one, { stdio: [fd] })
    expect(await child.report('listening')).toBe(path)
    await handOver()
    expect(await askFastCGI(path)).toBe(`GET / of ${child.pid}`)
    expect(await askHttp(path)).toContain('speaks FastCGI, not HTTP')
  })

  it('FASTCGI_LISTEN goes first', async () => {
    const { fd } = await listener('unused.sock')
    const path = workshop.path('used.sock')
    const child = workshop.run(one, { stdio: [fd], env: { FASTCGI_LISTEN: path } })
    expect(await child.report('listening')).toBe(path)
  })

  it.each(['pipe', 'ignore'])('%s, as of a node parent, says nothing: the arguments count', async (stdin) => {
    const child = workshop.run(one, { stdio: [stdin] })
    const address = await child.report<net.AddressInfo>('listening')
    expect(await askHttp(address)).toBe(`GET / of ${child.pid}`)
    expect(child.stderr).toBe('')
  })
})

describe('an application that a web server started and that never listens says so on standard error, its error log', () => {
  it.each([
    ['ends', 'process.exitCode = 0', 0, 'ended without calling listen()'],
    ['throws', "throw new Error('as planned')", 1, 'ended with exit status 1 before it called listen()'],
    ['cannot be parsed', 'const = 1', 1, 'ended with exit status 1 before it called listen()'],
    ['lacks a module', "require('no-such-module')", 1, 'ended with exit status 1 before it called listen()'],
  ])('%s', async (_what, code, status, message) => {
    const { fd } = await listener('missed.sock')
    const child = workshop.run(code, { stdio: [fd] })
    expect(await child.exit()).toBe(status)
    const ours = child.stderr.split('\n').filter((line) => line.startsWith('express-fastcgi: '))
    expect(ours).toEqual([expect.stringContaining(`.cjs ${message}`)])
  })

  it.each([
    ['one that listened', `${one}.on('listening', () => process.exit(4))`, 4],
    ['a child, whose standard input is the same', "if (process.send) process.exit(0); require('node:child_process').fork(__filename).on('exit', () => { require('node:http').createServer().listen(0, () => process.exit(5)) })", 5],
    ['the primary process of a cluster', "const cluster = require('node:cluster'); if (cluster.isPrimary) cluster.fork().on('exit', () => process.exit(6)); else process.exit(0)", 6],
  ])('but not %s', async (_who, code, status) => {
    const { fd } = await listener('quiet.sock')
    const child = workshop.run(code, { stdio: [fd] })
    expect(await child.exit()).toBe(status)
    expect(child.stderr).toBe('')
  })

  it('but not one that was not started by a web server', async () => {
    const child = workshop.run('process.exitCode = 3', { env: { FASTCGI_LISTEN: workshop.path('unused.sock') } })
    expect([await child.exit(), child.stderr]).toEqual([3, ''])
  })
})

describe('LISTEN_FDS of systemd (sd_listen_fds(3))', () => {
  // LISTEN_PID has to be the pid of the process itself, which only a shell that becomes it can know beforehand.
  const shell = 'exec env LISTEN_FDS=2 LISTEN_PID=$$ "$@"'

  it('of two sockets each server gets one, in order; a third server listens where it is told to', async () => {
    const sockets = [await listener('3.sock'), await listener('4.sock')]
    const child = workshop.run(
      `const http = require('node:http')
       const servers = ['a', 'b', 'c'].map((name) => http.createServer((req, res) => res.end(name)).listen(0))
       servers.at(-1).on('listening', () => report('listening', servers.map((server) => server.address())))`,
      { shell, stdio: ['ignore', 'pipe', 'pipe', ...sockets.map(({ fd }) => fd)] },
    )
    const [first, second, third] = await child.report<[string, string, net.AddressInfo]>('listening')
    expect([first, second, third.address]).toEqual([...sockets.map(({ path }) => path), '127.0.0.1'])
    await handOver()
    expect([await askFastCGI(first), await askFastCGI(second), await askFastCGI(third), await askHttp(third)]).toEqual(['a', 'b', 'c', 'c'])
  })

  it('sockets meant for another process are not touched', async () => {
    const { fd } = await listener('other.sock')
    const child = workshop.run(one, { env: { LISTEN_FDS: '1', LISTEN_PID: '1' }, stdio: ['ignore', 'pipe', 'pipe', fd] })
    expect(await child.report('listening')).toMatchObject({ address: '127.0.0.1' })
  })
})

describeWith('spawn-fcgi', 'real spawn-fcgi', () => {
  it('an application that knows nothing of FastCGI', async () => {
    const path = workshop.path('spawned.sock')
    const script = workshop.path('app.sh')
    writeFileSync(script, `#!/bin/sh\nexec '${process.execPath}' --import express-fastcgi/register '${workshop.write(one)}'\n`)
    chmodSync(script, 0o755)
    // -n: it stays as our child and becomes the application.
    const spawned = spawn(program('spawn-fcgi'), ['-n', '-s', path, '-f', script], { stdio: 'ignore', cwd: workshop.folder })
    const exited = once(spawned, 'exit')
    try {
      const body = await until('the spawned application to answer', () => {
        if (spawned.exitCode !== null) throw new Error('spawn-fcgi ended')
        return askFastCGI(path).catch(() => undefined)
      })
      expect(body).toBe(`GET / of ${spawned.pid ?? 0}`)
    } finally {
      spawned.kill('SIGKILL')
      await exited
    }
  })
})
