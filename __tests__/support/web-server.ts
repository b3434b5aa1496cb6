// What Apache and lighttpd have in common, as daemons of our own; knows neither of their configurations.
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Daemon, type DaemonSetup, startDaemon } from './daemon'

export type WebServer = Daemon

export interface WebServerSetup {
  /** How many free ports of 127.0.0.1 the configuration needs. */
  readonly ports: number
  /** Absent: a new one, see {@link sharedFolder}. A given one is not removed by `stop`. */
  readonly folder?: string
  /** See {@link DaemonSetup.under}. */
  readonly under?: DaemonSetup['under']
}

/** What a kind of web server is started by. */
export interface Kind {
  readonly program: string
  /** Writes the configuration, whose pid file is `pid` and whose error log is `error.log` in the folder; returns the arguments. */
  configure(ports: readonly number[], folder: string): readonly string[]
}

/** Starts a web server and returns when every port accepts. */
export function startWebServer({ program, configure }: Kind, setup: WebServerSetup): Promise<WebServer> {
  return startDaemon(program, {
    ...setup,
    newFolder: sharedFolder,
    pidFile: 'pid',
    logFile: 'error.log',
    prepare(ports, folder) {
      writeFileSync(join(folder, 'error.log'), '')
      rmSync(join(folder, 'pid'), { force: true })
      return configure(ports, folder)
    },
  })
}

/**
 * A new folder that the workers of a web server can read, and connect to sockets in: they run as www-data where we are root.
 * By the set-group-ID bit whatever is made in it belongs to their group, so that a socket of mode 0660 lets them in.
 */
export function sharedFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `express-fastcgi-${name}-`))
  const group = workerGroup()
  if (group !== undefined) chownSync(folder, 0, group)
  chmodSync(folder, 0o2755)
  return folder
}

/** Of Debian's www-data; undefined where we are not root, and workers run as whoever we are. */
function workerGroup(): number | undefined {
  if (process.getuid?.() !== 0) return undefined
  const line = /^www-data:[^:]*:([0-9]+):/m.exec(readFileSync('/etc/group', 'utf8'))
  return line === null ? undefined : Number(line[1])
}
