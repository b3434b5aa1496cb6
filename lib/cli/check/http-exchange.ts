// One HTTP request through the web server, with the times at which the answer came.

import * as http from 'node:http'
import * as https from 'node:https'
import { once } from 'node:events'

export interface HttpQuestion {
  readonly method: string
  /** Path and query, byte for byte. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  /** False when the connection ended before the answer did. */
  readonly complete: boolean
  /** ms from the start to each piece of body. */
  readonly pieceTimes: readonly number[]
  /** Our own address on the connection. */
  readonly localAddress: string | undefined
}

/** Where the site is. */
export interface Site {
  readonly url: URL
  /** Takes a certificate that nobody vouches for. */
  readonly insecure: boolean
  readonly timeoutMs: number
}

/** @throws {Error} when there was no answer */
export async function exchange({ url, insecure, timeoutMs }: Site, { method, path, headers, body }: HttpQuestion): Promise<HttpAnswer> {
  const { request: open } = url.protocol === 'https:' ? https : http
  const length = body === undefined ? {} : { 'Content-Length': String(body.length) }
  const request = open({
    protocol: url.protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? undefined : url.port,
    path,
    method,
    headers: { Host: url.host, ...length, ...headers },
    agent: false,
    rejectUnauthorized: !insecure,
    signal: AbortSignal.timeout(timeoutMs),
  })
  const start = performance.now()
  let response: http.IncomingMessage
  try {
    request.end(body)
    ;[response] = (await once(request, 'response')) as [http.IncomingMessage]
  } catch (error) {
    throw (error as Error).name === 'AbortError' ? new Error(`no answer within ${timeoutMs} ms`) : error
  }
  // A refused upload can be cut off behind the answer; what came of it counts, and `complete` tells the rest.
  request.on('error', () => undefined)
  const { localAddress } = response.socket
  const pieces: Buffer[] = []
  const pieceTimes: number[] = []
  response.on('data', (piece: Buffer) => {
    pieces.push(piece)
    pieceTimes.push(performance.now() - start)
  })
  response.on('error', () => undefined)
  if (!response.closed) await once(response, 'close')
  const { statusCode = 0, complete, headers: answered } = response
  return { status: statusCode, headers: answered, body: Buffer.concat(pieces), complete, pieceTimes, localAddress }
}
