// Where to listen: the arguments of net.Server's listen(), or what the environment says when there are none.

import { isIP, type ListenOptions as NetListenOptions } from 'node:net'
import { FastCGIError, OptionError } from '../errors'
import { pipeOfIIS } from './iis'
import { isListeningSocket, isSocket } from './inherited'

/** The options of `net.Server.listen` and what FastCGI adds for unix sockets. */
export interface ListenOptions extends NetListenOptions {
  /** Inherited listening socket, such as 0 for one passed by spawn-fcgi. */
  fd?: number
  /** Rights of the unix socket, 0660 unless given. */
  mode?: number
  /** Owner of the unix socket, name or id; the user of this process unless given. */
  owner?: string | number
  /** Group of the unix socket, name or id; the group of this process unless given. */
  group?: string | number
}

/** What a call of listen() means. */
export type ListenTarget =
  | { readonly kind: 'tcp'; readonly options: ListenOptions & { host: string } }
  | { readonly kind: 'unix'; readonly options: ListenOptions & { path: string } }
  | { readonly kind: 'fd'; readonly options: ListenOptions & { fd: number } }
  /** The one connection that IIS gives, as fd 0; `path` is its name. */
  | { readonly kind: 'pipe'; readonly options: ListenOptions & { fd: number; path: string } }
  /** Anything else: a handle, a server to share one with, and what node refuses in its own words. */
  | { readonly kind: 'other'; readonly args: readonly unknown[] }

/** What is asked of the process when listen() gets no address. */
export interface ListenEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly pid: number
  readonly isSocket: (fd: number) => boolean
  /** Whether a file descriptor is a socket that listens; in doubt, whether it is a socket. */
  readonly isListener: (fd: number) => boolean
  /** Name of the pipe that IIS gave as standard input; undefined when it did not, or when it is taken. */
  readonly pipeOfIIS: () => string | undefined
}

/** First file descriptor systemd passes. sd_listen_fds(3) */
const SYSTEMD_FIRST_FD = 3
/** The listening socket of a spawned application. FCGI 2.2 */
const LISTENSOCK_FILENO = 0

const LOOPBACK = '127.0.0.1'

/**
 * Reads the arguments of listen(), in all the forms of `net.Server.listen`.
 *
 * A port without a host means 127.0.0.1, unlike node: whoever reaches a FastCGI port can claim to be anyone.
 *
 * @throws {OptionError} FCGI_ERR_OPTION
 * @throws {FastCGIError} FCGI_ERR_NO_LISTEN_ADDRESS when nothing is given and nothing is found, FCGI_ERR_NOT_A_LISTENER
 * when what is found is no socket
 */
export function listenCall(args: readonly unknown[], environment: ListenEnvironment): ListenTarget {
  const given = typeof args.at(-1) === 'function' ? args.slice(0, -1) : args
  const [first, second, third] = given
  if (first === undefined || first === null) return automaticTarget(environment)
  if (isPort(first)) {
    const host = typeof second === 'string' && second !== '' ? second : LOOPBACK
    const backlog = typeof second === 'number' ? second : third
    return tcp({ port: Number(first), host, ...withBacklog(backlog) })
  }
  // What node takes for a port, and refuses, is no path.
  if (typeof first === 'string' && !(Number(first) >= 0)) return unix({ path: first, ...withBacklog(second) })
  if (typeof first !== 'object') return { kind: 'other', args: given }
  return optionsTarget(first, environment) ?? { kind: 'other', args: given }
}

function optionsTarget(options: ListenOptions & { _handle?: unknown; handle?: unknown }, environment: ListenEnvironment): ListenTarget | undefined {
  // A raw handle has an `fd`, too.
  if (options._handle || options.handle || 'getsockname' in options) return undefined
  if (typeof options.fd === 'number' && options.fd >= 0) return inheritedTarget(options.fd, environment, options)
  if (options.path) return typeof options.path === 'string' ? unix({ ...options, path: options.path }) : undefined
  if (isPort(options.port)) return tcp({ ...options, port: Number(options.port), host: options.host || LOOPBACK })
  // `{ port: process.env.PORT }` without that variable is as good as nothing.
  return 'port' in options && options.port === undefined ? automaticTarget(environment) : undefined
}

function tcp(options: ListenOptions & { host: string }): Extract<ListenTarget, { kind: 'tcp' }> {
  return { kind: 'tcp', options }
}

function unix(options: ListenOptions & { path: string }): Extract<ListenTarget, { kind: 'unix' }> {
  const { mode } = options
  if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) {
    throw new OptionError(`option mode must be the rights of a file, such as 0o660, not ${String(mode)}`)
  }
  return { kind: 'unix', options }
}

/** A port as node takes one. */
function isPort(value: unknown): boolean {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return false
  const port = Number(value)
  return Number.isInteger(port) && port >= 0 && port <= 65_535
}

function withBacklog(value: unknown): { backlog?: number } {
  return typeof value === 'number' ? { backlog: value } : {}
}

/** Without arguments: what the environment says. */
function automaticTarget(environment: ListenEnvironment): ListenTarget {
  const [target] = environmentTargets(environment)
  if (target?.kind === 'fd' && !environment.isSocket(target.options.fd)) {
    const { fd } = target.options
    throw new FastCGIError('FCGI_ERR_NOT_A_LISTENER', `file descriptor ${fd} is not a socket; start the application with spawn-fcgi, systemd or its like, or give a path or a port`)
  }
  if (target !== undefined) return target
  throw new FastCGIError(
    'FCGI_ERR_NO_LISTEN_ADDRESS',
    'listen() was called without an address, and there is none in the environment: FASTCGI_LISTEN is not set, systemd passed ' +
      'no socket (LISTEN_FDS), IIS no pipe (_FCGI_X_PIPE_), and standard input is not a listening socket from spawn-fcgi, mod_fcgid or lighttpd. ' +
      "Give one, for example listen('/run/my-app.sock') or listen(9000), or set FASTCGI_LISTEN=/run/my-app.sock",
  )
}

/**
 * Where the environment says to listen, the first of: FASTCGI_LISTEN, the sockets of systemd, the pipe of IIS, a listening
 * socket on fd 0.
 *
 * @throws {OptionError} FCGI_ERR_OPTION for a FASTCGI_LISTEN that is no address
 */
export function environmentTargets(environment: ListenEnvironment): Exclude<ListenTarget, { kind: 'other' }>[] {
  const { env, pid } = environment
  const address = env['FASTCGI_LISTEN']
  if (address !== undefined && address !== '') {
    const target = addressTarget(address)
    return [target.kind === 'fd' ? inheritedTarget(target.options.fd, environment) : target]
  }
  if (env['LISTEN_PID'] === String(pid) && Number(env['LISTEN_FDS']) > 0) {
    return Array.from({ length: Number(env['LISTEN_FDS']) }, (_, i) => inheritedTarget(SYSTEMD_FIRST_FD + i, environment))
  }
  const isGiven = environment.pipeOfIIS() !== undefined || environment.isListener(LISTENSOCK_FILENO)
  return isGiven ? [inheritedTarget(LISTENSOCK_FILENO, environment)] : []
}

function inheritedTarget(fd: number, environment: ListenEnvironment, options: ListenOptions = {}): Extract<ListenTarget, { kind: 'fd' | 'pipe' }> {
  const pipe = fd === LISTENSOCK_FILENO ? environment.pipeOfIIS() : undefined
  return pipe === undefined ? { kind: 'fd', options: { ...options, fd } } : { kind: 'pipe', options: { ...options, fd, path: pipe } }
}

/**
 * Reads an address as FASTCGI_LISTEN has it: `/run/app.sock`, `unix:/run/app.sock`, `9000`, `127.0.0.1:9000`, `[::1]:9000`
 * or `fd:0`.
 *
 * @throws {OptionError} FCGI_ERR_OPTION
 */
export function addressTarget(address: string): Exclude<ListenTarget, { kind: 'other' }> {
  if (address.startsWith('unix:') && address.length > 5) return unix({ path: address.slice(5) })
  if (address.startsWith('/') || address.startsWith('./') || address.startsWith('\\\\')) return unix({ path: address })
  if (/^fd:[0-9]+$/.test(address)) return { kind: 'fd', options: { fd: Number(address.slice(3)) } }
  const match = /^(?:tcp:(?:\/\/)?)?(?:(?:\[([^\]]+)\]|([^:]*)):)?([0-9]+)$/.exec(address)
  if (match === null || !isPort(match[3])) {
    throw new OptionError(`FASTCGI_LISTEN=${address} is not an address: use /path, unix:/path, PORT, HOST:PORT, [IPV6]:PORT or fd:N`)
  }
  return tcp({ port: Number(match[3]), host: match[1] || match[2] || LOOPBACK })
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.')) || host === '::ffff:127.0.0.1'
}

/** The environment of this process. */
export const processEnvironment: ListenEnvironment = {
  env: process.env,
  pid: process.pid,
  isSocket,
  isListener: (fd) => isListeningSocket(fd, true),
  pipeOfIIS,
}
