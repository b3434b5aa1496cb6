// A preload, `node --import express-fastcgi/register app.js` or `node -r ...`: the application's own listen() speaks
// FastCGI, with no line of it changed.

import { errorMonitor, type EventEmitter } from 'node:events'
import * as http from 'node:http'
import { isMainThread } from 'node:worker_threads'
import { OptionError } from './errors'
import { attach, isAttached } from './server/attach'
import { isListeningSocket } from './server/inherited'
import { environmentTargets, type ListenTarget, processEnvironment } from './server/listen-target'
import type { Protocol } from './server/options'

/** The addresses of the environment, each with the server that has it. */
interface Place {
  readonly target: ListenTarget
  server: http.Server | undefined
}

type Listen = (...args: unknown[]) => http.Server

const netListen = http.Server.prototype.listen as Listen
/** The listen() that attach() gave to the servers we attached. */
const fastcgiListens = new WeakMap<http.Server, Listen>()
const wantedProtocol = protocolOf(process.env['FASTCGI_PROTOCOL'])
// What the process was started with is the main thread's, and is read before the application can change it.
const places: readonly Place[] = isMainThread ? environmentTargets(environment()).map((target) => ({ target, server: undefined })) : []

/**
 * What an application's `server.listen(...)` becomes. The first server listens where the environment says, whatever its
 * arguments are; without that, and for further servers, the arguments count.
 */
function listen(this: http.Server, ...args: unknown[]): http.Server {
  const known = fastcgiListens.get(this)
  // One of this package's own, which has been told where to listen.
  if (known === undefined && (isAttached(this) || this.listening)) return netListen.apply(this, args)
  const place = places.find(({ server }) => server === this) ?? places.find(({ server }) => server === undefined)
  const fastcgiListen = known ?? speakFastCGI(this, place === undefined)
  return fastcgiListen(...(place === undefined ? asAsked(this, args) : placed(this, place, args)))
}

function speakFastCGI(server: http.Server, isOwnAddress: boolean): Listen {
  // For attach() to build upon; then out of the way, so that a second listen() of this server comes here as well.
  Object.assign(server, { listen: netListen })
  // An address of the application's own is development until the environment says otherwise: browsers may come as well.
  attach(server, { protocol: wantedProtocol ?? (isOwnAddress ? 'auto' : 'fastcgi') })
  const fastcgiListen = server.listen as Listen
  delete (server as Partial<http.Server>).listen
  fastcgiListens.set(server, fastcgiListen)
  return fastcgiListen
}

/** The arguments as the application gave them; none mean any port that is free, as in node. */
function asAsked(server: http.Server, args: unknown[]): unknown[] {
  const isAnywhere = args[0] === undefined || args[0] === null || typeof args[0] === 'function'
  if (!isAnywhere) return args
  // Nobody can know that port beforehand.
  server.once('listening', () => warnOfPort(server))
  return [0, ...args.filter((argument) => typeof argument === 'function')]
}

/** The arguments that lead to a place of the environment. What else the application asked for is kept. */
function placed(server: http.Server, place: Place, args: unknown[]): unknown[] {
  const { signal, backlog } = (typeof args[0] === 'object' ? (args[0] ?? {}) : {}) as { signal?: AbortSignal; backlog?: number }
  const options = { ...place.target.options, ...(signal && { signal }), ...(backlog !== undefined && { backlog }) }
  const callback = args.at(-1)
  if (place.server !== server) {
    place.server = server
    // A server that is closed, or never came to listen, leaves its place to the next.
    const leave = (): void => {
      if (!server.listening) place.server = undefined
    }
    const emitter: EventEmitter = server
    emitter.once('close', leave).once(errorMonitor, leave)
  }
  return typeof callback === 'function' ? [options, callback] : [options]
}

function environment(): typeof processEnvironment {
  // In doubt the application's own arguments are the better guess.
  return { ...processEnvironment, isListener: (fd) => isListeningSocket(fd, false) }
}

function protocolOf(value: string | undefined): Protocol | undefined {
  if (value === undefined || value === '') return undefined
  if (value === 'fastcgi' || value === 'auto') return value
  throw new OptionError(`FASTCGI_PROTOCOL=${value} is unknown: use fastcgi, or auto for FastCGI and HTTP on one port`)
}

function warnOfPort(server: http.Server): void {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  process.emitWarning(
    `listen() was called without an address, and there is none in the environment: listening on 127.0.0.1:${port}, a port that was free. ` +
      'Set FASTCGI_LISTEN=/run/my-app.sock',
    { type: 'FastCGIWarning', code: 'FCGI_WARN_NO_LISTEN_ADDRESS' },
  )
}

Object.defineProperty(http.Server.prototype, 'listen', { value: listen, writable: true, enumerable: true, configurable: true })
