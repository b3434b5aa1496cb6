// Turns an http.Server into a FastCGI server, in place. The one mechanism behind createServer, listen and attach.

import type * as http from 'node:http'
import type { Socket } from 'node:net'
import { OptionError } from '../errors'
import { accessList } from './access'
import { Application } from './application'
import { isSpawned, type Listener, startListening } from './listen'
import { removeHttpListener } from './node-internals'
import { checkOptions, type FastCGIOptions, settings } from './options'

const attached = new WeakSet<http.Server>()

/**
 * Turns any http.Server that is not yet listening into a FastCGI server, in place: its `listen()` then speaks FastCGI, and
 * its 'request' listeners get node's own objects as before.
 *
 * @param server of node:http, or of a framework that makes its own
 * @returns the same server
 * @throws {OptionError} for an unknown or wrong option, a server that listens already, or one that was attached before
 */
export function attach<T extends http.Server>(server: T, options: FastCGIOptions = {}): T {
  checkOptions(options)
  if (attached.has(server)) throw new OptionError('attach() was called twice for this server', 'FCGI_ERR_ALREADY_ATTACHED')
  if (server.listening) throw new OptionError('attach() must come before listen(): this server listens already', 'FCGI_ERR_ALREADY_LISTENING')
  attached.add(server)

  // node's default of 5 s closes connections that the web server is about to reuse.
  server.keepAliveTimeout = options.keepAliveTimeout ?? 0
  if (options.requestTimeout !== undefined) server.requestTimeout = options.requestTimeout
  if (options.headersTimeout !== undefined) server.headersTimeout = options.headersTimeout
  else if (server.requestTimeout > 0) server.headersTimeout = Math.min(server.headersTimeout, server.requestTimeout)
  if (options.maxHeadersCount !== undefined) server.maxHeadersCount = options.maxHeadersCount
  if (options.maxConnections !== undefined && options.maxConnections > 0) server.maxConnections = options.maxConnections

  const application = new Application(server, settings(options))
  removeHttpListener(server)
  server.on('connection', (socket: Socket) => application.accept(socket))

  const listener: Listener = {
    generation: 0,
    isStarting: false,
    readAccess() {
      application.access = accessList(options.allowedClients, process.env['FCGI_WEB_SERVER_ADDRS'])
      return { isRestricted: application.access !== undefined }
    },
    started(isTcp) {
      application.isTcp = isTcp
    },
    inherited() {
      if (isSpawned()) application.spawnedScript = process.argv[1] ?? ''
    },
  }
  const netListen = server.listen.bind(server) as (options: object) => unknown
  const close = server.close.bind(server)
  Object.assign(server, {
    listen(...args: unknown[]) {
      startListening(server, listener, netListen, args)
      application.isClosing = false
      return server
    },
    close(callback?: (error?: Error) => void) {
      listener.generation++
      listener.isStarting = false
      application.startClosing()
      return close(callback)
    },
    closeIdleConnections() {
      application.closeIdle()
    },
    closeAllConnections() {
      application.closeAll()
    },
  })
  return server
}
