// An HTTP request head as CGI/1.1 meta-variables, as a web server makes them. Knows RFC 3875; nothing of sockets.

/** What is to be known of an HTTP request; node's IncomingMessage and its socket hold all of it. Text is latin1, as in node. */
export interface HttpRequestHead {
  readonly method: string
  /** The request target, byte for byte. */
  readonly url: string
  /** `'1.1'` */
  readonly httpVersion: string
  /** Names and values alternating; preferred to `headers`, because it keeps what was repeated. */
  readonly rawHeaders?: readonly string[] | undefined
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  /** The request came over TLS. */
  readonly encrypted?: boolean | undefined
}

/** What the configuration of a web server would add. */
export interface RequestParamsOptions {
  /** Path the application is mounted at, without a final slash; default `''`, then PATH_INFO is the whole path. CGI 4.1.13 */
  readonly scriptName?: string | undefined
  /** Adds DOCUMENT_ROOT, SCRIPT_FILENAME and PATH_TRANSLATED below this folder; default: none of them is sent. */
  readonly documentRoot?: string | undefined
  /** An HTTP upgrade that is handed on: its Upgrade and Connection stay. Default false. */
  readonly upgrade?: boolean | undefined
  /** Replace or join the others; a value of `undefined` takes one away. */
  readonly params?: Readonly<Record<string, string | undefined>> | undefined
}

/** About one connection only, so never handed on. RFC 9110 7.6.1; `proxy` is no such field but httpoxy, CVE-2016-5385. */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Fields of which the first counts when a client repeats them: two of them joined would be a third value nobody sent. */
const FIRST_WINS = new Set(['authorization', 'content-length', 'content-type', 'host'])

/** After CGI `-` is `_`, so `X_A` and `X-A` would be one. Others are dropped as nginx does by default. */
const DISTINCT_NAME = /^[A-Za-z0-9-]+$/

/** ASCII only: toUpperCase of latin1 text would leave latin1. */
const ABSOLUTE_FORM = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?]*/

/**
 * Makes the meta-variables of one request.
 *
 * CONTENT_LENGTH is absent for a chunked body (its length is not known yet); HTTP_TRANSFER_ENCODING=chunked says so then.
 *
 * @returns names and values alternating, each character one byte (latin1)
 * @see CGI 4.1
 */
export function requestParams(request: HttpRequestHead, options: RequestParamsOptions = {}): string[] {
  const fields = joinFields(request)
  const scriptName = latin1(options.scriptName ?? '')
  const { path, query } = splitTarget(request.url)
  const pathInfo = decodePercent(behindScript(path, scriptName))
  const encrypted = request.encrypted === true
  const host = splitHost(fields.get('host') ?? '')

  const params: string[] = [
    'GATEWAY_INTERFACE', 'CGI/1.1',
    'SERVER_SOFTWARE', 'express-fastcgi gateway',
    'SERVER_PROTOCOL', `HTTP/${request.httpVersion}`,
    'REQUEST_METHOD', request.method,
    'REQUEST_URI', request.url,
    'REQUEST_SCHEME', encrypted ? 'https' : 'http',
    'SCRIPT_NAME', scriptName,
    'PATH_INFO', pathInfo,
    'QUERY_STRING', query,
    'SERVER_NAME', host.name !== '' ? host.name : request.localAddress ?? 'localhost',
    'SERVER_PORT', String(request.localPort ?? host.port ?? (encrypted ? 443 : 80)),
  ]
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) params.push(name, String(value))
  }
  add('SERVER_ADDR', request.localAddress)
  add('REMOTE_ADDR', request.remoteAddress)
  add('REMOTE_PORT', request.remotePort)
  if (encrypted) add('HTTPS', 'on')
  if (options.documentRoot !== undefined) {
    const root = latin1(options.documentRoot)
    add('DOCUMENT_ROOT', root)
    add('SCRIPT_FILENAME', root + scriptName)
    if (pathInfo !== '') add('PATH_TRANSLATED', root + pathInfo)
  }
  addFields(add, fields)
  if (options.upgrade === true) {
    add('HTTP_UPGRADE', fields.get('upgrade'))
    add('HTTP_CONNECTION', 'Upgrade')
    // As lighttpd says it: STDIN stays open, and is no body.
    if (!fields.has('content-length')) add('CONTENT_LENGTH', 0)
  }
  return options.params === undefined ? params : override(params, options.params)
}

function addFields(add: (name: string, value: string | undefined) => void, fields: ReadonlyMap<string, string>): void {
  const chunked = fields.has('transfer-encoding')
  add('CONTENT_TYPE', fields.get('content-type'))
  // A length beside chunked framing is a lie about one of the two; the framing is what was read. RFC 9112 6.3
  if (!chunked) add('CONTENT_LENGTH', fields.get('content-length'))
  const named = new Set((fields.get('connection') ?? '').split(',').map((name) => name.trim().toLowerCase()))
  for (const [name, value] of fields) {
    if (name === 'content-type' || name === 'content-length') continue
    if (DROPPED.has(name) || named.has(name)) continue
    add(`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value)
  }
  if (chunked) add('HTTP_TRANSFER_ENCODING', 'chunked')
}

/** Lower-case names to values; what was repeated is joined. RFC 9110 5.3, RFC 6265 5.4 for `cookie` */
function joinFields(request: HttpRequestHead): Map<string, string> {
  const fields = new Map<string, string>()
  const join = (name: string, value: string): void => {
    if (!DISTINCT_NAME.test(name)) return
    const key = name.toLowerCase()
    const before = fields.get(key)
    if (before === undefined) fields.set(key, latin1(value))
    else if (!FIRST_WINS.has(key)) fields.set(key, `${before}${key === 'cookie' ? '; ' : ', '}${latin1(value)}`)
  }
  if (request.rawHeaders !== undefined) {
    for (let i = 0; i < request.rawHeaders.length; i += 2) join(request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '')
    return fields
  }
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (typeof value === 'string') join(name, value)
    else for (const one of value ?? []) join(name, one)
  }
  return fields
}

function splitTarget(target: string): { path: string; query: string } {
  // The asterisk form of OPTIONS names the server, not a path. RFC 9112 3.2.4
  if (target === '*') return { path: '', query: '' }
  const authority = ABSOLUTE_FORM.exec(target)?.[0] ?? ''
  const mark = target.indexOf('?', authority.length)
  const path = target.slice(authority.length, mark < 0 ? undefined : mark)
  return { path: path === '' ? '/' : path, query: mark < 0 ? '' : target.slice(mark + 1) }
}

/** The part of the path behind the mount; the whole path for a front controller, whose name the client never sent. */
function behindScript(path: string, scriptName: string): string {
  if (scriptName === '' || !path.startsWith(scriptName)) return path
  const rest = path.slice(scriptName.length)
  return rest === '' || rest.startsWith('/') ? rest : path
}

function decodePercent(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** `name:port`, `[::1]:port` or one of them without a port. CGI 4.1.14 wants the brackets kept. */
function splitHost(host: string): { name: string; port?: string | undefined } {
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(host)
  return parts === null ? { name: '' } : { name: parts[1] ?? '', port: parts[2] }
}

function override(params: readonly string[], extra: Readonly<Record<string, string | undefined>>): string[] {
  const result: string[] = []
  for (let i = 0; i < params.length; i += 2) {
    const name = params[i] ?? ''
    if (!Object.hasOwn(extra, name)) result.push(name, params[i + 1] ?? '')
  }
  for (const [name, value] of Object.entries(extra)) if (value !== undefined) result.push(latin1(name), latin1(value))
  return result
}

/** Text that is not latin1 (a folder name, an option) becomes its UTF-8 bytes; cutting characters to 8 bits would forge line breaks. */
function latin1(text: string): string {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\xff]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}
