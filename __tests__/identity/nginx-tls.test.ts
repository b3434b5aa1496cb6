// Who the client is behind a real nginx that speaks TLS: what node's own https server says to the same client with the same
// certificate, we say too. And what a client merely claims is never believed.
import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import express from 'express'
import session from 'express-session'
import { createServer } from 'express-fastcgi'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'
import { ask, pem, type Question, TLS_FILES } from './client'

/** What a TLSSocket has besides, without being one. */
type SecureSide = Pick<
  TLSSocket,
  'encrypted' | 'authorized' | 'authorizationError' | 'getPeerCertificate' | 'getPeerX509Certificate' | 'getProtocol' | 'getCipher'
>

/** Claims of a client that must not become facts. */
const SPOOFED = {
  'X-Forwarded-For': '192.0.2.1',
  'X-Forwarded-Proto': 'ftp',
  'X-Forwarded-Host': 'evil.example.test',
  'X-Real-IP': '192.0.2.1',
  Forwarded: 'for=192.0.2.1;proto=ftp',
  Https: 'on',
  'Remote-Addr': '192.0.2.1',
  'Request-Scheme': 'https',
  'Ssl-Client-Verify': 'SUCCESS',
  'Ssl-Client-S-Dn': 'CN=root',
  'Ssl-Client-Cert': encodeURIComponent(pem('client')),
}

/** Certificates of the fixtures that the nth authority vouches for. */
const AUTHORIZED = new Set(['client 0', 'rsa 0', 'self-signed 1'])

describeWith('nginx', 'a client of nginx with TLS', () => {
  /** What the applications of both servers do with a request. */
  let listener: RequestListener
  const dispatch: RequestListener = (req, res) => listener(req, res)
  const nodes: Server[] = []
  let application: Server
  let nginx: Nginx

  beforeAll(async () => {
    nginx = await startNginx({ ports: 3, http: nginxConfiguration })
    application = createServer(dispatch)
    await once(application.listen(join(nginx.folder, 'app.sock')), 'listening')
    for (const ca of ['ca', 'self-signed']) {
      const node = https.createServer({ cert: pem('server'), key: pem('server-key'), ca: pem(ca), requestCert: true, rejectUnauthorized: false }, dispatch)
      await once(node.listen(0, '127.0.0.1'), 'listening')
      nodes.push(node)
    }
  })

  afterAll(async () => {
    await nginx.stop()
    await Promise.all([application, ...nodes].map((server) => once(server.close(), 'close')))
  })

  describe.each([
    ['of a known authority', 'client', 0],
    ['with an RSA key', 'rsa', 0],
    ['signed by itself', 'self-signed', 0],
    ['signed by itself, and known', 'self-signed', 1],
    ['of an authority the server does not know', 'client', 1],
    ['that has expired', 'expired', 0],
  ])('with a certificate %s', (_what, certificate, authority) => {
    async function both<T>(look: (socket: SecureSide) => T): Promise<{ node: T; ours: T }> {
      const seen: T[] = []
      listener = (req, res) => {
        seen.push(look(req.socket as unknown as SecureSide))
        res.end()
      }
      await ask((nodes[authority]!.address() as AddressInfo).port, { certificate })
      await ask(nginx.ports[authority]!, { certificate })
      expect(seen).toHaveLength(2)
      return { node: seen[0]!, ours: seen[1]! }
    }

    it("getPeerCertificate() and getPeerX509Certificate() are node's", async () => {
      const { node, ours } = await both((socket) => ({ legacy: socket.getPeerCertificate(), x509: socket.getPeerX509Certificate()?.toString() }))
      expect(ours).toEqual(node)
      expect(Object.entries(ours.legacy.subject)).toEqual(Object.entries(node.legacy.subject))
      expect(ours.x509).toBe(pem(certificate))
    })

    it("authorized and authorizationError are node's", async () => {
      const { node, ours } = await both(({ authorized, authorizationError, encrypted }) => ({ authorized, authorizationError, encrypted }))
      expect(ours).toEqual(node)
      expect(ours.authorized).toBe(AUTHORIZED.has(`${certificate} ${authority}`))
    })

    it("getProtocol() and getCipher() are node's", async () => {
      const { node, ours } = await both((socket) => ({ protocol: socket.getProtocol(), cipher: socket.getCipher() }))
      expect(ours).toEqual(node)
    })
  })

  it("getProtocol() and the name of getCipher() are node's with TLS 1.2 as well", async () => {
    const seen: unknown[] = []
    listener = (req, res) => {
      const { getProtocol, getCipher } = req.socket as unknown as SecureSide
      const { name, version } = getCipher.call(req.socket)
      seen.push({ protocol: getProtocol.call(req.socket), name, version })
      res.end()
    }
    await ask((nodes[0]!.address() as AddressInfo).port, { maxVersion: 'TLSv1.2' })
    await ask(nginx.ports[0]!, { maxVersion: 'TLSv1.2' })
    expect(seen[0]).toMatchObject({ protocol: 'TLSv1.2', version: 'TLSv1.2' })
    expect(seen[1]).toEqual(seen[0])
  })

  it('without a certificate it is not authorized, and the certificate is empty', async () => {
    expect(await facts(nginx.ports[0]!)).toMatchObject({ encrypted: true, authorized: false, authorizationError: null, certificate: {} })
  })

  describe('its claims', () => {
    it('over TLS: no header makes it another, or authorized', async () => {
      expect(await facts(nginx.ports[0]!, { headers: SPOOFED })).toEqual({
        ip: '127.0.0.1',
        ips: [],
        protocol: 'https',
        secure: true,
        hostname: 'www.example.test',
        remoteAddress: '127.0.0.1',
        encrypted: true,
        authorized: false,
        authorizationError: null,
        certificate: {},
      })
    })

    it('without TLS: no header makes it secure, either', async () => {
      expect(await facts(nginx.ports[2]!, { headers: SPOOFED, plain: true })).toEqual({
        ip: '127.0.0.1',
        ips: [],
        protocol: 'http',
        secure: false,
        hostname: 'www.example.test',
        remoteAddress: '127.0.0.1',
      })
    })
  })

  it('a secure session cookie is set over TLS, comes back, and is not set without', async () => {
    const app = express()
    app.use(session({ secret: 'secret', resave: false, saveUninitialized: true, cookie: { secure: true } }))
    app.get('/', (req, res) => {
      const visits = req.session as unknown as { count?: number }
      visits.count = (visits.count ?? 0) + 1
      res.json(visits.count)
    })
    listener = app as RequestListener
    const first = await ask(nginx.ports[0]!)
    const [cookie = ''] = first.headers['set-cookie'] ?? []
    expect(cookie).toMatch(/^connect\.sid=[^;]+; Path=\/; HttpOnly; Secure$/)
    const second = await ask(nginx.ports[0]!, { headers: { Cookie: cookie.split(';')[0] } })
    expect([first.text, second.text]).toEqual(['1', '2'])
    expect((await ask(nginx.ports[2]!, { plain: true })).headers['set-cookie']).toBeUndefined()
  })

  /** What an Express application that trusts no proxy finds. Undefined values are left out. */
  async function facts(port: number, question: Question = {}): Promise<unknown> {
    const app = express()
    app.get('/', ({ ip, ips, protocol, secure, hostname, socket }, res) => {
      const { remoteAddress } = socket
      const secureSide = socket as unknown as Partial<SecureSide>
      const { encrypted, authorized, authorizationError } = secureSide
      const certificate = secureSide.getPeerCertificate?.()
      res.json({ ip, ips, protocol, secure, hostname, remoteAddress, encrypted, authorized, authorizationError, certificate })
    })
    listener = app as RequestListener
    return JSON.parse((await ask(port, question)).text)
  }
})

/** TLS with a known authority, TLS with another one, and plain HTTP. */
function nginxConfiguration(ports: readonly number[], folder: string): string {
  const location = (path: string) => `location ${path} {
    include fastcgi_params;
    fastcgi_param HTTP_HOST $http_host;
    fastcgi_param SSL_PROTOCOL $ssl_protocol if_not_empty;
    fastcgi_param SSL_CIPHER $ssl_cipher if_not_empty;
    fastcgi_param SSL_CLIENT_VERIFY $ssl_client_verify if_not_empty;
    fastcgi_param SSL_CLIENT_CERT $ssl_client_escaped_cert if_not_empty;
    fastcgi_pass unix:${folder}/app.sock;
  }`
  const tls = (port: number | undefined, ca: string) => `server {
  listen 127.0.0.1:${port} ssl;
  ssl_certificate ${TLS_FILES}/server.pem;
  ssl_certificate_key ${TLS_FILES}/server-key.pem;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_client_certificate ${TLS_FILES}/${ca}.pem;
  ssl_verify_client optional_no_ca;
  ${location('/')}
  # A certificate that is wrong otherwise nginx refuses itself, unless told that the application wants to know.
  error_page 495 = @wrong_certificate;
  ${location('@wrong_certificate')}
}`
  return `${tls(ports[0], 'ca')}\n${tls(ports[1], 'self-signed')}\nserver { listen 127.0.0.1:${ports[2]}; ${location('/')} }`
}
