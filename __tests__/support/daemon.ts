// A web server of our own: a folder, free ports, a process and what it says. Knows nothing of any one web server.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { program } from './need'
import { connectOnce, freePorts } from './ports'
import { until } from './wait'

export interface Daemon {
  readonly pid: number
  /** Where the configuration is. Also the place for files to serve and unix sockets. */
  readonly folder: string
  /** As many as were asked for; each accepts connections. */
  readonly ports: readonly number[]
  /** Everything it has written on stderr, and into its log file if it has one. */
  errorLog(): string
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

export interface DaemonSetup {
  /** How many free ports of 127.0.0.1 the configuration needs. */
  readonly ports: number
  /** Absent: a new one. A given one is not removed by `stop`. */
  readonly folder?: string
  /** Makes the folder where none is given; it is removed by `stop`. Default: {@link newFolder}. */
  readonly newFolder?: (name: string) => string
  /** Name in the folder of a file that the program writes when its ports are bound. */
  readonly pidFile?: string
  /** Name in the folder of the log that it writes besides stderr. */
  readonly logFile?: string
  readonly environment?: NodeJS.ProcessEnv
  /** A program with arguments that becomes the command which follows them, such as `unshare --mount`. */
  readonly under?: readonly string[] | undefined
  /** What ends it at once, with every process of its own. Default: SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
  /** Writes the configuration into the folder and returns the arguments of the program, with which it stays in the foreground. */
  prepare(ports: readonly number[], folder: string): readonly string[]
}

/** Starts a program and returns when every port accepts. */
export async function startDaemon(name: string, setup: DaemonSetup): Promise<Daemon> {
  const folder = setup.folder ?? (setup.newFolder ?? newFolder)(name)
  // Between finding a free port and the program binding it anyone may take it; then other ports are tried.
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(setup.ports)
    const [first = '', ...others] = [...(setup.under ?? []), program(name), ...setup.prepare(ports, folder)]
    const child = spawn(first, others, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...setup.environment },
    })
    const daemon = new RunningDaemon(name, child, setup, folder, ports)
    try {
      await daemon.accepting()
      return daemon
    } catch (error) {
      const log = daemon.errorLog()
      const isLast = attempt === 3 || !/address already in use/i.test(log)
      await daemon.stop(isLast)
      if (isLast) throw new Error(`${name} did not start:\n${log}`, { cause: error })
    }
  }
}

class RunningDaemon implements Daemon {
  private stderr = ''

  constructor(
    private readonly name: string,
    private readonly child: ChildProcess,
    private readonly setup: DaemonSetup,
    readonly folder: string,
    readonly ports: readonly number[],
  ) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    child.on('error', (error) => (this.stderr += error.message))
    // A jest worker that ends early must not leave it behind.
    process.once('exit', this.kill)
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  errorLog(): string {
    const { logFile } = this.setup
    return this.stderr + (logFile === undefined ? '' : (readIfThere(join(this.folder, logFile)) ?? ''))
  }

  async accepting(): Promise<void> {
    const { pidFile } = this.setup
    if (pidFile !== undefined) {
      // What accepts after that is this program and nobody else.
      await until(`the pid file of ${this.name}`, () => {
        this.mustRun()
        return readIfThere(join(this.folder, pidFile))?.trim() === String(this.pid)
      })
    }
    for (const port of this.ports) {
      // That another program took one shows as the early end of this one.
      await until(`${this.name} on port ${port}`, () => {
        this.mustRun()
        return connectOnce(port).then(() => true, () => false)
      })
    }
  }

  async stop(removes = true): Promise<void> {
    if (!this.ended()) {
      const exit = once(this.child, 'exit')
      this.kill()
      await exit
    }
    process.off('exit', this.kill)
    if (removes && this.setup.folder === undefined) rmSync(this.folder, { recursive: true, force: true })
  }

  private mustRun(): void {
    if (this.ended()) throw new Error(`${this.name} ended`)
  }

  private ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined
  }

  private readonly kill = (): void => {
    this.child.kill(this.setup.stopSignal ?? 'SIGTERM')
  }
}

/** A folder that web servers may enter whose workers run as another user. */
export function newFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `express-fastcgi-${name}-`))
  chmodSync(folder, 0o755)
  return folder
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
