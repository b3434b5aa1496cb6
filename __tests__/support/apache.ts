// A real Apache of our own: the modules asked for, a configuration, a process, and its error log to look at. Knows nothing of the
// application.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startWebServer, type WebServer, type WebServerSetup } from './web-server'

export interface ApacheSetup extends WebServerSetup {
  /** By their names without `mod_` and `.so`, besides {@link ALWAYS}. */
  readonly modules: readonly string[]
  /** What follows the basic directives: a VirtualHost for each port, as a rule. `Listen` is there for every port. */
  configuration(ports: readonly number[], folder: string): string
}

/** What every configuration here has: Debian's own is of this kind too. */
const ALWAYS = ['mpm_event', 'authz_core', 'authn_core', 'mime', 'env', 'setenvif']

/** Where Debian has the modules. */
const MODULES = '/usr/lib/apache2/modules'

/** The file of a module, for `describeWith`: mod_fcgid comes in a package of its own. */
export function apacheModule(name: string): string {
  return join(MODULES, `mod_${name}.so`)
}

/** Starts Apache and returns when every port accepts. Its workers, and what mod_fcgid spawns, are www-data where we are root. */
export function startApache(setup: ApacheSetup): Promise<WebServer> {
  return startWebServer(
    {
      program: 'apache2',
      configure(ports, folder) {
        const file = join(folder, 'apache2.conf')
        writeFileSync(file, basics(setup.modules, ports, folder) + setup.configuration(ports, folder))
        return ['-D', 'FOREGROUND', '-d', folder, '-f', file]
      },
    },
    setup,
  )
}

function basics(modules: readonly string[], ports: readonly number[], folder: string): string {
  const loaded = [...new Set([...ALWAYS, ...modules])]
  return `
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/error.log
LogLevel info
ServerName www.example.test
${process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''}
${loaded.map((name) => `LoadModule ${name}_module ${apacheModule(name)}`).join('\n')}
TypesConfig /etc/mime.types
StartServers 1
DocumentRoot ${folder}
${ports.map((port) => `Listen 127.0.0.1:${port}`).join('\n')}
<Directory ${folder}>
  Require all granted
</Directory>
${
  loaded.includes('fcgid')
    ? `FcgidIPCDir ${folder}/fcgid
FcgidProcessTableFile ${folder}/fcgid_shm`
    : ''
}
`
}
