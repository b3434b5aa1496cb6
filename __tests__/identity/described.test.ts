// A web server that passes no certificate but only what is in it: the names, the serial number, the times. What is said of these is
// what node's own https server says of the same certificate; the rest of it is missing.
import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { createServer } from 'express-fastcgi'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'
import { ask, pem, TLS_FILES } from './client'

describeWith('nginx', 'a certificate of which nginx passes the parts', () => {
  const seen: { certificate: PeerCertificate; x509: boolean; authorized: boolean; authorizationError: unknown }[] = []
  const listener: RequestListener = (req, res) => {
    const socket = req.socket as unknown as Pick<TLSSocket, 'authorized' | 'authorizationError' | 'getPeerCertificate' | 'getPeerX509Certificate'>
    const { authorized, authorizationError } = socket
    seen.push({ certificate: socket.getPeerCertificate(), x509: socket.getPeerX509Certificate() !== undefined, authorized, authorizationError })
    res.end()
  }
  let node: Server
  let application: Server
  let nginx: Nginx

  beforeAll(async () => {
    nginx = await startNginx({ ports: 1, http: configuration })
    application = createServer(listener)
    await once(application.listen(join(nginx.folder, 'app.sock')), 'listening')
    node = https.createServer({ cert: pem('server'), key: pem('server-key'), ca: pem('ca'), requestCert: true, rejectUnauthorized: false }, listener)
    await once(node.listen(0, '127.0.0.1'), 'listening')
  })

  afterAll(async () => {
    await nginx.stop()
    await Promise.all([application, node].map((server) => once(server.close(), 'close')))
  })

  it.each(['client', 'rsa', 'self-signed'])('of %s.pem', async (certificate) => {
    seen.length = 0
    await ask((node.address() as AddressInfo).port, { certificate })
    await ask(nginx.ports[0]!, { certificate })
    const [expected, ours] = seen
    const { subject, issuer, valid_from, valid_to, fingerprint, serialNumber } = expected!.certificate
    expect(ours!.certificate).toEqual({ subject, issuer, valid_from, valid_to, fingerprint, serialNumber })
    expect({ x509: expected!.x509, ours: ours!.x509 }).toEqual({ x509: true, ours: false })
    const { authorized, authorizationError } = expected!
    expect(ours).toMatchObject({ authorized, authorizationError })
  })

  it('no certificate is an empty one, as under node:https', async () => {
    seen.length = 0
    await ask((node.address() as AddressInfo).port)
    await ask(nginx.ports[0]!)
    expect(seen[1]).toMatchObject({ certificate: seen[0]?.certificate, authorized: false })
    expect(seen[1]?.certificate).toEqual({})
  })
})

function configuration([port]: readonly number[], folder: string): string {
  return `server {
  listen 127.0.0.1:${port} ssl;
  ssl_certificate ${TLS_FILES}/server.pem;
  ssl_certificate_key ${TLS_FILES}/server-key.pem;
  ssl_client_certificate ${TLS_FILES}/ca.pem;
  ssl_verify_client optional_no_ca;
  location / {
    include fastcgi_params;
    fastcgi_param SSL_CLIENT_VERIFY $ssl_client_verify;
    fastcgi_param SSL_CLIENT_S_DN $ssl_client_s_dn;
    fastcgi_param SSL_CLIENT_I_DN $ssl_client_i_dn;
    fastcgi_param SSL_CLIENT_M_SERIAL $ssl_client_serial;
    fastcgi_param SSL_CLIENT_V_START $ssl_client_v_start;
    fastcgi_param SSL_CLIENT_V_END $ssl_client_v_end;
    fastcgi_param SSL_CLIENT_FINGERPRINT $ssl_client_fingerprint;
    fastcgi_pass unix:${folder}/app.sock;
  }
}`
}
