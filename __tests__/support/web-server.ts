// A real web server of our own as a process: a folder, free ports, readiness, its error log, its end. What Apache and lighttpd
// have in common; knows neither of their configurations.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { program } from './need'
import { connectOnce, freePorts } from './ports'
import { until } from './wait'

export interface WebServer {
  /** Of the process that was started; workers are its children. */
  readonly pid: number
  /** Where the configuration and the error log are. Also the place for files to serve, scripts and unix sockets. */
  readonly folder: string
  /** As many as were asked for; each accepts connections. */
  readonly ports: readonly number[]
  /** Everything in the error log so far, and what was said on stderr before there was one. */
  errorLog(): string
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

export interface WebServerSetup {
  /** How many free ports of 127.0.0.1 the configuration needs. */
  readonly ports: number
  /** Absent: a new one, see {@link sharedFolder}. A given one is not removed by `stop`. */
  readonly folder?: string
}

/** What a kind of web server is started by. */
export interface Kind {
  readonly program: string
  /** Writes the configuration, whose pid file is `pid` and whose error log is `error.log` in the folder; returns the arguments. */
  configure(ports: readonly number[], folder: string): readonly string[]
}

/** Starts a web server and returns when every port accepts. */
export async function startWebServer({ program: name, configure }: Kind, setup: WebServerSetup): Promise<WebServer> {
  const folder = setup.folder ?? sharedFolder(name)
  // Between finding a free port and binding it anyone may take it; then other ports are tried.
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(setup.ports)
    writeFileSync(join(folder, 'error.log'), '')
    rmSync(join(folder, 'pid'), { force: true })
    const child = spawn(program(name), configure(ports, folder), { stdio: ['ignore', 'ignore', 'pipe'] })
    const server = new Running(child, folder, ports, setup.folder === undefined)
    try {
      await server.accepting()
      return server
    } catch (error) {
      const log = server.errorLog()
      const isLast = attempt === 3 || !log.includes('Address already in use')
      await server.stop(isLast)
      if (isLast) throw new Error(`${name} did not start:\n${log}`, { cause: error })
    }
  }
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

class Running implements WebServer {
  private stderr = ''

  constructor(
    private readonly child: ChildProcess,
    readonly folder: string,
    readonly ports: readonly number[],
    private readonly ownsFolder: boolean,
  ) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    // A jest worker that ends early must not leave it behind.
    process.once('exit', this.kill)
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  errorLog(): string {
    return this.stderr + readFileSync(join(this.folder, 'error.log'), 'utf8')
  }

  async accepting(): Promise<void> {
    // Written once the ports are bound, so that what accepts then is this server and nobody else.
    const pidFile = join(this.folder, 'pid')
    await until(`the pid file ${pidFile}`, () => {
      if (this.ended()) throw new Error('it ended')
      return readIfThere(pidFile)?.trim() === String(this.pid)
    })
    await Promise.all(this.ports.map(connectOnce))
  }

  async stop(removesFolder = true): Promise<void> {
    if (!this.ended()) {
      const exit = once(this.child, 'exit')
      this.kill()
      await exit
    }
    process.off('exit', this.kill)
    if (removesFolder && this.ownsFolder) rmSync(this.folder, { recursive: true, force: true })
  }

  private ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined
  }

  private readonly kill = (): void => {
    this.child.kill('SIGTERM')
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
