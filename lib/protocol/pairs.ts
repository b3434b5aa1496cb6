// Name-value pairs as bytes. Knows lengths and order; not what any name means.

import { ProtocolError } from '../errors'

/** Lengths below this take one byte; others take four with the top bit set. FCGI 3.4 */
const ONE_BYTE_LIMIT = 0x80
const MAX_LENGTH = 0x7fff_ffff

/** Names and values alternating (name, value, name, value, ...), as in node's `rawHeaders`; each character is one byte (latin1). */
export type NameValueList = string[]

/** Names are the web server's and its clients'; those of a site are some dozens, so the memory for them is bounded. */
const MAX_INTERNED = 2_000
/** A longer name is nobody's usual one; it may be 100 kB of a hostile client. */
const MAX_INTERNED_LENGTH = 64
const MAX_POSITIONS = 256
const interned = new Map<string, string>()
/** The name seen last at each place of a list. A web server sends its variables in one order, so it is nearly always the next one too. */
const byPosition: string[] = []

/**
 * Goes through name-value pairs without making anything that is not asked for: names are the same string each time they
 * occur, a value is cut out when it is read.
 *
 * ```ts
 * const pairs = new NameValueScanner(content)
 * while (pairs.next()) if (pairs.name === 'REQUEST_METHOD') method = pairs.value
 * ```
 */
export class NameValueScanner {
  /** Name of the current pair. */
  name = ''

  private readonly text: string
  private at = 0
  private position = 0
  private valueStart = 0

  /** @param content whole stream without record headers, as latin1 text (one character per byte); may be empty */
  constructor(content: string) {
    this.text = content
  }

  /** Value of the current pair. */
  get value(): string {
    return this.text.slice(this.valueStart, this.at)
  }

  /**
   * Moves to the next pair.
   *
   * @returns false at the end
   * @throws {ProtocolError} FCGI_ERR_TRUNCATED_PAIR when a length runs past the end
   */
  next(): boolean {
    const { text } = this
    const total = text.length
    let at = this.at
    if (at >= total) return false
    let nameLength = text.charCodeAt(at++)
    if (nameLength >= ONE_BYTE_LIMIT) {
      nameLength = longLength(text, at - 1)
      at += 3
    }
    if (at >= total) throw truncated('value length', 1, 0)
    let valueLength = text.charCodeAt(at++)
    if (valueLength >= ONE_BYTE_LIMIT) {
      valueLength = longLength(text, at - 1)
      at += 3
    }
    const valueStart = at + nameLength
    const valueEnd = valueStart + valueLength
    if (valueEnd > total) throw truncated('pair', nameLength + valueLength, total - at)
    const position = this.position++
    const guess = byPosition[position]
    this.name =
      guess !== undefined && guess.length === nameLength && text.startsWith(guess, at) ? guess : intern(text.slice(at, valueStart), position)
    this.valueStart = valueStart
    this.at = valueEnd
    return true
  }
}

function intern(name: string, position: number): string {
  let known = interned.get(name)
  if (known === undefined) {
    if (name.length > MAX_INTERNED_LENGTH || interned.size >= MAX_INTERNED) return name
    // Copied: a slice would keep the PARAMS content of one request alive.
    known = Buffer.from(name, 'latin1').toString('latin1')
    interned.set(known, known)
  }
  if (position < MAX_POSITIONS) byPosition[position] = known
  return known
}

/**
 * Decodes the concatenated content of a closed PARAMS stream, or the content of a GET_VALUES record.
 *
 * @param content whole stream without record headers, as bytes or as latin1 text (one character per byte); may be empty
 * @returns names and values alternating in wire order; a repeated name appears twice
 * @throws {ProtocolError} FCGI_ERR_TRUNCATED_PAIR when a length runs past the end
 * @see FCGI 3.4
 */
export function decodeNameValuePairs(content: Buffer | string): NameValueList {
  const scanner = new NameValueScanner(typeof content === 'string' ? content : content.toString('latin1'))
  const pairs: NameValueList = []
  while (scanner.next()) pairs.push(scanner.name, scanner.value)
  return pairs
}

function longLength(text: string, at: number): number {
  if (at + 4 > text.length) throw truncated('length', 4, text.length - at)
  return (
    ((text.charCodeAt(at) & 0x7f) << 24) |
    (text.charCodeAt(at + 1) << 16) |
    (text.charCodeAt(at + 2) << 8) |
    text.charCodeAt(at + 3)
  )
}

function truncated(what: string, announced: number, left: number): ProtocolError {
  return new ProtocolError('FCGI_ERR_TRUNCATED_PAIR', `${what} of ${announced} bytes in a name-value pair, ${left} left`, {
    section: '3.4',
  })
}

/**
 * Encodes names and values, in order, as the content of a PARAMS stream or a GET_VALUES record.
 *
 * @param pairs names and values alternating; strings are written as latin1, so each character must be below U+0100
 * @returns the content, without record headers; empty for no pairs
 * @throws {ProtocolError} FCGI_ERR_PAIR_TOO_LONG above 2^31 - 1 bytes
 * @throws {RangeError} for a name without a value
 * @see FCGI 3.4
 */
export function encodeNameValuePairs(pairs: readonly string[]): Buffer {
  if (pairs.length % 2 !== 0) throw new RangeError('names and values must alternate: the last name has no value')
  let size = 0
  for (const text of pairs) size += lengthSize(text.length) + text.length
  const content = Buffer.allocUnsafe(size)
  let at = 0
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] ?? ''
    const value = pairs[i + 1] ?? ''
    at = writeLength(content, name.length, at)
    at = writeLength(content, value.length, at)
    at += content.write(name, at, 'latin1')
    at += content.write(value, at, 'latin1')
  }
  return content
}

function lengthSize(length: number): number {
  if (length > MAX_LENGTH) {
    throw new ProtocolError('FCGI_ERR_PAIR_TOO_LONG', `name or value of ${length} bytes`, { section: '3.4' })
  }
  return length < ONE_BYTE_LIMIT ? 1 : 4
}

function writeLength(target: Buffer, length: number, at: number): number {
  if (length < ONE_BYTE_LIMIT) {
    target[at] = length
    return at + 1
  }
  return target.writeUInt32BE((length | 0x8000_0000) >>> 0, at)
}
