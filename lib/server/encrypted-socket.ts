// The socket of a request whose client speaks TLS with the web server: what a TLSSocket has besides, as far as the web
// server tells.

import type { X509Certificate } from 'node:crypto'
import { type ClientCertificate, clientCertificate } from './client-certificate'
import { RequestSocket } from './socket'

/** A class of its own, since applications ask `'getPeerCertificate' in socket`. */
export class EncryptedRequestSocket extends RequestSocket {
  private known: ClientCertificate | undefined

  get encrypted(): true {
    return true
  }
  get authorized(): boolean {
    return this.certificate.authorized
  }
  get authorizationError(): string | null {
    return this.certificate.authorizationError
  }

  /** `{}` without a certificate, null once the socket is destroyed. */
  getPeerCertificate(): ClientCertificate['legacy'] | null {
    return this.destroyed ? null : this.certificate.legacy
  }

  getPeerX509Certificate(): X509Certificate | undefined {
    return this.destroyed ? undefined : this.certificate.x509
  }

  getProtocol(): string | null {
    return this.variable('SSL_PROTOCOL') ?? null
  }

  /** OpenSSL's name in both places: web servers do not pass the standard one, which differs before TLS 1.3. */
  getCipher(): { name: string; standardName: string; version: string } | undefined {
    const name = this.variable('SSL_CIPHER')
    return name === undefined ? undefined : { name, standardName: name, version: this.getProtocol() ?? '' }
  }

  /** Read when somebody asks. */
  private get certificate(): ClientCertificate {
    this.known ??= clientCertificate(this.host.variables)
    return this.known
  }

  /** Of a repeated variable the last one counts. */
  private variable(name: string): string | undefined {
    const { variables } = this.host
    for (let i = variables.length - 2; i >= 0; i -= 2) if (variables[i] === name) return variables[i + 1] || undefined
    return undefined
  }
}
