// Recorded bytes: what real web servers sent (fixtures/wire) and the conversations of FCGI Appendix B. Knows files, not lib.

import fs from 'node:fs'
import path from 'node:path'

const WIRE = path.join(__dirname, '..', 'fixtures', 'wire')
const APPENDIX_B = path.join(__dirname, '..', 'fixtures', 'appendix-b')

/** Type, request id, content length, padding length, and how often in a row when more than once. */
export type RecordedRecord = readonly [type: string, id: number, contentLength: number, paddingLength: number, times?: number]

/** One connection a web server opened for one HTTP request. */
export interface RecordedConnection {
  readonly role?: 'RESPONDER' | 'AUTHORIZER' | 'FILTER'
  readonly keepConnection?: boolean
  readonly records: readonly RecordedRecord[]
  /** The recording left out some of the records. */
  readonly records_elided?: true
  /** In wire order, repeated names kept, latin1; absent when the request was given up before PARAMS. */
  readonly params?: readonly (readonly [string, string])[]
  readonly stdin_total: number
  /** The application saw the empty STDIN record; false also where it answered before that came (authorizers): see `records`. */
  readonly stdin_terminated: boolean
  /** The body, when short. */
  readonly stdin?: string
  /** Name of the file with the bytes, see {@link binPath}; not every connection has one. */
  readonly bin?: string
}

export interface RecordedRequest {
  readonly name: string
  /** Start of the HTTP request as the web server got it; absent for cgi-fcgi, which has none. */
  readonly http?: string
  /** Empty when the web server answered by itself; two or more with authorizers. */
  readonly app: readonly RecordedConnection[]
}

export interface Variant {
  readonly variant: string
  /** Name and version of the web server. */
  readonly server: string
  readonly requests: readonly RecordedRequest[]
}

/** The recorded server configurations, such as `nginx-default`. */
export function variants(): string[] {
  return fs
    .readdirSync(WIRE)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort()
}

export function loadVariant(name: string): Variant {
  return JSON.parse(fs.readFileSync(path.join(WIRE, `${name}.json`), 'latin1'), (_key, value: unknown) =>
    typeof value === 'string' ? unelide(value) : value,
  ) as Variant
}

/** Long values are recorded by their first 24 characters and their length; all of them go on with the last character shown. */
function unelide(value: string): string {
  const [, start, length] = /^(.{24})\.\.\.\((\d+) bytes, see the \.bin\)$/s.exec(value) ?? []
  return start === undefined ? value : start.padEnd(Number(length), start.slice(-1))
}

export function binPath(variant: string, bin: string): string {
  return path.join(WIRE, variant, bin)
}

/** The bytes of one connection, web server to application, cut at a record boundary. */
export function readBin(variant: string, bin: string): Buffer {
  return fs.readFileSync(binPath(variant, bin))
}

/** Every connection whose bytes are here, over all variants. */
export function recordedConnections(): { variant: string; request: string; bin: string; connection: RecordedConnection }[] {
  return variants().flatMap((variant) =>
    loadVariant(variant).requests.flatMap((request) =>
      request.app.flatMap((connection) =>
        connection.bin === undefined ? [] : [{ variant, request: request.name, bin: connection.bin, connection }],
      ),
    ),
  )
}

/** One connection HAProxy multiplexed several requests on: `post-3x18k` or `values-yes`. */
export function loadInterleaved(name: string): { bytes: Buffer; records: readonly (readonly [type: string, id: number, contentLength: number])[] } {
  const file = path.join(WIRE, 'haproxy-interleaved', `${name}.conn1`)
  return {
    bytes: fs.readFileSync(`${file}.bin`),
    records: JSON.parse(fs.readFileSync(`${file}.json`, 'latin1')) as [string, number, number][],
  }
}

/** A record of an Appendix B conversation: its bytes on the wire, and what they say. */
export interface AppendixBRecord {
  /** Header and content, hex. */
  readonly bytes: string
  readonly type: string
  readonly typeNumber: number
  readonly requestId: number
  /** Hex. */
  readonly content: string
}

export interface AppendixB {
  readonly title: string
  /** Where the specification leaves something out (`...`) and what stands here instead. */
  readonly note: string
  /** Web server to application. */
  readonly sent: readonly AppendixBRecord[]
  /** What the records sent mean, by request. */
  readonly requests: readonly {
    readonly requestId: number
    readonly role: number
    readonly keepConnection: boolean
    readonly params: readonly (readonly [string, string])[]
    readonly stdin: string
  }[]
  /** Application to web server, as the specification shows it: one way to answer, not the only one. */
  readonly received: readonly AppendixBRecord[]
  /** What the answer means, in order of END_REQUEST; any cut into records is as good. */
  readonly answers: readonly {
    readonly requestId: number
    readonly stdout: string
    readonly stderr: string
    readonly appStatus: number
    readonly protocolStatus: number
  }[]
}

/** The four conversations of FCGI Appendix B, in its order. */
export function appendixB(): AppendixB[] {
  return fs
    .readdirSync(APPENDIX_B)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(fs.readFileSync(path.join(APPENDIX_B, name), 'utf8')) as AppendixB)
}
