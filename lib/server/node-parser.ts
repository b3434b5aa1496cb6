// What node's own HTTP parser refuses and CGI can carry: an application must not meet here what it never meets there.

import { METHODS } from 'node:http'
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
