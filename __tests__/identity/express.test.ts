// What Express says of a client of nginx, with 'trust proxy' off: as it would of a client that came to node itself.
import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import cookieSession from 'cookie-session'
import express from 'express'
import { createServer } from 'express-fastcgi'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'
import { ask, TLS_FILES } from './client'

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))

/** nginx on one port, with TLS and without, on IPv4 and, where there is any, IPv6. */
const configuration = ([plain, tls]: readonly number[], folder: string): string =>
  [`listen 127.0.0.1:${plain}`, `listen 127.0.0.1:${tls} ssl`]
    .flatMap((listen) => (hasIPv6 ? [listen, listen.replace('127.0.0.1', '[::1]')] : [listen]))
    .map(
      (listen) => `server {
  ${listen};
  ssl_certificate ${TLS_FILES}/server.pem;
  ssl_certificate_key ${TLS_FILES}/server-key.pem;
  location / {
    fastcgi_param HTTP_HOST $http_host;
    include fastcgi_params;
    fastcgi_pass unix:${folder}/app.sock;
  }
}`,
    )
    .join('\n')

describeWith('nginx', 'Express without trust in any proxy', () => {
  const app = express()
  app.use(cookieSession({ name: 'visits', keys: ['secret'], secure: true }))
  app.get('/', (req, res) => {
    const { ip, ips, protocol, secure, hostname, host, subdomains, socket } = req
    // Two packages type req.session, and differ.
    const visits = req.session as unknown as { count?: number }
    if (secure) visits.count = (visits.count ?? 0) + 1
    const { remoteAddress, remoteFamily, localAddress, localFamily, localPort } = socket
    const addresses = { remoteAddress, remoteFamily, localAddress, localFamily, localPort }
    res.json({ ip, ips, protocol, secure, hostname, host, subdomains, ...addresses, count: visits.count })
  })
  let nginx: Nginx
  let application: Server

  beforeAll(async () => {
    nginx = await startNginx({ ports: 2, http: configuration })
    application = createServer(app as RequestListener)
    await once(application.listen(join(nginx.folder, 'app.sock')), 'listening')
  })

  afterAll(async () => {
    await nginx.stop()
    await once(application.close(), 'close')
  })

  const families = [
    ['IPv4', '127.0.0.1'],
    ['IPv6', '::1'],
  ] as const
  if (!hasIPv6) process.stderr.write('SKIPPED: Express without trust in any proxy, IPv6: this machine has no ::1\n')

  describe.each(hasIPv6 ? families : families.slice(0, 1))('%s', (family, address) => {
    it.each([
      ['http', true, 0],
      ['https', false, 1],
    ])('%s: addresses, protocol and names', async (protocol, plain, door) => {
      const port = nginx.ports[door]!
      const { text } = await ask(port, { plain, host: address, headers: { Host: `a.b.example.test:${port}`, 'X-Forwarded-For': '192.0.2.1' } })
      expect(JSON.parse(text)).toMatchObject({
        ip: address,
        ips: [],
        protocol,
        secure: !plain,
        hostname: 'a.b.example.test',
        host: `a.b.example.test:${port}`,
        subdomains: ['b', 'a'],
        remoteAddress: address,
        remoteFamily: family,
        localAddress: address,
        localFamily: family,
        localPort: port,
      })
    })

    it('says the same of a client that comes to node itself', async () => {
      const node = http.createServer(app as RequestListener)
      await once(node.listen(0, address), 'listening')
      const { port } = node.address() as AddressInfo
      const headers = { Host: 'a.b.example.test' }
      const [direct, ours] = [await ask(port, { plain: true, host: address, headers }), await ask(nginx.ports[0]!, { plain: true, host: address, headers })]
      node.close().closeAllConnections()
      const facts = JSON.parse(direct.text) as Record<string, unknown>
      expect(JSON.parse(ours.text)).toEqual({ ...facts, localPort: nginx.ports[0] })
    })
  })

  it('a secure cookie-session is kept over TLS', async () => {
    const first = await ask(nginx.ports[1]!)
    const cookies = first.headers['set-cookie'] ?? []
    expect(cookies.map((cookie) => cookie.replace(/=[^;]+/, ''))).toEqual(['visits; path=/; secure; httponly', 'visits.sig; path=/; secure; httponly'])
    const second = await ask(nginx.ports[1]!, { headers: { Cookie: cookies.map((cookie) => cookie.split(';')[0]).join('; ') } })
    expect([first, second].map(({ text }) => (JSON.parse(text) as { count: number }).count)).toEqual([1, 2])
  })
})
