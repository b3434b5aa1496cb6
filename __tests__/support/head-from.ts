// The head that a list of meta-variables makes, by way of the bytes in which they arrive.

import { requestHead, type RequestHead } from '../../lib/cgi/request-head'
import { encodeNameValuePairs, NameValueScanner } from '../../lib/protocol/pairs'

/** @param pairs names and values alternating, latin1 */
export function headFrom(pairs: readonly string[]): RequestHead {
  return requestHead(new NameValueScanner(encodeNameValuePairs(pairs)))
}
