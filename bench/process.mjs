// Starts a node contender in a process of its own and asks it for its figures.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { peakMemory } from './proc.mjs'

const script = fileURLToPath(new URL('application.mjs', import.meta.url))

/** A running contender. */
export class ApplicationProcess {
  #child
  #errors = ''

  /** @param node the binary; `flags` are for it; `paths` where to listen, one or several */
  constructor(node, contender, handler, paths, flags = []) {
    this.#child = spawn(node, [...flags, script, contender, handler, ...[paths].flat()], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      env: { ...process.env, NODE_ENV: 'production' },
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text) => { this.#errors = (this.#errors + text).slice(-4_000) })
  }

  /** The one line of its standard error that says most; empty when it said nothing. */
  get error() {
    const lines = this.#errors.trim().split('\n')
    return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1)
  }

  get pid() {
    return this.#child.pid
  }

  async listening() {
    await this.#answer()
  }

  /** User and system time so far, and connections accepted so far. */
  usage() {
    return this.#ask('usage')
  }

  /** Bytes it holds after a garbage collection, for which it needs --expose-gc; and how many requests wait for an answer. */
  memory() {
    return this.#ask('memory')
  }

  /** The most memory it ever held, in bytes. */
  peakMemory() {
    return peakMemory(this.#child.pid)
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }

  #ask(question) {
    const answer = this.#answer()
    this.#child.send(question)
    return answer
  }

  async #answer() {
    const left = new AbortController()
    try {
      const [message] = await Promise.race([
        once(this.#child, 'message', { signal: left.signal }),
        once(this.#child, 'exit', { signal: left.signal }).then(([code, signal]) => {
          throw new Error(`the application exited (${signal ?? code})`)
        }),
      ])
      return message
    } finally {
      left.abort()
    }
  }
}
