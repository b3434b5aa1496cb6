// What a file descriptor is that this process was started with. Node has no call for it, so on Linux the kernel's tables
// are read.

import { fstatSync, readFileSync, readlinkSync } from 'node:fs'

/** A table of the kernel: in which column the inode stands, and how a listening socket is told. proc_pid_net(5) */
interface Table {
  readonly file: string
  readonly inode: number
  readonly isListening: (columns: readonly string[]) => boolean
}

const SO_ACCEPTCON = 0x1_0000
const TCP_LISTEN = '0A'
const UNIX: Table = { file: '/proc/self/net/unix', inode: 6, isListening: (columns) => (parseInt(columns[3] ?? '', 16) & SO_ACCEPTCON) !== 0 }
const isListeningTcp = (columns: readonly string[]): boolean => columns[3] === TCP_LISTEN
const TABLES: readonly Table[] = [
  UNIX,
  { file: '/proc/self/net/tcp', inode: 9, isListening: isListeningTcp },
  { file: '/proc/self/net/tcp6', inode: 9, isListening: isListeningTcp },
]

/** Whether a file descriptor is a socket. */
export function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    // Closed, so it is not a socket either.
    return false
  }
}

/**
 * Whether a file descriptor is a socket that listens. FCGI 2.2
 *
 * A parent that is a node process gives its child one end of a connected socket as standard input; that is none.
 *
 * @param otherwise the answer for a socket of which nothing can be found out: no Linux, or another network namespace
 */
export function isListeningSocket(fd: number, otherwise: boolean): boolean {
  if (!isSocket(fd)) return false
  const row = kernelRow(fd)
  return row === undefined ? otherwise : row.table.isListening(row.columns)
}

/** The path of a unix socket; undefined where it cannot be found out. */
export function socketPath(fd: number): string | undefined {
  const row = kernelRow(fd)
  return row?.table === UNIX ? row.columns[7] : undefined
}

function kernelRow(fd: number): { table: Table; columns: string[] } | undefined {
  try {
    const inode = /^socket:\[([0-9]+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
    if (inode === undefined) return undefined
    for (const table of TABLES) {
      const columns = readFileSync(table.file, 'latin1')
        .split('\n')
        .filter((line) => line.includes(inode))
        .map((line) => line.trim().split(/\s+/))
        .find((row) => row[table.inode] === inode)
      if (columns !== undefined) return { table, columns }
    }
  } catch {
    // No /proc: not Linux, or not mounted.
  }
  return undefined
}
