// Name-value pairs as bytes. Knows lengths and order; not what any name means.

import { ProtocolError } from '../errors'

/** Lengths below this take one byte; others take four with the top bit set. FCGI 3.4 */
const ONE_BYTE_LIMIT = 0x80
const MAX_LENGTH = 0x7fff_ffff

/** Names and values alternating (name, value, name, value, ...), as in node's `rawHeaders`; each character is one byte (latin1). */
export type NameValueList = string[]

/** Names are the web server's and its clients'; those of a site are some dozens, so the memory for them is bounded. */
const MAX_REMEMBERED = 2_000
/** A longer name is nobody's usual one; it may be 100 kB of a hostile client. */
const MAX_REMEMBERED_LENGTH = 64

/** A name that was met before. A web server sends its variables in one order, so the one behind it is nearly always the same again. */
class RememberedName {
  next: RememberedName | undefined = undefined

  constructor(
    readonly text: string,
    readonly bytes: Uint8Array,
    readonly id: number,
  ) {}
}

const remembered = new Map<string, RememberedName>()
/** Stands before the first pair of every list. */
const FIRST = new RememberedName('', new Uint8Array(0), -1)

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
  /** The content, one character per byte (latin1). */
  readonly text: string
  /** Where the content is: byte `base + i` is character `i` of {@link text}. */
  readonly bytes: Uint8Array
  readonly base: number
  /** Name of the current pair. */
  name = ''
  /** A small number, the same each time this name occurs in any list; -1 for a name that is not remembered. */
  nameId = -1
  /** The value of the current pair are the characters of {@link text} from here to {@link valueEnd}. */
  valueStart = 0
  valueEnd = 0

  private before: RememberedName = FIRST

  /**
   * @param content whole stream without record headers; may be empty. It must not change until the last call of {@link next}
   * @param start where the stream begins in `content`
   * @param end where it ends
   */
  constructor(content: Buffer, start = 0, end = content.length) {
    this.bytes = content
    this.base = start
    this.text = content.toString('latin1', start, end)
  }

  /** Value of the current pair. */
  get value(): string {
    return this.text.slice(this.valueStart, this.valueEnd)
  }

  /**
   * Moves to the next pair.
   *
   * @returns false at the end
   * @throws {ProtocolError} FCGI_ERR_TRUNCATED_PAIR when a length runs past the end
   */
  next(): boolean {
    const { bytes, base } = this
    const end = base + this.text.length
    let at = base + this.valueEnd
    if (at >= end) return false
    let nameLength = bytes[at++] ?? 0
    if (nameLength >= ONE_BYTE_LIMIT) {
      nameLength = longLength(bytes, at - 1, end)
      at += 3
    }
    if (at >= end) throw truncated('value length', 1, 0)
    let valueLength = bytes[at++] ?? 0
    if (valueLength >= ONE_BYTE_LIMIT) {
      valueLength = longLength(bytes, at - 1, end)
      at += 3
    }
    if (at + nameLength + valueLength > end) throw truncated('pair', nameLength + valueLength, end - at)
    const guess = this.before.next
    if (guess !== undefined && isAt(bytes, at, guess.bytes, nameLength)) {
      this.before = guess
      this.name = guess.text
      this.nameId = guess.id
    } else {
      this.lookUp(at - base, nameLength)
    }
    this.valueStart = at + nameLength - base
    this.valueEnd = this.valueStart + valueLength
    return true
  }

  private lookUp(start: number, length: number): void {
    const name = this.text.slice(start, start + length)
    const found = remembered.get(name) ?? remember(name)
    this.name = found === undefined ? name : found.text
    this.nameId = found === undefined ? -1 : found.id
    if (found === undefined) return
    this.before.next = found
    this.before = found
  }
}

function isAt(bytes: Uint8Array, at: number, name: Uint8Array, length: number): boolean {
  if (name.length !== length) return false
  for (let i = 0; i < length; i++) if (bytes[at + i] !== name[i]) return false
  return true
}

function remember(name: string): RememberedName | undefined {
  if (name.length > MAX_REMEMBERED_LENGTH || remembered.size >= MAX_REMEMBERED) return undefined
  const bytes = Buffer.from(name, 'latin1')
  // Copied: a slice would keep the PARAMS content of one request alive.
  const made = new RememberedName(bytes.toString('latin1'), new Uint8Array(bytes), remembered.size)
  remembered.set(made.text, made)
  return made
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
  const scanner = new NameValueScanner(typeof content === 'string' ? Buffer.from(content, 'latin1') : content)
  const pairs: NameValueList = []
  while (scanner.next()) pairs.push(scanner.name, scanner.value)
  return pairs
}

function longLength(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) throw truncated('length', 4, end - at)
  return (((bytes[at] ?? 0) & 0x7f) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
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
