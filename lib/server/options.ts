// Every option of the server, declared once: validation and the table in docs/options.md are made from this list.

import type { RequestListener } from 'node:http'
import { OptionError } from '../errors'

interface IntegerOption {
  readonly kind: 'integer'
  readonly unit: string
  readonly default: number
  readonly min: number
  readonly text: string
}
interface BooleanOption {
  readonly kind: 'boolean'
  readonly default: boolean
  readonly text: string
}
interface ChoiceOption {
  readonly kind: 'choice'
  readonly values: readonly string[]
  readonly default: string
  readonly text: string
}
interface OtherOption {
  readonly kind: 'list' | 'mount' | 'secret' | 'listener'
  readonly default: string
  readonly text: string
}

type Option = IntegerOption | BooleanOption | ChoiceOption | OtherOption

/** The options that FastCGI adds to those of `http.createServer`. 0 means off wherever it is allowed. */
export const OPTIONS = {
  maxParamsSize: {
    kind: 'integer', unit: 'bytes', default: 131_072, min: 1_024,
    text: 'Largest PARAMS stream of one request; beyond it the request is answered with 431.',
  },
  maxPendingRequests: {
    kind: 'integer', unit: 'requests', default: 1_000, min: 0,
    text: 'Requests of one connection that have begun and whose params are not complete, or that wait to see whether they have a body; beyond it 503. 0: no limit.',
  },
  maxRequests: {
    kind: 'integer', unit: 'requests', default: 0, min: 0,
    text: 'Requests the application works on at the same time; beyond it 503. 0: no limit.',
  },
  maxConnections: {
    kind: 'integer', unit: 'connections', default: 0, min: 0,
    text: "Connections at the same time; beyond it they are closed and 'drop' is emitted, as by node. 0: no limit.",
  },
  maxHeadersCount: {
    kind: 'integer', unit: 'headers', default: 2_000, min: 0,
    text: 'Headers of one request; further ones are in `rawHeaders` only, or refused with 431, as this node does it. 0: no limit.',
  },
  headersTimeout: {
    kind: 'integer', unit: 'ms', default: 60_000, min: 0,
    text: 'Time for the params of a request to be complete; then 408. 0: no limit.',
  },
  requestTimeout: {
    kind: 'integer', unit: 'ms', default: 300_000, min: 0,
    text: 'Time for the body of a request to be complete; then 408, or an abort when the answer has begun and the body is being read. 0: no limit.',
  },
  keepAliveTimeout: {
    kind: 'integer', unit: 'ms', default: 0, min: 0,
    text: 'Time after which an idle connection is closed. 0: never; the web server owns it, and closing races with its reuse.',
  },
  bodyBuffer: {
    kind: 'integer', unit: 'bytes', default: 1_048_576, min: 65_536,
    text: 'Body of one request held for a slow reader while other requests share its connection; then the connection pauses.',
  },
  connectionBodyBuffer: {
    kind: 'integer', unit: 'bytes', default: 16_777_216, min: 65_536,
    text: 'The same for all requests of one connection together, and the most that unfinished params may hold.',
  },
  multiplex: {
    kind: 'boolean', default: true,
    text: 'Several requests at a time on one connection; if false a second one is answered with 503 and CANT_MPX_CONN.',
  },
  protocol: {
    kind: 'choice', values: ['fastcgi', 'auto'], default: 'fastcgi',
    text: "What the port speaks: 'fastcgi', or 'auto' for FastCGI and HTTP, told apart by the first byte of a connection.",
  },
  stderr: {
    kind: 'choice', values: ['auto', 'on', 'off'], default: 'auto',
    text: "`req.socket.stderr` and `errorLog()` write to the web server's log: 'auto' where it logs that by itself, 'on' where it has been told to (Caddy, IIS) as well, or 'off'.",
  },
  mount: {
    kind: 'mount', default: 'auto',
    text: "Path prefix taken off `req.url`: a path, false, or 'auto': only what a spawned script's own name adds (shared hosting).",
  },
  allowedClients: {
    kind: 'list', default: 'any',
    text: 'IP addresses and CIDR ranges that may connect over TCP; FCGI_WEB_SERVER_ADDRS in the environment narrows it further.',
  },
  checkToken: {
    kind: 'secret', default: 'none',
    text: 'Text of 16 characters or more with which `express-fastcgi check --via` is told what of its requests arrived; FASTCGI_CHECK_TOKEN in the environment is the same.',
  },
  authorizer: {
    kind: 'listener', default: 'none',
    text: 'Request listener for the Authorizer role: an answer of 200 grants access, any other denies it. Without one: UNKNOWN_ROLE.',
  },
  filter: {
    kind: 'listener', default: 'none',
    text: 'Request listener for the Filter role, with the file to be filtered in `req.socket.data`. Without one: UNKNOWN_ROLE.',
  },
} as const satisfies Readonly<Record<string, Option>>

/** Where the application is mounted: a path, nowhere, or wherever a spawned script's own name puts it. */
export type Mount = 'auto' | false | `/${string}`

/** What may be guessed is no secret; and it goes through a header. */
const SECRET = /^[\x21-\x7e]{16,}$/

/** What a listening socket speaks. */
export type Protocol = 'fastcgi' | 'auto'

/** Whether FCGI_STDERR is used. */
export type StderrUse = 'auto' | 'on' | 'off'

/** Options of {@link OPTIONS} in the form a caller gives them. */
export interface FastCGIOptions {
  maxParamsSize?: number
  maxPendingRequests?: number
  maxRequests?: number
  maxConnections?: number
  maxHeadersCount?: number
  headersTimeout?: number
  requestTimeout?: number
  keepAliveTimeout?: number
  bodyBuffer?: number
  connectionBodyBuffer?: number
  multiplex?: boolean
  protocol?: Protocol
  stderr?: StderrUse
  mount?: Mount
  allowedClients?: readonly string[]
  checkToken?: string
  authorizer?: RequestListener
  filter?: RequestListener
}

/** Options that `http.createServer` takes and that mean the same here. */
const HTTP_OPTIONS = [
  'IncomingMessage',
  'ServerResponse',
  'captureRejections',
  'connectionsCheckingInterval',
  'highWaterMark',
  'httpValidation',
  'insecureHTTPParser',
  'joinDuplicateHeaders',
  'keepAlive',
  'keepAliveInitialDelay',
  'keepAliveTimeoutBuffer',
  'maxHeaderSize',
  'noDelay',
  'optimizeEmptyRequests',
  'rejectNonStandardBodyWrites',
  'requireHostHeader',
  'shouldUpgradeCallback',
  'uniqueHeaders',
] as const

/** Options that live on as properties of the http.Server, under node's own names, and can be changed there. */
export const SERVER_PROPERTIES = ['headersTimeout', 'requestTimeout', 'keepAliveTimeout', 'maxHeadersCount', 'maxConnections'] as const

/** The options that are fixed once the server exists. */
export interface Settings {
  readonly maxParamsSize: number
  readonly maxPendingRequests: number
  readonly maxRequests: number
  readonly bodyBuffer: number
  readonly connectionBodyBuffer: number
  readonly multiplex: boolean
  readonly stderr: StderrUse
  readonly mount: Mount
  /** '' for none. */
  readonly checkToken: string
  readonly authorizer: RequestListener | undefined
  readonly filter: RequestListener | undefined
}

/**
 * Checks options before anything is opened.
 *
 * @throws {OptionError} FCGI_ERR_OPTION, naming the option, its value and what it may be
 */
export function checkOptions(options: object): void {
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (value === undefined || (HTTP_OPTIONS as readonly string[]).includes(name)) continue
    if (!Object.hasOwn(OPTIONS, name)) {
      throw new OptionError(`unknown option ${name}; known are ${[...Object.keys(OPTIONS), ...HTTP_OPTIONS].join(', ')}`)
    }
    const problem = complaint(OPTIONS[name as keyof typeof OPTIONS], value)
    if (problem === undefined) continue
    // The message of a wrong secret must not tell it.
    const isSecret = OPTIONS[name as keyof typeof OPTIONS].kind === 'secret'
    throw new OptionError(`option ${name} ${problem}${isSecret ? '' : `, not ${describe(value)}`}`)
  }
  const { headersTimeout, requestTimeout } = options as FastCGIOptions
  if (headersTimeout !== undefined && requestTimeout !== undefined && requestTimeout > 0 && headersTimeout > requestTimeout) {
    throw new OptionError(`option headersTimeout must not be above requestTimeout, as in node:http: ${headersTimeout} > ${requestTimeout}`)
  }
}

function complaint(option: Option, value: unknown): string | undefined {
  switch (option.kind) {
    case 'integer':
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= option.min) return undefined
      return `must be a whole number of ${option.unit}, at least ${option.min}`
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be true or false'
    case 'choice':
      return (option.values as readonly unknown[]).includes(value) ? undefined : `must be ${option.values.map((one) => `'${one}'`).join(' or ')}`
    case 'list':
      return Array.isArray(value) && value.every((item) => typeof item === 'string') ? undefined : 'must be a list of addresses'
    case 'secret':
      return typeof value === 'string' && SECRET.test(value) ? undefined : 'must be 16 or more visible ASCII characters without blanks'
    case 'listener':
      return typeof value === 'function' ? undefined : 'must be a request listener, a function (req, res); of a Koa application, its callback()'
    case 'mount':
      return value === 'auto' || value === false || (typeof value === 'string' && value.startsWith('/')) ? undefined : "must be 'auto', false or a path such as '/app'"
  }
}

function describe(value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return 'an object'
  return typeof value === 'string' ? JSON.stringify(value) : Array.isArray(value) ? 'a list with other things' : String(value)
}

/** The settings that a set of checked options means. */
export function settings(options: FastCGIOptions): Settings {
  return {
    maxParamsSize: options.maxParamsSize ?? OPTIONS.maxParamsSize.default,
    maxPendingRequests: options.maxPendingRequests ?? OPTIONS.maxPendingRequests.default,
    maxRequests: options.maxRequests ?? OPTIONS.maxRequests.default,
    bodyBuffer: options.bodyBuffer ?? OPTIONS.bodyBuffer.default,
    connectionBodyBuffer: options.connectionBodyBuffer ?? OPTIONS.connectionBodyBuffer.default,
    multiplex: options.multiplex ?? OPTIONS.multiplex.default,
    stderr: stderrUse(options.stderr ?? OPTIONS.stderr.default),
    mount: mountOf(options.mount ?? OPTIONS.mount.default),
    checkToken: options.checkToken ?? '',
    authorizer: options.authorizer,
    filter: options.filter,
  }
}

/** The root is no prefix of which a request could be outside. */
function mountOf(wanted: Mount): Mount {
  return wanted === '/' ? false : wanted
}

/** IIS shows its client what it gets on STDERR, and its marks in the environment are surer than SERVER_SOFTWARE. */
function stderrUse(wanted: StderrUse): StderrUse {
  return wanted === 'auto' && process.env['_FCGI_X_PIPE_'] !== undefined ? 'off' : wanted
}
