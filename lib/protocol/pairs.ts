// Name-value pairs as bytes. Knows lengths and order; not what any name means.

import { ProtocolError } from '../errors'
import { BEGINNING, isNameAt, knownName, nameBehind, numberOf } from './known-names'
import { areVisible, holdsControls, wordsOf } from './words'

/** Lengths below this take one byte; others take four with the top bit set. FCGI 3.4 */
const ONE_BYTE_LIMIT = 0x80
/** Two lengths side by side, one of them at least of four bytes. */
const LONG_LENGTHS = 0x8080
const MAX_LENGTH = 0x7fff_ffff

/** Names and values alternating (name, value, name, value, ...), as in node's `rawHeaders`; each character is one byte (latin1). */
export type NameValueList = string[]

const NO_WORDS = new DataView(new ArrayBuffer(0))
/** Room for the pairs of any usual request. */
const USUAL_PAIRS = 128

/**
 * Where the pairs of one list stand in their text. Nothing is cut out that is not asked for: what a request costs depends on
 * what is read of it. One table serves many lists, one after the other.
 */
export class PairTable {
  /** The content, one character per byte (latin1). */
  text = ''
  /** Number of pairs. */
  length = 0
  /** The value of pair `i` is the text from `valueStarts[i]` to `valueEnds[i]`. */
  valueStarts: Int32Array = new Int32Array(USUAL_PAIRS)
  valueEnds: Int32Array = new Int32Array(USUAL_PAIRS)
  /** A small number for each name, the same each time it occurs in any list; -1 for a name that is not remembered. */
  nameIds: Int32Array = new Int32Array(USUAL_PAIRS)
  /** Of names without a number only. */
  private nameStarts: Int32Array = new Int32Array(USUAL_PAIRS)
  private words: DataView = NO_WORDS
  private wordsBase = 0
  /** Pairs read so far, and the last of their names that has a number. */
  private count = 0
  private before = BEGINNING

  /**
   * Reads a list into the table, in place of the one that was there.
   *
   * @param content whole stream without record headers; may be empty
   * @param start where the stream begins in `content`
   * @param end where it ends
   * @throws {ProtocolError} FCGI_ERR_TRUNCATED_PAIR when a length runs past the end
   */
  read(content: Buffer, start = 0, end = content.length): void {
    const { words, base } = wordsOf(content, start)
    this.words = words
    this.wordsBase = base
    this.text = content.toString('latin1', start, end)
    this.length = 0
    this.count = 0
    this.before = BEGINNING
    const size = end - start
    for (let at = 0; at < size; ) {
      at = this.readUsual(at, size)
      if (at < size) at = this.readAny(content, start, at, size)
    }
    this.length = this.count
  }

  /** Pairs with short lengths, and names where they were the last time, as nearly all are; returns where the first other one begins. */
  private readUsual(from: number, size: number): number {
    const { words, wordsBase: base, nameIds, valueStarts, valueEnds } = this
    const room = nameIds.length
    let { count, before } = this
    let at = from
    while (count < room && at + 2 <= size) {
      // Both at once, each of one byte.
      const lengths = words.getUint16(base + at)
      const valueStart = at + 2 + (lengths >> 8)
      const valueEnd = valueStart + (lengths & 0xff)
      const name = nameBehind(before)
      if ((lengths & LONG_LENGTHS) !== 0 || valueEnd > size || !isNameAt(words, base + at + 2, name, lengths >> 8)) break
      nameIds[count] = name
      valueStarts[count] = valueStart
      valueEnds[count] = valueEnd
      before = name
      at = valueEnd
      count++
    }
    this.count = count
    this.before = before
    return at
  }

  /** One pair, whatever it is. */
  private readAny(content: Buffer, start: number, from: number, size: number): number {
    let at = from
    let nameLength = content[start + at++] ?? 0
    if (nameLength >= ONE_BYTE_LIMIT) {
      nameLength = longLength(content, start + at - 1, start + size)
      at += 3
    }
    if (at >= size) throw truncated('value length', 1, 0)
    let valueLength = content[start + at++] ?? 0
    if (valueLength >= ONE_BYTE_LIMIT) {
      valueLength = longLength(content, start + at - 1, start + size)
      at += 3
    }
    const valueStart = at + nameLength
    const valueEnd = valueStart + valueLength
    if (valueEnd > size) throw truncated('pair', nameLength + valueLength, size - at)
    if (this.count === this.nameIds.length) this.grow()
    const { count } = this
    const name = numberOf(this.text.slice(at, valueStart), this.before)
    this.nameIds[count] = name
    this.nameStarts[count] = at
    this.valueStarts[count] = valueStart
    this.valueEnds[count] = valueEnd
    if (name >= 0) this.before = name
    this.count++
    return valueEnd
  }

  name(index: number): string {
    return knownName(this.nameIds[index] ?? -1) ?? this.text.slice(this.nameStarts[index], this.valueStarts[index])
  }

  value(index: number): string {
    return this.text.slice(this.valueStarts[index], this.valueEnds[index])
  }

  /** Whether a value holds a control character, a tab among them. To be asked before the bytes that were read from change. */
  holdsControls(index: number): boolean {
    return holdsControls(this.words, this.wordsBase + (this.valueStarts[index] ?? 0), this.wordsBase + (this.valueEnds[index] ?? 0))
  }

  /** Whether all characters of the text from `start` to `end` are visible ones of ASCII. The same holds. */
  areVisible(start: number, end: number): boolean {
    return areVisible(this.words, this.wordsBase + start, this.wordsBase + end)
  }

  private grow(): void {
    this.nameStarts = twice(this.nameStarts)
    this.nameIds = twice(this.nameIds)
    this.valueStarts = twice(this.valueStarts)
    this.valueEnds = twice(this.valueEnds)
  }
}

function twice(numbers: Int32Array): Int32Array {
  const larger = new Int32Array(2 * numbers.length)
  larger.set(numbers)
  return larger
}

const decoding = new PairTable()

/**
 * Decodes the concatenated content of a closed PARAMS stream, or the content of a GET_VALUES record.
 *
 * @param content whole stream without record headers, as bytes or as latin1 text (one character per byte); may be empty
 * @returns names and values alternating in wire order; a repeated name appears twice
 * @throws {ProtocolError} FCGI_ERR_TRUNCATED_PAIR when a length runs past the end
 * @see FCGI 3.4
 */
export function decodeNameValuePairs(content: Buffer | string): NameValueList {
  decoding.read(typeof content === 'string' ? Buffer.from(content, 'latin1') : content)
  const pairs: NameValueList = []
  for (let i = 0; i < decoding.length; i++) pairs.push(decoding.name(i), decoding.value(i))
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
