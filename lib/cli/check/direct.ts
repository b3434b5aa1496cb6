// Asks the application itself, as a web server would: one step after the other, until one fails.

import { type CgiResponseHead, ResponseHeadParser } from '../../cgi/response-parser'
import { requestParams } from '../../cgi/request-params'
import { Client } from '../../client'
import { type Address, describeAddress } from '../../client/target'
import { type Finding } from './finding'
import { connectRights, socketFile } from './rights'
import { type Spoken, whatItSpeaks } from './speaks'
import { thisUser, type User } from './user'

export interface DirectOptions {
  /** Whose rights are looked at besides ours. */
  readonly user: User | undefined
  /** Path and query of the request. */
  readonly uri: string
  /** Variables that replace or join the usual ones. */
  readonly params: Readonly<Record<string, string>>
  /** The status that is wanted; undefined: any below 500. */
  readonly status: number | undefined
  readonly timeoutMs: number
}

/** Many applications never answer GET_VALUES: not worth all of the time there is. */
const VALUES_TIMEOUT_MS = 2_000
/** A longer one ends at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The findings up to the first step that fails. */
export async function checkDirectly(address: Address, options: DirectOptions): Promise<Finding[]> {
  const findings: Finding[] = []
  if ('path' in address && process.platform !== 'win32') {
    findings.push(socketFile(address.path))
    if (hasFailed(findings)) return findings
    if (options.user !== undefined) findings.push(connectRights(address.path, options.user))
  }
  const spoken = await whatItSpeaks(address, Math.min(options.timeoutMs, VALUES_TIMEOUT_MS))
  findings.push(...connection(address, spoken))
  if (findings.some(({ step, verdict }) => step !== 'rights' && verdict === 'fail')) return findings
  findings.push(...protocol(spoken))
  // A process that may not be connected to by the web server can still be well.
  if (findings.some(({ step, verdict }) => step !== 'rights' && verdict === 'fail')) return findings
  findings.push(await request(address, options))
  return findings
}

function hasFailed(findings: readonly Finding[]): boolean {
  return findings.some(({ verdict }) => verdict === 'fail')
}

function connection(address: Address, spoken: Spoken): Finding[] {
  const step = 'connect'
  if (spoken.kind !== 'unreachable') return [{ step, verdict: 'ok', text: `connected to ${describeAddress(address)}` }]
  const failed: Finding = { step, verdict: 'fail', text: spoken.error.message }
  if (!('path' in address) || !/\((EACCES|EPERM)\)/.test(spoken.error.message)) return [failed]
  return [failed, connectRights(address.path, thisUser())].filter(({ verdict }) => verdict === 'fail')
}

function protocol(spoken: Spoken): Finding[] {
  const step = 'protocol'
  switch (spoken.kind) {
    case 'fastcgi':
      return [{ step, verdict: 'ok', text: `FastCGI; ${valuesText(spoken.values)} (${milliseconds(spoken.ms)})` }]
    case 'http':
      return [{
        step,
        verdict: 'fail',
        text: `it speaks HTTP (${JSON.stringify(spoken.firstLine)}), not FastCGI`,
        change: 'start the application with node --import express-fastcgi/register, or its listen() by listen(app, ...) of express-fastcgi;\nor, if HTTP is what you want, use proxy_pass http:// (nginx), ProxyPass http:// (Apache) in the web server',
      }]
    case 'other':
      return [{
        step,
        verdict: 'fail',
        text: `it speaks neither FastCGI nor HTTP: its first bytes are ${spoken.firstBytes.subarray(0, 16).toString('hex')}`,
        change: 'another program listens there: correct the address',
      }]
    case 'closed':
      return [{
        step,
        verdict: 'fail',
        text: 'the connection was closed without an answer',
        change: 'allowedClients, FCGI_WEB_SERVER_ADDRS (here) or listen.allowed_clients (PHP-FPM) does not have the address of this machine; or the process ends at once: look at its log',
      }]
    case 'silent':
      return [{ step, verdict: 'note', text: 'no answer to FCGI_GET_VALUES; some applications never give one' }]
    case 'unreachable':
      return []
  }
}

function valuesText(values: ReadonlyMap<string, string> | undefined): string {
  if (values === undefined || values.size === 0) return 'it does not tell its management variables'
  return [...values].map(([name, value]) => `${name}=${value}`).join(' ')
}

async function request(address: Address, options: DirectOptions): Promise<Finding> {
  const step = 'request'
  const client = new Client(address, { keepAlive: false, connectTimeoutMs: options.timeoutMs })
  const start = performance.now()
  try {
    const head = await answerTo(client, options)
    const took = `${head.firstByteMs.toFixed(1)} ms to the head, ${milliseconds(performance.now() - start)} in all`
    const text = `GET ${options.uri}: ${head.statusCode}, ${head.rawHeaders.length / 2} headers, ${head.bytes} bytes of body, ${took}`
    const isWanted = options.status === undefined ? head.statusCode < 500 : head.statusCode === options.status
    if (isWanted) return { step, verdict: 'ok', text }
    const wanted = options.status === undefined ? 'a status below 500' : `the status ${options.status}`
    return { step, verdict: 'fail', text: `${text}; wanted was ${wanted}`, change: "look at the application's log, or ask for another path with --uri" }
  } catch (error) {
    return { step, verdict: 'fail', text: `GET ${options.uri}: ${(error as Error).message}`, change: requestAdvice(error) }
  } finally {
    await client.close()
  }
}

function requestAdvice(error: unknown): string {
  const { code } = error as { code?: string }
  switch (code) {
    case 'FCGI_ERR_TIMEOUT':
      return 'the handler of this path never answers, or all workers are busy; --timeout has it wait longer'
    case 'FCGI_ERR_REQUEST_REFUSED':
      return 'the application is at one of its limits (maxRequests, maxPendingRequests)'
    default:
      return "look at the application's log"
  }
}

interface Answer extends CgiResponseHead {
  readonly firstByteMs: number
  readonly bytes: number
}

async function answerTo(client: Client, { uri, params, timeoutMs }: DirectOptions): Promise<Answer> {
  const start = performance.now()
  const request = client.request({
    params: requestParams(
      { method: 'GET', url: uri, httpVersion: '1.1', rawHeaders: ['Host', 'localhost', 'User-Agent', 'express-fastcgi-check'], remoteAddress: '127.0.0.1', localAddress: '127.0.0.1', localPort: 80 },
      { params },
    ),
    timeoutMs,
    // Silence is what `timeoutMs` means there; an answer that never ends is no answer either.
    signal: AbortSignal.timeout(Math.min(4 * timeoutMs, LONGEST_TIMER_MS)),
  })
  const parser = new ResponseHeadParser()
  let head: CgiResponseHead | undefined
  let firstByteMs = 0
  let bytes = 0
  for await (const chunk of request.stdout as AsyncIterable<Buffer>) {
    if (head !== undefined) {
      bytes += chunk.length
      continue
    }
    const found = parser.push(chunk)
    if (found === undefined) continue
    firstByteMs = performance.now() - start
    head = found.head
    bytes = chunk.length - found.bodyStart
  }
  await request.ended
  if (head === undefined) throw parser.unfinished()
  return { ...head, firstByteMs, bytes }
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`
}
