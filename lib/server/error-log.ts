// A stream for loggers: lines of a request go to the web server's error log, all others to `process.stderr`.

import { Writable } from 'node:stream'
import { OptionError } from '../errors'
import { loadApplication } from './on-demand'
import type { RequestStderr } from './stderr'

/** Options of {@link errorLog}. */
export interface ErrorLogOptions {
  /** Gets what the web server's log cannot: what is logged outside of a request, or too late. Default `process.stderr`. */
  fallback?: { write(text: string | Uint8Array): unknown }
}

/** The stream that {@link errorLog} makes. */
export interface ErrorLog extends Writable {
  /** Hands what was logged to the operating system at once; pino calls it behind a fatal line. */
  flushSync(): void
}

/**
 * A stream whose lines go to the error log of the web server, each to that of the request it was written in: `pino(errorLog())`.
 *
 * The request is found by its async context, as with AsyncLocalStorage. Control characters are escaped as in JSON, so that a line
 * is one entry of the log and no more.
 *
 * @returns a Writable that takes everything at once and never emits 'error' on its own account
 * @throws {OptionError} FCGI_ERR_OPTION for a fallback that cannot be written to
 * @see FCGI 6.2
 */
export function errorLog(options: ErrorLogOptions = {}): ErrorLog {
  const { fallback = process.stderr, ...others } = options
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new OptionError(`unknown option ${unknown} of errorLog(); known is fallback`)
  if (typeof (fallback as Partial<Writable> | null)?.write !== 'function') throw new OptionError('option fallback of errorLog() must have a write() method')
  return new LogStream(loadApplication().followRequests(), fallback)
}

// eslint-disable-next-line no-control-regex -- these are what must not arrive in a log
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]/g

class LogStream extends Writable implements ErrorLog {
  constructor(private readonly current: () => RequestStderr | undefined, private readonly fallback: { write(text: string | Uint8Array): unknown }) {
    super({ decodeStrings: false })
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    const stderr = this.current()
    if (stderr === undefined) this.fallback.write(chunk)
    else this.log(stderr, typeof chunk === 'string' ? chunk : chunk.toString())
    // Called before write() returns, so that each line is written in the context that it was logged in.
    done()
  }

  flushSync(): void {
    this.current()?.flush()
  }

  private log(stderr: RequestStderr, text: string): void {
    const lines = text.split(/\r?\n/)
    if (lines.at(-1) === '') lines.pop()
    for (const line of lines) {
      const { fallback } = this
      if (!stderr.add(Buffer.from(`${line.replace(CONTROL, escaped)}\n`), fallback)) fallback.write(`${line}\n`)
    }
  }
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
