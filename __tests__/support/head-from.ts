// The head that a list of meta-variables makes, by way of the bytes in which they arrive.

import { requestHead, type RequestHead } from '../../lib/cgi/request-head'
import { encodeNameValuePairs, PairTable } from '../../lib/protocol/pairs'

/** @param pairs names and values alternating, latin1 */
export function headFrom(pairs: readonly string[]): RequestHead {
  const variables = new PairTable()
  variables.read(encodeNameValuePairs(pairs))
  return requestHead(variables)
}
