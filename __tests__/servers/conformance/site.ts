// A site as a reader of a printed configuration makes it: the folder of the socket by the command in its comment, the
// application on that socket, and the web server with the configuration.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { type DeploymentOptions } from '../../../lib/cli/config/deployment'
import { type Daemon, newFolder } from '../../support/daemon'
import { printed } from '../../support/printed'
import { type Site } from './describe'
import { Application } from './start'

export interface SiteSetup {
  /** As `express-fastcgi config` calls it. */
  readonly server: string
  /** '' for none. */
  readonly mount: string
  readonly options?: Partial<DeploymentOptions>
  /** Where the application listens. Default: a unix socket. */
  readonly listen?: string
  /** Starts the web server, with one port, from what `text` prints for that port. */
  start(text: (port: number) => string, folder: string): Promise<Daemon>
}

export interface StartedSite extends Site {
  readonly application: Application
  readonly daemon: Daemon
  readonly folder: string
  /** Path of the socket, or what was asked for. */
  readonly listen: string
}

export async function startSite({ server, mount, options, start, ...setup }: SiteSetup): Promise<StartedSite> {
  const folder = newFolder(server)
  const listen = setup.listen ?? join(folder, 'run', 'app.sock')
  const text = (port: number): string => printed(server, { listen, mount: mount === '' ? '/' : mount, port: String(port), ...options })
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  let application: Application | undefined
  try {
    if (listen.startsWith('/')) makeSocketFolder(text(80), listen)
    application = await Application.start({ mount, listen })
    const daemon = await start(text, folder)
    return {
      port: daemon.ports[0]!,
      application,
      daemon,
      folder,
      listen,
      async stop() {
        await daemon.stop()
        remove()
      },
    }
  } catch (error) {
    await application?.stop()
    remove()
    throw error
  }
}

/** Runs the command that the comment of a configuration gives. Only root can give the folder to the web server's group. */
export function makeSocketFolder(text: string, listen: string): void {
  const command = /^# +sudo (install -d .*)$/m.exec(text)?.[1]
  if (command === undefined) throw new Error('no command for the folder of the socket')
  if (process.getuid?.() !== 0) {
    mkdirSync(dirname(listen), { recursive: true })
    return
  }
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', env: { ...process.env, USER: userInfo().username } })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
}
