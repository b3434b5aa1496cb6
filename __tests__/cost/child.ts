// A process of its own that serves one connection, and the questions it answers.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect, type RawClient } from '../support/raw-client'
import { GET, POST } from '../support/serve'

const get = Buffer.concat([begin(1, { keep: true }), params(1, { ...GET, HTTP_HOST: 'app.example', HTTP_ACCEPT: '*/*' }), stdin(1)])
const getOnce = Buffer.concat([begin(1, { keep: false }), params(1, { ...GET, HTTP_HOST: 'app.example', HTTP_ACCEPT: '*/*' }), stdin(1)])
const post = Buffer.concat([begin(1, { keep: true }), params(1, { ...POST, HTTP_HOST: 'app.example', CONTENT_LENGTH: '7' }), stdin(1, 'a=1&b=2'), stdin(1)])

export type Kind = 'plain' | 'upload' | 'express'

export interface Answers {
  /** Live objects. */
  all: number
  /** Live objects of the classes that a request is made of. */
  objects: Record<'IncomingMessage' | 'ServerResponse' | 'RequestSocket' | 'Request' | 'AsyncResource', number>
  held: { readonly resources: readonly string[]; readonly handles: number; readonly listeners: readonly (readonly [string, number])[] }
  /** Bytes of heap after garbage was collected. */
  collect: number
  /** Bytes of heap as they are. */
  heap: number
}

export class ServingChild {
  private constructor(
    private readonly process: ChildProcess,
    private readonly client: RawClient,
    private readonly request: Buffer,
    private readonly folder: string,
  ) {}

  static async start(kind: Kind, execArgv: readonly string[] = []): Promise<ServingChild> {
    const folder = mkdtempSync(join(tmpdir(), 'cost-'))
    const path = join(folder, 's')
    const child = fork(join(__dirname, 'children', 'application.cjs'), [path, kind], {
      // Counting objects is experimental, which node would say each time.
      execArgv: ['--expose-gc', '--no-warnings', ...execArgv],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    await once(child, 'message')
    return new ServingChild(child, await connect(path, { keep: false }), kind === 'upload' ? post : get, folder)
  }

  /** One after the other on the one connection, which stays open. */
  async requests(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      this.client.send(this.request)
      await this.client.response(1)
    }
  }

  /** One after the other, each on a connection of its own, which the application closes. */
  async connections(count: number): Promise<void> {
    for (let opened = 0; opened < count; opened++) {
      const client = await connect(join(this.folder, 's'))
      client.send(getOnce)
      await client.response(1)
      await client.closed
    }
  }

  async ask<Question extends keyof Answers>(question: Question): Promise<Answers[Question]> {
    this.process.send(question)
    const [answer] = (await once(this.process, 'message')) as [Answers[Question]]
    return answer
  }

  async stop(): Promise<void> {
    this.client.destroy()
    const exited = once(this.process, 'exit')
    this.process.disconnect()
    await exited
    rmSync(this.folder, { recursive: true, force: true })
  }
}
