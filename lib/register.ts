// A preload, `node --import express-fastcgi/register app.js` or `node -r ...`: the application's own listen() speaks
// FastCGI, with no line of it changed.

import { errorMonitor, type EventEmitter } from 'node:events'
import type * as http from 'node:http'
import { isMainThread } from 'node:worker_threads'
import { FastCGIError, OptionError } from './errors'
import { attach, isAttached } from './server/attach'
import { GracefulStop } from './server/graceful-stop'
import { isListeningSocket } from './server/inherited'
import { environmentTargets, processEnvironment } from './server/listen-target'
import { observeListen } from './server/listen-hook'
import { reportMissedListen } from './server/missed-listen'
import { loadCluster } from './server/on-demand'
import type { Mount, Protocol } from './server/options'

/** The addresses of the environment, each with the server that has it. */
interface Place {
  readonly options: { readonly fd?: number }
  server: http.Server | undefined
  /** A server came to it, even if it left again. */
  wasTaken: boolean
}

/** Where web servers pass the socket to listen on. FCGI 2.2 */
const STDIN = 0
/** The servers attached here, and not by the application. */
const attachedHere = new WeakSet<http.Server>()
const wantedProtocol = protocolOf(process.env['FASTCGI_PROTOCOL'])
const mount = mountOf(process.env['FASTCGI_MOUNT'])
let places = placesOfEnvironment()
const gracefulStop = new GracefulStop()

/**
 * What the arguments of an application's `server.listen(...)` become. The first server listens where the environment says,
 * whatever its arguments are; without that, and for further servers, the arguments count.
 */
function redirect(server: http.Server, args: unknown[]): unknown[] | undefined {
  const isNew = !attachedHere.has(server)
  // One that this package was asked for has been told where to listen; one that listens already gets node's error.
  if (isNew && (isAttached(server) || server.listening)) return args
  // dotenv and its like set the variable after the start.
  if (isNew && places.length === 0) places = placesOfEnvironment()
  const place = places.find((one) => one.server === server) ?? places.find((one) => one.server === undefined)
  if (isNew) {
    attachedHere.add(server)
    // An address of the application's own is development until the environment says otherwise: browsers may come as well.
    attach(server, { protocol: wantedProtocol ?? (place === undefined ? 'auto' : 'fastcgi'), mount })
  }
  return place === undefined ? asAsked(server, args) : placed(server, place, args)
}

/** The arguments as the application gave them; none mean any port that is free, as in node. */
function asAsked(server: http.Server, args: unknown[]): unknown[] | undefined {
  if (!isAnywhere(args[0])) return args
  if (places.length > 0) {
    // Such as Fastify's second server, for another address of localhost: a port that nobody knows would only be a danger.
    const message = 'a further server called listen() without an address, and the environment has none left for it; give it one'
    process.nextTick(() => server.emit('error', new FastCGIError('FCGI_ERR_NO_LISTEN_ADDRESS', message)))
    return undefined
  }
  server.once('listening', () => warnOfPort(server))
  return [0, ...args.filter((argument) => typeof argument === 'function')]
}

/** Whether a first argument of listen() leaves it to the operating system where. */
function isAnywhere(first: unknown): boolean {
  if (first === undefined || first === null || typeof first === 'function') return true
  const isPortOnly = typeof first === 'object' && !['fd', 'path', '_handle', 'handle', 'getsockname'].some((name) => name in first)
  return isPortOnly && 'port' in first && (first.port === undefined || first.port === null)
}

/** The arguments that lead to a place of the environment. What else the application asked for is kept. */
function placed(server: http.Server, place: Place, args: unknown[]): unknown[] {
  const { signal, backlog } = (typeof args[0] === 'object' ? (args[0] ?? {}) : {}) as { signal?: AbortSignal; backlog?: number }
  const options = { ...place.options, ...(signal && { signal }), ...(backlog !== undefined && { backlog }) }
  const callback = args.at(-1)
  if (place.server !== server) {
    place.server = server
    place.wasTaken = true
    gracefulStop.add(server)
    // A server that is closed, or never came to listen, leaves its place to the next.
    const leave = (): void => {
      if (!server.listening) place.server = undefined
    }
    const emitter: EventEmitter = server
    emitter.once('close', leave).once(errorMonitor, leave)
  }
  return typeof callback === 'function' ? [options, callback] : [options]
}

/** What the process was started with is the main thread's. */
function placesOfEnvironment(): readonly Place[] {
  return isMainThread ? environmentTargets(environment()).map(({ options }) => ({ options, server: undefined, wasTaken: false })) : []
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

function mountOf(value: string | undefined): Mount {
  if (value === undefined || value === '') return 'auto'
  // Relative paths, whole URLs and queries are what people try; none of them is ever the beginning of a request's path.
  if (/^\/(?!\/)[^\s?#]*$/.test(value)) return value.replace(/(?<=.)\/+$/, '') as Mount
  throw new OptionError(`FASTCGI_MOUNT=${value} is no path prefix: use the path that the web server has the application under, such as /shop`)
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

/** Whether a web server started this process to answer its requests; a child of it has the same standard input. */
function isSpawned(): boolean {
  return places.some(({ options }) => options.fd === STDIN) && process.channel === undefined
}

/** The primary process of a cluster leaves it to its workers to listen. */
function isListening(): boolean {
  return places.some(({ wasTaken }) => wasTaken) || Object.keys(loadCluster().settings).length > 0
}

observeListen(redirect)
if (isSpawned()) {
  reportMissedListen({ application: process.argv[1] ?? 'node', isListening, write: (line) => void process.stderr.write(line) })
}
