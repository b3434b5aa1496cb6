// A client of these tests: HTTP with or without TLS, with or without a certificate of its own.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import { join } from 'node:path'

export const TLS_FILES = join(__dirname, '..', 'fixtures', 'tls')

/** One of the fixtures. */
export const pem = (name: string): string => readFileSync(join(TLS_FILES, `${name}.pem`), 'utf8')

export interface Question {
  readonly headers?: http.OutgoingHttpHeaders
  /** A client certificate of the fixtures. */
  readonly certificate?: string
  /** Without TLS. */
  readonly plain?: boolean
  /** Default: 127.0.0.1. */
  readonly host?: string
  readonly maxVersion?: 'TLSv1.2'
}

/** One request on a connection of its own; its answer must be a 200. */
export async function ask(port: number, question: Question = {}): Promise<{ text: string; headers: http.IncomingHttpHeaders }> {
  const { headers, certificate, plain = false, host = '127.0.0.1', maxVersion } = question
  const identity = { ...(certificate !== undefined && { cert: pem(certificate), key: pem(`${certificate}-key`) }), ...(maxVersion && { maxVersion }) }
  const options = { host, port, agent: false, headers: { Host: `www.example.test:${port}`, ...headers } }
  const request = plain ? http.get(options) : https.get({ ...options, ...identity, servername: 'www.example.test', ca: pem('ca') })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  expect(response.statusCode).toBe(200)
  return { text, headers: response.headers }
}
