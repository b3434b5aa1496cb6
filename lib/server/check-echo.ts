// Answers `express-fastcgi check --via` in the application's place: what of a request arrived. Only where a token was set, and
// only for requests that bring it.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { cgiParams } from './cgi-params'
import { loadCrypto } from './on-demand'

/** Header that carries the token, and behind a blank what is asked for. */
export const CHECK_HEADER = 'x-fastcgi-check'
/** Asked for: an answer in {@link STREAM_PIECES} pieces, with time between them. */
export const STREAM = 'stream'
export const STREAM_PIECES = 4
export const STREAM_INTERVAL_MS = 250

/** What the application would have seen of a request. */
export interface CheckEcho {
  readonly method: string
  /** `req.url`, without the prefix that is taken off. */
  readonly url: string
  /** Prefix that is taken off, as Express's `req.baseUrl`; `''` for none. */
  readonly baseUrl: string
  readonly httpVersion: string
  /** `req.headers`, without the token. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly remoteAddress: string | undefined
  readonly encrypted: boolean
  /** The variables that RFC 3875 and web servers define; others may hold secrets of the web server's configuration. */
  readonly params: Readonly<Record<string, string>>
  /** Names of all other variables but those of headers. */
  readonly otherParams: readonly string[]
  readonly body: { readonly bytes: number; readonly sha256: string }
}

const KNOWN_PARAMS = new Set([
  'AUTH_TYPE', 'CONTENT_LENGTH', 'CONTENT_TYPE', 'DOCUMENT_ROOT', 'DOCUMENT_URI', 'GATEWAY_INTERFACE', 'HTTPS', 'LOCAL_ADDR', 'PATH_INFO',
  'PATH_TRANSLATED', 'QUERY_STRING', 'REDIRECT_STATUS', 'REDIRECT_URL', 'REMOTE_ADDR', 'REMOTE_PORT', 'REQUEST_METHOD', 'REQUEST_SCHEME',
  'REQUEST_URI', 'SCRIPT_FILENAME', 'SCRIPT_NAME', 'SERVER_ADDR', 'SERVER_NAME', 'SERVER_PORT', 'SERVER_PROTOCOL', 'SERVER_SOFTWARE', 'UNENCODED_URL',
])

export class CheckEchoes {
  private readonly digest: Buffer

  constructor(token: string) {
    this.digest = digestOf(token)
  }

  /** Whether a request asks for an echo and may have it. One with a wrong token is the application's. */
  concerns(req: IncomingMessage): boolean {
    const given = req.headers[CHECK_HEADER]
    if (typeof given !== 'string') return false
    const [token = ''] = given.split(' ', 1)
    return loadCrypto().timingSafeEqual(digestOf(token), this.digest)
  }

  answer(req: IncomingMessage, res: ServerResponse): void {
    // A client that leaves meanwhile is nobody's error.
    req.on('error', () => undefined)
    res.setHeader('Cache-Control', 'no-store')
    if (String(req.headers[CHECK_HEADER]).endsWith(` ${STREAM}`)) answerInPieces(req, res)
    else answerWhenComplete(req, res)
  }
}

// Digests have one length, which timingSafeEqual wants, and tell nothing about that of the token.
function digestOf(token: string): Buffer {
  return loadCrypto().createHash('sha256').update(token).digest()
}

function answerInPieces(req: IncomingMessage, res: ServerResponse): void {
  req.resume()
  res.writeHead(200, { 'Content-Type': 'text/plain' })
  let piece = 0
  const write = (): void => {
    res.write(`piece ${++piece}\n`)
    if (piece < STREAM_PIECES) return
    clearInterval(timer)
    res.end()
  }
  const timer = setInterval(write, STREAM_INTERVAL_MS)
  res.on('close', () => clearInterval(timer))
  write()
}

function answerWhenComplete(req: IncomingMessage, res: ServerResponse): void {
  const hash = loadCrypto().createHash('sha256')
  let bytes = 0
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    hash.update(chunk)
  })
  req.on('end', () => {
    const text = JSON.stringify(echo(req, { bytes, sha256: hash.digest('hex') }))
    res.writeHead(200, { 'Content-Type': 'application/json' }).end(text)
  })
}

function echo(req: IncomingMessage, body: CheckEcho['body']): CheckEcho {
  const params = Object.entries(cgiParams(req))
  return {
    method: req.method ?? '',
    url: req.url ?? '',
    baseUrl: (req as { baseUrl?: string }).baseUrl ?? '',
    httpVersion: req.httpVersion,
    headers: { ...req.headers, [CHECK_HEADER]: undefined },
    remoteAddress: req.socket.remoteAddress,
    encrypted: (req.socket as { encrypted?: boolean }).encrypted === true,
    params: Object.fromEntries(params.filter(([name]) => KNOWN_PARAMS.has(name))),
    otherParams: params.map(([name]) => name).filter((name) => !KNOWN_PARAMS.has(name) && !name.startsWith('HTTP_')),
    body,
  }
}
