// Where a web server is documented to give another result than node:http. docs/servers has the same list, and a test that compares.
import { flat, type Outcome } from './exchange'

/** One difference, and the whole of it: what is not named here must be equal. */
export interface Limit {
  /** Why. The page of the server says the same, in the row that names the exchange. */
  readonly because: string
  /**
   * Values that differ, by their name in the outcome; `undefined` is absent, a function makes it from what node:http gave.
   * `refused` (a status: the web server answers by itself; 0: it closes the connection) is the whole outcome.
   */
  readonly differs: Readonly<Record<string, unknown>>
  /** What the exchange waits for never comes here: the web server collects a body first, or tells nobody that the client left. */
  readonly neverComes?: true
}

export interface Limits {
  /** By name of the exchange. */
  readonly exchanges: Readonly<Record<string, Limit>>
  /** Differences in all exchanges that have something of the kind, such as a field that the web server adds. By a name of their own. */
  readonly everywhere?: Readonly<Record<string, Limit>>
}

/** What no web server can change: see "What cannot cross CGI" in docs/limits.md. */
export const cgiLimits: Limits['exchanges'] = {
  'proxy-field': { because: 'HTTP_PROXY would be taken for a proxy to use (httpoxy); the package drops it', differs: { 'seen.headers.proxy': undefined } },
  'underscore-field': {
    because: 'CGI cannot tell X_Under from X-Under',
    differs: { 'seen.headers.x_under': undefined, 'seen.headers.x-under': 'yes' },
  },
  'answer-too-short': {
    because: 'the package has the connection of the client ended, where node:http leaves the client to take the next answer for the rest',
    differs: { nextTakenForTheRest: false },
  },
  'interim-answers': { because: '1xx responses cannot cross CGI', differs: { interim: [] } },
}

/** A web server that has the whole body before it calls the application. */
export function bodiesCollected(because: string): Limits['exchanges'] {
  return {
    'chunked-framing': { because, differs: { 'seen.transferEncoding': undefined, 'seen.contentLength': '5' } },
    'chunked-streamed': { because, differs: { arrivedBeforeTheEnd: false }, neverComes: true },
    'upload-streamed': { because, differs: { arrivedBeforeTheEnd: false }, neverComes: true },
    'client-leaves-during-upload': {
      because,
      differs: { noticed: false, writableEnded: undefined, requestDestroyed: undefined, complete: undefined },
      neverComes: true,
    },
  }
}

/** The whole outcome of a request to `/e` that node:http refuses and the web server hands on. */
export function handedOn(method: string, headers: Readonly<Record<string, string>>): Limit['differs'] {
  const host = 'example.org'
  const answer = { complete: true, status: 200, reason: 'OK', headers: { 'content-type': 'application/json; charset=utf-8', 'x-powered-by': 'Express' } }
  const target = { method, url: '/e', originalUrl: '/e', baseUrl: '', httpVersion: '1.1', body: '' }
  return flat({ answer, seen: { ...target, host, hostname: host, ip: '127.0.0.1', protocol: 'http', secure: false, headers: { host, ...headers } } })
}

/** What a web server has to give for an exchange, from what node:http gave. */
export function expected(direct: Outcome, name: string, limits: Limits): Outcome {
  let outcome = direct
  for (const { differs } of Object.values(limits.everywhere ?? {})) outcome = changed(outcome, differs, true)
  outcome = changed(outcome, cgiLimits[name]?.differs ?? {}, false)
  return changed(outcome, limits.exchanges[name]?.differs ?? {}, false)
}

function changed(direct: Outcome, differs: Limit['differs'], onlyOfItsKind: boolean): Outcome {
  const ofItsKind = (key: string): boolean => Object.keys(direct).some((known) => known.startsWith(key.replace(/[^.]+$/, '')))
  const entries = Object.entries(differs)
    .filter(([key]) => !onlyOfItsKind || ofItsKind(key))
    .map(([key, value]) => [key, typeof value === 'function' ? (value as (outcome: Outcome) => unknown)(direct) : value] as const)
  const base = 'refused' in differs || ('refused' in direct && entries.length > 0) ? {} : direct
  return Object.fromEntries(Object.entries({ ...base, ...Object.fromEntries(entries) }).filter(([, value]) => value !== undefined))
}
