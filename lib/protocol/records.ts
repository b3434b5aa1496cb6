// Single records as bytes, for tools, tests and everything off the hot path. The hot path is writer.ts.

import { HEADER_LENGTH, KEEP_CONN, MAX_CONTENT_LENGTH, NULL_REQUEST_ID, type ProtocolStatus, RecordType, type Role, VERSION } from './constants'
import { encodeNameValuePairs } from './pairs'

/**
 * Writes a record header.
 *
 * @param target at least 8 bytes from `at`
 * @param contentLength 0 to 65535
 * @param paddingLength 0 to 255
 * @returns the offset behind the header
 * @see FCGI 3.3
 */
export function writeRecordHeader(
  target: Buffer,
  at: number,
  type: number,
  requestId: number,
  contentLength: number,
  paddingLength = 0,
): number {
  target[at] = VERSION
  target[at + 1] = type
  target[at + 2] = requestId >>> 8
  target[at + 3] = requestId & 0xff
  target[at + 4] = contentLength >>> 8
  target[at + 5] = contentLength & 0xff
  target[at + 6] = paddingLength
  target[at + 7] = 0
  return at + HEADER_LENGTH
}

/**
 * One record with its header and padding, as one buffer.
 *
 * @param content at most 65535 bytes
 * @param paddingLength zero bytes appended, 0 to 255
 * @throws {RangeError} when the content does not fit in one record
 * @see FCGI 3.3
 */
export function encodeRecord(type: number, requestId: number, content: Uint8Array = Buffer.alloc(0), paddingLength = 0): Buffer {
  if (content.length > MAX_CONTENT_LENGTH) {
    throw new RangeError(`record content of ${content.length} bytes, the largest is ${MAX_CONTENT_LENGTH}`)
  }
  const record = Buffer.alloc(HEADER_LENGTH + content.length + paddingLength)
  writeRecordHeader(record, 0, type, requestId, content.length, paddingLength)
  record.set(content, HEADER_LENGTH)
  return record
}

/**
 * A stream's content as records of at most 65535 bytes each, without the empty record that ends it.
 *
 * @returns no bytes for no content
 * @see FCGI 3.3
 */
export function encodeStream(type: number, requestId: number, content: Uint8Array): Buffer {
  const records: Buffer[] = []
  for (let at = 0; at < content.length; at += MAX_CONTENT_LENGTH) {
    records.push(encodeRecord(type, requestId, content.subarray(at, at + MAX_CONTENT_LENGTH)))
  }
  return Buffer.concat(records)
}

/** What BEGIN_REQUEST says. FCGI 5.1 */
export interface BeginRequest {
  /** A {@link Role}, or whatever number the peer sent. */
  readonly role: number
  /** The application leaves the connection open after answering. */
  readonly keepConnection: boolean
}

/** @see FCGI 5.1 */
export function encodeBeginRequest(requestId: number, role: Role, keepConnection: boolean): Buffer {
  return encodeRecord(RecordType.BEGIN_REQUEST, requestId, Buffer.from([role >>> 8, role & 0xff, keepConnection ? KEEP_CONN : 0, 0, 0, 0, 0, 0]))
}

/** @param content the 8 bytes of a BEGIN_REQUEST record; unknown flag bits are ignored. FCGI 5.1 */
export function decodeBeginRequest(content: Buffer): BeginRequest {
  return { role: content.readUInt16BE(0), keepConnection: ((content[2] ?? 0) & KEEP_CONN) !== 0 }
}

/** How a request ended. FCGI 5.5 */
export interface EndRequest {
  /** The application's exit status, as a CGI program's; 0 to 2^32 - 1. */
  readonly appStatus: number
  /** A {@link ProtocolStatus}, or whatever number the peer sent. */
  readonly protocolStatus: number
}

/** @see FCGI 5.5 */
export function encodeEndRequest(requestId: number, appStatus: number, protocolStatus: ProtocolStatus): Buffer {
  const content = Buffer.alloc(8)
  content.writeUInt32BE(appStatus >>> 0, 0)
  content[4] = protocolStatus
  return encodeRecord(RecordType.END_REQUEST, requestId, content)
}

/** @param content the 8 bytes of an END_REQUEST record. FCGI 5.5 */
export function decodeEndRequest(content: Buffer): EndRequest {
  return { appStatus: content.readUInt32BE(0), protocolStatus: content[4] ?? 0 }
}

/** The answer to a management record of a type this end does not know. FCGI 4.2 */
export function encodeUnknownType(type: number): Buffer {
  return encodeRecord(RecordType.UNKNOWN_TYPE, NULL_REQUEST_ID, Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]))
}

/** Asks for management variables by name. FCGI 4.1 */
export function encodeGetValues(names: readonly string[]): Buffer {
  return encodeRecord(RecordType.GET_VALUES, NULL_REQUEST_ID, encodeNameValuePairs(names.flatMap((name) => [name, ''])))
}

/** @param values names and values alternating. FCGI 4.1 */
export function encodeGetValuesResult(values: readonly string[]): Buffer {
  return encodeRecord(RecordType.GET_VALUES_RESULT, NULL_REQUEST_ID, encodeNameValuePairs(values))
}
