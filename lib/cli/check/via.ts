// Asks the site as a browser would, and has the application tell what arrived: lib/server/check-echo.ts answers in its place.

import { createHash } from 'node:crypto'
import { type WebServer, webServerOf } from '../../cgi/server-software'
import { CHECK_HEADER, type CheckEcho, STREAM, STREAM_INTERVAL_MS, STREAM_PIECES } from '../../server/check-echo'
import { NOT_HTTP } from '../../server/http-guest'
import { advice } from './advice'
import { compare, SPOOFED_HEADER, target } from './compare'
import { type Finding } from './finding'
import { exchange, type HttpAnswer, type Site } from './http-exchange'

export interface ViaOptions extends Site {
  readonly token: string
  /** Size of the larger upload. */
  readonly bodyBytes: number
}

const AUTHORIZATION = 'Bearer express-fastcgi-check'
const SMALL_BODY_BYTES = 4_096
/** As much of an answer as is shown. */
const SHOWN = 200
/** Characters that web servers like to decode, encode or merge. */
const ODD_PATH = '/a%20b/caf%C3%A9//c;d=e?x=%2F%20&y&x=1'
const ENCODED_SLASH = '/a%2Fb'

export async function checkVia(options: ViaOptions): Promise<Finding[]> {
  return new ViaCheck(options).run()
}

class ViaCheck {
  private readonly findings: Finding[] = []
  private readonly prefix: string
  private server: WebServer | undefined

  constructor(private readonly options: ViaOptions) {
    this.prefix = options.url.pathname.replace(/\/+$/, '')
  }

  async run(): Promise<Finding[]> {
    if (!(await this.plain())) return this.findings
    await this.step('odd path', () => this.path(ODD_PATH, 'odd path', 'uri'))
    await this.step('encoded slash', () => this.path(ENCODED_SLASH, 'encoded slash', 'encodedSlash'))
    await this.step('upload', () => this.upload(SMALL_BODY_BYTES))
    await this.step('large upload', () => this.upload(this.options.bodyBytes))
    await this.step('streaming', () => this.stream())
    return this.findings
  }

  /** The first request shows whether there is anything to compare. */
  private async plain(): Promise<boolean> {
    const path = `${this.prefix}/?express-fastcgi-check=1`
    const { url } = this.options
    let answer: HttpAnswer
    try {
      answer = await this.ask('GET', path, { Authorization: AUTHORIZATION, [SPOOFED_HEADER]: '1' })
    } catch (error) {
      this.found({ step: 'site', verdict: 'fail', text: `${url.origin}: ${(error as Error).message}`, change: 'start the web server, or correct the URL; a certificate of your own needs --insecure' })
      return false
    }
    this.server = webServerOf(String(answer.headers.server ?? ''))
    const seen = echoIn(answer)
    if (seen === undefined) {
      this.found(this.noEcho(answer))
      return false
    }
    this.server = webServerOf(seen.params['SERVER_SOFTWARE'] ?? '') ?? this.server
    this.found({ step: 'site', verdict: 'ok', text: `${url.origin}${path} reaches the application` })
    const sent = { method: 'GET', path, prefix: this.prefix, host: url.host, isHttps: url.protocol === 'https:', authorization: AUTHORIZATION, localAddress: answer.localAddress }
    this.findings.push(...compare(sent, seen, this.server))
    return true
  }

  private noEcho({ status, headers, body }: HttpAnswer): Finding {
    const step = 'site'
    const text = `${this.options.url.origin}${this.prefix}/ answers ${status}, and not by the application's echo`
    if (status >= 502 && status <= 504) return { step, verdict: 'fail', text, change: `the web server does not reach the application: ${advice('gateway', this.server)};\nexpress-fastcgi check ADDRESS --as USER   finds out why; USER is who the web server runs as: on Debian www-data, caddy, haproxy or debian-h2o` }
    // Ours: by proxy_pass or the like the request came in HTTP.
    if (status === 400 && body.includes(NOT_HTTP)) return { step, verdict: 'fail', text: `${text}: the web server speaks HTTP to it, and it speaks FastCGI`, change: advice('protocol', this.server) }
    // Ours, of variables that no request can have; it says which.
    if (status === 400) return { step, verdict: 'fail', text: `${text}: ${body.toString('latin1', 0, SHOWN).trim()}`, change: advice('params', this.server) }
    if (status >= 300 && status < 400) return { step, verdict: 'fail', text: `${text}: it redirects to ${String(headers.location)}`, change: 'give that URL' }
    if (status === 401 || status === 403) return { step, verdict: 'fail', text, change: 'the web server itself asks for a login or refuses: check a path that it lets through' }
    const noToken =
      'start the application with FASTCGI_CHECK_TOKEN (16 characters or more) in its environment and give the same token here;\n' +
      'if it has: the web server answers this path itself, or by another application; or it drops the header X-FastCGI-Check'
    // What lighttpd, mod_fcgid and mod_cgi answer for a process that ended, and applications for errors of their own.
    const mayHaveEnded = `a process that the web server starts has ended, or never came to listen: ${advice('gateway', this.server)};\nif it runs: `
    return { step, verdict: 'fail', text, change: status === 500 ? mayHaveEnded + noToken : noToken }
  }

  private async path(path: string, step: string, topic: 'uri' | 'encodedSlash'): Promise<void> {
    const sent = { method: 'GET', path: this.prefix + path, prefix: '' }
    const answer = await this.ask('GET', sent.path)
    const seen = echoIn(answer)
    if (seen === undefined) this.found({ step, verdict: 'note', text: `${sent.path}: the web server answers ${answer.status} itself`, change: advice(topic, this.server) })
    else this.found(target(sent, seen, this.server, step))
  }

  private async upload(length: number): Promise<void> {
    const step = length === SMALL_BODY_BYTES ? 'upload' : 'large upload'
    // No two pieces of it alike, so that one lost or doubled shows.
    const body = Buffer.alloc(length)
    for (let at = 0; at + 4 <= length; at += 4) body.writeUInt32BE(at, at)
    const answer = await this.ask('POST', `${this.prefix}/`, { 'Content-Type': 'application/octet-stream' }, body)
    const seen = echoIn(answer)
    if (seen === undefined) {
      this.found({ step, verdict: 'warn', text: `a body of ${length} bytes is answered with ${answer.status} by the web server`, change: advice('bodyLimit', this.server) })
      return
    }
    const sha256 = createHash('sha256').update(body).digest('hex')
    if (seen.body.bytes === length && seen.body.sha256 === sha256) this.found({ step, verdict: 'ok', text: `a body of ${length} bytes arrived whole` })
    else this.found({ step, verdict: 'fail', text: `a body of ${length} bytes was sent, ${seen.body.bytes} arrived${seen.body.bytes === length ? ', not the same' : ''}`, change: advice('params', this.server) })
  }

  private async stream(): Promise<void> {
    const step = 'streaming'
    const answer = await this.ask('GET', `${this.prefix}/`, {}, undefined, STREAM)
    const lines = answer.body.toString().split('\n').length - 1
    if (lines !== STREAM_PIECES) {
      this.found({ step, verdict: 'fail', text: `an answer in ${STREAM_PIECES} pieces arrived with ${lines}, status ${answer.status}`, change: advice('gateway', this.server) })
      return
    }
    const [first = 0] = answer.pieceTimes
    const last = answer.pieceTimes.at(-1) ?? 0
    const text = `of an answer that takes ${(STREAM_PIECES - 1) * STREAM_INTERVAL_MS} ms the first piece came after ${first.toFixed(0)} ms, the last after ${last.toFixed(0)} ms`
    if (last - first >= STREAM_INTERVAL_MS) this.found({ step, verdict: 'ok', text })
    else this.found({ step, verdict: 'note', text: `${text}: the web server collects answers before it passes them on`, change: advice('buffering', this.server) })
  }

  private ask(method: string, path: string, headers: Record<string, string> = {}, body?: Buffer, asked = ''): Promise<HttpAnswer> {
    const token = asked === '' ? this.options.token : `${this.options.token} ${asked}`
    const question = { method, path, headers: { 'User-Agent': 'express-fastcgi-check', [CHECK_HEADER]: token, ...headers } }
    return exchange(this.options, body === undefined ? question : { ...question, body })
  }

  private found(finding: Finding): void {
    this.findings.push(finding)
  }

  /** A request without an answer is a finding, and the others go on. */
  private async step(step: string, action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      this.found({ step, verdict: 'fail', text: (error as Error).message, change: advice('gateway', this.server) })
    }
  }
}

function echoIn({ status, headers, body }: HttpAnswer): CheckEcho | undefined {
  if (status !== 200 || !String(headers['content-type']).startsWith('application/json')) return undefined
  try {
    const value = JSON.parse(body.toString()) as Partial<CheckEcho>
    return typeof value.baseUrl === 'string' && typeof value.body?.sha256 === 'string' ? (value as CheckEcho) : undefined
  } catch {
    return undefined
  }
}
