// Who may connect to a unix socket: whoever may search all folders on the way and write to the file. unix(7)

import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { shellWord } from '../config/text'
import { type Finding } from './finding'
import { nameOf, type User } from './user'

const SEARCH = 0o1
const WRITE = 0o2
const OTHERS_WRITE = 0o002

/** Whether the file is there and is a socket. */
export function socketFile(path: string): Finding {
  const step = 'socket'
  let stats: Stats
  try {
    stats = lstatSync(path).isSymbolicLink() ? statSync(path) : lstatSync(path)
  } catch (error) {
    return missing(path, error as NodeJS.ErrnoException)
  }
  if (!stats.isSocket()) {
    const kind = stats.isDirectory() ? 'a folder' : stats.isFile() ? 'a plain file' : 'no socket'
    return { step, verdict: 'fail', text: `${path} is ${kind}`, change: 'give the path on which the application listens; start the application, which makes the socket itself' }
  }
  return { step, verdict: 'ok', text: `${path} is there, ${ownership(stats)}` }
}

function missing(path: string, { code = '' }: NodeJS.ErrnoException): Finding {
  const step = 'socket'
  if (code === 'EACCES') return { step, verdict: 'fail', text: `this user may not look into the folders of ${path}`, change: 'run the check as root' }
  if (code !== 'ENOENT') return { step, verdict: 'fail', text: `${path}: ${code}`, change: 'give the path on which the application listens' }
  const folder = nearest(dirname(path))
  const where = folder === dirname(path) ? `${folder} is there, but no file of that name` : `${folder} is there, and nothing below it`
  return {
    step,
    verdict: 'fail',
    text: `${path} does not exist: ${where}`,
    change: 'start the application and look at its first lines of output: it says where it listens. The path here, in FASTCGI_LISTEN or listen(), and in the web server must be the same.\nUnder systemd a PrivateTmp=yes on either side hides what is in /tmp: use a folder below /run',
  }
}

function nearest(folder: string): string {
  try {
    statSync(folder)
    return folder
  } catch {
    return folder === dirname(folder) ? folder : nearest(dirname(folder))
  }
}

/** Whether a user may connect. Access control lists and security modules may say otherwise. */
export function connectRights(path: string, user: User): Finding {
  const step = 'rights'
  // Root passes by all of this.
  if (user.uid === 0) return { step, verdict: 'ok', text: `${user.name} may connect, as root` }
  let at: string
  try {
    at = realpathSync(path)
  } catch (error) {
    return { step, verdict: 'fail', text: `cannot follow ${path}: ${(error as NodeJS.ErrnoException).code}`, change: 'run the check as root' }
  }
  const obstacles = foldersOf(at).filter((folder) => !may(user, statSync(folder), SEARCH))
  const [folder] = obstacles
  if (folder !== undefined) {
    const stats = statSync(folder)
    return { step, verdict: 'fail', text: `${user.name} may not enter ${folder} (${ownership(stats)})`, change: advice(user, folder, stats, 'x') }
  }
  const stats = statSync(at)
  if (may(user, stats, WRITE)) return { step, verdict: 'ok', text: `${user.name} may connect` }
  return { step, verdict: 'fail', text: `${user.name} may not connect: ${at} is ${ownership(stats)}, and connecting takes the right to write`, change: socketAdvice(user, at, stats) }
}

/** From the root down. */
function foldersOf(path: string): string[] {
  const folder = dirname(path)
  return folder === dirname(folder) ? [folder] : [...foldersOf(folder), folder]
}

function may(user: User, stats: Stats, right: number): boolean {
  // The first class that fits decides, even when a later one would allow more.
  const shift = stats.uid === user.uid ? 6 : user.gids.includes(stats.gid) ? 3 : 0
  return ((stats.mode >> shift) & right) === right
}

function ownership({ mode, uid, gid }: Stats): string {
  return `mode ${(mode & 0o777).toString(8).padStart(4, '0')}, owner ${nameOf('passwd', uid)}:${nameOf('group', gid)}`
}

function advice(user: User, path: string, stats: Stats, right: 'x' | 'w'): string {
  if (stats.uid === user.uid) return `chmod u+${right} ${shellWord(path)}`
  if (user.gids.includes(stats.gid)) return `chmod g+${right} ${shellWord(path)}`
  const group = nameOf('group', user.gids[0] ?? user.uid)
  return `chgrp ${group} ${shellWord(path)} && chmod g+${right} ${shellWord(path)}`
}

function socketAdvice(user: User, path: string, stats: Stats): string {
  const group = nameOf('group', user.gids[0] ?? user.uid)
  const ofOthers = stats.uid !== user.uid && !user.gids.includes(stats.gid)
  if (!ofOthers) return 'have the application make it with mode 0660: listen(app, { path, mode: 0o660 })'
  const folder = shellWord(dirname(path))
  // A folder that others write to as well, such as /tmp, is nobody's to give away.
  const byFolder = (statSync(dirname(path)).mode & OTHERS_WRITE) === 0 ? `,\nor give its folder that group, which the socket then gets when the application is started again: chgrp ${group} ${folder} && chmod g+xs ${folder}` : ''
  const byApplication = `have the application make it with a group of that user: listen(app, { path, group: '${group}' }), or SocketGroup=${group} in a systemd .socket unit${byFolder}`
  // The group of root opens more than this socket.
  if (stats.gid === 0) return byApplication
  return `${byApplication},\nor put the user into the socket's group: usermod -aG ${nameOf('group', stats.gid)} ${user.name}, and restart the web server`
}
