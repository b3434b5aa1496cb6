// Plain copies of whatever a scenario notes: fixed at that moment, and comparable between two runs.

import { EventEmitter } from 'node:events'
import { types } from 'node:util'

/** Numbers, texts and plain objects as they are; errors by name, code and message; everything else by what it is. */
export function plain(value: unknown, above: readonly object[] = []): unknown {
  if (typeof value === 'function') return '[function]'
  if (typeof value === 'symbol' || typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  // By the native check: errors of node's core have another Error than the code in jest's sandbox.
  if (types.isNativeError(value)) return plainError(value)
  if (types.isUint8Array(value)) return `bytes ${JSON.stringify(Buffer.from(value).toString('latin1'))}`
  if (types.isDate(value)) return `date ${String(value)}`
  if (above.includes(value)) return '[circular]'
  const inside = [...above, value]
  if (Array.isArray(value)) return value.map((item) => plain(item, inside))
  if (types.isMap(value) || types.isSet(value)) return [...value].map((item) => plain(item, inside))
  if (value instanceof EventEmitter) return '[emitter]'
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item, inside)]))
}

/** What of an error must be the same; its stack need not be. */
function plainError(error: Error): object {
  const { code, cause } = error as Error & { code?: unknown }
  return {
    error: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code: plain(code) }),
    ...(cause === undefined ? {} : { cause: plain(cause) }),
  }
}
