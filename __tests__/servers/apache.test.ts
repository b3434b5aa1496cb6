// mod_proxy_fcgi: what `express-fastcgi config apache` prints, in Debian's own configuration.
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type http from 'node:http'
import https from 'node:https'
import type net from 'node:net'
import { dirname, join } from 'node:path'
import { createServer } from 'express-fastcgi'
import { expressFastcgi, printedConfig } from '../support/cli'
import { startDebianApache } from '../support/debian-apache'
import { request, requestJson } from '../support/http-get'
import { describeWith } from '../support/need'
import { freePorts } from '../support/ports'
import { sharedFolder } from '../support/web-server'
import { describeConformance, type Site } from './conformance/describe'
import { type Limits } from './conformance/limits'
import { Application } from './conformance/start'
import { limitsUnder } from './limits/apache'

const TLS = join(__dirname, '../fixtures/tls')

/** What an application asks of the socket of a request that came over TLS. */
interface Tls {
  readonly encrypted: boolean
  readonly authorized: boolean
  getPeerCertificate(): { readonly subject?: { readonly CN: string } }
  getProtocol(): string
}

interface Door {
  readonly listen: 'unix' | 'tcp'
  /** Changes the printed site; absent, it is used as it is. */
  readonly change?: (site: string, listen: string) => string
  readonly limits?: Limits['exchanges']
}

const doors: Readonly<Record<string, Door>> = {
  'a unix socket': { listen: 'unix' },
  'TCP': { listen: 'tcp' },
  'a unix socket by SetHandler': {
    listen: 'unix',
    change: (site, listen) =>
      site
        .replace(/^ *ProxyPass .*$/m, `<Proxy "unix:${listen}|fcgi://localhost/" enablereuse=on flushpackets=on>\n</Proxy>`)
        .replace('CGIPassAuth On', `$&\n        SetHandler "proxy:unix:${listen}|fcgi://localhost/"`),
    limits: { 'target-like-a-file-of-the-server': { because: 'Apache looks for a file, and these are nobody\'s', differs: { refused: 403 } } },
  },
}

describeWith('apache2', 'Apache with mod_proxy_fcgi', () => {
  async function start({ listen: kind, change = (text) => text }: Door, mount: string): Promise<Site> {
    const folder = sharedFolder('apache')
    const listen = kind === 'unix' ? join(folder, 'app.sock') : `127.0.0.1:${(await freePorts(1))[0]!}`
    const application = await Application.start({ listen, mount })
    const apache = await startDebianApache({
      ports: 1,
      folder,
      site: ([port]) => change(printedConfig('apache', '--listen', listen, '--port', String(port), ...(mount === '' ? [] : ['--mount', mount])), listen),
    })
    return {
      port: apache.ports[0]!,
      application,
      async stop() {
        await apache.stop()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  }

  describe.each(Object.entries(doors))('%s', (_name, door) => {
    describeConformance({ limits: { ...limitsUnder(''), exchanges: { ...limitsUnder('').exchanges, ...door.limits } }, start: (mount) => start(door, mount) })
  })
  describe('besides', () => {
    const stops: (() => unknown)[] = []
    afterEach(async () => {
      for (const stop of stops.splice(0).reverse()) await stop()
    })

    /** An application that answers with what it knows of its request, behind what was printed with these options. */
    async function serve(listen: string | net.ListenOptions, options: readonly string[], change: (text: string, ports: readonly number[], folder: string) => string = (text) => text) {
      const folder = sharedFolder('apache')
      stops.push(() => rmSync(folder, { recursive: true, force: true }))
      const place = typeof listen === 'string' ? join(folder, listen) : listen
      if (typeof place === 'string') mkdirSync(dirname(place), { recursive: true })
      const answer: http.RequestListener = (req, res) => {
        const socket = req.socket as unknown as Partial<Tls>
        const { encrypted, authorized } = socket
        res.end(JSON.stringify({ url: req.url, encrypted, authorized, subject: socket.getPeerCertificate?.().subject?.CN, protocol: socket.getProtocol?.() }))
      }
      const start = async (): Promise<http.Server> => {
        const server = createServer(answer).listen(place)
        await once(server, 'listening')
        return server
      }
      let server = await start()
      stops.push(() => server.close().closeAllConnections())
      const bound = server.address()
      const address = typeof place === 'string' ? place : `[::1]:${(bound as net.AddressInfo).port}`
      const apache = await startDebianApache({ ports: 1, folder, site: (ports, inFolder) => change(printedConfig('apache', '--listen', address, ...(options.includes('--port') ? options : [...options, '--port', String(ports[0])])), ports, inFolder) })
      stops.push(() => apache.stop())
      return {
        apache,
        port: apache.ports[0]!,
        async restart() {
          await new Promise((resolve) => server.close(resolve))
          server = await start()
        },
        stopApplication: () => new Promise((resolve) => server.close(resolve)),
        socket: address,
      }
    }

    it.each(['a b/app.sock', 'quo"te/app.sock', 'café/app.sock', "it's/app.sock"])('a socket at %s', async (path) => {
      const { port } = await serve(path, [])
      expect(await requestJson(port, '/x?y')).toMatchObject({ url: '/x?y' })
    })

    it('a port of ::1', async () => {
      const { port } = await serve({ host: '::1', port: 0 }, [])
      expect(await requestJson(port, '/x?y')).toMatchObject({ url: '/x?y' })
    })

    it.each(['/tmp/a|b', '/tmp/a?b', '/tmp/${b}'])('a socket at %s is refused in one line: Apache could not have it', (path) => {
      const { status, stderr } = expressFastcgi('config', 'apache', '--listen', path)
      expect([status, stderr.trim().split('\n')]).toEqual([2, [expect.stringContaining('a configuration for Apache has no way to write')]])
    })

    it('an application that was restarted is connected to anew; in between it is a 503', async () => {
      const { port, stopApplication, restart } = await serve('app.sock', [])
      expect((await request(port, '/')).status).toBe(200)
      await restart()
      expect((await request(port, '/')).status).toBe(200)
      await stopApplication()
      expect((await request(port, '/')).status).toBe(503)
    })

    const itAsRoot = process.getuid?.() === 0 ? it : it.skip
    itAsRoot('a socket that Apache may not write to is a 503, and the error log has the words that the printed site says', async () => {
      const { port, apache, socket } = await serve('app.sock', [])
      chownSync(socket, 0, 0)
      expect((await request(port, '/')).status).toBe(503)
      expect(apache.errorLog()).toMatch(/Permission denied.*AH02454/)
    })

    it('files of --root are served by Apache where the site is told so, and only there', async () => {
      const { port } = await serve('app.sock', ['--root', '/replaced'], (text, _ports, folder) => {
        mkdirSync(join(folder, 'www', 'static'), { recursive: true })
        for (const name of ['static/a.txt', 'b.txt']) writeFileSync(join(folder, 'www', name), 'a file')
        return text.replaceAll('"/replaced"', `"${folder}/www"`).replace('#ProxyPass', 'ProxyPass')
      })
      expect(await request(port, '/static/a.txt')).toMatchObject({ status: 200, text: 'a file' })
      expect(await requestJson(port, '/b.txt')).toMatchObject({ url: '/b.txt' })
    })

    it('--root with the application in it is refused: everybody could read its source', () => {
      const { status, stderr } = expressFastcgi('config', 'apache', '--root', '/srv/app', '--app', '/srv/app/server.js')
      expect([status, stderr]).toEqual([2, expect.stringContaining('everybody could read its source')])
    })

    it('TLS with a client certificate: as printed for port 443, with the lines about client certificates', async () => {
      const { port } = await serve('app.sock', ['--port', '443'], (text, [at]) =>
        text
          .replaceAll('443', String(at))
          .replace(/^( *)#SSL/gm, '$1SSL')
          .replace(/"[^"]*fullchain.pem"/, join(TLS, 'server.pem'))
          .replace(/"[^"]*privkey.pem"/, join(TLS, 'server-key.pem'))
          .replace(/"[^"]*clients.pem"/, join(TLS, 'ca.pem')),
      )
      const ask = async (extra: https.RequestOptions): Promise<unknown> => {
        const asking = https.get({ host: '127.0.0.1', port, path: '/x', agent: false, rejectUnauthorized: false, ...extra })
        const [response] = (await once(asking, 'response')) as [http.IncomingMessage]
        return JSON.parse((await response.toArray()).join(''))
      }
      expect(await ask({})).toMatchObject({ url: '/x', encrypted: true, authorized: false, protocol: 'TLSv1.3' })
      const own = { cert: readFileSync(join(TLS, 'client.pem')), key: readFileSync(join(TLS, 'client-key.pem')) }
      expect(await ask(own)).toMatchObject({ encrypted: true, authorized: true, subject: new X509Certificate(own.cert).toLegacyObject().subject.CN })
    })
  })
  describeConformance({ limits: limitsUnder('/some/shop'), mount: '/some/shop', start: (mount) => start({ listen: 'unix' }, mount) })
})
