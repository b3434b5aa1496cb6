// CGI meta-variables to the head of an HTTP request: method, target, version, headers, addresses. Text only; each
// character is one byte (latin1), as in node's own parser.

import { isToken } from './header-names'
import { cut, endOf, forgetPlaces, Meaning, type MetaVariables, note, noted, startOf, variableOf } from './meta-variables'
import { requestTarget } from './request-target'

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

const DIGITS = /^[0-9]{1,15}$/
const ON = /^(?:on|1|yes)$/i
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const NOT_IN_TARGET = /[\0-\x20\x7f]/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/
const CHUNKED = /^[ \t]*chunked[ \t]*$/i
const USUAL_PROTOCOL = 'HTTP/1.1'
/** Those that node or a web server speaks; any other is taken for 1.1, in which the web server answers it. */
const HTTP_VERSION = /^HTTP\/(?:(0)\.(9)|(1)\.([01])|([23])(?:\.0)?)$/
const USUALLY_WITHOUT_CONTENT = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])
const COMMON_METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const

/** What an application sees of a request before its body. What few applications ask for is cut out when they do. */
export class RequestHead {
  httpVersion = '1.1'
  httpVersionMajor = 1
  httpVersionMinor = 1
  /** Bytes of body announced; -1 when the web server does not know: the end of STDIN tells. */
  contentLength = -1
  /**
   * The length is unknown and nothing says that there is a body: neither a length nor a Transfer-Encoding. Whether
   * `Transfer-Encoding: chunked` has to be added shows with the first STDIN record.
   */
  bodyUnannounced = true
  /** Value of the Expect header, which node's server acts on. */
  expect: string | undefined = undefined
  /** There is an Upgrade field. */
  upgrade = false
  encrypted = false

  private readonly text: string
  private readonly remoteAddressStart = startOf(Meaning.REMOTE_ADDR)
  private readonly remoteAddressEnd = endOf(Meaning.REMOTE_ADDR)
  private readonly remotePortStart = startOf(Meaning.REMOTE_PORT)
  private readonly remotePortEnd = endOf(Meaning.REMOTE_PORT)
  private readonly localAddressStart = startOf(Meaning.SERVER_ADDR)
  private readonly localAddressEnd = endOf(Meaning.SERVER_ADDR)
  private readonly localPortStart = startOf(Meaning.SERVER_PORT)
  private readonly localPortEnd = endOf(Meaning.SERVER_PORT)
  private readonly scriptNameStart = startOf(Meaning.SCRIPT_NAME)
  private readonly scriptNameEnd = endOf(Meaning.SCRIPT_NAME)
  private readonly scriptFilenameStart = startOf(Meaning.SCRIPT_FILENAME)
  private readonly scriptFilenameEnd = endOf(Meaning.SCRIPT_FILENAME)
  private readonly softwareStart = startOf(Meaning.SERVER_SOFTWARE)
  private readonly softwareEnd = endOf(Meaning.SERVER_SOFTWARE)

  /** @param rawHeaders names and values alternating, as node's */
  constructor(
    text: string,
    readonly method: string,
    readonly url: string,
    readonly rawHeaders: string[],
  ) {
    this.text = text
  }

  get remoteAddress(): string | undefined {
    return cut(this.text, this.remoteAddressStart, this.remoteAddressEnd)
  }
  get remotePort(): string | undefined {
    return cut(this.text, this.remotePortStart, this.remotePortEnd)
  }
  get localAddress(): string | undefined {
    return cut(this.text, this.localAddressStart, this.localAddressEnd)
  }
  get localPort(): string | undefined {
    return cut(this.text, this.localPortStart, this.localPortEnd)
  }
  get scriptName(): string {
    return this.text.slice(this.scriptNameStart, this.scriptNameEnd)
  }
  get scriptFilename(): string {
    return this.text.slice(this.scriptFilenameStart, this.scriptFilenameEnd)
  }
  get serverSoftware(): string {
    return this.text.slice(this.softwareStart, this.softwareEnd)
  }

  /** Whether SERVER_SOFTWARE begins so. */
  isServedBy(name: string): boolean {
    return this.softwareEnd - this.softwareStart >= name.length && this.text.startsWith(name, this.softwareStart)
  }
}

/**
 * Reads the meta-variables of one request.
 *
 * Of a repeated meta-variable that is not a header the last one counts, as in PHP-FPM, so that a later
 * `fastcgi_param` overrides an earlier one. Repeated headers are all handed on; node merges them by its own rules.
 *
 * @param variables in the order received
 * @throws {BadRequest} when no HTTP request can have had these values
 * @see CGI 4.1, docs/mapping.md
 */
export function requestHead(variables: MetaVariables): RequestHead {
  const { text, length: count, valueStarts, valueEnds } = variables
  const rawHeaders: string[] = []
  let hasContentType = false
  let hasHost = false
  let hasHttpContentLength = false
  let contentLength: string | undefined
  let expect: string | undefined
  let upgrade = false
  let encrypted = false
  let transferEncoding = false
  let authorization = false
  forgetPlaces()

  for (let index = 0; index < count; index++) {
    const { meaning, header } = variableOf(variables, index)
    if (meaning === Meaning.NOTHING) continue
    const valueStart = valueStarts[index] ?? 0
    const valueEnd = valueEnds[index] ?? 0
    if (meaning >= Meaning.REQUEST_METHOD) {
      note(meaning, valueStart, valueEnd)
      continue
    }
    switch (meaning) {
      case Meaning.BAD_HEADER:
        throw new BadRequest('a meta-variable HTTP_* holds characters that no header name can have', 'HPE_INVALID_HEADER_TOKEN')
      case Meaning.X_ORIGINAL_URL:
        note(meaning, valueStart, valueEnd)
        break
      case Meaning.AUTHORIZATION:
        authorization = true
        break
      case Meaning.EXPECT:
        expect = text.slice(valueStart, valueEnd)
        break
      case Meaning.UPGRADE:
        upgrade ||= valueStart < valueEnd
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
        if (valueStart < valueEnd && !CHUNKED.test(text.slice(valueStart, valueEnd))) throw new BadRequest('HTTP_TRANSFER_ENCODING is something other than chunked', 'HPE_INVALID_TRANSFER_ENCODING')
        transferEncoding = valueStart < valueEnd
        continue
      case Meaning.CONTENT_TYPE:
        // HAProxy and h2o send one each time the client did; like node, the first counts.
        if (valueStart < valueEnd && !hasContentType) rawHeaders.push('Content-Type', headerValue(text, 'Content-Type', valueStart, valueEnd, variables.holdsControls(index)))
        hasContentType ||= valueStart < valueEnd
        continue
      case Meaning.CONTENT_LENGTH: {
        const value = text.slice(valueStart, valueEnd)
        if (contentLength !== undefined && contentLength !== value) throw new BadRequest('CONTENT_LENGTH is there twice with different values', 'HPE_UNEXPECTED_CONTENT_LENGTH')
        contentLength = value
        continue
      }
      case Meaning.HTTPS:
        encrypted ||= ON.test(text.slice(valueStart, valueEnd))
        continue
      case Meaning.REQUEST_SCHEME:
        encrypted ||= valueEnd - valueStart === 5 && text.startsWith('https', valueStart)
        continue
      case Meaning.SERVER_PORT_SECURE:
        encrypted ||= valueEnd - valueStart === 1 && text.startsWith('1', valueStart)
        continue
      case Meaning.HEADER:
    }
    rawHeaders.push(header, headerValue(text, header, valueStart, valueEnd, variables.holdsControls(index)))
  }

  const redirected = startOf(Meaning.REDIRECT_HTTP_AUTHORIZATION)
  if (redirected > 0 && !authorization) {
    rawHeaders.push('Authorization', headerValue(text, 'Authorization', redirected, endOf(Meaning.REDIRECT_HTTP_AUTHORIZATION), true))
  }
  // IIS has LOCAL_ADDR, beside or instead of SERVER_ADDR.
  if (startOf(Meaning.SERVER_ADDR) === 0) note(Meaning.SERVER_ADDR, startOf(Meaning.LOCAL_ADDR), endOf(Meaning.LOCAL_ADDR))

  const method = methodOf(text)
  const length = bodyLength(contentLength)
  // HAProxy, lighttpd, Caddy and mod_fcgid say 0 of every request without a body; clients say it where content is usual.
  const isSaid = length > 0 || (length === 0 && (hasHttpContentLength || transferEncoding || !USUALLY_WITHOUT_CONTENT.has(method)))
  if (isSaid) rawHeaders.push('Content-Length', String(contentLength))
  // The web server took the chunk framing away; the field stays as the only sign that there is a body at all. Beside a
  // length it would contradict it.
  const chunked = length < 0 && (transferEncoding || contentLength === '-1')
  if (chunked) rawHeaders.push('Transfer-Encoding', 'chunked')

  const head = new RequestHead(text, method, targetOf(variables), rawHeaders)
  setVersion(head, text)
  head.contentLength = length
  head.bodyUnannounced = length < 0 && !chunked
  head.expect = expect
  head.upgrade = upgrade
  head.encrypted = encrypted
  return head
}

function methodOf(text: string): string {
  const start = startOf(Meaning.REQUEST_METHOD)
  const length = endOf(Meaning.REQUEST_METHOD) - start
  if (length === 0) {
    throw new BadRequest('REQUEST_METHOD is missing: include fastcgi_params (nginx), or whatever sets the CGI variables in your web server')
  }
  for (const common of COMMON_METHODS) if (common.length === length && text.startsWith(common, start)) return common
  const method = text.slice(start, start + length)
  if (!isToken(method)) throw new BadRequest('REQUEST_METHOD is not a method', 'HPE_INVALID_METHOD')
  return method
}

function targetOf(variables: MetaVariables): string {
  const { text } = variables
  const start = startOf(Meaning.REQUEST_URI)
  const end = endOf(Meaning.REQUEST_URI)
  // Only IIS sends LOCAL_ADDR and UNENCODED_URL, and its REQUEST_URI is not what the client sent.
  const isFromIIS = startOf(Meaning.LOCAL_ADDR) + startOf(Meaning.UNENCODED_URL) > 0
  if (start < end && !isFromIIS && variables.areVisible(start, end)) return text.slice(start, end)
  const rewritten = noted(text, Meaning.IIS_WAS_URL_REWRITTEN) ?? ''
  const url = requestTarget({
    requestUri: noted(text, Meaning.REQUEST_URI),
    isDecoded: isFromIIS && text.startsWith('Microsoft-IIS', startOf(Meaning.SERVER_SOFTWARE)),
    unencodedUrl: noted(text, Meaning.UNENCODED_URL),
    originalUrl: rewritten === '' || rewritten === '0' ? undefined : noted(text, Meaning.X_ORIGINAL_URL),
    scriptName: noted(text, Meaning.SCRIPT_NAME),
    pathInfo: noted(text, Meaning.PATH_INFO),
    queryString: noted(text, Meaning.QUERY_STRING),
  })
  if (NOT_IN_TARGET.test(url)) throw new BadRequest('the request target holds a blank or a control character', 'HPE_INVALID_URL')
  return url
}

function setVersion(head: RequestHead, text: string): void {
  const start = startOf(Meaning.SERVER_PROTOCOL)
  const end = endOf(Meaning.SERVER_PROTOCOL)
  if (start === 0 || (end - start === USUAL_PROTOCOL.length && text.startsWith(USUAL_PROTOCOL, start))) return
  const version = HTTP_VERSION.exec(text.slice(start, end))
  if (version === null) return
  head.httpVersionMajor = Number(version[1] ?? version[3] ?? version[5])
  head.httpVersionMinor = Number(version[2] ?? version[4] ?? 0)
  head.httpVersion = `${head.httpVersionMajor}.${head.httpVersionMinor}`
}

/** The value of a header without the blanks around it, which are not part of it (RFC 9110 5.5); h2o leaves those at the end. */
function headerValue(text: string, header: string, start: number, end: number, isControlled: boolean): string {
  const value = text.slice(start, end)
  if (isControlled && CONTROL.test(value)) throw new BadRequest(`the value of ${header} holds a control character`, 'HPE_INVALID_HEADER_TOKEN')
  // Of the text, which is one piece of memory; looking into a part of it takes V8 longer.
  return start < end && (isBlank(text.charCodeAt(start)) || isBlank(text.charCodeAt(end - 1))) ? trimmed(value) : value
}

/** By hand: a pattern would be quadratic. */
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
