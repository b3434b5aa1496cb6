// The raw CGI meta-variables of a request, for applications that want them.

import { IncomingMessage } from 'node:http'
import { OptionError } from '../errors'
import { loadedApplication, loadedUpgrade } from './on-demand'
import type { SocketHost } from './socket'

const NONE: Readonly<Record<string, string>> = Object.freeze(Object.create(null) as Record<string, string>)
const decoded = new WeakMap<Pick<SocketHost, 'variables'>, Readonly<Record<string, string>>>()

/**
 * The CGI/1.1 meta-variables of a request as the web server sent them, such as `DOCUMENT_ROOT` or `SSL_CLIENT_S_DN`.
 *
 * `REMOTE_USER` is only as good as the web server's configuration: nginx and HAProxy fill it from an Authorization header
 * that nobody verified.
 *
 * @param req of an application served by this package; of a plain HTTP server it has none
 * @returns null-prototype and frozen; values are latin1, of a repeated name the last; the same object each time
 * @throws {OptionError} FCGI_ERR_OPTION for anything that is no request
 * @see CGI 4.1
 */
export function cgiParams(req: IncomingMessage): Readonly<Record<string, string>> {
  if (!(req instanceof IncomingMessage)) throw new OptionError('cgiParams() takes the request that the application was called with')
  const host = loadedApplication()?.RequestSocket.hostOf(req.socket) ?? loadedUpgrade()?.UpgradedSocket.hostOf(req.socket)
  if (host === undefined) return NONE
  const known = decoded.get(host)
  if (known !== undefined) return known
  const params = Object.create(null) as Record<string, string>
  const { variables } = host
  for (let i = 0; i < variables.length; i += 2) params[variables[i] ?? ''] = variables[i + 1] ?? ''
  decoded.set(host, Object.freeze(params))
  return params
}
