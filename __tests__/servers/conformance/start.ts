// Starts application.cjs: under node:http as it is, or under register as the printed configurations say.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { Control } from './control'

export const applicationFile = join(__dirname, 'application.cjs')
/** Where the built package is found: `express-fastcgi/register` means this project for processes that start here. */
export const projectRoot = resolve(__dirname, '../../..')

export interface StartOptions {
  /** Path prefix of the application, '' for none. */
  readonly mount: string
  /** Value of FASTCGI_LISTEN. Absent: node:http on a free port of 127.0.0.1. */
  readonly listen?: string
}

/** A running application. */
export class Application {
  private constructor(
    readonly control: Control,
    private readonly child: ChildProcess,
    private readonly output: () => string,
  ) {}

  /** Starts it and waits until it listens. */
  static async start({ mount, listen }: StartOptions): Promise<Application> {
    const control = await Control.listen()
    const under = listen === undefined ? [] : ['--import', 'express-fastcgi/register']
    const child = spawn(process.execPath, [...under, applicationFile], {
      cwd: projectRoot,
      env: { ...applicationEnvironment(control), ...placeOf(mount, listen), PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    const application = new Application(control, child, () => output)
    const ended = once(child, 'exit').then(() => {
      throw new Error(`the application ended:\n${output}`)
    })
    try {
      await Promise.race([control.heard('listening'), ended])
    } catch (error) {
      await application.stop()
      throw error
    }
    ended.catch(() => undefined)
    return application
  }

  /** Under node:http the port it has. */
  async port(): Promise<number> {
    return ((await this.control.heard('listening')) as AddressInfo).port
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** What it has printed, errors included. */
  printed(): string {
    return this.output()
  }

  async stop(): Promise<void> {
    const { child } = this
    const isRunning = child.pid !== undefined && child.exitCode === null && child.signalCode === null
    const exit = isRunning ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await exit
    this.control.close()
  }
}

/** What the environment of application.cjs must have, also where something else starts it. */
export function applicationEnvironment(control: Control): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], NODE_ENV: 'production', CONFORMANCE_CONTROL: control.path }
}

function placeOf(mount: string, listen: string | undefined): NodeJS.ProcessEnv {
  if (listen === undefined) return mount === '' ? {} : { CONFORMANCE_MOUNT: mount }
  return { FASTCGI_LISTEN: listen, ...(mount !== '' && { FASTCGI_MOUNT: mount }) }
}
