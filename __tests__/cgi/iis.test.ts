// The variables of a request as IIS 8.5 sends them over FastCGI, by what phpinfo() shows of them on public pages. Addresses and
// names are replaced. Nothing of this was recorded by us: there is no IIS on the machines of this project.

import { headFrom } from '../support/head-from'

/** Of a GET; empty values and all. */
const VARIABLES: Record<string, string> = {
  FCGI_ROLE: 'RESPONDER',
  APPL_MD_PATH: '/LM/W3SVC/1/ROOT',
  APPL_PHYSICAL_PATH: 'C:\\inetpub\\wwwroot\\',
  AUTH_TYPE: '',
  AUTH_PASSWORD: '',
  AUTH_USER: '',
  CERT_COOKIE: '',
  CERT_FLAGS: '',
  CERT_ISSUER: '',
  CERT_SERIALNUMBER: '',
  CERT_SUBJECT: '',
  CONTENT_LENGTH: '0',
  CONTENT_TYPE: '',
  DOCUMENT_ROOT: 'C:\\inetpub\\wwwroot',
  GATEWAY_INTERFACE: 'CGI/1.1',
  HTTPS: 'off',
  HTTPS_KEYSIZE: '',
  HTTPS_SECRETKEYSIZE: '',
  HTTPS_SERVER_ISSUER: '',
  HTTPS_SERVER_SUBJECT: '',
  INSTANCE_ID: '1',
  INSTANCE_META_PATH: '/LM/W3SVC/1',
  LOCAL_ADDR: '192.0.2.1',
  LOGON_USER: '',
  PATH_INFO: '/caf\xe9/menu 1',
  PATH_TRANSLATED: 'C:\\inetpub\\wwwroot\\caf\xe9\\menu 1',
  QUERY_STRING: 'q=a%20b',
  REMOTE_ADDR: '192.0.2.7',
  REMOTE_HOST: '192.0.2.7',
  REMOTE_PORT: '40598',
  REMOTE_USER: '',
  REQUEST_METHOD: 'GET',
  REQUEST_URI: '/caf\xe9/menu 1?q=a%20b',
  SCRIPT_FILENAME: 'C:\\inetpub\\wwwroot\\caf\xe9\\menu 1',
  SCRIPT_NAME: '/caf\xe9/menu 1',
  SERVER_NAME: 'example.org',
  SERVER_PORT: '80',
  SERVER_PORT_SECURE: '0',
  SERVER_PROTOCOL: 'HTTP/1.1',
  SERVER_SOFTWARE: 'Microsoft-IIS/8.5',
  URL: '/caf\xe9/menu 1',
  IIS_UrlRewriteModule: '7.1.1917.0',
  HTTP_CONNECTION: 'Keep-Alive',
  HTTP_ACCEPT: '*/*',
  HTTP_HOST: 'example.org',
}

const headOf = (changes: Record<string, string>): ReturnType<typeof headFrom> => headFrom(Object.entries({ ...VARIABLES, ...changes }).flat())

describe('the variables of IIS', () => {
  it('make the request', () => {
    const head = headOf({})
    expect(head).toMatchObject({ method: 'GET', url: '/caf%E9/menu%201?q=a%20b', httpVersion: '1.1', encrypted: false, contentLength: 0 })
    expect(head).toMatchObject({ remoteAddress: '192.0.2.7', remotePort: '40598', localAddress: '192.0.2.1', localPort: '80' })
    expect(head.rawHeaders).toEqual(['Connection', 'Keep-Alive', 'Accept', '*/*', 'Host', 'example.org'])
  })

  it('PATH_INFO repeats SCRIPT_NAME, which is of no concern while there is REQUEST_URI', () => {
    expect(headOf({ REQUEST_URI: '/a', PATH_INFO: '/a', SCRIPT_NAME: '/a' }).url).toBe('/a')
  })

  it.each([
    ['HTTPS=on', { HTTPS: 'on' }, true],
    ['SERVER_PORT_SECURE=1', { HTTPS: '', SERVER_PORT_SECURE: '1' }, true],
    ['HTTPS=off, SERVER_PORT_SECURE=0', {}, false],
  ])('%s', (_what, changes, encrypted) => expect(headOf(changes)).toMatchObject({ encrypted }))

  it('with URL Rewrite the URL is what the client sent', () => {
    const rewritten = { IIS_WasUrlRewritten: '1', UNENCODED_URL: '/caf%C3%A9/a%2Fb?q=%20', HTTP_X_ORIGINAL_URL: '/caf\xc3\xa9/a/b?q=%20', REQUEST_URI: '/server.js' }
    expect(headOf(rewritten).url).toBe('/caf%C3%A9/a%2Fb?q=%20')
    expect(headOf({ ...rewritten, UNENCODED_URL: '' }).url).toBe('/caf%C3%A9/a/b?q=%20')
  })
})
