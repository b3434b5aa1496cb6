// A real lighttpd that can upgrade over FastCGI, 1.4.74 or later: the one that LIGHTTPD names, or the one that is installed. Debian 12's
// 1.4.69 cannot, so without a newer one these tests are skipped aloud.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from './need'
import { connectOnce, freePorts } from './ports'
import { until } from './wait'

const VERSION = /lighttpd\/1\.4\.(\d+)/
const FIRST_VERSION = 74

function versionOf(path: string): number {
  try {
    return Number(VERSION.exec(execFileSync(path, ['-v'], { encoding: 'utf8' }))?.[1] ?? 0)
  } catch {
    return 0
  }
}

const candidates = [process.env['LIGHTTPD'], findProgram('lighttpd')].filter((path) => path !== undefined)
const newEnough = candidates.find((path) => versionOf(path) >= FIRST_VERSION)

/** `describe` for tests that need it. */
export function describeWithNewerLighttpd(title: string, tests: () => void): void {
  if (newEnough !== undefined) {
    describe(title, tests)
    return
  }
  const found = candidates.map((path) => `${path} is 1.4.${versionOf(path)}`).join(', ') || 'none is installed'
  process.stderr.write(`SKIPPED: ${title}: needs lighttpd 1.4.${FIRST_VERSION} or later, and ${found}; name one by LIGHTTPD=/path/to/lighttpd\n`)
  describe.skip(title, tests)
}

export interface NewerLighttpd {
  /** Passes upgrades on to the application. */
  readonly port: number
  /** Has the same application, without `"upgrade" => "enable"`. */
  readonly portWithout: number
  /** As {@link port}, and its SERVER_SOFTWARE (`server.tag`) says nothing. */
  readonly portUntagged: number
  errorLog(): string
  stop(): Promise<void>
}

/** @param socket unix socket of the application */
export async function startNewerLighttpd(socket: string): Promise<NewerLighttpd> {
  const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-lighttpd-'))
  const errorLog = (): string => readFileSync(join(folder, 'error.log'), 'utf8')
  // Between finding a free port and lighttpd binding it anyone may take it; then other ports are tried.
  for (let attempt = 1; ; attempt++) {
    const [port = 0, portWithout = 0, portUntagged = 0] = await freePorts(3)
    writeFileSync(join(folder, 'error.log'), '')
    writeFileSync(join(folder, 'lighttpd.conf'), configuration(folder, socket, port, portWithout, portUntagged))
    const child = spawn(newEnough ?? 'lighttpd', ['-D', '-f', join(folder, 'lighttpd.conf')], { stdio: 'ignore' })
    const kill = (): void => void child.kill('SIGTERM')
    // A jest worker that ends early must not leave it behind.
    process.once('exit', kill)
    const stop = async (): Promise<void> => {
      if (!hasEnded(child)) {
        const exit = once(child, 'exit')
        kill()
        await exit
      }
      process.off('exit', kill)
      rmSync(folder, { recursive: true, force: true })
    }
    try {
      for (const one of [port, portWithout, portUntagged]) {
        await until(`lighttpd on port ${one}`, () => {
          if (hasEnded(child)) throw new Error(`lighttpd ended:\n${errorLog()}`)
          return connectOnce(one).then(
            () => true,
            () => false,
          )
        })
      }
      return { port, portWithout, portUntagged, errorLog, stop }
    } catch (error) {
      if (attempt >= 3 || !errorLog().includes('in use')) {
        await stop()
        throw error
      }
      process.off('exit', kill)
    }
  }
}

function configuration(folder: string, socket: string, port: number, portWithout: number, portUntagged: number): string {
  const application = (more: string): string =>
    `fastcgi.server = ( "/" => (( "socket" => "${socket}", "check-local" => "disable", "fix-root-scriptname" => "enable"${more} )) )`
  return `server.modules = ( "mod_fastcgi" )
server.document-root = "${folder}"
server.errorlog = "${folder}/error.log"
server.bind = "127.0.0.1"
server.port = ${port}
server.feature-flags += ( "server.h2proto" => "disable" )
${application(', "upgrade" => "enable"')}
$SERVER["socket"] == "127.0.0.1:${portWithout}" { ${application('')} }
$SERVER["socket"] == "127.0.0.1:${portUntagged}" { server.tag = "" }
`
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined
}
