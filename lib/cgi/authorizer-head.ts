// The meta-variables of an Authorizer request to the head of a request without a body. Text only.

import { type MetaVariables, valueOf } from './meta-variables'
import { BadRequest, requestHead, type RequestHead } from './request-head'

/**
 * Of the content that access is asked for, not of the answer to that question: the body is not sent, and an application that
 * found a condition to be met would say 304, which denies. RFC 9110 13.2.1
 */
const OF_THE_CONTENT = new Set([
  'content-length',
  'transfer-encoding',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
])

/** Any of these says what is asked for. */
const TARGETS = ['REQUEST_URI', 'UNENCODED_URL', 'SCRIPT_NAME', 'PATH_INFO']

/**
 * Reads the meta-variables of an Authorizer request.
 *
 * mod_authnz_fcgi takes the `Authorization` field away and sends what was in it as REMOTE_USER and REMOTE_PASSWD. It is put
 * together again, so that an application that checks passwords does so here as well.
 *
 * @throws {BadRequest} when no HTTP request can have had these values, or nothing says what is asked for
 * @see FCGI 6.3, docs/roles.md
 */
export function authorizerHead(variables: MetaVariables): RequestHead {
  const head = requestHead(variables)
  // Without them the target would be '/', and a grant for that one for everything.
  if (!TARGETS.some((name) => (valueOf(variables, name) ?? '') !== '')) {
    throw new BadRequest('REQUEST_URI is missing, so that there is no telling what access is asked for')
  }
  const { rawHeaders } = head
  const credentials = isIn(rawHeaders, 'authorization') ? undefined : basicCredentials(variables)
  removeFields(rawHeaders, OF_THE_CONTENT)
  if (credentials !== undefined) rawHeaders.push('Authorization', credentials)
  head.contentLength = 0
  head.bodyUnannounced = false
  return head
}

function basicCredentials(variables: MetaVariables): string | undefined {
  const user = valueOf(variables, 'REMOTE_USER')
  const password = valueOf(variables, 'REMOTE_PASSWD')
  // In a field the first colon ends the name: with one in it, it would be another name. RFC 7617 2
  if (user === undefined || password === undefined || user.includes(':')) return undefined
  return `Basic ${Buffer.from(`${user}:${password}`, 'latin1').toString('base64')}`
}

function isIn(rawHeaders: readonly string[], name: string): boolean {
  return rawHeaders.some((text, index) => index % 2 === 0 && text.toLowerCase() === name)
}

function removeFields(rawHeaders: string[], names: ReadonlySet<string>): void {
  let kept = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]]
    if (names.has(name.toLowerCase())) continue
    rawHeaders[kept++] = name
    rawHeaders[kept++] = value
  }
  rawHeaders.length = kept
}
