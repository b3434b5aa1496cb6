// Unix sockets to listen on: a stale file is replaced only once a refused connection proves it stale, and the new one
// never has wider rights than asked for. Knows files, not servers.

import { chmodSync, lchownSync, lstatSync, readFileSync, type Stats, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { FastCGIError, OptionError } from '../errors'
import { loadChildProcess } from './on-demand'

/** Bytes of a path in `sockaddr_un`, without the NUL at its end. unix(7) */
const MAX_PATH = process.platform === 'linux' ? 107 : 103
const DEFAULT_MODE = 0o660

/** Whether a listen path names something in the file system, not an abstract socket or a Windows pipe. */
export function isFile(path: string): boolean {
  return process.platform !== 'win32' && !path.startsWith('\0')
}

/** @throws {OptionError} FCGI_ERR_OPTION for a path the operating system would cut off */
export function checkPath(path: string): void {
  const length = Buffer.byteLength(path)
  if (length > MAX_PATH) throw new OptionError(`the path of a unix socket has at most ${MAX_PATH} bytes, not ${length}: ${path}`)
}

/** What stands at a path; undefined for nothing. */
export function existing(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}

/**
 * Removes the socket file of a process that is gone.
 *
 * @param found what {@link existing} said
 * @param done gets an error when the file must stay: it is not a socket, or somebody answers there (EADDRINUSE)
 */
export function removeStale(path: string, found: Stats, done: (error?: Error) => void): void {
  if (!found.isSocket()) {
    process.nextTick(done, new FastCGIError('FCGI_ERR_NOT_A_SOCKET', `${path} exists and is not a socket; it was left alone. Choose another path, or remove it`))
    return
  }
  const probe = connect({ path })
  probe.once('connect', () => {
    probe.destroy()
    const message = `listen EADDRINUSE: another process answers on ${path}. Stop it first, or choose another path`
    done(Object.assign(new Error(message), { code: 'EADDRINUSE', syscall: 'listen', address: path }))
  })
  probe.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') done()
    else if (error.code === 'ECONNREFUSED') done(removeSame(path, found))
    else done(Object.assign(new Error(`cannot tell whether ${path} is still in use: ${error.message}`, { cause: error }), { code: error.code, syscall: 'connect' }))
  })
}

function removeSame(path: string, found: Stats): Error | undefined {
  try {
    const now = existing(path)
    // Another process may have been quicker and listens there by now.
    if (now?.ino === found.ino && now.dev === found.dev) unlinkSync(path)
    return undefined
  } catch (error) {
    return error as Error
  }
}

/**
 * Runs `bind`, which creates a unix socket, so that the file has just the rights wanted from its first instant.
 *
 * The umask is the process's, so nothing else may run in between: `bind` is synchronous.
 */
export function withRights(path: string, mode: number | undefined, bind: () => void): void {
  const wanted = mode ?? DEFAULT_MODE
  let previous: number | undefined
  try {
    previous = process.umask(0o777 & ~wanted)
  } catch {
    // A worker thread may not set it; there the rights are set an instant later.
  }
  try {
    bind()
  } finally {
    if (previous !== undefined) process.umask(previous)
  }
  if (previous === undefined && existing(path)?.isSocket() === true) chmodSync(path, wanted)
}

/** Sets the rights of a socket that exists: one made narrower first, or by another process, the primary of a cluster. */
export function setRights(path: string, mode: number | undefined, uid: number, gid: number): void {
  if (existing(path)?.isSocket() !== true) return
  if (uid !== -1 || gid !== -1) setOwner(path, uid, gid)
  chmodSync(path, mode ?? DEFAULT_MODE)
}

/**
 * Gives a socket file its owner and group.
 *
 * @throws {FastCGIError} FCGI_ERR_SOCKET_RIGHTS when this user may not
 */
export function setOwner(path: string, uid: number, gid: number): void {
  try {
    // Not the target of a link that somebody put there meanwhile.
    lchownSync(path, uid, gid)
  } catch (error) {
    const message = `${path} cannot be given to owner ${uid}, group ${gid} (-1: unchanged): only root may do that, or the owner for a group it is in`
    throw new FastCGIError('FCGI_ERR_SOCKET_RIGHTS', message, error)
  }
}

/**
 * The id of a user or a group.
 *
 * @param database `passwd` or `group`
 * @param name name or id; undefined for "unchanged", which is -1
 * @throws {OptionError} FCGI_ERR_OPTION when there is no such name
 */
export function accountId(database: 'passwd' | 'group', name: string | number | undefined): number {
  if (name === undefined) return -1
  if (typeof name === 'number') return name
  if (/^[0-9]+$/.test(name)) return Number(name)
  const line = accounts(database, name)
    .split('\n')
    .find((entry) => entry.split(':')[0] === name)
  const id = Number(line?.split(':')[2])
  if (line === undefined || !Number.isInteger(id)) {
    throw new OptionError(`there is no ${database === 'passwd' ? 'user' : 'group'} ${name} on this machine`)
  }
  return id
}

/** getent asks every source the system knows (LDAP, ...); without it the file must do. */
function accounts(database: 'passwd' | 'group', name: string): string {
  try {
    return loadChildProcess().execFileSync('getent', [database, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return readFileSync(`/etc/${database}`, 'utf8')
  }
}
