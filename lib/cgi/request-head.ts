// CGI meta-variables to the head of an HTTP request: method, target, version, headers, addresses. Text only; each
// character is one byte (latin1), as in node's own parser.

import { headerName, isToken } from './header-names'
import { requestTarget } from './request-target'

/** What an application sees of a request before its body. */
export interface RequestHead {
  readonly method: string
  readonly url: string
  readonly httpVersion: string
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  /** Names and values alternating, as node's. */
  readonly rawHeaders: string[]
  /** Bytes of body announced; -1 when the web server does not know: the end of STDIN tells. */
  readonly contentLength: number
  /**
   * The length is unknown and nothing says that there is a body: neither a length nor a Transfer-Encoding. Whether
   * `Transfer-Encoding: chunked` has to be added shows with the first STDIN record.
   */
  readonly bodyUnannounced: boolean
  /** Value of the Expect header, which node's server acts on. */
  readonly expect: string | undefined
  readonly encrypted: boolean
  readonly remoteAddress: string | undefined
  readonly remotePort: string | undefined
  readonly localAddress: string | undefined
  readonly localPort: string | undefined
  readonly scriptName: string
  readonly scriptFilename: string
  readonly serverSoftware: string
}

/** Why meta-variables cannot be a request; the message names the variable and what to do, never its value. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest'
}

const PREFIX = 'HTTP_'
const DIGITS = /^[0-9]{1,15}$/
const ON = /^(?:on|1|yes)$/i
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const LINE_BREAK = /[\0\r\n]/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const NOT_IN_TARGET = /[\0-\x20\x7f]/
const HTTP_VERSION = /^HTTP\/([0-9])(?:\.([0-9]))?$/
const COMMON_METHODS = new Set(['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])

/**
 * Reads the meta-variables of one request.
 *
 * Of a repeated meta-variable that is not a header the last one counts, as in PHP-FPM, so that a later
 * `fastcgi_param` overrides an earlier one. Repeated headers are all handed on; node merges them by its own rules.
 *
 * @param variables names and values alternating, in the order received
 * @throws {BadRequest} when no HTTP request can have had these values
 * @see CGI 4.1, docs/mapping.md
 */
export function requestHead(variables: readonly string[]): RequestHead {
  const rawHeaders: string[] = []
  let method: string | undefined
  let protocol: string | undefined
  let requestUri: string | undefined
  let unencodedUrl: string | undefined
  let xOriginalUrl: string | undefined
  let rewrittenByIis = false
  let scriptName: string | undefined
  let pathInfo: string | undefined
  let queryString: string | undefined
  let contentType: string | undefined
  let contentLength: string | undefined
  let expect: string | undefined
  let encrypted = false
  let transferEncoding = false
  let authorization = false
  let redirectAuthorization: string | undefined
  let remoteAddress: string | undefined
  let remotePort: string | undefined
  let localAddress: string | undefined
  let localPort: string | undefined
  let scriptFilename = ''
  let serverSoftware = ''

  for (let i = 0; i < variables.length; i += 2) {
    const name = variables[i] ?? ''
    const value = variables[i + 1] ?? ''
    if (name.startsWith(PREFIX)) {
      switch (name) {
        // The CGI variables of these two are the authority; a second spelling is a way to smuggle. CGI 4.1.18
        case 'HTTP_CONTENT_LENGTH':
        case 'HTTP_CONTENT_TYPE':
        // httpoxy, CVE-2016-5385: nginx, Caddy and h2o pass it on.
        case 'HTTP_PROXY':
          continue
        case 'HTTP_TRANSFER_ENCODING':
          transferEncoding = value !== ''
          continue
        case 'HTTP_X_ORIGINAL_URL':
          xOriginalUrl = value
          break
        case 'HTTP_AUTHORIZATION':
          authorization = true
          break
        case 'HTTP_EXPECT':
          expect = value
      }
      const header = headerName(name)
      if (header === '') throw new BadRequest('a meta-variable HTTP_* holds characters that no header name can have')
      rawHeaders.push(header, headerValue(header, value))
      continue
    }
    switch (name) {
      case 'REQUEST_METHOD':
        method = value
        break
      case 'REQUEST_URI':
        requestUri = value
        break
      case 'QUERY_STRING':
        queryString = value
        break
      case 'SCRIPT_NAME':
        scriptName = value
        break
      case 'PATH_INFO':
        pathInfo = value
        break
      case 'CONTENT_TYPE':
        // HAProxy and h2o send one each time the client did; like node, the first counts.
        if (value !== '' && contentType === undefined) rawHeaders.push('Content-Type', headerValue('Content-Type', (contentType = value)))
        break
      case 'CONTENT_LENGTH':
        if (contentLength !== undefined && contentLength !== value) throw new BadRequest('CONTENT_LENGTH is there twice with different values')
        contentLength = value
        break
      case 'SERVER_PROTOCOL':
        protocol = value
        break
      case 'HTTPS':
        encrypted ||= ON.test(value)
        break
      case 'REQUEST_SCHEME':
        encrypted ||= value === 'https'
        break
      case 'SERVER_PORT_SECURE':
        encrypted ||= value === '1'
        break
      case 'REMOTE_ADDR':
        remoteAddress = value
        break
      case 'REMOTE_PORT':
        remotePort = value
        break
      case 'SERVER_ADDR':
        localAddress = value
        break
      case 'LOCAL_ADDR':
        localAddress ??= value
        break
      case 'SERVER_PORT':
        localPort = value
        break
      case 'SCRIPT_FILENAME':
        scriptFilename = value
        break
      case 'SERVER_SOFTWARE':
        serverSoftware = value
        break
      case 'REDIRECT_HTTP_AUTHORIZATION':
        redirectAuthorization = value
        break
      case 'UNENCODED_URL':
        unencodedUrl = value
        break
      case 'IIS_WasUrlRewritten':
        rewrittenByIis = value !== '' && value !== '0'
    }
  }

  if (redirectAuthorization !== undefined && !authorization) {
    rawHeaders.push('Authorization', headerValue('Authorization', redirectAuthorization))
  }

  const length = bodyLength(contentLength)
  if (length >= 0) rawHeaders.push('Content-Length', String(contentLength))
  // The web server took the chunk framing away; the field stays as the only sign that there is a body at all. Beside a
  // length it would contradict it.
  const chunked = length < 0 && (transferEncoding || contentLength === '-1')
  if (chunked) rawHeaders.push('Transfer-Encoding', 'chunked')

  const url = requestTarget({
    requestUri,
    unencodedUrl,
    originalUrl: rewrittenByIis ? xOriginalUrl : undefined,
    scriptName,
    pathInfo,
    queryString,
  })
  if (NOT_IN_TARGET.test(url)) throw new BadRequest('the request target holds a blank or a control character')

  const version = protocol === undefined || protocol === 'HTTP/1.1' ? undefined : HTTP_VERSION.exec(protocol)
  const httpVersionMajor = Number(version?.[1] ?? 1)
  const httpVersionMinor = version ? Number(version[2] ?? 0) : 1
  return {
    method: checkedMethod(method),
    url,
    httpVersion: version ? `${httpVersionMajor}.${httpVersionMinor}` : '1.1',
    httpVersionMajor,
    httpVersionMinor,
    rawHeaders,
    contentLength: length,
    bodyUnannounced: length < 0 && !chunked,
    expect,
    encrypted,
    remoteAddress,
    remotePort,
    localAddress,
    localPort,
    scriptName: scriptName ?? '',
    scriptFilename,
    serverSoftware,
  }
}

function checkedMethod(method: string | undefined): string {
  if (method === undefined || method === '') {
    throw new BadRequest('REQUEST_METHOD is missing: include fastcgi_params (nginx), or whatever sets the CGI variables in your web server')
  }
  if (!COMMON_METHODS.has(method) && !isToken(method)) throw new BadRequest('REQUEST_METHOD is not a method')
  return method
}

function headerValue(header: string, value: string): string {
  if (LINE_BREAK.test(value)) throw new BadRequest(`the value of ${header} holds a line break or a NUL`)
  const first = value.charCodeAt(0)
  const last = value.charCodeAt(value.length - 1)
  // Blanks around a value are not part of it (RFC 9110 5.5); h2o leaves those at the end.
  return first === 32 || first === 9 || last === 32 || last === 9 ? value.replace(/^[ \t]+|[ \t]+$/g, '') : value
}

/** -1 for unknown: absent, empty (nginx), or `-1` (Caddy's word for a chunked upload). */
function bodyLength(contentLength: string | undefined): number {
  if (contentLength === undefined || contentLength === '' || contentLength === '-1') return -1
  if (!DIGITS.test(contentLength)) throw new BadRequest('CONTENT_LENGTH is not a number of bytes')
  return Number(contentLength)
}
