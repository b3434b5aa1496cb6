// One request to a web server of 127.0.0.1, whole; a path goes out as it is.
import { once } from 'node:events'
import http from 'node:http'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  /** False when the connection ended before the body did. */
  readonly isComplete: boolean
}

export async function request(port: number, path: string, { body, ...options }: http.RequestOptions & { body?: string } = {}): Promise<Answer> {
  const asking = http.request({ host: '127.0.0.1', port, path, agent: false, ...options })
  asking.end(body)
  const [response] = (await once(asking, 'response')) as [http.IncomingMessage]
  // What ends it early is told by `isComplete`.
  asking.on('error', () => undefined)
  response.on('error', () => undefined)
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!response.destroyed) await new Promise((resolve) => response.once('close', resolve))
  return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString(), isComplete: response.complete }
}

export async function requestJson<T = Record<string, unknown>>(port: number, path: string, options: http.RequestOptions & { body?: string } = {}): Promise<T> {
  const { status, text } = await request(port, path, options)
  if (status !== 200) throw new Error(`${path}: ${status}\n${text}`)
  return JSON.parse(text) as T
}
