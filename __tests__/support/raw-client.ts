// A web server reduced to a socket: sends the bytes a test gives it and sorts the answer by request. Imports nothing of lib.
// Every wait is on the socket's events; a wait that can no longer succeed rejects instead of hanging.

import net from 'node:net'
import { END_REQUEST, parseWholeRecords, type RawRecord, STDERR, STDOUT } from './fcgi-bytes'

export interface RawHead {
  /** From the Status field; 200 without one (CGI 6.3.3), 0 when there is no head at all. */
  readonly status: number
  /** The Status field behind its number. */
  readonly reason: string
  /** By lower-case name; the values of a repeated field joined with `, `. */
  readonly headers: ReadonlyMap<string, string>
  /** As sent: names in their spelling, order and repetitions kept, Status included. */
  readonly fields: readonly (readonly [string, string])[]
}

export interface RawResponse {
  readonly stdout: Buffer
  readonly stderr: Buffer
  /** The empty record came before END_REQUEST. */
  readonly stdoutEnded: boolean
  readonly stderrEnded: boolean
  readonly head: RawHead
  readonly body: Buffer
  readonly end: { readonly appStatus: number; readonly protocolStatus: number }
  /** All records of this request, in order. */
  readonly records: readonly RawRecord[]
}

/** A unix socket path, a port on 127.0.0.1, or what `server.address()` returned. */
export type RawAddress = string | number | net.AddressInfo | null

export interface RawOptions {
  /** Keep our sending side open after the peer ended its own; a web server does not. Default false. */
  readonly allowHalfOpen?: boolean
  /** Count records and bytes but keep neither, for streams larger than memory; `response` is then empty but for `end`. Default true. */
  readonly keep?: boolean
}

/** Resolves when connected. */
export function connect(address: RawAddress, { allowHalfOpen = false, keep = true }: RawOptions = {}): Promise<RawClient> {
  if (address === null) throw new TypeError('the server is not listening')
  const target =
    typeof address === 'string' ? { path: address } : { host: '127.0.0.1', port: typeof address === 'number' ? address : address.port }
  return new Promise((resolve, reject) => {
    const socket = new net.Socket({ allowHalfOpen })
    socket.once('error', reject)
    socket.connect(target, () => {
      socket.off('error', reject)
      resolve(new RawClient(socket, keep))
    })
  })
}

interface Waiter {
  readonly condition: () => boolean
  readonly resolve: () => void
  readonly reject: (reason: Error) => void
}

export class RawClient {
  bytesReceived = 0
  recordsReceived = 0
  /** How it ended; undefined while the peer's side is open. */
  closedHow: 'end' | 'error' | 'destroyed' | undefined
  /** The socket's error, or what was wrong with the bytes received. */
  error: Error | undefined
  /** `end`: the peer finished properly. `error`: reset, or bytes that are not FastCGI. `destroyed`: by {@link destroy}. Never rejects. */
  readonly closed: Promise<'end' | 'error' | 'destroyed'>

  private readonly all: RawRecord[] = []
  private nextAt = 0
  private chunks: Buffer[] = []
  private buffered = 0
  private needed = 8
  private readonly open = new Map<number, RawRecord[]>()
  private readonly finished = new Map<number, RawResponse[]>()
  private waiters: Waiter[] = []
  private resolveClosed: (how: 'end' | 'error' | 'destroyed') => void = () => undefined

  constructor(
    readonly socket: net.Socket,
    private readonly keep: boolean,
  ) {
    this.closed = new Promise((resolve) => (this.resolveClosed = resolve))
    socket.on('data', (chunk) => this.received(chunk))
    socket.on('end', () => this.over('end'))
    socket.on('error', (error) => this.failed(error))
    socket.on('close', () => this.over('destroyed'))
  }

  /** @returns false when the kernel's buffer is full; wait with {@link flushed} before sending much more */
  send(...buffers: readonly Uint8Array[]): boolean {
    return this.socket.write(Buffer.concat(buffers))
  }

  /** Resolves when everything sent so far was taken by the kernel, rejects when the connection closes before. */
  async flushed(): Promise<void> {
    let isWritten = false
    this.socket.write('', () => {
      isWritten = true
      this.check()
    })
    await this.until(() => isWritten)
  }

  /** Everything received so far. */
  records(): readonly RawRecord[] {
    return this.all
  }

  /** The first record after the one `next` returned before that fits; those in between are passed over. */
  async next(predicate: (record: RawRecord) => boolean = () => true): Promise<RawRecord> {
    let found: RawRecord | undefined
    await this.until(() => {
      while (found === undefined && this.nextAt < this.all.length) {
        const candidate = this.all[this.nextAt++]!
        if (predicate(candidate)) found = candidate
      }
      return found !== undefined
    })
    return found!
  }

  /** Resolves when the condition holds; it is looked at after every data and close event. Rejects when the connection closes before. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiters.push({ condition, resolve, reject })
      this.check()
    })
  }

  /** The whole answer to a request; asked again for the same id, the answer after that one. */
  async response(id: number): Promise<RawResponse> {
    let response: RawResponse | undefined
    await this.until(() => {
      response ??= this.finished.get(id)?.shift()
      return response !== undefined
    })
    return response!
  }

  /** Ends our sending side; the peer's stays open. */
  halfClose(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Closes with a reset instead of an orderly end (TCP only). */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Stops reading, so that the peer's writes pile up. */
  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  private received(chunk: Buffer): void {
    this.bytesReceived += chunk.length
    this.chunks.push(chunk)
    this.buffered += chunk.length
    if (this.buffered >= this.needed) {
      try {
        this.parse()
      } catch (error) {
        this.failed(error as Error)
        this.socket.destroy()
      }
    }
    this.check()
  }

  private parse(): void {
    const { records, rest } = parseWholeRecords(Buffer.concat(this.chunks))
    this.chunks = [rest]
    this.buffered = rest.length
    this.needed = rest.length < 8 ? 8 : 8 + rest.readUInt16BE(4) + rest.readUInt8(6)
    for (const record of records) this.sort(record)
  }

  private sort(record: RawRecord): void {
    this.recordsReceived++
    if (this.keep) this.all.push(record)
    if (record.id === 0) return
    const records = this.open.get(record.id) ?? []
    this.open.set(record.id, records)
    if (this.keep || record.type === END_REQUEST) records.push(record)
    if (record.type !== END_REQUEST) return
    this.open.delete(record.id)
    this.finished.set(record.id, [...(this.finished.get(record.id) ?? []), toResponse(records, record)])
  }

  private failed(error: Error): void {
    this.error ??= error
    this.over('error')
  }

  private over(how: 'end' | 'error' | 'destroyed'): void {
    this.closedHow ??= how
    this.resolveClosed(this.closedHow)
    this.check()
  }

  private check(): void {
    const waiting = this.waiters
    this.waiters = []
    for (const waiter of waiting) {
      if (waiter.condition()) waiter.resolve()
      else if (this.closedHow === undefined) this.waiters.push(waiter)
      else waiter.reject(this.gaveUp(this.closedHow))
    }
  }

  private gaveUp(how: string): Error {
    const seen = this.all.slice(-8).map((record) => `${record.type}/${record.id}(${record.content.length})`)
    const left = this.buffered > 0 ? `, ${this.buffered} bytes of an unfinished record` : ''
    return new Error(`connection closed (${how}) while waiting; last records type/id(length): ${seen.join(' ') || 'none'}${left}`, {
      cause: this.error,
    })
  }
}

function toResponse(records: readonly RawRecord[], end: RawRecord): RawResponse {
  const stdout = contentOf(records, STDOUT)
  const stderr = contentOf(records, STDERR)
  const headEnd = stdout.content.indexOf('\r\n\r\n')
  return {
    stdout: stdout.content,
    stderr: stderr.content,
    stdoutEnded: stdout.ended,
    stderrEnded: stderr.ended,
    head: parseHead(headEnd < 0 ? undefined : stdout.content.toString('latin1', 0, headEnd)),
    body: headEnd < 0 ? Buffer.alloc(0) : stdout.content.subarray(headEnd + 4),
    end: { appStatus: end.content.readUInt32BE(0), protocolStatus: end.content.readUInt8(4) },
    records,
  }
}

function contentOf(records: readonly RawRecord[], type: number): { content: Buffer; ended: boolean } {
  const contents = records.filter((record) => record.type === type).map((record) => record.content)
  const emptyAt = contents.findIndex((content) => content.length === 0)
  if (emptyAt >= 0 && emptyAt < contents.length - 1) throw new Error(`records of type ${type} after the empty one (FCGI 3.3)`)
  return { content: Buffer.concat(contents), ended: emptyAt >= 0 }
}

/** CGI 6.3 */
function parseHead(text: string | undefined): RawHead {
  const headers = new Map<string, string>()
  if (text === undefined) return { status: 0, reason: '', headers, fields: [] }
  const fields = text.split('\r\n').map((line): [string, string] => {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined || value === undefined) throw new Error(`not a header field: ${JSON.stringify(line)}`)
    return [name, value]
  })
  for (const [name, value] of fields) {
    const before = headers.get(name.toLowerCase())
    headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`)
  }
  const [, status = '200', reason = ''] = /^(\d{3})(?: (.*))?$/.exec(headers.get('status') ?? '200') ?? []
  return { status: Number(status), reason, headers, fields }
}
