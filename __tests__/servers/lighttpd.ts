// lighttpd started from what `express-fastcgi config lighttpd` prints: what Debian's package has in /etc, /var and /run is in a
// folder of the test, and nothing else is changed.
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DeploymentOptions } from '../../lib/cli/config/deployment'
import { startWebServer, type WebServer } from '../support/web-server'
import { install, printedFiles } from '../support/printed'

/**
 * @param folder made by `sharedFolder`, and left to the caller; its `www` is the document root
 * @param change for what a user may change, such as lines that are comments
 */
export function startPrintedLighttpd(
  server: 'lighttpd' | 'lighttpd-spawn',
  folder: string,
  options: Omit<Partial<DeploymentOptions>, 'root'> & { readonly root?: string | undefined },
  change = (text: string): string => text,
): Promise<WebServer> {
  const uploads = join(folder, 'uploads')
  mkdirSync(uploads)
  const root = join(folder, 'www')
  if (!existsSync(root)) mkdirSync(root)
  giveToLighttpd(uploads)
  return startWebServer(
    {
      program: 'lighttpd',
      configure([port]) {
        // Opened by www-data, like everything but the port and the pid file.
        giveToLighttpd(join(folder, 'error.log'))
        writeFileSync(join(folder, 'breakage.log'), '')
        giveToLighttpd(join(folder, 'breakage.log'))
        // A root of `undefined` is none on the command line.
        const files = printedFiles(server, { root, port: String(port), app: join(folder, 'server.js'), ...options })
        install(files.map((file) => ({ ...file, text: change(file.text) })), folder, {
          '/var/log/lighttpd': folder,
          '/run/lighttpd.pid': join(folder, 'pid'),
          '/var/cache/lighttpd/uploads': uploads,
        })
        return ['-D', '-f', join(folder, 'lighttpd.conf')]
      },
    },
    { ports: 1, folder },
  )
}

/** Where we are root lighttpd runs as www-data. */
export function giveToLighttpd(path: string): void {
  if (process.getuid?.() === 0) chownSync(path, lighttpdUser(), lighttpdUser())
}

/** The number of www-data, as a user and as a group. */
export function lighttpdUser(): number {
  return Number(/^www-data:[^:]*:([0-9]+):/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[1])
}
