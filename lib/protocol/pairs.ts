// Name-value pairs as bytes. Knows lengths and order; not what any name means.

import { ProtocolError } from '../errors'
import { areVisible, holdsControls, isAt, nameWords, wordsOf } from './words'

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
    readonly words: Int32Array,
    readonly id: number,
  ) {}
}

const remembered = new Map<string, RememberedName>()
const rememberedById: RememberedName[] = []
/** Stands before the first pair of every list. */
const FIRST = new RememberedName('', new Int32Array(0), -1)

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
  private nameStarts: Int32Array = new Int32Array(USUAL_PAIRS)
  private words: Int32Array = FIRST.words
  private wordsBase = 0

  /**
   * Reads a list into the table, in place of the one that was there.
   *
   * @param content whole stream without record headers; may be empty
   * @param start where the stream begins in `content`
   * @param end where it ends
   * @throws {ProtocolError} FCGI_ERR_TRUNCATED_PAIR when a length runs past the end
   */
  read(content: Buffer, start = 0, end = content.length): void {
    const { words, base } = wordsOf(content, start, end)
    this.words = words
    this.wordsBase = base
    this.text = content.toString('latin1', start, end)
    this.length = 0
    let { nameStarts, nameIds, valueStarts, valueEnds } = this
    let count = 0
    let before = FIRST
    for (let at = start; at < end; count++) {
      let nameLength = content[at++] ?? 0
      if (nameLength >= ONE_BYTE_LIMIT) {
        nameLength = longLength(content, at - 1, end)
        at += 3
      }
      if (at >= end) throw truncated('value length', 1, 0)
      let valueLength = content[at++] ?? 0
      if (valueLength >= ONE_BYTE_LIMIT) {
        valueLength = longLength(content, at - 1, end)
        at += 3
      }
      const valueStart = at + nameLength
      const valueEnd = valueStart + valueLength
      if (valueEnd > end) throw truncated('pair', nameLength + valueLength, end - at)
      if (count === nameIds.length) {
        this.grow()
        ;({ nameStarts, nameIds, valueStarts, valueEnds } = this)
      }
      let name = before.next
      if (name === undefined || name.text.length !== nameLength || !isAt(words, base + at - start, name.words, nameLength)) {
        name = findName(this.text.slice(at - start, valueStart - start))
        if (name !== undefined) before.next = name
      }
      if (name !== undefined) before = name
      nameIds[count] = name === undefined ? -1 : name.id
      nameStarts[count] = at - start
      valueStarts[count] = valueStart - start
      valueEnds[count] = valueEnd - start
      at = valueEnd
    }
    this.length = count
  }

  name(index: number): string {
    return rememberedById[this.nameIds[index] ?? -1]?.text ?? this.text.slice(this.nameStarts[index], this.valueStarts[index])
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

function findName(name: string): RememberedName | undefined {
  const found = remembered.get(name)
  if (found !== undefined || name.length > MAX_REMEMBERED_LENGTH || remembered.size >= MAX_REMEMBERED) return found
  const bytes = Buffer.from(name, 'latin1')
  // Copied: a slice would keep the PARAMS content of one request alive.
  const made = new RememberedName(bytes.toString('latin1'), nameWords(bytes), remembered.size)
  remembered.set(made.text, made)
  rememberedById.push(made)
  return made
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
