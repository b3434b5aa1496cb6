// What node's own HTTP parser refuses and CGI can carry: an application must not meet here what it never meets there.

import { METHODS, type Server } from 'node:http'
import type { RequestHead } from '../cgi/request-head'

const methods = new Set(METHODS)
/** Origin form, `*`, or a scheme; RFC 9112 3.2. node takes no byte above 0x7e, CONNECT's authority form is refused with it. */
const TARGET = /^(?:[/*]|[A-Za-z]+:\/\/)[\x21-\x7e]*$/

/**
 * Why node:http would have answered this request with 400, before any application sees it.
 *
 * @returns undefined for a request that it would have handed over
 */
export function refusalByNode({ method, url }: RequestHead): string | undefined {
  if (!methods.has(method)) return 'REQUEST_METHOD is not a method that node knows (http.METHODS)'
  if (method === 'CONNECT') return 'CONNECT asks for a tunnel, which FastCGI cannot carry'
  if (!TARGET.test(url)) return 'the request target holds bytes that must be percent-encoded, or is neither a path nor a URL'
  return undefined
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
