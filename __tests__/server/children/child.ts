// Runs children/app.cjs and collects what it reports. Kills what it started, by its own handle.

import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

export const APP = path.join(__dirname, 'app.cjs')
const BUILT = path.join(__dirname, '..', '..', '..', 'dist', 'index.js')

export interface Report {
  readonly event: 'listening' | 'error' | 'thrown' | 'warning' | 'drop' | 'exit'
  readonly code?: string
  readonly message?: string
  readonly name?: string
  readonly address?: unknown
  readonly pid?: number
  readonly listening?: boolean
  readonly remoteAddress?: string
}

export interface ChildOptions {
  readonly args?: readonly unknown[]
  readonly options?: object
  readonly env?: Readonly<Record<string, string>>
  /** What the child gets as fd 0 (default: nothing) and as fd 3, in the forms of `stdio`. */
  readonly stdin?: unknown
  readonly fd3?: unknown
  /** Runs through `sh -c` with the command as "$@"; for what only a shell can set, such as its own pid. */
  readonly shell?: string
  readonly uid?: number
}

export class Child {
  readonly reports: Report[] = []
  readonly process: ChildProcess
  private text = ''
  private waiting: (() => void)[] = []

  constructor({ args = [], options = {}, env = {}, stdin = 'ignore', fd3, shell, uid }: ChildOptions) {
    if (!existsSync(BUILT)) throw new Error('dist is missing: run npm run build')
    const command = shell === undefined ? [process.execPath, APP] : ['/bin/sh', '-c', shell, 'sh', process.execPath, APP]
    this.process = spawn(command[0] ?? '', command.slice(1), {
      stdio: [stdin, 'pipe', 'inherit', ...(fd3 === undefined ? [] : [fd3])] as StdioOptions,
      env: { PATH: process.env['PATH'] ?? '', LISTEN_ARGS: JSON.stringify(args), SERVER_OPTIONS: JSON.stringify(options), ...env },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    this.process.stdout?.on('data', (chunk: Buffer) => this.read(chunk.toString()))
    // After 'exit' there may still be output; after 'close' there is none.
    this.process.on('close', () => this.add({ event: 'exit' }))
  }

  /** The first report of one of these kinds; rejects when the child exits without it. */
  async report(...events: readonly Report['event'][]): Promise<Report> {
    for (;;) {
      const found = this.reports.find(({ event }) => events.includes(event))
      if (found !== undefined) return found
      if (this.reports.at(-1)?.event === 'exit') throw new Error(`the child exited without ${events.join()}: ${JSON.stringify(this.reports)}`)
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exited = new Promise((resolve) => this.process.once('exit', resolve))
    this.process.kill(signal)
    await exited
  }

  private read(text: string): void {
    this.text += text
    const lines = this.text.split('\n')
    this.text = lines.pop() ?? ''
    for (const line of lines) this.add(JSON.parse(line) as Report)
  }

  private add(report: Report): void {
    this.reports.push(report)
    for (const wake of this.waiting.splice(0)) wake()
  }
}
