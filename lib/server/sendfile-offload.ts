// Hands files that an application streams to its client over to the web server, which sends them without node. Knows which responses
// are the same either way; whatever is not, the application sends as if this were not there.

import { fstatSync, open, read, ReadStream, type Stats } from 'node:fs'
import type { IncomingMessage, OutgoingHttpHeader, ServerResponse } from 'node:http'
import { type WebServer, webServerOf } from '../cgi/server-software'
import { OptionError } from '../errors'
import { loadedApplication } from './on-demand'
import type { SendfileHeader, SendfileMiddleware, SendfileOptions } from './sendfile'
import { type File, openable, Roots } from './sendfile-roots'

/** A file that node reads in one piece. */
const DEFAULT_MIN_SIZE = 65_536

const UNDERSTOOD_BY: Readonly<Record<SendfileHeader, readonly WebServer[]>> = {
  'X-Accel-Redirect': ['nginx'],
  'X-Sendfile': ['lighttpd', 'apache'],
  'X-LIGHTTPD-send-file': ['lighttpd'],
}

/** What nginx 1.22 takes over from a response with X-Accel-Redirect, or obeys itself. */
const KEPT_BY_NGINX = [
  'content-type', 'content-disposition', 'cache-control', 'expires', 'set-cookie',
  'x-accel-buffering', 'x-accel-charset', 'x-accel-expires', 'x-accel-limit-rate',
]
/** The web server says these itself, or nobody misses them. */
const OF_NO_MATTER = ['accept-ranges', 'connection', 'content-length', 'content-range', 'date', 'etag', 'keep-alive', 'x-powered-by']

/** @throws {OptionError} FCGI_ERR_OPTION */
export function middleware(options: SendfileOptions): SendfileMiddleware {
  const offload = new Offload(options)
  return (req, res, next) => {
    if (req.method === 'GET') res.on('pipe', (source: unknown) => offload.piped(req, res, source))
    next()
  }
}

/** The part of a file that a response consists of. */
interface Extent {
  readonly start: number
  /** The last byte. */
  readonly end: number
}

class Offload {
  private readonly header: SendfileHeader
  private readonly roots: Roots
  private readonly minSize: number
  /** Names in lower case of all that arrives when nginx sends the file. */
  private readonly kept: ReadonlySet<string>
  private readonly configured: ReadonlySet<string>
  private readonly warned = new Set<string>()

  constructor(options: SendfileOptions) {
    checkOptions(options)
    const configured = (options.headers ?? []).map((name) => name.toLowerCase())
    this.header = options.header
    this.minSize = options.minSize ?? DEFAULT_MIN_SIZE
    this.configured = new Set(configured)
    this.kept = new Set([...KEPT_BY_NGINX, ...OF_NO_MATTER, ...configured])
    this.roots = new Roots(options.roots, this.isOfNginx)
  }

  private get isOfNginx(): boolean {
    return this.header === 'X-Accel-Redirect'
  }

  /** Somebody pipes something to a response. */
  piped(req: IncomingMessage, res: ServerResponse, source: unknown): void {
    if (!(source instanceof ReadStream) || !isUntouched(source) || res.headersSent || res.hasHeader(this.header)) return
    const software = softwareOf(req)
    if (software === undefined || !isPlain(req, res)) return
    const file = openable(source.path as string)
    if (file === undefined || file.stat.size < this.minSize || !isSameFile(source, file.stat) || !isAllOf(req, res, source, file.stat.size)) return
    const target = this.roots.target(file.path, webServerOf(software) === 'apache')
    if (target === undefined || !this.isUnderstood(software) || !this.keepsHeaders(res, file, software)) return
    this.handOver(res, source, target)
  }

  private handOver(res: ServerResponse, source: ReadStream, target: string): void {
    res.removeHeader('Content-Length')
    // nginx says it besides, unless it answers 206.
    if (this.isOfNginx && res.statusCode === 200) res.removeHeader('Accept-Ranges')
    // The range is the web server's to cut out: of the file, not of a part that it is given.
    res.removeHeader('Content-Range')
    res.statusCode = 200
    res.setHeader(this.header, target)
    if (this.isOfNginx) res.once('finish', () => this.warnOfLost(res))
    // It still opens the file, which may be gone by then, and nobody listens to the errors of a stream that has ended.
    source.on('error', () => undefined)
    // Nothing is read, and whoever waits for the end of the file sees it: send, and the callback of res.sendFile(), among others.
    source.push(null)
  }

  private isUnderstood(software: string): boolean {
    const server = webServerOf(software)
    if (server !== undefined && UNDERSTOOD_BY[this.header].includes(server)) return true
    const who = software === '' ? 'no SERVER_SOFTWARE' : `SERVER_SOFTWARE ${software}`
    this.warn('', `${who}: sendfile() does not know it to understand ${this.header}, so the application sends its files itself`)
    return false
  }

  private keepsHeaders(res: ServerResponse, { stat }: File, software: string): boolean {
    // Without one the web server would guess by the name of the file.
    if (!res.hasHeader('Content-Type')) return false
    if (webServerOf(software) === 'apache') return !res.hasHeader('Content-Encoding')
    if (!this.isOfNginx) return true
    const lost = res.getHeaderNames().find((name) => !this.keeps(name, res, stat))
    if (lost === undefined) return true
    this.warn(lost, `nginx would drop the header ${lost}, so the application sends the file itself. ${advice(lost)}`)
    return false
  }

  private keeps(name: string, res: ServerResponse, stat?: Stats): boolean {
    const value = res.getHeader(name)
    // A variable of nginx has the first of several.
    if (this.configured.has(name)) return !Array.isArray(value) || value.length < 2
    if (this.kept.has(name)) return true
    if (name === 'last-modified') return stat === undefined || value === stat.mtime.toUTCString()
    return name === 'vary' && isOfEncoding(value) && !res.hasHeader('Content-Encoding')
  }

  /** Some headers are set when the head is printed, by session middleware for example: too late to be looked at before. */
  private warnOfLost(res: ServerResponse): void {
    const lost = res.getHeaderNames().find((name) => name !== this.header.toLowerCase() && !this.keeps(name, res))
    if (lost !== undefined) this.warn(lost, `nginx dropped the header ${lost}, which was set after the file was handed over. ${advice(lost)}`)
  }

  private warn(about: string, message: string): void {
    if (this.warned.has(about)) return
    this.warned.add(about)
    process.emitWarning(message, { type: 'FastCGIWarning', code: 'FCGI_WARN_SENDFILE' })
  }
}

function advice(name: string): string {
  const variable = `$upstream_http_${name.replaceAll('-', '_')}`
  return `Put "add_header ${name} ${variable};" into the internal location, and '${name}' into the option headers of sendfile()`
}

/** By which web server a request came; undefined when it came by plain HTTP. */
function softwareOf(req: IncomingMessage): string | undefined {
  return loadedApplication()?.RequestSocket.hostOf(req.socket)?.serverSoftware
}

/** What pipe() will read is the file, all that was asked for of it, and nobody else reads. */
function isUntouched(source: ReadStream): boolean {
  return (
    typeof source.path === 'string' &&
    source._read === ReadStream.prototype._read &&
    source.push === ReadStream.prototype.push &&
    isOfDisk(source) &&
    source.readableEncoding === null &&
    source.bytesRead === 0 &&
    source.readableLength === 0 &&
    !source.readableDidRead &&
    !source.destroyed &&
    source.listenerCount('data') === 1 &&
    source.listenerCount('readable') === 0
  )
}

/** Not of another `fs` that createReadStream() was given: what that has under a path is not what is there. Node keeps it under a symbol. */
function isOfDisk(source: ReadStream): boolean {
  const symbol = Object.getOwnPropertySymbols(source).find(({ description }) => description === 'kFs')
  const fs = symbol && (source as unknown as Record<symbol, { open?: unknown; read?: unknown } | undefined>)[symbol]
  return fs?.open === open && fs.read === read
}

/** A stream can be made of a file that is open already, and then its path says nothing. */
function isSameFile(source: ReadStream, stat: Stats): boolean {
  if (source.pending) return true
  const { fd } = source as { fd?: unknown }
  if (typeof fd !== 'number') return false
  try {
    const { dev, ino } = fstatSync(fd)
    return dev === stat.dev && ino === stat.ino
  } catch {
    return false
  }
}

/** The web server would answer this request as the application does: it makes no difference which of them looks at its conditions. */
function isPlain({ headers }: IncomingMessage, res: ServerResponse): boolean {
  if (headers['if-match'] !== undefined || headers['if-unmodified-since'] !== undefined) return false
  const isConditional = headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined
  // The application answered in full because of it; no web server does.
  if (isConditional && /\bno-cache\b/i.test(headers['cache-control'] ?? '')) return false
  // An entity tag may be the application's or the web server's, and they differ on weak ones.
  if (headers['if-range']?.includes('"') === true) return false
  // Several ranges, or one that the application did not take.
  return res.statusCode === 206 || (res.statusCode === 200 && headers.range === undefined)
}

/** The response is the whole file, or the one range of it that its head says. */
function isAllOf({ headers }: IncomingMessage, res: ServerResponse, source: ReadStream, size: number): boolean {
  const extent = extentOf(source, size)
  if (extent === undefined) return false
  const { start, end } = extent
  const length = res.getHeader('Content-Length')
  if (length === undefined ? !endsWith(source) : Number(length) !== end - start + 1) return false
  const range = res.getHeader('Content-Range')
  if (res.statusCode === 206) return range === `bytes ${start}-${end}/${size}` && isAskedFor(extent, headers.range, size)
  return range === undefined && start === 0 && end === size - 1
}

/** An application may answer with less than was asked for, or with a part of its own choice: the web server would send more. */
function isAskedFor({ start, end }: Extent, range: string | undefined, size: number): boolean {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? []
  if (first === '') return last !== '' && start === size - Number(last) && end === size - 1
  return start === Number(first) && end === (last === '' ? size - 1 : Math.min(Number(last), size - 1))
}

/** These properties are no part of node's documentation; without them nothing is handed over. */
function extentOf(source: ReadStream, size: number): Extent | undefined {
  const { start = 0, end } = source as { start?: unknown; end?: unknown }
  if (typeof start !== 'number' || typeof end !== 'number') return undefined
  return { start, end: Math.min(end, size - 1) }
}

/** Whether the end of the file ends the response: with `{ end: false }` more may follow. pipe() has just added its listener. */
function endsWith(source: ReadStream): boolean {
  return source.listeners('end').at(-1)?.name === 'onend'
}

function isOfEncoding(vary: OutgoingHttpHeader | undefined): boolean {
  return typeof vary === 'string' && vary.trim().toLowerCase() === 'accept-encoding'
}

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

function checkOptions(options: SendfileOptions): void {
  const { header, roots, minSize = 0, headers = [], ...others } = (options as SendfileOptions | undefined) ?? ({} as SendfileOptions)
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new OptionError(`unknown option ${unknown} of sendfile(); known are header, roots, minSize, headers`)
  if (!Object.hasOwn(UNDERSTOOD_BY, header)) {
    throw new OptionError(`option header of sendfile() must be ${Object.keys(UNDERSTOOD_BY).map((name) => `'${name}'`).join(' or ')}, not ${JSON.stringify(header)}`)
  }
  if (typeof (roots as unknown) !== 'object' || (roots as unknown) === null) throw new OptionError('option roots of sendfile() must be an object or a list of folders')
  if (!Number.isSafeInteger(minSize) || minSize < 0) throw new OptionError(`option minSize of sendfile() must be a whole number of bytes, not ${String(minSize)}`)
  const isList = Array.isArray(headers) && headers.every((name) => typeof name === 'string' && NAME.test(name))
  if (!isList) throw new OptionError('option headers of sendfile() must be a list of header names')
}
