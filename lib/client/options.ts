// The options of the client: declared once, checked before anything is opened.

import { OptionError } from '../errors'

/** How one option is checked and explained; docs/client.md shows the same table. */
export interface OptionDeclaration {
  readonly kind: 'integer' | 'boolean'
  readonly default: number | boolean
  readonly min?: number
  readonly max?: number
  readonly unit?: string
  readonly text: string
}

/** The client's options with their defaults. */
export const CLIENT_OPTIONS = {
  keepAlive: { kind: 'boolean', default: true, text: 'Keep connections open between requests (FCGI_KEEP_CONN).' },
  maxConnections: { kind: 'integer', default: 0, min: 0, text: 'Most connections at once; further requests wait. 0: no limit.' },
  maxIdle: { kind: 'integer', default: 16, min: 0, text: 'Most idle connections kept. 0: none.' },
  idleTimeoutMs: { kind: 'integer', unit: 'ms', default: 15_000, min: 0, text: 'An idle connection is closed after this time. 0: never.' },
  connectTimeoutMs: { kind: 'integer', unit: 'ms', default: 10_000, min: 0, text: 'Longest wait for a connection. 0: as long as the system waits.' },
  timeoutMs: {
    kind: 'integer', unit: 'ms', default: 0, min: 0,
    text: 'Longest silence of the application during a request, the wait for a connection included. 0: no limit.',
  },
  multiplex: { kind: 'boolean', default: false, text: 'Run several requests on one connection at once. Few applications can.' },
  maxRequestsPerConnection: {
    kind: 'integer', default: 100, min: 1, max: 65_535,
    text: 'With multiplex: most requests at once on one connection.',
  },
  maxBufferedBytes: {
    kind: 'integer', unit: 'bytes', default: 1_048_576, min: 0,
    text: 'With several requests on one connection: unread output kept for one of them before the connection is paused for all.',
  },
} as const satisfies Record<string, OptionDeclaration>

/** The values that a table of declarations describes. */
export type Declared<T extends Record<string, OptionDeclaration>> = {
  readonly [K in keyof T]: T[K]['kind'] extends 'boolean' ? boolean : number
}

/** Every option of the client, with its value. */
export type ClientSettings = Declared<typeof CLIENT_OPTIONS>

/** Options of a client; each may be left out. docs/client.md */
export type ClientOptions = { readonly [K in keyof ClientSettings]?: ClientSettings[K] | undefined }

/**
 * Checks options against their declarations and fills in the defaults.
 *
 * @param given what the caller passed; a value of `undefined` means the default
 * @throws {OptionError} for an unknown name or a value it cannot have
 */
export function checkOptions<T extends Record<string, OptionDeclaration>>(declared: T, given: object): Declared<T> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(declared, name)) {
      throw new OptionError(`there is no option ${JSON.stringify(name)}; known: ${Object.keys(declared).join(', ')}`)
    }
  }
  const values = new Map<string, unknown>(Object.entries(given))
  const settings: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(declared)) {
    const value = values.get(name) ?? option.default
    checkValue(name, value, option)
    settings[name] = value
  }
  return settings as Declared<T>
}

function checkValue(name: string, value: unknown, option: OptionDeclaration): void {
  if (option.kind === 'boolean') {
    if (typeof value !== 'boolean') throw new OptionError(`${name} must be true or false, not ${typeof value}`)
    return
  }
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = option
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`
  throw new OptionError(`${name} must be an integer of ${range}, not ${String(value)}`)
}
