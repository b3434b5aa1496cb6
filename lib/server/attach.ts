// Turns an http.Server into a FastCGI server, in place. The one mechanism behind createServer, listen and attach.

import type * as http from 'node:http'
import type { Socket } from 'node:net'
import { OptionError } from '../errors'
import { accessList } from './access'
import { socketPath } from './inherited'
import { removeHttpListener } from './http-listener'
import { define, hookListen, type Listen } from './listen-hook'
import { isSpawned, type Listener, startListening } from './listen'
import { loadApplication } from './on-demand'
import { checkOptions, type FastCGIOptions, settings } from './options'
import { SpawnedScript, spawnedScript } from './spawned-script'

const attached = new WeakSet<http.Server>()

/** Whether {@link attach} was called for a server. */
export function isAttached(server: http.Server): boolean {
  return attached.has(server)
}

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

  const httpKeepAliveTimeout = options.keepAliveTimeout === undefined ? server.keepAliveTimeout : Number.NaN
  if (options.keepAliveTimeout !== undefined) server.keepAliveTimeout = options.keepAliveTimeout
  // node's default of 5 s closes connections that the web server is about to reuse.
  else if (options.protocol !== 'auto') server.keepAliveTimeout = 0
  if (options.requestTimeout !== undefined) server.requestTimeout = options.requestTimeout
  if (options.headersTimeout !== undefined) server.headersTimeout = options.headersTimeout
  else if (server.requestTimeout > 0) server.headersTimeout = Math.min(server.headersTimeout, server.requestTimeout)
  if (options.maxHeadersCount !== undefined) server.maxHeadersCount = options.maxHeadersCount
  if (options.maxConnections !== undefined && options.maxConnections > 0) server.maxConnections = options.maxConnections

  const acceptHttp = removeHttpListener(server)
  const http = options.protocol === 'auto' ? { accept: httpAcceptor(server, acceptHttp), keepAliveTimeout: httpKeepAliveTimeout } : undefined
  const { Application } = loadApplication()
  const application = new Application(server, settings({ ...options, checkToken: options.checkToken ?? checkTokenOf(process.env) }), http)
  server.on('connection', (socket: Socket) => application.accept(socket))

  let inheritedFd = -1
  let inheritedName: string | undefined
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
    inherited(fd, name) {
      inheritedFd = fd
      inheritedName = name
      application.isOnPipe = name !== undefined
      // What IIS says of a script is not what it started.
      if (name === undefined && isSpawned()) application.spawnedScript = new SpawnedScript(spawnedScript(process.env, process.argv))
    },
  }
  const listen: Listen = (...args) => {
    startListening(server, listener, netListen, args)
    application.isClosing = false
    return server
  }
  const netListen = hookListen(server, listen)
  const close = server.close.bind(server)
  const address = server.address.bind(server)
  const unref = server.unref.bind(server)
  const ref = server.ref.bind(server)
  define(server, {
    close(callback?: (error?: Error) => void) {
      listener.generation++
      listener.isStarting = false
      application.startClosing()
      return close(callback)
    },
    // node says null of a unix socket it did not make itself, and applications look for `address().port`.
    address() {
      return address() ?? (server.listening && inheritedFd >= 0 ? (inheritedName ?? socketPath(inheritedFd) ?? `fd:${inheritedFd}`) : null)
    },
    // A connection of node:http ends after keepAliveTimeout; those of a web server are kept for ever.
    unref() {
      application.unref()
      unref()
      return server
    },
    ref() {
      application.ref()
      ref()
      return server
    },
  })
  const closers = { closeIdleConnections: () => application.closeIdle(), closeAllConnections: () => application.closeAll() }
  for (const name of ['closeIdleConnections', 'closeAllConnections'] as const) {
    const nodes = (server as Partial<http.Server>)[name]
    // Some take them away to look after connections by themselves.
    if (!nodes) continue
    define(server, {
      [name]() {
        closers[name]()
        nodes.call(server)
      },
    })
  }
  return server
}

/** @throws {OptionError} for a token that is too short to be one */
function checkTokenOf(env: NodeJS.ProcessEnv): string {
  const checkToken = env['FASTCGI_CHECK_TOKEN'] ?? ''
  try {
    if (checkToken !== '') checkOptions({ checkToken })
  } catch (error) {
    throw new OptionError((error as Error).message.replace('option checkToken', 'FASTCGI_CHECK_TOKEN in the environment'))
  }
  return checkToken
}

function httpAcceptor(server: http.Server, acceptHttp: ReturnType<typeof removeHttpListener>): (socket: Socket) => void {
  if (acceptHttp === undefined) {
    throw new OptionError(`option protocol cannot be 'auto' here: this server does not speak HTTP in a way that node ${process.version} is known for`)
  }
  return (socket) => acceptHttp.call(server, socket)
}
