// The middleware by which the web server sends an application's files. What it does is loaded where somebody calls for it.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { loadSendfile } from './on-demand'

/** The response header by which a web server is told to send a file. */
export type SendfileHeader = 'X-Accel-Redirect' | 'X-Sendfile' | 'X-LIGHTTPD-send-file'

/** Options of {@link sendfile}. */
export interface SendfileOptions {
  /** What the web server understands: nginx the first, lighttpd the others, Apache with mod_xsendfile the second. */
  header: SendfileHeader
  /**
   * Folders whose files may be handed over. For `X-Accel-Redirect` an object: each folder with the path of nginx's internal location
   * for it. For the others a list, or an object: each folder with its path as the web server sees it.
   */
  roots: Readonly<Record<string, string>> | readonly string[]
  /** Files of fewer bytes are sent by the application. Default 65536. */
  minSize?: number
  /** For nginx: headers that its internal location hands on by `add_header`, besides those that nginx keeps by itself. */
  headers?: readonly string[]
}

/** As Express and Connect have it. */
export type SendfileMiddleware = (req: IncomingMessage, res: ServerResponse, next: () => void) => void

/**
 * Middleware by which `res.sendFile`, `res.download`, `express.static` and whatever else pipes a file to the response hand it to the web
 * server, by `X-Accel-Redirect` or `X-Sendfile`. The web server has to be configured for it: docs/sendfile.md.
 *
 * A file is handed over only when the client gets the same answer either way, and when its real path is within `roots`; the
 * application sends all others, and those of requests that came by plain HTTP or from another web server.
 *
 * @returns to be used before what sends files
 * @throws {OptionError} FCGI_ERR_OPTION for an unknown or wrong option, such as a root that is no folder
 */
export function sendfile(options: SendfileOptions): SendfileMiddleware {
  return loadSendfile().middleware(options)
}
