// How a meta-variable's name becomes a header's: HTTP_USER_AGENT is User-Agent. Knows spellings, not values.

/** Usual spellings that capitalising each word would miss. */
const SPELLINGS: Readonly<Record<string, string>> = {
  DNT: 'DNT',
  ETAG: 'ETag',
  TE: 'TE',
  'CONTENT-MD5': 'Content-MD5',
  'SEC-CH-UA': 'Sec-CH-UA',
  'SEC-CH-UA-MOBILE': 'Sec-CH-UA-Mobile',
  'SEC-CH-UA-PLATFORM': 'Sec-CH-UA-Platform',
  'SEC-GPC': 'Sec-GPC',
  'SEC-WEBSOCKET-KEY': 'Sec-WebSocket-Key',
  'SEC-WEBSOCKET-VERSION': 'Sec-WebSocket-Version',
  'SEC-WEBSOCKET-PROTOCOL': 'Sec-WebSocket-Protocol',
  'SEC-WEBSOCKET-EXTENSIONS': 'Sec-WebSocket-Extensions',
  'WWW-AUTHENTICATE': 'WWW-Authenticate',
  'X-UA-COMPATIBLE': 'X-UA-Compatible',
  'X-XSS-PROTECTION': 'X-XSS-Protection',
}

/** What a field name may consist of. RFC 9110 5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * The header that a meta-variable stands for, in its usual spelling.
 *
 * @param variable name beginning with `HTTP_`
 * @returns `''` when what follows cannot be the name of a header
 * @see CGI 4.1.18
 */
export function headerName(variable: string): string {
  const name = variable.slice(5)
  // Judged first: toUpperCase makes two letters of some that are none here.
  if (!TOKEN.test(name)) return ''
  const dashed = name.replaceAll('_', '-').toUpperCase()
  if (Object.hasOwn(SPELLINGS, dashed)) return SPELLINGS[dashed] ?? dashed
  return dashed.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())
}

/** Whether a text can be a method or the name of a header. RFC 9110 5.6.2 */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}
