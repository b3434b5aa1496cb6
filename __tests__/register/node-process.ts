// Runs node with an application of these tests and reads what it prints.

import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

/** From here node finds the built package by its own name. */
export const root = resolve(__dirname, '../..')

export interface NodeProcessOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** File descriptors from 0 on; outputs that are read here are 'pipe'. */
  readonly stdio?: readonly unknown[]
  /** Runs through `sh -c` with the command as "$@"; for what only a shell can set, such as its own pid. */
  readonly shell?: string
}

/** A node process, ended by {@link NodeProcess.kill} at the latest. */
export class NodeProcess {
  readonly process: ChildProcess
  stdout = ''
  stderr = ''
  /** Exit status, or the name of the signal; undefined while it runs and while output may come. */
  ended: number | string | undefined
  private waiting: (() => void)[] = []

  constructor(args: readonly string[], { cwd = root, env = {}, stdio = [], shell }: NodeProcessOptions = {}) {
    if (!existsSync(resolve(root, 'dist/register.js'))) throw new Error('dist is missing: run npm run build')
    const command = shell === undefined ? [process.execPath, ...args] : ['/bin/sh', '-c', shell, 'sh', process.execPath, ...args]
    const [stdin = 'ignore', stdout = 'pipe', stderr = 'pipe', ...more] = stdio
    this.process = spawn(command[0] ?? '', command.slice(1), {
      cwd,
      stdio: [stdin, stdout, stderr, ...more] as StdioOptions,
      env: { PATH: process.env['PATH'] ?? '', ...env },
    })
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => this.changed(() => (this.stdout += text)))
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => this.changed(() => (this.stderr += text)))
    // After 'exit' there may still be output; after 'close' there is none.
    this.process.once('close', (status, signal) => this.changed(() => (this.ended = status ?? signal ?? 'unknown')))
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  /** The first line of standard output that begins so, without that beginning; rejects when the process ends without it. */
  async line(start: string): Promise<string> {
    for (;;) {
      const lines = this.stdout.split('\n').slice(0, -1)
      const found = lines.find((line) => line.startsWith(start))
      if (found !== undefined) return found.slice(start.length).trim()
      if (this.ended !== undefined) throw new Error(`ended (${this.ended}) without printing ${start}\n${this.stdout}${this.stderr}`)
      await this.change()
    }
  }

  /** What the application reported with a line of that name and JSON. */
  async report<T = unknown>(name: string): Promise<T> {
    return JSON.parse(await this.line(`${name} `)) as T
  }

  /** Exit status, or the name of the signal. */
  async exit(): Promise<number | string> {
    while (this.ended === undefined) await this.change()
    return this.ended
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.ended !== undefined) return
    this.process.kill(signal)
    await this.exit()
  }

  private change(): Promise<void> {
    return new Promise((resolveChange) => this.waiting.push(resolveChange))
  }

  private changed(change: () => void): void {
    change()
    for (const wake of this.waiting.splice(0)) wake()
  }
}
