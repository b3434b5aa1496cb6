// FASTCGI_LOG: what the application prints goes to a file, and what ends it too. For web servers that start it without
// standard output and error, such as IIS and cgi-fcgi: node puts /dev/null (NUL) in their place, and nobody would ever read it.

import { openSync, writeSync } from 'node:fs'
import { inspect } from 'node:util'
import { OptionError } from '../errors'

type Write = typeof process.stdout.write

let isBegun = false

/**
 * Begins the log, if there is to be one; early, before the application can print anything.
 *
 * @throws {OptionError} FCGI_ERR_OPTION when the file cannot be opened
 */
export function beginLog(): void {
  const path = process.env['FASTCGI_LOG']
  if (isBegun || path === undefined || path === '') return
  isBegun = true
  logTo(path)
}

function logTo(file: string): void {
  const fd = open(file)
  const append = (text: string | Uint8Array, encoding?: BufferEncoding): void => {
    try {
      // At once, as node does with files: the last words of a process that crashes are those that matter.
      writeSync(fd, typeof text === 'string' ? Buffer.from(text, encoding) : text)
    } catch {
      // A full disk must not end the application.
    }
  }
  const write: Write = (text: string | Uint8Array, second?: BufferEncoding | ((error?: Error | null) => void), third?: (error?: Error | null) => void): boolean => {
    append(text, typeof second === 'string' ? second : undefined)
    const done = typeof second === 'function' ? second : third
    if (typeof done === 'function') process.nextTick(done)
    return true
  }
  // Not other streams in their place: `console` keeps those that it has used once.
  process.stdout.write = write
  process.stderr.write = write
  // node prints these two on the file descriptor itself.
  process.on('warning', ({ name, stack, message }) => append(`(node:${process.pid}) ${stack ?? `${name}: ${message}`}\n`))
  process.on('uncaughtExceptionMonitor', (error, origin) => append(`${new Date().toISOString()} process ${process.pid}: ${origin}: ${inspect(error)}\n`))
}

function open(file: string): number {
  try {
    return openSync(file, 'a')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new OptionError(`FASTCGI_LOG=${file} cannot be opened (${code ?? String(error)}): its folder must exist, and the user that the application runs as must be allowed to write there`)
  }
}
