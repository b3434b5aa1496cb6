// What node's own HTTP parser refuses and CGI can carry: an application must not meet here what it never meets there.

import { METHODS, type Server } from 'node:http'
import { BadRequest, type ParserCode, type RequestHead } from '../cgi/request-head'

const methods = new Set(METHODS)
/** Origin form, `*`, or a scheme; RFC 9112 3.2. node takes no byte above 0x7e, CONNECT's authority form is refused with it. */
const TARGET = /^(?:[/*]|[A-Za-z]+:\/\/)[\x21-\x7e]*$/

/**
 * Why node:http would have refused this request, before any application sees it.
 *
 * @returns undefined for a request that it would have handed over
 */
export function refusalByNode({ method, url }: RequestHead): BadRequest | undefined {
  if (!methods.has(method)) return new BadRequest('REQUEST_METHOD is not a method that node knows (http.METHODS)', 'HPE_INVALID_METHOD')
  if (method === 'CONNECT') return new BadRequest('CONNECT asks for a tunnel, which FastCGI cannot carry')
  if (!TARGET.test(url)) return new BadRequest('the request target holds bytes that must be percent-encoded, or is neither a path nor a URL', 'HPE_INVALID_URL')
  return undefined
}

/** In the words of node's parser. */
const REASONS: Readonly<Record<ParserCode, string>> = {
  HPE_INVALID_METHOD: 'Invalid method encountered',
  HPE_INVALID_URL: 'Invalid characters in url',
  HPE_INVALID_HEADER_TOKEN: 'Invalid header value char',
  HPE_INVALID_CONTENT_LENGTH: 'Invalid character in Content-Length',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'Content-Length already present',
  HPE_INVALID_TRANSFER_ENCODING: 'Request has invalid `Transfer-Encoding`',
  HPE_HEADER_OVERFLOW: 'Header overflow',
}

/** The error that node gives to 'clientError'. What its parser had read is not there to be shown. */
export function parserError(code: ParserCode): Error {
  const reason = REASONS[code]
  return Object.assign(new Error(`Parse Error: ${reason}`), { code, reason, bytesParsed: 0, rawPacket: Buffer.alloc(0) })
}

/** Bytes of target, names and values, which node limits by `maxHeaderSize`. */
function headerSize({ url, rawHeaders }: RequestHead): number {
  return rawHeaders.reduce((size, text) => size + text.length, url.length)
}

/** From Node 22 on more fields than `maxHeadersCount` are refused; Node 20 leaves them out of `headers`. */
const isRefusedByCount = Number(process.versions.node.split('.')[0]) >= 22

/** Whether node:http would have answered with 431, by limits that were set on the server. */
export function isTooLarge(head: RequestHead, server: Server & { maxHeaderSize?: number }): boolean {
  const { maxHeadersCount, maxHeaderSize } = server
  if (isRefusedByCount && maxHeadersCount !== null && maxHeadersCount > 0 && head.rawHeaders.length > 2 * maxHeadersCount) return true
  return maxHeaderSize !== undefined && maxHeaderSize > 0 && headerSize(head) > maxHeaderSize
}
