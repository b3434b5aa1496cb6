// Starts a contender that is not a node program, with the same methods as ApplicationProcess.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accepts } from './ports.mjs'
import { cpuMicroseconds, peakMemory } from './proc.mjs'

export class ProgramProcess {
  #child
  #path
  #errors = ''

  /** @param contender one with `program` and `arguments`; it is to listen on the unix socket `path` */
  constructor(contender, path) {
    this.#path = path
    this.#child = spawn(contender.program(), contender.arguments(path), {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...contender.environment },
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text) => { this.#errors = (this.#errors + text).slice(-4_000) })
    // Unlike a node contender it would not notice that we are gone.
    process.once('exit', this.#kill)
  }

  get error() {
    return this.#errors.trim().split('\n').at(-1)
  }

  listening() {
    return accepts(this.#path, this.#child)
  }

  /** How many connections it accepted is not known. */
  async usage() {
    return { cpuMicroseconds: cpuMicroseconds(this.#child.pid), connections: undefined }
  }

  peakMemory() {
    return peakMemory(this.#child.pid)
  }

  async stop() {
    process.off('exit', this.#kill)
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#kill()
    await exited
  }

  #kill = () => this.#child.kill('SIGKILL')
}
