// What the other end of a connection speaks: asks for its management variables and looks at what comes. FCGI 4.1

import { RecordReader, RecordType, VERSION, decodeNameValuePairs, encodeGetValues, ManagementVariable } from '../../protocol'
import { type Address, connectError, openSocket } from '../../client/target'

export type Spoken =
  /** `values` undefined: it speaks FastCGI and does not know the question. */
  | { readonly kind: 'fastcgi'; readonly values: ReadonlyMap<string, string> | undefined; readonly ms: number }
  | { readonly kind: 'http'; readonly firstLine: string }
  | { readonly kind: 'other'; readonly firstBytes: Buffer }
  | { readonly kind: 'closed' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'unreachable'; readonly error: Error }

/** As much as is needed to tell what it is. */
const ENOUGH = 1_024

/** Connects, asks, and waits for the first record or whatever else comes. */
export function whatItSpeaks(address: Address, timeoutMs: number): Promise<Spoken> {
  return new Promise((resolve) => {
    const socket = openSocket(address)
    const start = performance.now()
    let received: Buffer = Buffer.alloc(0)
    let isConnected = false
    const finish = (spoken: Spoken): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(spoken)
    }
    const timer = setTimeout(() => finish(isConnected ? { kind: 'silent' } : unreachable(address, timeoutMs)), timeoutMs)
    socket
      .on('connect', () => {
        isConnected = true
        socket.write(encodeGetValues(Object.values(ManagementVariable)))
      })
      .on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        const spoken = understood(received, performance.now() - start)
        if (spoken !== undefined) finish(spoken)
      })
      .on('error', (error) => finish(isConnected ? closedAfter(received) : { kind: 'unreachable', error: connectError(address, error) }))
      .on('close', () => finish(closedAfter(received)))
  })
}

function unreachable(address: Address, timeoutMs: number): Spoken {
  const cause = Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: 'ETIMEDOUT' })
  return { kind: 'unreachable', error: connectError(address, cause) }
}

function understood(received: Buffer, ms: number): Spoken | undefined {
  if (received[0] !== VERSION) {
    const text = received.toString('latin1')
    const isHttp = 'HTTP/'.startsWith(text.slice(0, 5))
    if (isHttp && !text.includes('\n') && received.length < ENOUGH) return undefined
    return isHttp ? { kind: 'http', firstLine: firstLine(text) } : { kind: 'other', firstBytes: received }
  }
  const reader = new RecordReader()
  try {
    reader.push(received)
    if (!reader.next()) return undefined
    return { kind: 'fastcgi', values: reader.type === RecordType.GET_VALUES_RESULT ? valuesOf(reader.content) : undefined, ms }
  } catch {
    return { kind: 'other', firstBytes: received }
  }
}

/** @throws {ProtocolError} for pairs that are none */
function valuesOf(content: Buffer): Map<string, string> {
  const pairs = decodeNameValuePairs(content)
  const values = new Map<string, string>()
  for (let i = 0; i < pairs.length; i += 2) values.set(pairs[i] ?? '', pairs[i + 1] ?? '')
  return values
}

function closedAfter(received: Buffer): Spoken {
  if (received.length === 0) return { kind: 'closed' }
  const text = received.toString('latin1')
  return text.startsWith('HTTP/') ? { kind: 'http', firstLine: firstLine(text) } : { kind: 'other', firstBytes: received }
}

function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? ''
}
