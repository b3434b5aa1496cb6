// The client of a scenario: HTTP as it is on the wire, and an answer without what each web server decides for itself.

import { RawHttp, type RawHead } from '../support/http-raw'
import type { Answer, Client, ClientRequest } from './scenario'

/** The same for every route, so that what an application notes of it is the same. */
export const HOST = 'app.test'

export interface ClientOptions {
  /** The web server gives a 304 a Content-Length of 0, which is left out. */
  readonly lengthens304?: boolean
}

/** A client of one port, and a way to leave all its connections. */
export function createClient(port: number, { lengthens304 = false }: ClientOptions = {}): Client & { leave(): void } {
  const connections: RawHttp[] = []
  const open = async (): Promise<RawHttp> => {
    const connection = await RawHttp.connect(port)
    connections.push(connection)
    return connection
  }
  return {
    host: HOST,
    open,
    async request(request = {}) {
      const connection = await open()
      connection.write(requestHead(request))
      if (request.body !== undefined) connection.write(request.body)
      const answer = await readAnswer(connection, request.method)
      return lengthens304 && answer.status === 304 ? withoutZeroLength(answer) : answer
    },
    leave: () => connections.splice(0).forEach((connection) => connection.leave()),
  }
}

function requestHead({ method = 'GET', path = '/', version = '1.1', fields = [], body }: ClientRequest): string {
  const lines = [['Host', HOST] as const, ...fields].map(([name, value]) => `${name}: ${value}`)
  const isFramed = fields.some(([name]) => ['content-length', 'transfer-encoding'].includes(name.toLowerCase()))
  if (body !== undefined && !isFramed) lines.push(`Content-Length: ${Buffer.byteLength(body, 'latin1')}`)
  return [`${method} ${path} HTTP/${version}`, ...lines, '', ''].join('\r\n')
}

/** Reads one answer from a connection, the interim ones before it included; for requests that a scenario wrote by hand as well. */
export async function readAnswer(connection: RawHttp, method = 'GET'): Promise<Answer> {
  const interim: number[] = []
  let head: RawHead
  let status: number
  for (;;) {
    const next = await orEnd(connection.head())
    if (next === undefined) return { status: 0, reason: '', fields: [], body: '', complete: false, ...shown({ interim }) }
    head = next
    status = Number(head.statusLine.slice(9, 12))
    if (status >= 200 || status === 101) break
    interim.push(status)
  }
  const { body, complete, trailers } = await readBody(connection, head, method === 'HEAD' || status === 204 || status === 304)
  const reason = head.statusLine.slice(13)
  return { status, reason, fields: comparable(head.fields), body, complete, ...shown({ interim, trailers }) }
}

function withoutZeroLength(answer: Answer): Answer {
  return { ...answer, fields: answer.fields.filter(([name, value]) => name !== 'content-length' || value !== '0') }
}

interface Body {
  readonly body: string
  readonly complete: boolean
  readonly trailers: readonly (readonly [string, string])[]
}

async function readBody(connection: RawHttp, head: RawHead, isEmpty: boolean): Promise<Body> {
  if (isEmpty) return { body: '', complete: true, trailers: [] }
  if (head.values('transfer-encoding').includes('chunked')) return readChunks(connection)
  const [length] = head.values('content-length')
  if (length === undefined) return { body: (await connection.rest()).toString('latin1'), complete: true, trailers: [] }
  const body = await orEnd(connection.bytes(Number(length)))
  if (body !== undefined) return { body: body.toString('latin1'), complete: true, trailers: [] }
  return { body: (await connection.rest()).toString('latin1'), complete: false, trailers: [] }
}

async function readChunks(connection: RawHttp): Promise<Body> {
  const chunks: string[] = []
  const trailers: (readonly [string, string])[] = []
  const complete = await orEnd(
    (async () => {
      for (;;) {
        const size = parseInt(await connection.upTo('\r\n'), 16)
        if (size === 0) break
        chunks.push((await connection.bytes(size)).toString('latin1'))
        await connection.upTo('\r\n')
      }
      for (let line = await connection.upTo('\r\n'); line !== ''; line = await connection.upTo('\r\n')) {
        const colon = line.indexOf(':')
        trailers.push([line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()])
      }
      return true
    })(),
  )
  return { body: chunks.join(''), complete: complete === true, trailers }
}

/** RawHttp throws when the connection ends too early; here that is an answer as well. */
async function orEnd<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('the connection ended before')) return undefined
    throw error
  }
}

// About one connection, or the web server's own word about itself.
const PER_CONNECTION = /^(connection|keep-alive|transfer-encoding|via|x-forwarded-.*)$/

function comparable(fields: RawHead['fields']): (readonly [string, string])[] {
  return fields
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name, value]) => !PER_CONNECTION.test(name) && !(name === 'server' && value.startsWith('nginx/')))
    .map(([name, value]) => [name, name === 'date' && isNow(value) ? 'now' : value] as const)
    .sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
}

/** A date that a server made; one that the application set stays. */
function isNow(date: string): boolean {
  return Math.abs(Date.now() - Date.parse(date)) < 600_000
}

function shown<T extends Readonly<Record<string, readonly unknown[]>>>(lists: T): Partial<T> {
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)) as Partial<T>
}
