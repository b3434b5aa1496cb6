// The head of a CGI response as an HTTP response head, as a web server reads it. Knows RFC 3875; nothing of sockets.

import { FastCGIError } from '../errors'

/** What the application wants the web server to say. */
export interface CgiResponseHead {
  /** 200 to 999, or 101 */
  readonly statusCode: number
  /** Reason phrase, `''` when the application gave none. */
  readonly statusMessage: string
  /** Names and values alternating (latin1), without Status and without hop-by-hop fields. */
  readonly rawHeaders: string[]
  /** The one Content-Length, when there is one. */
  readonly contentLength: number | undefined
}

const LF = 0x0a
const CR = 0x0d
const DEFAULT_MAX_HEAD_BYTES = 65_536
const SWITCHING_PROTOCOLS = 101

/** About the connection to the web server, which the application does not know. RFC 9110 7.6.1 */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])

/** `token` of RFC 9110 5.6.2 */
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Printable text, blanks and bytes above 127. RFC 9110 5.5 */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const STATUS = /^([0-9]{3})(?:[ \t]+(.*))?$/
/** As much of a bad name as a message shows. */
const SHOWN = 40

/**
 * Finds the end of the head in a stream of chunks, in time linear in the bytes however they are cut, and reads it.
 * Lines end with CRLF or LF, mixed if need be. CGI 6.2, 6.3
 */
export class ResponseHeadParser {
  private text = ''
  /** Bytes of the current line so far. */
  private lineLength = 0
  private lineStartsWithCr = false
  private readonly maxHeadBytes: number
  private readonly isUpgrade: boolean

  /**
   * @param maxHeadBytes largest head accepted, its empty line included; default 64 KiB
   * @param isUpgrade the request asked for an upgrade, so `Status: 101` is an answer to it
   */
  constructor(maxHeadBytes = DEFAULT_MAX_HEAD_BYTES, isUpgrade = false) {
    this.maxHeadBytes = maxHeadBytes
    this.isUpgrade = isUpgrade
  }

  /**
   * Takes the next chunk of STDOUT.
   *
   * @returns the head and the offset in this chunk where the body begins; undefined while the head is not complete
   * @throws {FastCGIError} FCGI_ERR_BAD_RESPONSE, saying what was wrong; the parser is of no use after that
   */
  push(chunk: Buffer): { head: CgiResponseHead; bodyStart: number } | undefined {
    const bodyStart = this.findEnd(chunk)
    const seen = this.text.length + (bodyStart ?? chunk.length)
    if (seen > this.maxHeadBytes) throw bad(`its head is longer than ${this.maxHeadBytes} bytes`)
    this.text += chunk.toString('latin1', 0, bodyStart)
    return bodyStart === undefined ? undefined : { head: parseResponseHead(this.text, this.isUpgrade), bodyStart }
  }

  /**
   * The error to report when STDOUT ended before {@link push} returned a head.
   *
   * @returns FCGI_ERR_BAD_RESPONSE
   */
  unfinished(): FastCGIError {
    if (this.text === '') return bad('it sent no output')
    return bad(`its output ended after ${this.text.length} bytes, before the empty line that ends the head`)
  }

  private findEnd(chunk: Buffer): number | undefined {
    let at = 0
    while (at < chunk.length) {
      if (this.lineLength === 0) this.lineStartsWithCr = chunk[at] === CR
      const lf = chunk.indexOf(LF, at)
      const end = lf < 0 ? chunk.length : lf
      this.lineLength += end - at
      if (lf < 0) return undefined
      if (this.lineLength === 0 || (this.lineLength === 1 && this.lineStartsWithCr)) return lf + 1
      this.lineLength = 0
      at = lf + 1
    }
    return undefined
  }
}

/**
 * Reads a complete CGI response head. Without Status it is 200, or 302 when there is a Location; a local redirect
 * (CGI 6.2.2) is answered to the client as well, as nginx does.
 *
 * @param text latin1, with the empty line at its end
 * @param isUpgrade `Status: 101` is welcome; it keeps its Connection and Upgrade
 * @throws {FastCGIError} FCGI_ERR_BAD_RESPONSE
 * @see CGI 6.2, 6.3
 */
export function parseResponseHead(text: string, isUpgrade = false): CgiResponseHead {
  const fields: [name: string, value: string][] = []
  let status: string | undefined
  let contentLength: string | undefined
  const hop = new Set(HOP_BY_HOP)
  for (const line of text.split('\n')) {
    const content = line.endsWith('\r') ? line.slice(0, -1) : line
    if (content === '') break
    const [name, value] = readField(content)
    const key = name.toLowerCase()
    if (key === 'status') {
      status ??= value
      continue
    }
    if (key === 'connection') for (const named of value.split(',')) hop.add(named.trim().toLowerCase())
    if (key === 'content-length') {
      if (!/^[0-9]{1,15}$/.test(value)) throw bad('its Content-Length is not a number')
      if (contentLength !== undefined && contentLength !== value) throw bad('it has two different Content-Length fields')
      if (contentLength !== undefined) continue
      contentLength = value
    }
    fields.push([name, value])
  }
  // generic-response = 1*header-field NL [ response-body ], CGI 6.2
  if (fields.length === 0 && status === undefined) throw bad('its head has no fields')
  const isRedirect = fields.some(([name]) => name.toLowerCase() === 'location')
  const line = readStatus(status ?? (isRedirect ? '302 Found' : '200 OK'), isUpgrade)
  if (line.statusCode === SWITCHING_PROTOCOLS) for (const name of ['connection', 'upgrade']) hop.delete(name)
  const kept = fields.filter(([name]) => !hop.has(name.toLowerCase()) || name.toLowerCase() === 'content-length')
  return {
    ...line,
    rawHeaders: kept.flat(),
    contentLength: contentLength === undefined ? undefined : Number(contentLength),
  }
}

function readField(line: string): [name: string, value: string] {
  if (line.startsWith(' ') || line.startsWith('\t')) throw bad('a line of its head begins with a blank; folded lines are not CGI')
  const colon = line.indexOf(':')
  if (colon < 0) {
    const hint = line.startsWith('HTTP/') ? '; an HTTP status line is not CGI, use "Status: 200 OK"' : ''
    throw bad(`a line of its head has no colon: ${show(line)}${hint}`)
  }
  const name = line.slice(0, colon)
  if (!FIELD_NAME.test(name)) throw bad(`a field name holds characters that none may have: ${show(name)}`)
  const value = trimBlanks(line, colon + 1)
  if (!FIELD_VALUE.test(value)) throw bad(`the value of ${show(name)} holds a control character`)
  return [name, value]
}

/** By hand: a pattern that trims both ends takes quadratic time on a line of blanks. */
function trimBlanks(line: string, from: number): string {
  let start = from
  let end = line.length
  while (start < end && isBlank(line, start)) start++
  while (end > start && isBlank(line, end - 1)) end--
  return line.slice(start, end)
}

function isBlank(line: string, at: number): boolean {
  const char = line.charCodeAt(at)
  return char === 0x20 || char === 0x09
}

function readStatus(value: string, isUpgrade: boolean): { statusCode: number; statusMessage: string } {
  const parts = STATUS.exec(value)
  const statusCode = Number(parts?.[1] ?? 0)
  if (parts === null || statusCode < 100) throw bad(`its Status is no HTTP status: ${show(value)}`)
  // An informational response is no answer, and CGI has no place for a second one.
  if (statusCode < 200 && !(isUpgrade && statusCode === SWITCHING_PROTOCOLS)) throw bad(`its Status is ${statusCode}; an informational status cannot cross CGI`)
  return { statusCode, statusMessage: parts[2] ?? '' }
}

function show(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}

function bad(what: string): FastCGIError {
  return new FastCGIError('FCGI_ERR_BAD_RESPONSE', `the application's answer is not a CGI response: ${what}`)
}
