// What web servers say of a client's certificate, in their own variables and words.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import { type ClientCertificate, clientCertificate } from '../../lib/server/client-certificate'

const PEM = readFileSync(join(__dirname, '..', 'fixtures', 'tls', 'client.pem'), 'latin1')
const CERTIFICATE = new X509Certificate(PEM)

function read(variables: Record<string, string>): ClientCertificate {
  return clientCertificate(Object.entries(variables).flat())
}

describe('the verdict of nginx, Apache and lighttpd (SSL_CLIENT_VERIFY)', () => {
  it.each([
    ['SUCCESS', true, null],
    ['NONE', false, null],
    ['', false, null],
    ['FAILED', false, 'FAILED'],
    ['FAILED:self-signed certificate', false, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['FAILED:self signed certificate', false, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['FAILED:self-signed certificate in certificate chain', false, 'SELF_SIGNED_CERT_IN_CHAIN'],
    ['FAILED:unable to get local issuer certificate', false, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    ['FAILED:unable to get issuer certificate', false, 'UNABLE_TO_GET_ISSUER_CERT'],
    ['FAILED:unable to verify the first certificate', false, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['FAILED:certificate has expired', false, 'CERT_HAS_EXPIRED'],
    ['FAILED: certificate is not yet valid', false, 'CERT_NOT_YET_VALID'],
    ['FAILED:certificate revoked', false, 'CERT_REVOKED'],
    ['FAILED:something new', false, 'something new'],
    ['GENEROUS', false, 'GENEROUS'],
    ['success', false, 'success'],
    ['SUCCESS ', false, 'SUCCESS '],
  ])('%j: authorized %s, error %s', (verify, authorized, authorizationError) => {
    expect(read({ SSL_CLIENT_VERIFY: verify })).toMatchObject({ authorized, authorizationError })
  })

  it('nothing said is not authorized, whatever the certificate', () => {
    expect(read({})).toEqual({ authorized: false, authorizationError: null, x509: undefined, legacy: {} })
    expect(read({ SSL_CLIENT_CERT: PEM })).toMatchObject({ authorized: false, authorizationError: null })
  })

  it('a field of the request is not the variable', () => {
    const claims = { HTTP_SSL_CLIENT_VERIFY: 'SUCCESS', HTTP_SSL_CLIENT_S_DN: 'CN=root', HTTP_SSL_CLIENT_CERT: PEM, HTTP_CERT_FLAGS: '1', HTTP_CERT_SUBJECT: 'CN=root' }
    expect(read(claims)).toEqual({ authorized: false, authorizationError: null, x509: undefined, legacy: {} })
  })
})

describe('the verdict of IIS (CERT_FLAGS)', () => {
  it.each([
    ['no certificate', '', false, null],
    ['none, in digits', '0', false, null],
    ['a certificate', '1', true, null],
    ['of an unknown authority', '3', false, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    ['an unknown authority without a certificate', '2', false, null],
    ['no number', 'yes', false, null],
  ])('%s', (_what, flags, authorized, authorizationError) => {
    expect(read({ CERT_FLAGS: flags })).toMatchObject({ authorized, authorizationError })
  })
})

describe('the certificate itself (SSL_CLIENT_CERT)', () => {
  const base64 = CERTIFICATE.raw.toString('base64')

  it.each([
    ['PEM, of Apache and lighttpd', PEM],
    ['PEM with CRLF', PEM.replaceAll('\n', '\r\n')],
    ["PEM in percent encoding, nginx's $ssl_client_escaped_cert", encodeURIComponent(PEM)],
    ["PEM with tabs, nginx's $ssl_client_cert", PEM.trim().replaceAll('\n', '\n\t')],
    ['PEM in one line', PEM.replaceAll('\n', ' ')],
    ['base64 of DER, of HAProxy', base64],
  ])('%s', (_what, text) => {
    const { x509, legacy } = read({ SSL_CLIENT_CERT: text })
    expect(x509?.fingerprint256).toBe(CERTIFICATE.fingerprint256)
    expect(legacy).toEqual(CERTIFICATE.toLegacyObject())
  })

  it.each([
    ['nothing', ''],
    ['cut off', PEM.slice(0, PEM.length / 2)],
    ['text', 'no certificate'],
    ['an escape that is none', `%zz${PEM}`],
    ['bytes that are no UTF-8', '%ff%fe'],
    ['100 kB of dashes', '-'.repeat(100_000)],
    ['100 kB of begins', '-----BEGIN CERTIFICATE-----'.repeat(4_000)],
  ])('%s is none, and what else is known still holds', (_what, text) => {
    const { authorized, x509, legacy } = read({ SSL_CLIENT_CERT: text, SSL_CLIENT_VERIFY: 'SUCCESS', SSL_CLIENT_S_DN: 'CN=a' })
    expect([authorized, x509, legacy]).toEqual([true, undefined, { subject: { CN: 'a' } }])
  })
})

describe('a certificate that is only described', () => {
  it('by nginx, Apache and lighttpd', () => {
    const { x509, legacy } = read({
      SSL_CLIENT_S_DN: 'CN=Client One,O=Example',
      SSL_CLIENT_I_DN: 'CN=Test CA,O=Example',
      SSL_CLIENT_M_SERIAL: '0a1B',
      SSL_CLIENT_V_START: 'Jan  1 00:00:00 2020 GMT',
      SSL_CLIENT_V_END: 'Jan  1 00:00:00 2120 GMT',
      SSL_CLIENT_FINGERPRINT: 'aa0b1c',
    })
    expect([x509, legacy]).toEqual([
      undefined,
      {
        subject: { O: 'Example', CN: 'Client One' },
        issuer: { O: 'Example', CN: 'Test CA' },
        serialNumber: '0A1B',
        valid_from: 'Jan  1 00:00:00 2020 GMT',
        valid_to: 'Jan  1 00:00:00 2120 GMT',
        fingerprint: 'AA:0B:1C',
      },
    ])
  })

  it('by IIS', () => {
    const { legacy } = read({ CERT_FLAGS: '1', CERT_SUBJECT: 'C=DE, E=jo@example.test, CN=Jo', CERT_ISSUER: 'CN=Test CA', CERT_SERIALNUMBER: '0a-1b-2c' })
    expect(legacy).toEqual({ subject: { CN: 'Jo', emailAddress: 'jo@example.test', C: 'DE' }, issuer: { CN: 'Test CA' }, serialNumber: '0A1B2C' })
  })

  it('empty variables say nothing', () => {
    expect(read({ SSL_CLIENT_S_DN: '', SSL_CLIENT_I_DN: 'CN=Test CA', CERT_SUBJECT: '', SSL_CLIENT_M_SERIAL: '01' }).legacy).toEqual({})
  })
})
