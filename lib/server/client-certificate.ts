// The client's certificate, from the variables web servers pass, in the form node's TLSSocket gives it.

import type { X509Certificate } from 'node:crypto'
import type { PeerCertificate } from 'node:tls'
import { distinguishedName } from '../cgi/distinguished-name'
import { loadCrypto } from './on-demand'

/** What a TLS connection of the client is known to have, from CGI meta-variables. */
export interface ClientCertificate {
  /** The web server verified the certificate. */
  readonly authorized: boolean
  /** Why it did not, as node's code where there is one; null when it did, or when there is no certificate. */
  readonly authorizationError: string | null
  /** undefined where the web server passes no certificate, only what is in it. */
  readonly x509: X509Certificate | undefined
  /** Empty without a certificate, as node's. */
  readonly legacy: PeerCertificate | Record<string, never>
}

/** OpenSSL's words for a failed verification, and the codes node has for them. openssl-verification-options(1) */
const VERIFICATION_ERRORS: readonly (readonly [words: RegExp, code: string])[] = [
  [/self.signed certificate in/i, 'SELF_SIGNED_CERT_IN_CHAIN'],
  [/self.signed/i, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  [/unable to get local issuer/i, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  [/unable to get issuer/i, 'UNABLE_TO_GET_ISSUER_CERT'],
  [/unable to verify/i, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [/has expired/i, 'CERT_HAS_EXPIRED'],
  [/not yet valid/i, 'CERT_NOT_YET_VALID'],
  [/revoked/i, 'CERT_REVOKED'],
]

/** Bits of IIS's CERT_FLAGS. */
const IIS_PRESENT = 1
const IIS_UNKNOWN_CA = 2

/**
 * Reads what the web server says about the client's certificate: `SSL_CLIENT_*` of nginx (as `docs/mapping.md` has it set),
 * Apache and lighttpd, `CERT_*` of IIS.
 *
 * @param variables CGI meta-variables, names and values alternating
 */
export function clientCertificate(variables: readonly string[]): ClientCertificate {
  const values = new Map<string, string>()
  for (let i = 0; i < variables.length; i += 2) {
    const name = variables[i] ?? ''
    if (name.startsWith('SSL_CLIENT_') || name.startsWith('CERT_')) values.set(name, variables[i + 1] ?? '')
  }
  const x509 = parsed(values.get('SSL_CLIENT_CERT'))
  const { authorized, authorizationError } = verdict(values)
  return { authorized, authorizationError, x509, legacy: x509 === undefined ? described(values) : x509.toLegacyObject() }
}

function verdict(values: ReadonlyMap<string, string>): { authorized: boolean; authorizationError: string | null } {
  const verify = values.get('SSL_CLIENT_VERIFY')
  if (verify !== undefined) {
    if (verify === 'SUCCESS') return { authorized: true, authorizationError: null }
    if (verify === '' || verify === 'NONE') return { authorized: false, authorizationError: null }
    const reason = verify.replace(/^FAILED:?\s*/, '')
    return { authorized: false, authorizationError: VERIFICATION_ERRORS.find(([words]) => words.test(reason))?.[1] ?? (reason || 'FAILED') }
  }
  const flags = Number(values.get('CERT_FLAGS') || 0)
  if ((flags & IIS_PRESENT) === 0) return { authorized: false, authorizationError: null }
  const isUnknown = (flags & IIS_UNKNOWN_CA) !== 0
  return { authorized: !isUnknown, authorizationError: isUnknown ? 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' : null }
}

/** PEM as it is (Apache, lighttpd), percent-encoded (nginx's `$ssl_client_escaped_cert`) or with tabs (`$ssl_client_cert`), or base64 of DER (HAProxy). */
function parsed(text: string | undefined): X509Certificate | undefined {
  if (text === undefined || text === '') return undefined
  try {
    const certificate = text.includes('%') ? decodeURIComponent(text) : text
    const base64 = certificate.replace(/-----(?:BEGIN|END) CERTIFICATE-----/g, '').replace(/\s/g, '')
    const { X509Certificate } = loadCrypto()
    return new X509Certificate(Buffer.from(base64, 'base64'))
  } catch {
    // Cut off or garbled on its way: what else is known of it still holds.
    return undefined
  }
}

/** What can be said of a certificate that was not passed itself. */
function described(values: ReadonlyMap<string, string>): PeerCertificate | Record<string, never> {
  const subject = values.get('SSL_CLIENT_S_DN') || values.get('CERT_SUBJECT')
  if (subject === undefined || subject === '') return {}
  const issuer = values.get('SSL_CLIENT_I_DN') || values.get('CERT_ISSUER')
  const serial = values.get('SSL_CLIENT_M_SERIAL') || values.get('CERT_SERIALNUMBER')
  const from = values.get('SSL_CLIENT_V_START')
  const to = values.get('SSL_CLIENT_V_END')
  const fingerprint = values.get('SSL_CLIENT_FINGERPRINT')
  return {
    subject: distinguishedName(subject),
    ...(issuer && { issuer: distinguishedName(issuer) }),
    ...(from && { valid_from: from }),
    ...(to && { valid_to: to }),
    ...(fingerprint && { fingerprint: pairs(fingerprint).join(':') }),
    ...(serial && { serialNumber: pairs(serial).join('') }),
  } as unknown as PeerCertificate
}

function pairs(hex: string): string[] {
  return hex.replace(/[^0-9A-Fa-f]/g, '').toUpperCase().match(/../g) ?? []
}
