// A real HAProxy of our own: a folder, a configuration, a process and what it says on stderr. Knows nothing of the application.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { program } from './need'
import { connectOnce, freePorts } from './ports'
import { until } from './wait'

export interface HAProxy {
  readonly pid: number
  /** Where the configuration is. Also the place for unix sockets. */
  readonly folder: string
  /** As many as were asked for; each accepts connections. */
  readonly ports: readonly number[]
  /** Everything it has written on stderr. */
  errorLog(): string
  /** Ends HAProxy and removes its folder. */
  stop(): Promise<void>
}

export interface HAProxySetup {
  /** How many free ports of 127.0.0.1 the configuration needs. */
  readonly ports: number
  /** Absent: a new one. A given one is not removed by `stop`. */
  readonly folder?: string
  /** The sections after `global` and `defaults`. */
  sections(ports: readonly number[], folder: string): string
}

// One thread: connections to the application are kept per thread, so two would hardly share one. Without http-no-delay
// small pieces of a response wait for up to 400 ms to be joined with others.
const globalAndDefaults = `
global
  nbthread 1
  maxconn 500
  tune.bufsize 65536
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-no-delay
`

/** Starts HAProxy and returns when every port accepts. */
export async function startHAProxy(setup: HAProxySetup): Promise<HAProxy> {
  const folder = setup.folder ?? mkdtempSync(join(tmpdir(), 'express-fastcgi-haproxy-'))
  // Between finding a free port and HAProxy binding it anyone may take it; then other ports are tried.
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(setup.ports)
    const file = join(folder, 'haproxy.cfg')
    writeFileSync(file, globalAndDefaults + setup.sections(ports, folder))
    const child = spawn(program('haproxy'), ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    const haproxy = new RunningHAProxy(child, folder, ports, setup.folder === undefined)
    try {
      await haproxy.accepting()
      return haproxy
    } catch (error) {
      await haproxy.stop()
      const log = haproxy.errorLog()
      if (attempt < 3 && log.includes('Address already in use')) continue
      throw new Error(`haproxy did not start:\n${log}`, { cause: error })
    }
  }
}

class RunningHAProxy implements HAProxy {
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
    return this.stderr
  }

  async accepting(): Promise<void> {
    // It says nothing when it is ready, so the ports are tried; that another program took one shows as its early end.
    for (const port of this.ports) {
      await until(`haproxy on port ${port}`, () => {
        if (this.ended()) throw new Error('haproxy ended')
        return connectOnce(port).then(
          () => true,
          () => false,
        )
      })
    }
  }

  async stop(): Promise<void> {
    if (!this.ended()) {
      const exit = once(this.child, 'exit')
      this.kill()
      await exit
    }
    process.off('exit', this.kill)
    if (this.ownsFolder) rmSync(this.folder, { recursive: true, force: true })
  }

  private ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined
  }

  private readonly kill = (): void => {
    this.child.kill('SIGTERM')
  }
}
