// One request and its answer, as bytes: nothing is tidied up on the way out, and nothing of the answer is hidden.
import { createHash } from 'node:crypto'
import type { RawHead, RawHttp } from '../../support/http-raw'

export type Fields = readonly (readonly [name: string, value: string])[]

export interface Question {
  readonly method?: string
  /** From the root of the site; the client puts the mount prefix in front. */
  readonly target?: string
  /** The target as it is, without any prefix. */
  readonly wholeTarget?: string
  readonly fields?: Fields
  /** null: no Host field. */
  readonly host?: string | null
  readonly version?: '1.0' | '1.1'
  /** Sent with its Content-Length, unless `fields` has one or a Transfer-Encoding. */
  readonly body?: string | Buffer
  /** Leaves the connection open for the next request. */
  readonly keep?: boolean
}

export interface Answer {
  readonly status: number
  readonly reason: string
  readonly head: RawHead
  /** Statuses of the interim answers before it. */
  readonly interim: readonly number[]
  readonly body: Buffer
  /** False when the connection ended before the body did. */
  readonly complete: boolean
}

export const HOST = 'example.org'

/** Head and body of a request. */
export function requestBytes(question: Question, mount: string): Buffer {
  const { method = 'GET', target = '/', wholeTarget = mount + target, fields = [], host = HOST, version = '1.1', body, keep = false } = question
  const has = (name: string): boolean => fields.some(([known]) => known.toLowerCase() === name)
  const lines = [`${method} ${wholeTarget} HTTP/${version}`]
  if (host !== null) lines.push(`Host: ${host}`)
  if (!has('connection') && !(keep && version === '1.1')) lines.push(`Connection: ${keep ? 'keep-alive' : 'close'}`)
  const content = Buffer.isBuffer(body) ? body : Buffer.from(body ?? '', 'latin1')
  if (body !== undefined && !has('content-length') && !has('transfer-encoding')) lines.push(`Content-Length: ${content.length}`)
  lines.push(...fields.map(([name, value]) => `${name}: ${value}`))
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), content])
}

/** The next answer on a connection. */
export async function readAnswer(client: RawHttp, method: string, onData?: (sofar: string) => void): Promise<Answer> {
  const interim: number[] = []
  let head = await client.head()
  while (statusOf(head) < 200) {
    interim.push(statusOf(head))
    head = await client.head()
  }
  const [, , ...reason] = head.statusLine.split(' ')
  const body = await readBody(client, head, method, onData)
  return { status: statusOf(head), reason: reason.join(' '), head, interim, ...body }
}

/** One chunk as it is on the wire. */
export function chunk(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string)
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

type Body = Pick<Answer, 'body' | 'complete'>

async function readBody(client: RawHttp, head: RawHead, method: string, onData?: (sofar: string) => void): Promise<Body> {
  const status = statusOf(head)
  if (method === 'HEAD' || status === 204 || status === 304) return { body: Buffer.alloc(0), complete: true }
  const parts: Buffer[] = []
  const take = (part: Buffer): void => {
    parts.push(part)
    onData?.(Buffer.concat(parts).toString('latin1'))
  }
  try {
    if (/chunked/i.test(head.values('transfer-encoding').join())) {
      for (let size = -1; size !== 0; ) {
        size = parseInt(await client.upTo('\r\n'), 16)
        if (size > 0) take(await client.bytes(size))
        await client.upTo('\r\n')
      }
    } else if (head.values('content-length').length > 0) {
      let left = Number(head.values('content-length')[0])
      while (left > 0) {
        const part = await client.some(left)
        left -= part.length
        take(part)
      }
    } else {
      for (let part = await client.some(Infinity).catch(() => undefined); part !== undefined; part = await client.some(Infinity).catch(() => undefined)) {
        take(part)
      }
    }
    return { body: Buffer.concat(parts), complete: true }
  } catch {
    return { body: Buffer.concat(parts), complete: false }
  }
}

function statusOf(head: RawHead): number {
  return Number(head.statusLine.split(' ')[1])
}
