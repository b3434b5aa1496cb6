// The request target of a CGI request: what node calls `req.url`. Text only.

/** The meta-variables a target can be read from; `undefined` when the web server did not send them. */
export interface TargetVariables {
  readonly requestUri: string | undefined
  /** REQUEST_URI was percent-decoded: IIS does that. */
  readonly isDecoded: boolean
  readonly unencodedUrl: string | undefined
  /** X-Original-URL, only when URL Rewrite's own mark says that it comes from IIS and not from a client. */
  readonly originalUrl: string | undefined
  readonly scriptName: string | undefined
  readonly pathInfo: string | undefined
  readonly queryString: string | undefined
}

/** What may stand in a path as it is: `pchar` and `/`. RFC 3986 3.3 */
// eslint-disable-next-line no-control-regex -- the set is "every other byte"
const MUST_BE_ENCODED = /[^\x21\x24\x26-\x3b\x3d\x40-\x5a\x5f\x61-\x7a\x7e]/g

/** Scheme and authority of a target in absolute form. RFC 9112 3.2.2 */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(?=\/)/i
/** The same as MUST_BE_ENCODED, but an escape stays what it is. */
// eslint-disable-next-line no-control-regex -- as above
const MUST_BE_ENCODED_UNLESS_ESCAPE = /%(?![0-9A-Fa-f]{2})|[^\x21\x24-\x3b\x3d\x40-\x5a\x5f\x61-\x7a\x7e]/g
// eslint-disable-next-line no-control-regex -- as above
const NOT_VISIBLE = /[^\x21-\x7e]/g

/**
 * The target the client asked for: IIS's UNENCODED_URL, else REQUEST_URI, byte for byte where the web server sends it so;
 * else put together from the decoded variables of CGI, which lose the difference between `/` and `%2F`.
 *
 * @returns never empty
 * @see CGI 3.3, 4.1.5
 */
export function requestTarget(variables: TargetVariables): string {
  // `||`, not `??`: an empty REQUEST_URI is as good as none.
  if (variables.unencodedUrl) return variables.unencodedUrl
  const sent = variables.originalUrl || variables.requestUri
  if (sent) return variables.isDecoded ? encodeDecoded(sent, variables.queryString ?? '') : sent
  const path = encodePath((variables.scriptName ?? '') + (variables.pathInfo ?? ''))
  const query = variables.queryString ? `?${variables.queryString}` : ''
  return (path.startsWith('/') ? path : `/${path}`) + query
}

/**
 * IIS decodes the path and leaves the query alone. An escape that is still there was one before: unless
 * `allowDoubleEscaping` is set, IIS refuses what would decode to one.
 */
function encodeDecoded(target: string, query: string): string {
  // A question mark of the path is decoded as well, so the query is found from its end.
  const isAtEnd = query !== '' && target.endsWith(`?${query}`)
  const mark = isAtEnd ? target.length - query.length - 1 : target.indexOf('?')
  if (mark < 0) return target.replace(MUST_BE_ENCODED_UNLESS_ESCAPE, escape)
  return target.slice(0, mark).replace(MUST_BE_ENCODED_UNLESS_ESCAPE, escape) + target.slice(mark).replace(NOT_VISIBLE, escape)
}

/** Percent-encodes what cannot stand in a path; each character is one byte (latin1). */
export function encodePath(path: string): string {
  return path.replace(MUST_BE_ENCODED, escape)
}

function escape(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

/** Where an application is mounted: `prefix` is taken off the front of the target. */
export interface MountedTarget {
  /** What the application sees as `req.url`; begins with `/`, or with the origin of an absolute form. */
  readonly url: string
  /** `''` or a path without a slash at its end, as Express's `req.baseUrl`. */
  readonly prefix: string
}

/**
 * Takes a mount prefix off a target.
 *
 * @param prefix a path such as `/app`; a slash at its end is ignored
 * @returns the target unchanged, with an empty prefix, when it does not lie below the prefix
 */
export function stripPrefix(target: string, prefix: string): MountedTarget {
  const base = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
  if (base === '') return { url: target, prefix: '' }
  // The absolute form, which Apache, HAProxy and h2o hand on: Express takes the prefix off its path.
  const origin = target.startsWith('/') ? '' : (ORIGIN.exec(target)?.[0] ?? '')
  if (origin !== '') {
    const stripped = stripPrefix(target.slice(origin.length), prefix)
    return { ...stripped, url: origin + stripped.url }
  }
  if (!target.startsWith(base)) return { url: target, prefix: '' }
  const next = target.charAt(base.length)
  if (next === '') return { url: '/', prefix: base }
  if (next === '/') return { url: target.slice(base.length), prefix: base }
  if (next === '?') return { url: `/${target.slice(base.length)}`, prefix: base }
  return { url: target, prefix: '' }
}

/**
 * The prefix under which a spawned script is reached (shared hosting): its own URL when that stands in the target
 * (`/dispatch.fcgi/a`), else its folder, when a rewrite hides the script (`/~user/app/a` for `/~user/app/dispatch.fcgi`).
 */
export function scriptPrefix(target: string, scriptName: string): string {
  const script = encodePath(scriptName)
  if (stripPrefix(target, script).prefix !== '') return script
  return script.slice(0, script.lastIndexOf('/') + 1)
}
