// A FastCGI application that does exactly what a test tells it, right or wrong. It shares no code and no constants with lib.

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface WireRecord {
  readonly type: number
  readonly id: number
  readonly content: Buffer
}

export interface WireRequest {
  readonly id: number
  readonly role: number
  readonly keepConnection: boolean
  readonly params: Record<string, string>
  readonly stdin: Buffer
}

/** One record, byte by byte as FCGI 3.3 draws it. */
export function record(type: number, id: number, content: string | Buffer = '', paddingLength = 0): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
  const header = [1, type, id >> 8, id & 255, bytes.length >> 8, bytes.length & 255, paddingLength, 0]
  return Buffer.concat([Buffer.from(header), bytes, Buffer.alloc(paddingLength)])
}

export const stdout = (id: number, text: string | Buffer): Buffer => record(6, id, text)
export const stderr = (id: number, text: string): Buffer => record(7, id, text)
export const end = (id: number, appStatus = 0, protocolStatus = 0): Buffer =>
  record(3, id, Buffer.from([0, 0, 0, appStatus, protocolStatus, 0, 0, 0]))
/** STDOUT with this text, its end, and END_REQUEST. */
export const answer = (id: number, text: string): Buffer => Buffer.concat([stdout(id, text), record(6, id), end(id)])

/** The application's end of one connection. */
export class Peer {
  readonly closed: Promise<void>
  private bytes = Buffer.alloc(0)
  private readonly records: WireRecord[] = []
  private wake: () => void = () => undefined
  private isClosed = false

  constructor(readonly socket: Socket) {
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => this.onData(chunk))
    const over = (): void => {
      this.isClosed = true
      this.wake()
    }
    socket.on('end', over).on('close', over)
  }

  write(...records: Buffer[]): void {
    this.socket.write(Buffer.concat(records))
  }

  /** The next record, or undefined when the web server closed the connection. */
  async next(): Promise<WireRecord | undefined> {
    for (;;) {
      const first = this.records.shift()
      if (first !== undefined) return first
      if (this.isClosed) return undefined
      await new Promise<void>((resolve) => { this.wake = resolve })
    }
  }

  /** Reads up to the end of PARAMS of one request; records of other requests must not come between. */
  async head(): Promise<WireRequest | undefined> {
    const begin = await this.next()
    if (begin === undefined) return undefined
    if (begin.type !== 1) throw new Error(`expected BEGIN_REQUEST, got type ${begin.type}`)
    const params: Buffer[] = []
    for (;;) {
      const part = await this.next()
      if (part?.type !== 4 || part.id !== begin.id) throw new Error(`expected PARAMS, got ${JSON.stringify(part)}`)
      if (part.content.length === 0) break
      params.push(part.content)
    }
    const { content, id } = begin
    return { id, role: content.readUInt16BE(0), keepConnection: content[2] === 1, params: pairs(Buffer.concat(params)), stdin: Buffer.alloc(0) }
  }

  /** Reads one whole request. */
  async request(): Promise<WireRequest | undefined> {
    const head = await this.head()
    if (head === undefined) return undefined
    const stdin: Buffer[] = []
    for (;;) {
      const part = await this.next()
      if (part === undefined) return undefined
      if (part.type !== 5 || part.id !== head.id) throw new Error(`expected STDIN, got type ${part.type}`)
      if (part.content.length === 0) return { ...head, stdin: Buffer.concat(stdin) }
      stdin.push(part.content)
    }
  }

  private onData(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk])
    for (;;) {
      if (this.bytes.length < 8) break
      const length = this.bytes.readUInt16BE(4)
      const total = 8 + length + (this.bytes[6] ?? 0)
      if (this.bytes.length < total) break
      this.records.push({ type: this.bytes[1] ?? 0, id: this.bytes.readUInt16BE(2), content: Buffer.from(this.bytes.subarray(8, 8 + length)) })
      this.bytes = this.bytes.subarray(total)
    }
    this.wake()
  }
}

function pairs(content: Buffer): Record<string, string> {
  const result: Record<string, string> = {}
  let at = 0
  const length = (): number => {
    const first = content[at] ?? 0
    if (first < 128) return content[at++] ?? 0
    at += 4
    return content.readUInt32BE(at - 4) - 0x80000000
  }
  while (at < content.length) {
    const nameLength = length()
    const valueLength = length()
    result[content.toString('latin1', at, at + nameLength)] = content.toString('latin1', at + nameLength, at + nameLength + valueLength)
    at += nameLength + valueLength
  }
  return result
}

export type Script = (peer: Peer, connection: number) => void | Promise<void>

export class ScriptedApplication {
  /** Every connection so far, in order. */
  readonly peers: Peer[] = []
  /** What scripts threw; a test that ends well has none. */
  readonly failures: unknown[] = []
  private arrived: () => void = () => undefined

  private constructor(private readonly server: Server, readonly target: { path: string } | { host: string; port: number }, private readonly folder: string) {}

  /** Listens on a unix socket (or on 127.0.0.1 with `tcp`) and runs the script once for each connection, numbered from 1. */
  static async start(script: Script, { tcp = false, pauseOnConnect = false } = {}): Promise<ScriptedApplication> {
    const folder = await mkdtemp(join(tmpdir(), 'scripted-application-'))
    const server = createServer({ pauseOnConnect })
    if (tcp) server.listen(0, '127.0.0.1')
    else server.listen(join(folder, 's'))
    await once(server, 'listening')
    const address = server.address()
    const target = typeof address === 'string' ? { path: address } : { host: '127.0.0.1', port: (address as AddressInfo).port }
    const application = new ScriptedApplication(server, target, folder)
    server.on('connection', (socket) => {
      const peer = new Peer(socket)
      application.peers.push(peer)
      application.arrived()
      Promise.resolve(script(peer, application.peers.length)).catch((error: unknown) => {
        application.failures.push(error)
        socket.destroy()
      })
    })
    return application
  }

  /** The nth connection, when it is there; counted from 1. */
  async connection(n: number): Promise<Peer> {
    for (;;) {
      const peer = this.peers[n - 1]
      if (peer !== undefined) return peer
      await new Promise<void>((resolve) => { this.arrived = resolve })
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve))
    for (const peer of this.peers) peer.socket.destroy()
    await closed
    await rm(this.folder, { recursive: true, force: true })
  }
}
