// What of the head of an authorizer's 200 is for the web server and the client, and what is about a body that is not sent. Text only.

import type { CgiResponseHead } from './response-head'

/**
 * About the body of the authorizer's own answer, and put there by node and Express. Apache gives the fields of a grant to the client
 * with the content, to which these do not belong.
 */
const OF_THE_BODY = new Set([
  'accept-ranges',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'etag',
  'last-modified',
])

/** The head of a grant, for a response without a body. FCGI 6.3 */
export function grantHead(head: CgiResponseHead): CgiResponseHead {
  const fields = head.fields
    .split('\r\n')
    .filter((line) => !OF_THE_BODY.has(line.slice(0, line.indexOf(':')).toLowerCase()))
    .join('\r\n')
  return { fields, status: head.status, chunked: false, isAscii: head.isAscii }
}
