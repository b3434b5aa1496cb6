// lighttpd as the printed configuration has it: the application started by somebody else, and by lighttpd itself.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type DeploymentOptions } from '../../lib/cli/config/deployment'
import { RawHttp } from '../support/http-raw'
import { describeWith, program } from '../support/need'
import { freePorts } from '../support/ports'
import { connect } from '../support/raw-client'
import { until } from '../support/wait'
import { sharedFolder, type WebServer } from '../support/web-server'
import { giveToLighttpd, lighttpdUser, startPrintedLighttpd } from './lighttpd'
import { install, printedFile, printedFiles } from '../support/printed'
import { ask, writeApplication } from './small-application'

describeWith('lighttpd', 'an application behind lighttpd', () => {
  const cleanUp: (() => unknown)[] = []

  afterEach(async () => {
    for (const step of cleanUp.splice(0).reverse()) await step()
  })

  function newFolder(): string {
    const folder = sharedFolder('lighttpd')
    cleanUp.push(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }

  async function start(...args: Parameters<typeof startPrintedLighttpd>): Promise<WebServer> {
    const web = await startPrintedLighttpd(...args)
    cleanUp.push(() => web.stop())
    return web
  }

  /** Starts the application as the first lines of the configuration say. */
  async function application(folder: string, options: Partial<DeploymentOptions>): Promise<ChildProcess> {
    const app = writeApplication(folder)
    const line = printedFile('lighttpd', 'lighttpd.conf', { app, ...options }).split('\n').find((one) => one.startsWith('#   cd '))
    const child = spawn('/bin/sh', ['-c', line!.slice(4).replace(' && ', ' && exec env ')], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    cleanUp.push(() => ended(child))
    await until('the application to listen', () => output.includes('listening'))
    return child
  }

  describe('the configuration', () => {
    it.each<[string, string, Partial<DeploymentOptions>]>([
      ['a unix socket', 'lighttpd', {}],
      ['a port', 'lighttpd', { listen: '9000' }],
      ['a port on IPv6', 'lighttpd', { listen: '[::1]:9000' }],
      ['a prefix', 'lighttpd', { mount: '/a.b/shop' }],
      ['a prefix, with files beside it', 'lighttpd', { mount: '/shop', root: '/srv/files' }],
      ['odd paths', 'lighttpd', { listen: '/run/"a b" $x %/app.sock', root: '/srv/"a b" $HOME ${x} %/é' }],
      ['spawned', 'lighttpd-spawn', {}],
      ['spawned, with ports', 'lighttpd-spawn', { listen: '9000', mount: '/shop' }],
    ])('%s: lighttpd -tt accepts it as it is', (_what, server, options) => {
      const folder = newFolder()
      const file = join(folder, 'lighttpd.conf')
      install(printedFiles(server, options), folder)
      const { status, stderr } = spawnSync(program('lighttpd'), ['-tt', '-f', file], { encoding: 'utf8' })
      expect([stderr, status]).toEqual(['', 0])
    })

    it.each<[string, Partial<DeploymentOptions>]>([
      ['lighttpd', { root: '/srv/a\\b' }],
      ['lighttpd', { listen: '/run/a\\b.sock' }],
    ])('%s: a backslash in a path is refused, %j', (server, options) => {
      expect(() => printedFiles(server, options)).toThrow(/a configuration for lighttpd has no way to write/)
    })
  })

  describe('an application that runs already', () => {
    it.each<[string, (folder: string) => Promise<string>]>([
      ['a unix socket', (folder) => Promise.resolve(join(folder, 'app.sock'))],
      ['a unix socket of an odd name', (folder) => Promise.resolve(join(folder, `o'd "q" $x %41 é.sock`))],
      ['a port', async () => String((await freePorts(1))[0])],
      ['a port on IPv6', async () => `[::1]:${(await freePorts(1))[0] ?? 0}`],
    ])('%s', async (_kind, address) => {
      const folder = newFolder()
      const listen = await address(folder)
      await application(folder, { listen })
      const { ports: [port = 0] } = await start('lighttpd', folder, { listen })
      const { status, body } = await ask(port, '/a%2Fb//c?d=%20')
      expect([status, JSON.parse(body)]).toMatchObject([200, { url: '/a%2Fb//c?d=%20', SCRIPT_NAME: '', SCRIPT_FILENAME: `${folder}/www/` }])
    })

    it('without fix-root-scriptname SCRIPT_NAME is the first segment, and the target is the same', async () => {
      const folder = newFolder()
      const listen = join(folder, 'app.sock')
      await application(folder, { listen })
      const { ports: [port = 0] } = await start('lighttpd', folder, { listen }, (text) => text.replace('"fix-root-scriptname" => "enable",', ''))
      const { body } = await ask(port, '/a/b?c')
      expect(JSON.parse(body)).toMatchObject({ url: '/a/b?c', SCRIPT_NAME: '/a', PATH_INFO: '/b' })
    })

    it('under a prefix: the application has that and what is below it, files have the rest', async () => {
      const folder = newFolder()
      const listen = join(folder, 'app.sock')
      await application(folder, { listen, mount: '/a.b' })
      for (const name of ['', 'a.b', 'a.bc']) mkdirSync(join(folder, 'www', name))
      for (const name of ['a.b/file.txt', 'a.bc/file.txt', 'file.txt', 'index.html']) writeFileSync(join(folder, 'www', name), `the file ${name}`)
      const { ports: [port = 0] } = await start('lighttpd', folder, { listen, mount: '/a.b' })
      for (const path of ['/a.b', '/a.b/', '/a.b/file.txt', '/a.b?c']) expect(JSON.parse((await ask(port, path)).body)).toMatchObject({ SCRIPT_NAME: '/a.b', REQUEST_URI: path })
      for (const name of ['a.bc/file.txt', 'file.txt']) expect((await ask(port, `/${name}`)).body).toBe(`the file ${name}`)
      expect((await ask(port, '/')).body).toBe('the file index.html')
      expect((await ask(port, '/aXb')).status).toBe(404)
    })

    it('under a prefix without --root there is nothing else, though the application is in the document root', async () => {
      const folder = newFolder()
      const listen = join(folder, 'www', 'app.sock')
      mkdirSync(join(folder, 'www'))
      const app = writeApplication(join(folder, 'www'))
      await application(join(folder, 'www'), { listen, mount: '/shop' })
      const { ports: [port = 0] } = await start('lighttpd', folder, { listen, mount: '/shop', app, root: undefined }, (text) => text.replaceAll('/var/www/example.org', join(folder, 'www')))
      expect((await ask(port, '/shop')).status).toBe(200)
      for (const path of ['/server.js', '/', '/shopping']) expect((await ask(port, path)).status).toBeGreaterThanOrEqual(403)
      expect(() => printedFiles('lighttpd', { mount: '/shop', app, root: join(folder, 'www') })).toThrow(/everybody could read its source/)
    })

    it('X-Sendfile: lighttpd sends files of the document root, and no others', async () => {
      const folder = newFolder()
      const outside = mkdtempSync(join(tmpdir(), 'express-fastcgi-outside-'))
      cleanUp.push(() => rmSync(outside, { recursive: true }))
      const listen = join(folder, 'app.sock')
      await application(folder, { listen })
      const root = join(folder, 'www')
      mkdirSync(root)
      writeFileSync(join(root, 'large.txt'), 'large\n'.repeat(100_000))
      writeFileSync(join(outside, 'secret.txt'), 'secret')
      const web = await start('lighttpd', folder, { listen })
      const file = (path: string, headers = {}): ReturnType<typeof ask> => ask(web.ports[0] ?? 0, '/file', { headers: { 'X-Path': path, ...headers } })
      expect(await file(join(root, 'large.txt'))).toMatchObject({ status: 200, headers: { 'content-length': '600000' }, body: 'large\n'.repeat(100_000) })
      expect(await file(join(root, 'large.txt'), { Range: 'bytes=6-10' })).toMatchObject({ status: 206, body: 'large' })
      for (const path of [join(outside, 'secret.txt'), `${root}/../../${basename(outside)}/secret.txt`, '/etc/passwd']) {
        const { status, body } = await file(path)
        expect([status >= 400, body.includes('secret') || body.includes('root:')]).toEqual([true, false])
      }
      expect(web.errorLog()).toContain('x-sendfile')
    })

    it('server.stream-request-body: an upload is answered as it comes; without a length it is refused', async () => {
      const folder = newFolder()
      const listen = join(folder, 'app.sock')
      await application(folder, { listen })
      const { ports: [port = 0] } = await start('lighttpd', folder, { listen }, (text) => text.replace('server.stream-request-body = 0', 'server.stream-request-body = 1'))
      const client = await RawHttp.connect(port)
      client.write('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfirst')
      expect((await client.head()).statusLine).toBe('HTTP/1.1 200 OK')
      client.write('later')
      expect((await client.rest()).toString()).toContain('later')
      const chunked = await RawHttp.connect(port)
      chunked.write('POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nfirst\r\n')
      expect((await chunked.head()).statusLine).toBe('HTTP/1.1 411 Length Required')
      await chunked.rest()
    })

    it('several: requests are shared, and one that is gone is done without', async () => {
      const folder = newFolder()
      const sockets = [join(folder, 'app.sock'), join(folder, 'other.sock')]
      const children = [await application(folder, { listen: sockets[0]! }), await application(folder, { listen: sockets[1]! })]
      const { ports: [port = 0] } = await start('lighttpd', folder, { listen: sockets[0]! }, (text) => {
        const entry = /\(\((\n[^]*?)\n {4}\)\)/.exec(text)?.[1] ?? ''
        return text.replace('#fastcgi.balance', 'fastcgi.balance').replace(`((${entry}\n    ))`, `((${entry}\n    ), (${entry.replace(sockets[0]!, sockets[1]!)}\n    ))`)
      })
      const pid = async (): Promise<number> => Number((await ask(port, '/pid')).body)
      const pids = new Set<number>()
      while (pids.size < 2) pids.add(await pid())
      expect(pids).toEqual(new Set(children.map((child) => child.pid)))
      await ended(children[0]!)
      for (let count = 0; count < 4; count++) expect(await pid()).toBe(children[1]!.pid)
    })

    it('a socket that lighttpd may not write to: 503, and its error log says so', async () => {
      if (process.getuid?.() !== 0) return
      const folder = newFolder()
      const listen = join(folder, 'app.sock')
      await application(folder, { listen })
      chownSync(listen, 0, 0)
      const web = await start('lighttpd', folder, { listen })
      expect((await ask(web.ports[0] ?? 0, '/')).status).toBe(503)
      expect(web.errorLog()).toMatch(/connection failed: .*app\.sock: Permission denied/)
    })
  })

  describe('an application that lighttpd starts (bin-path)', () => {
    async function spawned(folder: string, change?: (text: string) => string, appFolder = folder): Promise<{ web: WebServer; port: number }> {
      const app = writeApplication(appFolder)
      // www-data makes the socket.
      const sockets = join(folder, 'sockets')
      mkdirSync(sockets)
      giveToLighttpd(sockets)
      const web = await start('lighttpd-spawn', folder, { listen: join(sockets, 'app.sock'), mount: '/shop', app }, change)
      return { web, port: web.ports[0] ?? 0 }
    }

    it('runs as www-data, listens on fd 0, and has the environment that is given', async () => {
      const folder = newFolder()
      const { port } = await spawned(folder)
      const { body } = await ask(port, '/shop/params')
      expect(JSON.parse(body)).toMatchObject({ REQUEST_URI: '/shop/params', SCRIPT_NAME: '/shop', PATH_INFO: '/params' })
      if (process.getuid?.() !== 0) return
      expect(statSync(join(folder, 'sockets', 'app.sock-0')).uid).toBe(lighttpdUser())
    })

    it('an application in a folder of an odd name', async () => {
      const folder = newFolder()
      // No backslash: node finds no packages in a folder with one.
      const appFolder = join(folder, `o'd "q" $x %41 é`)
      mkdirSync(appFolder)
      const { port } = await spawned(folder, undefined, appFolder)
      expect((await ask(port, '/shop')).status).toBe(200)
    })

    it('max-procs: each process has a socket of its own', async () => {
      const folder = newFolder()
      const { web, port } = await spawned(folder, (text) => text.replace('"max-procs" => 1', '"max-procs" => 2'))
      for (const number of [0, 1]) {
        const path = join(folder, 'sockets', `app.sock-${number}`)
        const client = await until(path, () => connect(path).catch(() => undefined))
        client.destroy()
      }
      expect(web.errorLog()).not.toMatch(/error|failed/)
      expect((await ask(port, '/shop')).status).toBe(200)
    })

    it('what it writes to standard error is in the breakage log; standard output is nowhere and does not hurt', async () => {
      const folder = newFolder()
      const { port } = await spawned(folder, (text) => text.replace('"/shop"', '"/"').replaceAll('^/shop(?:/|$)', '^/').replace('export FASTCGI_MOUNT=/shop', ''))
      expect((await ask(port, '/log')).body).toBe('logged')
      expect((await ask(port, '/stderr')).body).toBe('written')
      const breakage = (): string => readFileSync(join(folder, 'breakage.log'), 'utf8')
      await until('the line in the log', () => breakage().includes('a line on stderr'))
      expect(breakage()).not.toContain('xxxx')
    })

    it('a process that ends is started again', async () => {
      const { port } = await spawned(newFolder(), (text) => text.replace('"/shop"', '"/"').replaceAll('^/shop(?:/|$)', '^/').replace('export FASTCGI_MOUNT=/shop', ''))
      const before = (await ask(port, '/pid')).body
      expect((await ask(port, '/exit')).status).toBe(500)
      const after = await until('another process', async () => {
        const { status, body } = await ask(port, '/pid')
        return status === 200 && body
      })
      expect(after).not.toBe(before)
    })
  })
})

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exit
}
