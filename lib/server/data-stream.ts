// The file that a Filter gets, as a stream. It knows what was said of the file, and asks its request for more of it.

import { Readable } from 'node:stream'
import type { FilterData } from '../cgi/filter-data'

/** What the stream asks of its request. */
export interface DataHost {
  /** The reader wants more. */
  wantsData(): void
  /** Nobody reads any more: the stream has ended, or was destroyed. */
  dataClosed(): void
}

/**
 * The file that a web server sends with a Filter request, `req.socket.data`. FCGI 6.4
 *
 * It fails with `FCGI_ERR_DATA_TOO_SHORT` when less comes than was announced, with `FCGI_ERR_BODY_NOT_READ` when it is read while
 * too much unread request body waits in front of it, and with `ECONNRESET` when the request ends first.
 */
export class DataStream extends Readable {
  /** Bytes, from FCGI_DATA_LENGTH; undefined when the web server did not say. */
  readonly length: number | undefined
  /** From FCGI_DATA_LAST_MOD; undefined when the web server did not say, or no time. */
  readonly lastModified: Date | undefined

  private readonly host: DataHost

  constructor(host: DataHost, { length, lastModified }: FilterData) {
    super()
    this.host = host
    this.length = length
    this.lastModified = lastModified
    // Whoever reads hears of an error in any case; a file that nobody reads must not end the process with one.
    this.on('error', () => undefined)
  }

  override _read(): void {
    // Node asks just before it takes what is there, and then not again until something is pushed.
    queueMicrotask(() => this.host.wantsData())
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.host.dataClosed()
    callback(error)
  }
}
