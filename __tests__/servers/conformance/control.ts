// The test's end of the second socket of application.cjs: what the application tells, and what it is allowed to go on with.
// Any number of its processes may connect, and either side may be first: nothing waits for a clock.
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../../support/wait'

// Below the limit of a test, so that the message says what was missing.
const HEARD_WITHIN_MS = 10_000

/** How a request ended, as the application saw it at `close` of its response. */
export interface Ending {
  readonly writableEnded: boolean
  readonly requestDestroyed: boolean
  readonly complete: boolean
}

export class Control {
  /** The path of its socket, for CONFORMANCE_CONTROL. */
  readonly path: string
  private readonly told = new Map<string, unknown>()
  private readonly allowed: string[] = []
  private readonly processes = new Set<net.Socket>()
  private readonly server = net.createServer((socket) => this.connected(socket))
  private keys = 0

  private constructor(private readonly folder: string) {
    this.path = join(folder, 'control.sock')
  }

  static async listen(): Promise<Control> {
    const control = new Control(mkdtempSync(join(tmpdir(), 'express-fastcgi-control-')))
    await once(control.server.listen(control.path), 'listening')
    // The application may run as another user, such as that of the web server which starts it.
    chmodSync(control.folder, 0o755)
    chmodSync(control.path, 0o777)
    return control
  }

  /** A value of X-Key that no request had yet. */
  newKey(): string {
    return `key${++this.keys}`
  }

  /** Waits until the application has told this: `listening`, `arrived KEY` or `ended KEY`. */
  async heard(word: string): Promise<unknown> {
    await until(`the application to tell "${word}"`, () => this.told.has(word), HEARD_WITHIN_MS)
    return this.told.get(word)
  }

  arrived(key: string): Promise<unknown> {
    return this.heard(`arrived ${key}`)
  }

  ended(key: string): Promise<Ending> {
    return this.heard(`ended ${key}`) as Promise<Ending>
  }

  hasArrived(key: string): boolean {
    return this.told.has(`arrived ${key}`)
  }

  /** Every process of the application that waits for the word goes on, now and later. */
  go(word: string): void {
    this.allowed.push(word)
    for (const socket of this.processes) socket.write(`${word}\n`)
  }

  /** Every process of the application ends at this. */
  close(): void {
    this.server.close()
    for (const socket of this.processes) socket.destroy()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private connected(socket: net.Socket): void {
    this.processes.add(socket)
    socket.on('close', () => this.processes.delete(socket)).on('error', () => undefined)
    for (const word of this.allowed) socket.write(`${word}\n`)
    let received = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (received + text).split('\n')
      received = lines.pop()!
      for (const line of lines) this.hear(...(JSON.parse(line) as [string, unknown]))
    })
  }

  private hear(word: string, value: unknown): void {
    this.told.set(word, value)
  }
}
