// Starts a server on what listen() was given. Wraps net.Server's own listen; every failure says what to do.

import { existsSync } from 'node:fs'
import type * as http from 'node:http'
import { dirname } from 'node:path'
import { beginLog } from './log-file'
import { isLoopback, listenCall, type ListenTarget, processEnvironment } from './listen-target'
import { loadApplication, loadCluster, loadWorkerThreads } from './on-demand'
import { accountId, checkPath, existing, isFile, removeStale, setRights, withRights } from './unix-socket'

beginLog()

const OWNER_ONLY = 0o600

/** net.Server's listen, bound to the server. */
type NetListen = (...args: unknown[]) => unknown

/** What starting to listen tells and asks its application. */
export interface Listener {
  /** Who may connect is decided now; throws on a list that does not parse. */
  readAccess(): { isRestricted: boolean }
  /** The server listens. */
  started(isTcp: boolean): void
  /** The server is about to listen on what a web server or a spawner passed; `name` is what `address()` says then, where it is known. */
  inherited(fd: number, name?: string): void
  /** A start is under way: it waits for the answer whether a socket file is stale. */
  isStarting: boolean
  /** Counts up with every listen() and close(), so that a start under way notices that it was overtaken. */
  generation: number
}

/**
 * Listens.
 *
 * @throws {OptionError | FastCGIError} when the arguments cannot be right; what the operating system refuses comes as 'error'
 */
export function startListening(server: http.Server, listener: Listener, netListen: NetListen, args: readonly unknown[]): void {
  if (server.listening || listener.isStarting) {
    // node's own words, before anything of the running server is touched.
    throw Object.assign(new Error('Listen method has been called more than once without closing.'), { code: 'ERR_SERVER_ALREADY_LISTEN' })
  }
  const callback = args.at(-1)
  // Before anything can be refused, as node does.
  if (typeof callback === 'function') server.once('listening', callback as () => void)
  const target = listenCall(args, processEnvironment)
  const { isRestricted } = listener.readAccess()
  explainErrors(server, target)
  server.once('listening', () => {
    const address = server.address()
    const isTcp = typeof address === 'object' && address !== null
    listener.started(isTcp)
    if (isTcp && !isRestricted && !isLoopback(address.address)) warnOfOpenPort(address.address)
  })
  switch (target.kind) {
    case 'unix':
      listenUnix(server, listener, netListen, target.options)
      return
    case 'tcp':
      netListen(target.options)
      return
    case 'fd':
      listener.inherited(target.options.fd)
      netListen(target.options)
      return
    case 'pipe':
      listener.inherited(target.options.fd, target.options.path)
      loadApplication().listenToPipe(server)
      return
    case 'other':
      netListen(...target.args)
  }
}

function listenUnix(
  server: http.Server,
  listener: Listener,
  netListen: NetListen,
  options: Extract<ListenTarget, { kind: 'unix' }>['options'],
): void {
  const { path, mode, owner, group, ...rest } = options
  const bindOptions = { ...rest, path }
  if (!isFile(path)) {
    netListen(bindOptions)
    return
  }
  checkPath(path)
  const uid = accountId('passwd', owner)
  const gid = accountId('group', group)
  if (loadCluster().isWorker && rest.exclusive !== true) {
    // The primary's umask counts until then; nothing here can make that instant go away.
    server.once('listening', () => setRights(path, mode, uid, gid))
    netListen(bindOptions)
    return
  }
  const bind = (): void => {
    const isGiven = uid !== -1 || gid !== -1
    // For nobody else until it has the owner and group that its rights are meant for.
    withRights(path, isGiven ? OWNER_ONLY : mode, () => netListen(bindOptions))
    // Not listening: somebody else was quicker, and the socket there is not ours.
    if (!isGiven || !server.listening) return
    try {
      setRights(path, mode, uid, gid)
    } catch (error) {
      // Not one connection may come in with rights other than those asked for.
      server.close(() => server.emit('error', error))
    }
  }
  const found = existing(path)
  if (found === undefined) {
    bind()
    return
  }
  const generation = ++listener.generation
  listener.isStarting = true
  removeStale(path, found, (error) => {
    if (listener.generation !== generation) return
    listener.isStarting = false
    try {
      if (error !== undefined) throw error
      bind()
    } catch (problem) {
      server.emit('error', problem)
    }
  })
}

/** Adds to an error of the operating system what to do about it; without a listener it is thrown, as node does. */
function explainErrors(server: http.Server, target: ListenTarget): void {
  const explain = (error: NodeJS.ErrnoException): void => {
    server.removeListener('listening', forget)
    const advice = error.syscall === 'connect' ? undefined : adviceFor(error.code, target)
    if (advice !== undefined && !error.message.includes(advice)) error.message += `: ${advice}`
    if (server.listenerCount('error') === 0) throw error
  }
  const forget = (): void => {
    server.removeListener('error', explain)
  }
  server.prependOnceListener('error', explain)
  server.once('listening', forget)
}

function adviceFor(code: string | undefined, target: ListenTarget): string | undefined {
  if (target.kind === 'unix') {
    const folder = dirname(target.options.path)
    switch (code) {
      case 'EACCES':
      case 'EPERM':
        // libuv says EACCES for a missing folder too.
        if (!existsSync(folder)) return `the folder ${folder} does not exist; create it first`
        return `this user may not create a file in ${folder}; choose a folder of its own, such as one made by systemd's RuntimeDirectory=`
      case 'ENOENT':
      case 'ENOTDIR':
        return `the folder ${folder} does not exist; create it first`
      case 'EROFS':
        return `${folder} is on a file system that cannot be written`
      default:
        return undefined
    }
  }
  switch (code) {
    case 'EADDRINUSE':
      return 'another process listens there already; stop it, or choose another port'
    case 'EACCES':
      return 'ports below 1024 need more rights; choose a higher one, or a unix socket'
    case 'EADDRNOTAVAIL':
      return 'no interface of this machine has that address'
    case 'ENOTFOUND':
      return 'that host name has no address'
    case 'EINVAL':
    case 'ENOTSOCK':
    case 'EBADF':
      return target.kind === 'fd'
        ? `file descriptor ${target.options.fd} is not a listening socket; start the application with spawn-fcgi, systemd or its like, or give a path or a port`
        : undefined
    default:
      return undefined
  }
}

function warnOfOpenPort(host: string): void {
  process.emitWarning(
    `listening on ${host} without allowedClients: FastCGI has no authentication, so whoever reaches this port can claim to be any client. ` +
      'Use a unix socket or 127.0.0.1, or set allowedClients or FCGI_WEB_SERVER_ADDRS',
    { type: 'FastCGIWarning', code: 'FCGI_WARN_OPEN_PORT' },
  )
}

/** Whether a web server can have started this process by itself; a worker thread shares its fd 0 with others. */
export function isSpawned(): boolean {
  return loadWorkerThreads().isMainThread && process.argv[1] !== undefined
}
