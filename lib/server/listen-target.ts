// Where to listen: the arguments of net.Server's listen(), or what the environment says when there are none.

import { isIP, type ListenOptions as NetListenOptions } from 'node:net'
import { FastCGIError, OptionError } from '../errors'
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
export interface ListenCall {
  readonly target: ListenTarget
  readonly callback: (() => void) | undefined
}

export type ListenTarget =
  | { readonly kind: 'tcp'; readonly options: ListenOptions & { host: string } }
  | { readonly kind: 'unix'; readonly options: ListenOptions & { path: string } }
  | { readonly kind: 'fd'; readonly options: ListenOptions & { fd: number } }
  /** Anything else node takes: a handle, or a server to share one with. */
  | { readonly kind: 'other'; readonly options: object }

/** What is asked of the process when listen() gets no address. */
export interface ListenEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly pid: number
  readonly isSocket: (fd: number) => boolean
  /** Whether a file descriptor is a socket that listens; in doubt, whether it is a socket. */
  readonly isListener: (fd: number) => boolean
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
 * @throws {FastCGIError} FCGI_ERR_NO_LISTEN_ADDRESS when nothing is given and nothing is found
 */
export function listenCall(args: readonly unknown[], environment: ListenEnvironment): ListenCall {
  const last = args.at(-1)
  const callback = typeof last === 'function' ? (last as () => void) : undefined
  const given = callback === undefined ? args : args.slice(0, -1)
  const [first, second, third] = given
  if (first === undefined || first === null) return { target: automaticTarget(environment), callback }
  if (typeof first === 'number' || (typeof first === 'string' && isPort(first))) {
    const host = typeof second === 'string' && second !== '' ? second : LOOPBACK
    const backlog = typeof second === 'number' ? second : third
    return { target: tcp({ port: port(first), host, ...withBacklog(backlog) }), callback }
  }
  if (typeof first === 'string') return { target: unix({ path: first, ...withBacklog(second) }), callback }
  if (typeof first !== 'object') throw new OptionError(`listen() takes a port, a path or options, not ${typeof first}`)
  return { target: optionsTarget(first), callback }
}

function optionsTarget(options: ListenOptions): ListenTarget {
  if (typeof options.fd === 'number') return { kind: 'fd', options: { ...options, fd: options.fd } }
  if (typeof options.path === 'string') return unix({ ...options, path: options.path })
  if (options.port !== undefined) return tcp({ ...options, port: port(options.port), host: options.host || LOOPBACK })
  return { kind: 'other', options }
}

function tcp(options: ListenOptions & { host: string }): ListenTarget {
  return { kind: 'tcp', options }
}

function unix(options: ListenOptions & { path: string }): ListenTarget {
  if (options.path === '') throw new OptionError('listen() was given an empty path')
  const { mode } = options
  if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) {
    throw new OptionError(`option mode must be the rights of a file, such as 0o660, not ${String(mode)}`)
  }
  return { kind: 'unix', options }
}

function isPort(text: string): boolean {
  return /^[0-9]+$/.test(text)
}

function port(value: unknown): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 0 || number > 65_535) throw new OptionError(`a port is 0 to 65535, not ${String(value)}`)
  return number
}

function withBacklog(value: unknown): { backlog?: number } {
  return typeof value === 'number' ? { backlog: value } : {}
}

function automaticTarget(environment: ListenEnvironment): ListenTarget {
  const [target] = environmentTargets(environment)
  if (target !== undefined) return target
  throw new FastCGIError(
    'FCGI_ERR_NO_LISTEN_ADDRESS',
    'listen() was called without an address, and there is none in the environment: FASTCGI_LISTEN is not set, systemd passed ' +
      'no socket (LISTEN_FDS), and standard input is not a listening socket from spawn-fcgi, mod_fcgid or lighttpd. ' +
      "Give one, for example listen('/run/my-app.sock') or listen(9000), or set FASTCGI_LISTEN=/run/my-app.sock",
  )
}

/**
 * Where the environment says to listen, the first of: FASTCGI_LISTEN, the sockets of systemd, a listening socket on fd 0.
 *
 * @throws {OptionError} FCGI_ERR_OPTION for a FASTCGI_LISTEN that is no address
 */
export function environmentTargets({ env, pid, isListener }: ListenEnvironment): ListenTarget[] {
  const address = env['FASTCGI_LISTEN']
  if (address !== undefined && address !== '') return [addressTarget(address)]
  if (env['LISTEN_PID'] === String(pid) && Number(env['LISTEN_FDS']) > 0) {
    return Array.from({ length: Number(env['LISTEN_FDS']) }, (_, i) => inheritedTarget(SYSTEMD_FIRST_FD + i))
  }
  return isListener(LISTENSOCK_FILENO) ? [inheritedTarget(LISTENSOCK_FILENO)] : []
}

function inheritedTarget(fd: number): ListenTarget {
  return { kind: 'fd', options: { fd } }
}

/**
 * Reads an address as FASTCGI_LISTEN has it: `/run/app.sock`, `unix:/run/app.sock`, `9000`, `127.0.0.1:9000`, `[::1]:9000`
 * or `fd:0`.
 *
 * @throws {OptionError} FCGI_ERR_OPTION
 */
export function addressTarget(address: string): ListenTarget {
  if (address.startsWith('unix:')) return unix({ path: address.slice(5) })
  if (address.startsWith('/') || address.startsWith('./') || address.startsWith('\\\\')) return unix({ path: address })
  if (/^fd:[0-9]+$/.test(address)) return { kind: 'fd', options: { fd: Number(address.slice(3)) } }
  const match = /^(?:tcp:(?:\/\/)?)?(?:(?:\[([^\]]+)\]|([^:]*)):)?([0-9]+)$/.exec(address)
  if (match === null) {
    throw new OptionError(`FASTCGI_LISTEN=${address} is not an address: use /path, unix:/path, PORT, HOST:PORT, [IPV6]:PORT or fd:N`)
  }
  return tcp({ port: port(match[3]), host: match[1] || match[2] || LOOPBACK })
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
}
