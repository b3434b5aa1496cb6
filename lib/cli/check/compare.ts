// What went into the web server, against what the application saw. Pure: two descriptions in, findings out.

import { type WebServer } from '../../cgi/server-software'
import { type CheckEcho } from '../../server/check-echo'
import { advice } from './advice'
import { type Finding } from './finding'

/** What was asked of the web server. */
export interface Sent {
  readonly method: string
  /** Path and query, byte for byte. */
  readonly path: string
  /** Path under which the site says that the application is; '' for the root. */
  readonly prefix: string
  readonly host: string
  readonly isHttps: boolean
  readonly authorization: string
  /** Our address on the connection to the web server. */
  readonly localAddress: string | undefined
}

/** A header whose name has underscores: after CGI nobody can tell it from the one with hyphens. */
export const SPOOFED_HEADER = 'X_Fastcgi_Check_Spoofed'
const SPOOFED_SEEN = SPOOFED_HEADER.toLowerCase().replaceAll('_', '-')

/** CGI 4.1: MUST, or without it `req` lacks something. */
const WANTED_PARAMS = ['REQUEST_METHOD', 'SERVER_PROTOCOL', 'REMOTE_ADDR', 'SERVER_NAME', 'SERVER_PORT', 'QUERY_STRING'] as const

export function compare(sent: Sent, seen: CheckEcho, server: WebServer | undefined): Finding[] {
  return [target(sent, seen, server), params(seen, server), host(sent, seen, server), scheme(sent, seen, server), authorization(sent, seen, server), underscores(seen, server), client(sent, seen)]
}

/** Whether the path arrived byte for byte; `step` names which kind of path it was. */
export function target(sent: Pick<Sent, 'path' | 'prefix' | 'method'>, seen: CheckEcho, server: WebServer | undefined, step = 'url'): Finding {
  const whole = seen.baseUrl + seen.url
  if (seen.method !== sent.method) return { step, verdict: 'fail', text: `${sent.method} was sent, ${seen.method} was seen`, change: 'the web server or a rewrite rule changes the method' }
  if (whole === sent.path) {
    const mounted = seen.baseUrl === '' ? '' : `, with ${seen.baseUrl} taken off as req.baseUrl`
    if (sent.prefix !== '' && seen.baseUrl === '') {
      return {
        step,
        verdict: 'note',
        text: `${sent.path} arrived byte for byte, prefix included: the application must have its routes under ${sent.prefix}`,
        change: `FASTCGI_MOUNT=${sent.prefix} in the application's environment (or the option mount: '${sent.prefix}') takes it off, if the application has its routes at /`,
      }
    }
    return { step, verdict: 'ok', text: `${sent.path} arrived byte for byte${mounted}` }
  }
  const text = `${sent.path} was sent, ${whole} was seen`
  if (sent.prefix !== '' && whole === sent.path.slice(sent.prefix.length)) {
    return { step, verdict: 'warn', text: `${text}: the web server takes the prefix off, so redirects and links of the application lead outside of it`, change: 'have the web server send REQUEST_URI as the client sent it, and let the application take the prefix off: FASTCGI_MOUNT or the option mount' }
  }
  return { step, verdict: 'warn', text, change: advice('uri', server) }
}

function params(seen: CheckEcho, server: WebServer | undefined): Finding {
  const step = 'params'
  const missing = WANTED_PARAMS.filter((name) => seen.params[name] === undefined)
  if (missing.length === 0) return { step, verdict: 'ok', text: `from ${seen.params['SERVER_SOFTWARE'] ?? 'a web server without SERVER_SOFTWARE'}, none is missing` }
  return { step, verdict: 'warn', text: `missing: ${missing.join(', ')}`, change: advice('params', server) }
}

function host(sent: Sent, seen: CheckEcho, server: WebServer | undefined): Finding {
  const step = 'host'
  const given = seen.headers['host']
  if (given === sent.host) return { step, verdict: 'ok', text: `Host: ${sent.host} arrived` }
  return { step, verdict: 'warn', text: `Host: ${sent.host} was sent, ${given === undefined ? 'none' : JSON.stringify(given)} was seen: absolute links and redirects will be wrong`, change: advice('host', server) }
}

function scheme(sent: Sent, seen: CheckEcho, server: WebServer | undefined): Finding {
  const step = 'scheme'
  const [was, is] = [sent.isHttps, seen.encrypted].map((encrypted) => (encrypted ? 'https' : 'http'))
  if (was === is) return { step, verdict: 'ok', text: `${was}, so req.secure is ${seen.encrypted}` }
  const text = `the site was asked over ${was}, the application sees ${is}: secure cookies and links will be wrong`
  return { step, verdict: 'warn', text, change: advice('scheme', server) }
}

function authorization(sent: Sent, seen: CheckEcho, server: WebServer | undefined): Finding {
  const step = 'authorization'
  if (seen.headers['authorization'] === sent.authorization) return { step, verdict: 'ok', text: 'the Authorization header arrives' }
  return { step, verdict: 'warn', text: 'the Authorization header does not arrive: logins by it will fail', change: advice('authorization', server) }
}

function underscores(seen: CheckEcho, server: WebServer | undefined): Finding {
  const step = 'underscores'
  if (seen.headers[SPOOFED_SEEN] === undefined) return { step, verdict: 'ok', text: 'headers with underscores in their names are dropped' }
  return {
    step,
    verdict: 'warn',
    text: `a client's ${SPOOFED_HEADER} arrives as ${SPOOFED_SEEN}: clients can pass by a proxy that removes or sets headers with hyphens`,
    change: advice('underscores', server),
  }
}

function client(sent: Sent, seen: CheckEcho): Finding {
  const step = 'client'
  const [ours, theirs] = [sent.localAddress, seen.remoteAddress].map((address) => address?.replace(/^::ffff:/, ''))
  if (ours === theirs) return { step, verdict: 'ok', text: `req.ip is ${theirs}, this machine` }
  return {
    step,
    verdict: 'note',
    text: `req.ip is ${theirs ?? 'not known'}, this machine is ${ours ?? 'not known'}`,
    change: 'right if an address translation is between; if another proxy is, set `trust proxy` in the application, or have the web server set REMOTE_ADDR (nginx: real_ip_header)',
  }
}
