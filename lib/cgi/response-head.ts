// The head of an HTTP response, as node prints it, to the head of a CGI response. Text only.

/** Fields that concern one connection, not the response, and `Status`, which CGI keeps for itself. RFC 9110 7.6.1, CGI 6.3.3 */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'status',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const LONGEST_DROPPED = 17
// eslint-disable-next-line no-control-regex -- "anything but ASCII" begins with one
const IS_SPECIAL = /\r\n(?:connection|keep-alive|proxy-connection|status|te|trailer|transfer-encoding|upgrade):|[^\0-\x7f]/i

/** A translated head. */
export interface CgiResponseHead {
  /** The fields, each with its line end. */
  readonly fields: string
  readonly status: StatusField
  /** The body is framed in chunks: the application set `Transfer-Encoding: chunked` itself, or node was to frame it. */
  readonly chunked: boolean
  /** Fields and status are ASCII alone. */
  readonly isAscii: boolean
}

/** What comes behind the fields. */
export interface StatusField {
  /** The field `Status` and the empty line. */
  readonly text: string
  readonly code: number
}

// Of most responses it is the same as of the one before.
let statusLine = 'HTTP/1.1 200 OK\r\n'
let statusField: StatusField = { text: 'Status: 200 OK\r\n\r\n', code: 200 }

function readStatus(head: string): StatusField {
  if (!head.startsWith(statusLine)) {
    const end = head.indexOf('\r\n')
    // 'HTTP/1.1 ' has nine characters.
    statusField = { text: `Status: ${head.slice(9, end).trimEnd()}\r\n\r\n`, code: Number(head.slice(9, 12)) }
    statusLine = head.slice(0, end + 2)
  }
  return statusField
}

/**
 * Translates a response head.
 *
 * `Status` comes last: HAProxy turns 301, 308 or 201 into 302 when `Location` follows it; every server accepts this order.
 *
 * @param head from `HTTP/1.1 200 OK` to the empty line, with CRLF line ends, as node prints it
 * @param keepsChunks the web server takes a body in chunks, with its trailers: the fields that say so stay, unless the status has no body
 * @see CGI 6.3
 */
export function cgiResponseHead(head: string, keepsChunks = false): CgiResponseHead {
  const isSpecial = IS_SPECIAL.test(head)
  const status = readStatus(head)
  const start = statusLine.length
  const end = head.length - 2
  // Nearly every head: nothing to be dropped.
  if (!isSpecial) return { fields: head.slice(start, end), status, chunked: false, isAscii: true }
  return withoutDropped(head, start, end, status, keepsChunks && !isBodiless(status.code))
}

/**
 * The same head with `Status` first, for an authorizer: lighttpd takes the fields in front of it for those of a grant, and drops them. It
 * redirects nobody that HAProxy does.
 */
export function statusFirst({ fields, status, chunked, isAscii }: CgiResponseHead): CgiResponseHead {
  const line = status.text.slice(0, -2)
  return { fields: line + fields, status: { text: '\r\n', code: status.code }, chunked, isAscii }
}

/** Whether responses with this status never have a body. RFC 9110 15.3.5, 15.4.5 */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304
}

function withoutDropped(head: string, start: number, end: number, status: StatusField, keepsChunks: boolean): CgiResponseHead {
  let kept = ''
  let keptFrom = start
  let chunked = false
  let nominated: string[] | undefined
  for (let line = keptFrom; line < end; ) {
    const next = head.indexOf('\r\n', line) + 2
    if (mayBeDropped(head.charCodeAt(line))) {
      const colon = head.indexOf(':', line)
      if (colon - line <= LONGEST_DROPPED) {
        const name = head.slice(line, colon).toLowerCase()
        if (DROPPED.has(name)) {
          const value = head.slice(colon + 1, next - 2)
          const isChunked = name === 'transfer-encoding' && /\bchunked\b/i.test(value)
          chunked ||= isChunked
          if (name === 'connection') nominated = nominatedFields(value, nominated)
          if (!keepsChunks || !(name === 'trailer' || isChunked)) {
            kept += head.slice(keptFrom, line)
            keptFrom = next
          }
        }
      }
    }
    line = next
  }
  kept += head.slice(keptFrom, end)
  if (nominated !== undefined) kept = withoutFields(kept, nominated)
  // Beside chunks a length has no say, and nobody checked it. RFC 9112 6.3
  if (chunked) kept = withoutFields(kept, ['content-length'])
  return { fields: kept, status, chunked, isAscii: isAscii(kept) && isAscii(status.text) }
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}

/** Whether a field whose name starts with this character code can be one of {@link DROPPED}: c k p s t u, in both cases. */
function mayBeDropped(code: number): boolean {
  const letter = code | 0x20
  return letter === 0x63 || letter === 0x6b || letter === 0x70 || letter === 0x73 || letter === 0x74 || letter === 0x75
}

/** The fields that a Connection field declares to be its own. RFC 9110 7.6.1 */
function nominatedFields(value: string, before: string[] | undefined): string[] | undefined {
  const names = value
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'close' && !DROPPED.has(name))
  return names.length === 0 ? before : [...(before ?? []), ...names]
}

function withoutFields(lines: string, names: readonly string[]): string {
  return lines
    .split('\r\n')
    .filter((line) => !names.includes(line.slice(0, line.indexOf(':')).toLowerCase()))
    .join('\r\n')
}

/**
 * A complete CGI response of our own, for requests that never reach the application. `Status` first, for an authorizer's sake.
 *
 * @param status such as `503 Service Unavailable`
 * @param text one line that says why, ASCII
 */
export function plainResponse(status: string, text: string): string {
  const body = `${text}\n`
  return `Status: ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
