// FastCGI bytes for tests: its own constants, its own encoder, its own parser. Imports nothing of lib, so that a wrong
// number there cannot agree with itself. Small enough to be checked by eye against FCGI 3.3, 3.4 and 8.

export const BEGIN_REQUEST = 1
export const ABORT_REQUEST = 2
export const END_REQUEST = 3
export const PARAMS = 4
export const STDIN = 5
export const STDOUT = 6
export const STDERR = 7
export const DATA = 8
export const GET_VALUES = 9
export const GET_VALUES_RESULT = 10
export const UNKNOWN_TYPE = 11

export const RESPONDER = 1
export const AUTHORIZER = 2
export const FILTER = 3

export interface RawRecord {
  readonly type: number
  readonly id: number
  readonly content: Buffer
}

/** An object for the usual case; a list where order, repeated names or `__proto__` matter. Text is latin1. */
export type Pairs = Readonly<Record<string, string>> | readonly (readonly [string, string])[]

const bytes = (data: Uint8Array | string): Buffer => (typeof data === 'string' ? Buffer.from(data, 'latin1') : Buffer.from(data))

/** One record of at most 65535 content bytes; the padding is of 0xff bytes, so that nobody takes it for content unseen. FCGI 3.3 */
export function record(type: number, id: number, content: Uint8Array | string = '', padding = 0): Buffer {
  const data = bytes(content)
  if (data.length > 65535) throw new RangeError(`${data.length} bytes do not fit in one record`)
  const header = [1, type, id >> 8, id & 255, data.length >> 8, data.length & 255, padding, 0]
  return Buffer.concat([Buffer.from(header), data, Buffer.alloc(padding, 0xff)])
}

/** A stream's content in as many records as it needs, without the empty one that ends it. */
export function stream(type: number, id: number, content: Uint8Array | string): Buffer {
  const data = bytes(content)
  const records: Buffer[] = []
  for (let at = 0; at < data.length; at += 65535) records.push(record(type, id, data.subarray(at, at + 65535)))
  return Buffer.concat(records)
}

/** FCGI 5.1. A Responder whose connection is closed after it, unless told otherwise. */
export function begin(id: number, { role = RESPONDER, keep = false }: { role?: number; keep?: boolean } = {}): Buffer {
  return record(BEGIN_REQUEST, id, Buffer.from([role >> 8, role & 255, keep ? 1 : 0, 0, 0, 0, 0, 0]))
}

/** The pairs as PARAMS records, followed by the empty one that ends the stream unless `end` is false. FCGI 5.2 */
export function params(id: number, pairs: Pairs, { end = true }: { end?: boolean } = {}): Buffer {
  return Buffer.concat([stream(PARAMS, id, nameValuePairs(pairs)), end ? record(PARAMS, id) : Buffer.alloc(0)])
}

/** STDIN records for the data; for none, the empty record that ends the stream. FCGI 5.3 */
export function stdin(id: number, data: Uint8Array | string = ''): Buffer {
  return data.length === 0 ? record(STDIN, id) : stream(STDIN, id, data)
}

/** DATA records for a file; for none, the empty record that ends the stream. FCGI 6.4 */
export function data(id: number, content: Uint8Array | string = ''): Buffer {
  return content.length === 0 ? record(DATA, id) : stream(DATA, id, content)
}

/** FCGI 5.4 */
export function abort(id: number): Buffer {
  return record(ABORT_REQUEST, id)
}

/** FCGI 4.1 */
export function getValues(names: readonly string[]): Buffer {
  return record(GET_VALUES, 0, nameValuePairs(names.map((name) => [name, ''] as const)))
}

/** FCGI 3.4 */
export function nameValuePairs(pairs: Pairs): Buffer {
  const list = Array.isArray(pairs) ? (pairs as readonly (readonly [string, string])[]) : Object.entries(pairs as Record<string, string>)
  return Buffer.concat(list.flatMap(([name, value]) => [pairLength(name.length), pairLength(value.length), bytes(name), bytes(value)]))
}

/** One byte below 128, else four with the top bit set. */
export function pairLength(length: number): Buffer {
  if (length < 128) return Buffer.from([length])
  return Buffer.from([128 + Math.floor(length / 2 ** 24), (length >> 16) & 255, (length >> 8) & 255, length & 255])
}

/** Pairs of one byte string, in order. */
export function parsePairs(content: Buffer): [string, string][] {
  const pairs: [string, string][] = []
  let at = 0
  const length = (): number => {
    const first = content.readUInt8(at)
    at += first < 128 ? 1 : 4
    return first < 128 ? first : content.readUInt32BE(at - 4) - 2 ** 31
  }
  const text = (size: number): string => {
    if (at + size > content.length) throw new Error('truncated pair')
    at += size
    return content.toString('latin1', at - size, at)
  }
  while (at < content.length) {
    const nameLength = length()
    const valueLength = length()
    pairs.push([text(nameLength), text(valueLength)])
  }
  return pairs
}

/** All records of a byte string that holds whole records and nothing else; anything else throws. */
export function parseRecords(buffer: Buffer): RawRecord[] {
  const { records, rest } = parseWholeRecords(buffer)
  if (rest.length > 0) throw new Error(`${rest.length} bytes of an unfinished record: ${rest.toString('hex', 0, 16)}`)
  return records
}

/** The whole records at the start of a byte string, and what is left. */
export function parseWholeRecords(buffer: Buffer): { records: RawRecord[]; rest: Buffer } {
  const records: RawRecord[] = []
  let at = 0
  while (at + 8 <= buffer.length) {
    if (buffer[at] !== 1) throw new Error(`version ${buffer[at]} at byte ${at}`)
    const end = at + 8 + buffer.readUInt16BE(at + 4)
    const next = end + buffer.readUInt8(at + 6)
    if (next > buffer.length) break
    records.push({ type: buffer.readUInt8(at + 1), id: buffer.readUInt16BE(at + 2), content: buffer.subarray(at + 8, end) })
    at = next
  }
  return { records, rest: buffer.subarray(at) }
}
