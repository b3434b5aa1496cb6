// Apache as Debian's package configures it, with sites of ours in place of those that are enabled: what a user has who put the
// printed file into sites-available.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { program } from './need'
import { startWebServer, type WebServer } from './web-server'

export interface DebianApacheSetup {
  readonly ports: number
  readonly folder?: string
  /** The text of a site; it has its own `Listen`. */
  site(ports: readonly number[], folder: string): string
}

/** Starts it, once its own checker finds nothing wrong, and returns when every port accepts. */
export function startDebianApache({ ports: count, folder: given, site }: DebianApacheSetup): Promise<WebServer> {
  return startWebServer(
    {
      program: 'apache2',
      configure(ports, folder) {
        writeFileSync(join(folder, 'site.conf'), site(ports, folder))
        writeFileSync(join(folder, 'apache2.conf'), `${stock(folder)}\nServerName www.example.test\nFcgidIPCDir ${folder}/fcgid\nFcgidProcessTableFile ${folder}/fcgid_shm\n`)
        const args = ['-d', '/etc/apache2', ...defined(folder), '-f', join(folder, 'apache2.conf')]
        check(args)
        return ['-D', 'FOREGROUND', ...args]
      },
    },
    { ports: count, ...(given !== undefined && { folder: given }) },
  )
}

/** `apache2 -t`, which is what `apachectl configtest` does: throws unless it says that all is well, without a warning. */
function check(args: readonly string[]): void {
  const said = execFileSync('/bin/sh', ['-c', 'exec "$@" 2>&1', 'sh', program('apache2'), '-t', ...args], { encoding: 'utf8' })
  if (said.trim() !== 'Syntax OK') throw new Error(`apache2 -t: ${said}`)
}

function stock(folder: string): string {
  return readFileSync('/etc/apache2/apache2.conf', 'utf8')
    .replace(/^Include ports\.conf$/m, '')
    .replace(/^IncludeOptional sites-enabled\/\*\.conf$/m, `Include ${folder}/site.conf`)
}

/** What /etc/apache2/envvars gives to apachectl. */
function defined(folder: string): string[] {
  const user = process.getuid?.() === 0 ? 'www-data' : (process.env['USER'] ?? 'nobody')
  const values = { RUN_DIR: folder, LOCK_DIR: folder, LOG_DIR: folder, PID_FILE: join(folder, 'pid'), RUN_USER: user, RUN_GROUP: user }
  return Object.entries(values).flatMap(([name, value]) => ['-C', `Define APACHE_${name} ${value}`])
}
