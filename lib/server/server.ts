// The public way in: a Server class, createServer and listen, with the signatures people know from node:http.

import * as http from 'node:http'
import { OptionError } from '../errors'
import { attach } from './attach'
import type { ListenOptions } from './listen-target'
import { checkOptions, type FastCGIOptions } from './options'

/** Options of `http.createServer` and of FastCGI, in one object. */
export interface ServerOptions extends http.ServerOptions, Omit<FastCGIOptions, 'headersTimeout' | 'requestTimeout' | 'keepAliveTimeout'> {}

/** A FastCGI server that is an `http.Server`: events, `close()`, time-outs and instrumentation are node's. */
export class Server extends http.Server {
  /**
   * @param options of `http.createServer` and of FastCGI
   * @param requestListener added to 'request'; an Express or Connect application is one
   * @throws {OptionError} for an unknown or wrong option
   */
  constructor(options?: ServerOptions | http.RequestListener, requestListener?: http.RequestListener) {
    const given = typeof options === 'function' ? {} : (options ?? {})
    checkOptions(given)
    super(given, typeof options === 'function' ? options : requestListener)
    attach(this, given as FastCGIOptions)
  }
}

/**
 * Like `http.createServer`: a server whose 'request' listeners get node's own request and response objects.
 *
 * @throws {OptionError} for an unknown or wrong option
 */
export function createServer(requestListener?: http.RequestListener): Server
export function createServer(options: ServerOptions, requestListener?: http.RequestListener): Server
export function createServer(options?: ServerOptions | http.RequestListener, requestListener?: http.RequestListener): Server {
  return new Server(options, requestListener)
}

/** What `listen` can serve: a request listener (Express, Connect), a Koa application, or an http.Server. */
export type ListenableApp = http.RequestListener | { callback(): http.RequestListener } | http.Server

/** What may follow the application: as for `net.Server.listen`, nothing included. */
export type ListenArguments =
  | [callback?: () => void]
  | [portOrPath: number | string | ListenOptions, callback?: () => void]
  | [port: number, host: string, callback?: () => void]

/**
 * Drop-in for `app.listen(...)`: serves an application over FastCGI.
 *
 * Without an address it finds one: FASTCGI_LISTEN, a socket from systemd, or the socket a web server or spawn-fcgi passed
 * on fd 0. A port without a host is on 127.0.0.1.
 *
 * @param app Express, Connect or any request listener, a Koa application, or an http.Server
 * @param listenArgs as for `net.Server.listen`; a unix socket also takes `mode`, `owner` and `group`
 * @returns the server, about to listen
 */
export function listen(app: http.RequestListener | { callback(): http.RequestListener }, ...listenArgs: ListenArguments): Server
export function listen<S extends http.Server>(server: S, ...listenArgs: ListenArguments): S
export function listen(app: ListenableApp, ...listenArgs: ListenArguments): http.Server
export function listen(app: ListenableApp, ...listenArgs: unknown[]): http.Server {
  const server = serverFor(app)
  // The overloads of net.Server.listen, already narrowed by our own.
  return (server.listen as (...args: unknown[]) => http.Server)(...listenArgs)
}

function serverFor(app: ListenableApp): http.Server {
  if (app instanceof http.Server) return app instanceof Server ? app : attach(app)
  if (typeof app === 'function') return createServer(app)
  if (typeof (app as Partial<{ callback: unknown }> | null | undefined)?.callback === 'function') return createServer(app.callback())
  throw new OptionError('listen() takes an Express, Connect or Koa application, a request listener or an http.Server')
}
