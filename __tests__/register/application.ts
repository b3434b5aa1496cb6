// Applications of a few lines, in a folder that has the built package installed, run under register. And the two ways to
// ask them: as a web server and as a browser.

import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect, type RawAddress } from '../support/raw-client'
import { NodeProcess, type NodeProcessOptions, root } from './node-process'

/** What every application here begins with: `report('name', value)` prints a line, `answer` is a request listener. */
const PRELUDE = `
const { report, answer } = globalThis.forTests ??= {
  report: (name, value) => process.stdout.write(name + ' ' + JSON.stringify(value ?? null) + '\\n'),
  answer: (req, res) => res.end(req.method + ' ' + req.url + ' of ' + process.pid),
};
`

export interface ApplicationOptions extends NodeProcessOptions {
  readonly type?: 'module' | 'commonjs'
  /** Arguments of node before the application. */
  readonly flags?: readonly string[]
}

export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'fcgi-register-'))
  private readonly processes: NodeProcess[] = []
  private files = 0

  constructor() {
    mkdirSync(join(this.folder, 'node_modules'))
    symlinkSync(root, join(this.folder, 'node_modules', 'express-fastcgi'))
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** Writes an application to a file; returns its path. */
  write(code: string, type: 'module' | 'commonjs' = 'commonjs'): string {
    const file = this.path(`app${++this.files}.${type === 'module' ? 'mjs' : 'cjs'}`)
    writeFileSync(file, PRELUDE.replaceAll('\n', ' ') + code)
    return file
  }

  /** Runs an application under register, unless other flags are given. */
  run(code: string, { type = 'commonjs', flags = ['--import', 'express-fastcgi/register'], ...options }: ApplicationOptions = {}): NodeProcess {
    const child = new NodeProcess([...flags, this.write(code, type)], { cwd: this.folder, ...options })
    this.processes.push(child)
    return child
  }

  /** Ends the processes. */
  async clear(): Promise<void> {
    await Promise.all(this.processes.splice(0).map((child) => child.kill()))
  }

  async remove(): Promise<void> {
    await this.clear()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Asks as a web server does: the body of the answer. */
export async function askFastCGI(address: RawAddress, path = '/'): Promise<string> {
  const client = await connect(address)
  client.send(begin(1), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: path, SERVER_PROTOCOL: 'HTTP/1.1' }), stdin(1))
  const { body } = await client.response(1)
  client.destroy()
  return body.toString()
}

/** Asks as a browser does: the body of the answer. */
export async function askHttp(address: string | net.AddressInfo, path = '/'): Promise<string> {
  const target = typeof address === 'string' ? { socketPath: address } : { host: address.address, port: address.port }
  const [response] = (await once(http.get({ ...target, path, agent: false }), 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
