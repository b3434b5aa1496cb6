// Who a user is, for questions of rights.

import { execFileSync } from 'node:child_process'
import { UsageError } from '../usage-error'

export interface User {
  readonly name: string
  readonly uid: number
  readonly gids: readonly number[]
}

/** The user of this process. */
export function thisUser(): User {
  const uid = process.getuid?.() ?? 0
  // The effective group need not be among the supplementary ones.
  const gids = [...new Set([process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])])]
  return { name: `uid ${uid}`, uid, gids }
}

/**
 * Looks a user up, as the system does it: in files or a directory service.
 *
 * @param name or uid
 * @throws {UsageError} for one that does not exist
 */
export function userNamed(name: string): User {
  const ask = (flag: string): string => {
    try {
      return execFileSync('id', [flag, '--', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch (error) {
      throw new UsageError(`--as ${JSON.stringify(name)}: there is no such user here`, { cause: error })
    }
  }
  return { name, uid: Number(ask('-u')), gids: ask('-G').split(' ').map(Number) }
}

/** Name of a group or user as `ls -l` shows it; the number where it has none. */
export function nameOf(database: 'passwd' | 'group', id: number): string {
  try {
    const line = execFileSync('getent', [database, String(id)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return line.split(':', 1)[0] ?? String(id)
  } catch {
    return String(id)
  }
}
