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

  /** @param parserCode by which node's parser refuses the same in HTTP; undefined for what HTTP cannot express */
  constructor(
    message: string,
    readonly parserCode?: ParserCode,
  ) {
    super(message)
  }
}

/** Of the errors that node gives to 'clientError'. */
export type ParserCode =
  | 'HPE_INVALID_METHOD'
  | 'HPE_INVALID_URL'
  | 'HPE_INVALID_HEADER_TOKEN'
  | 'HPE_INVALID_CONTENT_LENGTH'
  | 'HPE_UNEXPECTED_CONTENT_LENGTH'
  | 'HPE_INVALID_TRANSFER_ENCODING'
  | 'HPE_HEADER_OVERFLOW'

const PREFIX = 'HTTP_'
const DIGITS = /^[0-9]{1,15}$/
const ON = /^(?:on|1|yes)$/i
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const NOT_IN_TARGET = /[\0-\x20\x7f]/
const CHUNKED = /^[ \t]*chunked[ \t]*$/i
/** Those that node or a web server speaks; any other is taken for 1.1, in which the web server answers it. */
const HTTP_VERSION = /^HTTP\/(?:(0)\.(9)|(1)\.([01])|([23])(?:\.0)?)$/
const USUALLY_WITHOUT_CONTENT = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])
const COMMON_METHODS = new Set(['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])

/** The meta-variables of a request, one after the other. */
export interface MetaVariables {
  /** Moves to the next one; false at the end. */
  next(): boolean
  readonly name: string
  readonly value: string
}

/** What a name means, found by one look-up. */
const enum Meaning {
  NOTHING,
  HEADER,
  BAD_HEADER,
  TRANSFER_ENCODING,
  X_ORIGINAL_URL,
  AUTHORIZATION,
  EXPECT,
  HOST,
  HTTP_CONTENT_LENGTH,
  REQUEST_METHOD,
  REQUEST_URI,
  QUERY_STRING,
  SCRIPT_NAME,
  PATH_INFO,
  CONTENT_TYPE,
  CONTENT_LENGTH,
  SERVER_PROTOCOL,
  HTTPS,
  REQUEST_SCHEME,
  SERVER_PORT_SECURE,
  REMOTE_ADDR,
  REMOTE_PORT,
  SERVER_ADDR,
  LOCAL_ADDR,
  SERVER_PORT,
  SCRIPT_FILENAME,
  SERVER_SOFTWARE,
  REDIRECT_HTTP_AUTHORIZATION,
  UNENCODED_URL,
  IIS_WAS_URL_REWRITTEN,
}

interface Variable {
  readonly meaning: Meaning
  /** Spelling of the header; `''` for what is none. */
  readonly header: string
}

/** Headers that are more than headers here. */
const SPECIAL_HEADERS = new Map<string, Meaning>([
  // The CGI variables of these two are the authority; a second one is a way to smuggle. CGI 4.1.18
  ['content-length', Meaning.HTTP_CONTENT_LENGTH],
  ['content-type', Meaning.NOTHING],
  // httpoxy, CVE-2016-5385: nginx, Caddy and h2o pass it on.
  ['proxy', Meaning.NOTHING],
  ['transfer-encoding', Meaning.TRANSFER_ENCODING],
  ['x-original-url', Meaning.X_ORIGINAL_URL],
  ['authorization', Meaning.AUTHORIZATION],
  ['expect', Meaning.EXPECT],
  ['host', Meaning.HOST],
])

const VARIABLES: readonly (readonly [string, Meaning])[] = [
  ['REQUEST_METHOD', Meaning.REQUEST_METHOD],
  ['REQUEST_URI', Meaning.REQUEST_URI],
  ['QUERY_STRING', Meaning.QUERY_STRING],
  ['SCRIPT_NAME', Meaning.SCRIPT_NAME],
  ['PATH_INFO', Meaning.PATH_INFO],
  ['CONTENT_TYPE', Meaning.CONTENT_TYPE],
  ['CONTENT_LENGTH', Meaning.CONTENT_LENGTH],
  ['SERVER_PROTOCOL', Meaning.SERVER_PROTOCOL],
  ['HTTPS', Meaning.HTTPS],
  ['REQUEST_SCHEME', Meaning.REQUEST_SCHEME],
  ['SERVER_PORT_SECURE', Meaning.SERVER_PORT_SECURE],
  ['REMOTE_ADDR', Meaning.REMOTE_ADDR],
  ['REMOTE_PORT', Meaning.REMOTE_PORT],
  ['SERVER_ADDR', Meaning.SERVER_ADDR],
  ['LOCAL_ADDR', Meaning.LOCAL_ADDR],
  ['SERVER_PORT', Meaning.SERVER_PORT],
  ['SCRIPT_FILENAME', Meaning.SCRIPT_FILENAME],
  ['SERVER_SOFTWARE', Meaning.SERVER_SOFTWARE],
  ['REDIRECT_HTTP_AUTHORIZATION', Meaning.REDIRECT_HTTP_AUTHORIZATION],
  ['UNENCODED_URL', Meaning.UNENCODED_URL],
  ['IIS_WasUrlRewritten', Meaning.IIS_WAS_URL_REWRITTEN],
]
const known = new Map<string, Variable>(VARIABLES.map(([name, meaning]) => [name, { meaning, header: '' }]))
/** Names come from clients too, so the memory for them is bounded. */
const MAX_KNOWN = 1_000
const LONGEST_KNOWN = 64
const NOTHING: Variable = { meaning: Meaning.NOTHING, header: '' }

function variableOf(name: string): Variable {
  const found = known.get(name)
  if (found !== undefined) return found
  const variable = name.startsWith(PREFIX) ? headerVariable(headerName(name)) : NOTHING
  // Copied: a slice would keep the PARAMS content of one request alive.
  if (known.size < MAX_KNOWN && name.length <= LONGEST_KNOWN) known.set(Buffer.from(name, 'latin1').toString('latin1'), variable)
  return variable
}

/** By the header it becomes, not by its own spelling: `HTTP_CONTENT-LENGTH` must not slip through as a second Content-Length. */
function headerVariable(header: string): Variable {
  return { meaning: header === '' ? Meaning.BAD_HEADER : (SPECIAL_HEADERS.get(header.toLowerCase()) ?? Meaning.HEADER), header }
}

/**
 * Reads the meta-variables of one request.
 *
 * Of a repeated meta-variable that is not a header the last one counts, as in PHP-FPM, so that a later
 * `fastcgi_param` overrides an earlier one. Repeated headers are all handed on; node merges them by its own rules.
 *
 * @param variables in the order received, as a list with names and values alternating, or one after the other
 * @throws {BadRequest} when no HTTP request can have had these values
 * @see CGI 4.1, docs/mapping.md
 */
export function requestHead(variables: MetaVariables | readonly string[]): RequestHead {
  return readHead(isList(variables) ? new ListedVariables(variables) : variables)
}

function isList(variables: MetaVariables | readonly string[]): variables is readonly string[] {
  return Array.isArray(variables)
}

class ListedVariables implements MetaVariables {
  name = ''
  value = ''
  private at = 0

  constructor(private readonly list: readonly string[]) {}

  next(): boolean {
    if (this.at >= this.list.length) return false
    this.name = this.list[this.at++] ?? ''
    this.value = this.list[this.at++] ?? ''
    return true
  }
}

function readHead(variables: MetaVariables): RequestHead {
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
  let hasContentType = false
  let hasHost = false
  let hasHttpContentLength = false
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

  while (variables.next()) {
    const { meaning, header } = variableOf(variables.name)
    switch (meaning) {
      case Meaning.NOTHING:
        continue
      case Meaning.BAD_HEADER:
        throw new BadRequest('a meta-variable HTTP_* holds characters that no header name can have', 'HPE_INVALID_HEADER_TOKEN')
      case Meaning.X_ORIGINAL_URL:
        xOriginalUrl = variables.value
        break
      case Meaning.AUTHORIZATION:
        authorization = true
        break
      case Meaning.EXPECT:
        expect = variables.value
        break
      case Meaning.HTTP_CONTENT_LENGTH:
        hasHttpContentLength = true
        continue
      case Meaning.HOST:
        // Set above nginx's `include fastcgi_params` there are two, and HTTP has one: the first counts, as in node.
        if (hasHost) continue
        hasHost = true
        break
      case Meaning.TRANSFER_ENCODING:
        if (variables.value !== '' && !CHUNKED.test(variables.value)) throw new BadRequest('HTTP_TRANSFER_ENCODING is something other than chunked', 'HPE_INVALID_TRANSFER_ENCODING')
        transferEncoding = variables.value !== ''
        continue
      case Meaning.REQUEST_METHOD:
        method = variables.value
        continue
      case Meaning.REQUEST_URI:
        requestUri = variables.value
        continue
      case Meaning.QUERY_STRING:
        queryString = variables.value
        continue
      case Meaning.SCRIPT_NAME:
        scriptName = variables.value
        continue
      case Meaning.PATH_INFO:
        pathInfo = variables.value
        continue
      case Meaning.CONTENT_TYPE: {
        const value = variables.value
        // HAProxy and h2o send one each time the client did; like node, the first counts.
        if (value !== '' && !hasContentType) rawHeaders.push('Content-Type', headerValue('Content-Type', value))
        hasContentType ||= value !== ''
        continue
      }
      case Meaning.CONTENT_LENGTH: {
        const value = variables.value
        if (contentLength !== undefined && contentLength !== value) throw new BadRequest('CONTENT_LENGTH is there twice with different values', 'HPE_UNEXPECTED_CONTENT_LENGTH')
        contentLength = value
        continue
      }
      case Meaning.SERVER_PROTOCOL:
        protocol = variables.value
        continue
      case Meaning.HTTPS:
        encrypted ||= ON.test(variables.value)
        continue
      case Meaning.REQUEST_SCHEME:
        encrypted ||= variables.value === 'https'
        continue
      case Meaning.SERVER_PORT_SECURE:
        encrypted ||= variables.value === '1'
        continue
      case Meaning.REMOTE_ADDR:
        remoteAddress = variables.value
        continue
      case Meaning.REMOTE_PORT:
        remotePort = variables.value
        continue
      case Meaning.SERVER_ADDR:
        localAddress = variables.value
        continue
      case Meaning.LOCAL_ADDR:
        localAddress ??= variables.value
        continue
      case Meaning.SERVER_PORT:
        localPort = variables.value
        continue
      case Meaning.SCRIPT_FILENAME:
        scriptFilename = variables.value
        continue
      case Meaning.SERVER_SOFTWARE:
        serverSoftware = variables.value
        continue
      case Meaning.REDIRECT_HTTP_AUTHORIZATION:
        redirectAuthorization = variables.value
        continue
      case Meaning.UNENCODED_URL:
        unencodedUrl = variables.value
        continue
      case Meaning.IIS_WAS_URL_REWRITTEN: {
        const value = variables.value
        rewrittenByIis = value !== '' && value !== '0'
        continue
      }
      case Meaning.HEADER:
    }
    rawHeaders.push(header, headerValue(header, variables.value))
  }

  if (redirectAuthorization !== undefined && !authorization) {
    rawHeaders.push('Authorization', headerValue('Authorization', redirectAuthorization))
  }

  const length = bodyLength(contentLength)
  // HAProxy, lighttpd, Caddy and mod_fcgid say 0 of every request without a body; clients say it where content is usual.
  const isSaid = length > 0 || (length === 0 && (hasHttpContentLength || transferEncoding || !USUALLY_WITHOUT_CONTENT.has(method ?? '')))
  if (isSaid) rawHeaders.push('Content-Length', String(contentLength))
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
  if (NOT_IN_TARGET.test(url)) throw new BadRequest('the request target holds a blank or a control character', 'HPE_INVALID_URL')

  const version = protocol === undefined || protocol === 'HTTP/1.1' ? undefined : HTTP_VERSION.exec(protocol)
  const httpVersionMajor = Number(version?.[1] ?? version?.[3] ?? version?.[5] ?? 1)
  const httpVersionMinor = version ? Number(version[2] ?? version[4] ?? 0) : 1
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
  if (!COMMON_METHODS.has(method) && !isToken(method)) throw new BadRequest('REQUEST_METHOD is not a method', 'HPE_INVALID_METHOD')
  return method
}

function headerValue(header: string, value: string): string {
  if (CONTROL.test(value)) throw new BadRequest(`the value of ${header} holds a control character`, 'HPE_INVALID_HEADER_TOKEN')
  return isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(value.length - 1)) ? trimmed(value) : value
}

/** Blanks around a value are not part of it (RFC 9110 5.5); h2o leaves those at the end. By hand: a pattern would be quadratic. */
function trimmed(value: string): string {
  let start = 0
  let end = value.length
  while (start < end && isBlank(value.charCodeAt(start))) start++
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** -1 for unknown: absent, empty (nginx), or `-1` (Caddy's word for a chunked upload). */
function bodyLength(contentLength: string | undefined): number {
  if (contentLength === undefined || contentLength === '' || contentLength === '-1') return -1
  if (!DIGITS.test(contentLength)) throw new BadRequest('CONTENT_LENGTH is not a number of bytes', 'HPE_INVALID_CONTENT_LENGTH')
  return Number(contentLength)
}
