// A real lighttpd of our own: a folder, a configuration, a process, and its error log to look at. Knows nothing of the application.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startWebServer, type WebServer, type WebServerSetup } from './web-server'

export interface LighttpdSetup extends WebServerSetup {
  /** By their full names (`mod_fastcgi`), in the order in which they are to look at a request. */
  readonly modules: readonly string[]
  /** What follows the basic settings, which `:=` replaces. For each port there is a socket; `onPort` limits settings to one of them. */
  configuration(ports: readonly number[], folder: string): string
}

/** Settings that hold for requests on one port only. */
export function onPort(port: number | undefined, settings: string): string {
  return `$SERVER["socket"] == "127.0.0.1:${port ?? 0}" {\n${settings}\n}\n`
}

/** Starts lighttpd and returns when every port accepts. It, and what it spawns, runs as whoever we are. */
export function startLighttpd(setup: LighttpdSetup): Promise<WebServer> {
  return startWebServer(
    {
      program: 'lighttpd',
      configure(ports, folder) {
        const file = join(folder, 'lighttpd.conf')
        writeFileSync(file, basics(setup.modules, ports, folder) + setup.configuration(ports, folder))
        return ['-D', '-f', file]
      },
    },
    setup,
  )
}

function basics(modules: readonly string[], ports: readonly number[], folder: string): string {
  const [first, ...others] = ports
  return `
server.modules = ( ${modules.map((name) => `"${name}"`).join(', ')} )
server.document-root = "${folder}"
server.errorlog = "${folder}/error.log"
server.pid-file = "${folder}/pid"
server.upload-dirs = ( "${folder}" )
server.bind = "127.0.0.1"
server.port = ${first ?? 0}
mimetype.assign = ( ".html" => "text/html", ".txt" => "text/plain", "" => "application/octet-stream" )
${others.map((port) => onPort(port, '')).join('')}
`
}
