// A host that offers mod_fcgid, as its customers meet it: a document root, /~jo/, .htaccess files, an error log. Nothing of the
// server's configuration knows of the application.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { startApache } from '../support/apache'
import { printedConfig } from '../support/cli'
import { type DaemonSetup } from '../support/daemon'
import { install } from '../support/installed'
import { sharedFolder, type WebServer } from '../support/web-server'

export interface Hosting {
  readonly apache: WebServer
  readonly port: number
  /** Document root of the site. */
  readonly www: string
  /** Home of a user; `/~jo/` is its `public_html`. */
  readonly home: string
  stop(): Promise<void>
}

export interface HostingSetup {
  /** What of .htaccess the host allows. */
  readonly allowOverride?: string
  /** Options of the folders; these are what most hosts have. */
  readonly options?: string
  /** Further directives of the server's own configuration. */
  readonly directives?: string
  /** Modules besides {@link MODULES}. */
  readonly modules?: readonly string[]
  /** What becomes Apache, in a folder that has been made already; see {@link DaemonSetup.under}. */
  readonly under?: (folder: string) => DaemonSetup['under']
}

/** The modules of Debian's package that are on from the start, mod_userdir, and mod_rewrite. */
const MODULES = ['alias', 'authz_host', 'autoindex', 'deflate', 'dir', 'filter', 'negotiation', 'rewrite', 'userdir', 'fcgid']

export async function startHosting({ allowOverride = 'FileInfo Options', options = 'FollowSymLinks MultiViews Indexes', directives = '', modules = [], under }: HostingSetup = {}): Promise<Hosting> {
  const folder = sharedFolder('hosting')
  const www = join(folder, 'www')
  const home = join(folder, 'home', 'jo')
  mkdirSync(www)
  mkdirSync(join(home, 'public_html'), { recursive: true })
  const apache = await startApache({
    ports: 1,
    folder,
    under: under?.(folder),
    modules: [...MODULES, ...modules],
    configuration: () => `
LogLevel warn fcgid:info
DocumentRoot ${www}
UserDir ${folder}/home/*/public_html
DirectoryIndex index.html
<FilesMatch "^\\.ht">
  Require all denied
</FilesMatch>
<Directory ${folder}>
  AllowOverride ${allowOverride}
  Options ${options}
</Directory>
# Looks after its processes every second, not every few minutes.
FcgidErrorScanInterval 1
FcgidZombieScanInterval 1
FcgidBusyScanInterval 1
FcgidIdleScanInterval 1
FcgidMinProcessesPerClass 0
FcgidSpawnScoreUpLimit 1000
${directives}
`,
  })
  const stop = async (): Promise<void> => {
    await apache.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  return { apache, port: apache.ports[0]!, www, home, stop }
}

/** Writes an application with its packages. */
export function writeApplication(folder: string, files: Readonly<Record<string, string>>, ...packages: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  install(folder, ...packages)
}

/** Puts what `express-fastcgi config apache-fcgid` writes into its place. */
export function deploy(root: string, app: string, ...options: readonly string[]): void {
  printedConfig('apache-fcgid', '--root', root, '--app', app, '--output', root, '--force', ...options)
}


/** Sets variables of the environment where a user would: in dispatch.fcgi. */
export function setEnvironment(root: string, variables: Readonly<Record<string, string>>): void {
  const file = join(root, 'dispatch.fcgi')
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'\n`)
  writeFileSync(file, readFileSync(file, 'utf8').replace('export NODE_ENV\n', (line) => line + lines.join('')))
}
