// Starts a FastCGI server of ours for one test and takes it down again. What the tests of lib/server share.

import { type EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type * as http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server, type ServerOptions } from 'express-fastcgi'
import { connect, type RawClient, type RawOptions } from './raw-client'

/** The least that a web server sends for a GET. */
export const GET = { REQUEST_METHOD: 'GET', REQUEST_URI: '/', SERVER_PROTOCOL: 'HTTP/1.1' }
export const POST = { ...GET, REQUEST_METHOD: 'POST' }

export interface Served {
  readonly server: Server
  readonly path: string
  /** A connection of its own, destroyed with the server. */
  client(options?: RawOptions): Promise<RawClient>
}

const running: { server: Server; folder: string; clients: RawClient[] }[] = []

/** Serves a handler on a unix socket of its own; {@link stopAll} ends it. */
export async function serve(handler: http.RequestListener, options: ServerOptions = {}): Promise<Served> {
  // First: options that are refused must leave no folder behind.
  const server = createServer(options, handler)
  const folder = mkdtempSync(join(tmpdir(), 'fcgi-server-'))
  const path = join(folder, 's')
  const clients: RawClient[] = []
  running.push({ server, folder, clients })
  await once(server.listen(path), 'listening')
  return {
    server,
    path,
    async client(rawOptions) {
      const client = await connect(path, rawOptions)
      clients.push(client)
      return client
    },
  }
}

/** Ends every server of {@link serve}, and proves that none holds on to anything: each must emit 'close'. */
export async function stopAll(): Promise<void> {
  for (const { server, folder, clients } of running.splice(0)) {
    for (const client of clients) client.destroy()
    if (server.listening) {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Notes what happens to an object, in order, for tests of event order. */
export function record(log: string[], name: string, emitter: EventEmitter, events: readonly string[]): void {
  for (const event of events) emitter.on(event, () => log.push(`${name} ${event}`))
}

/** The next time an emitter emits an event; its first argument. */
export async function next<T>(emitter: EventEmitter, event: string): Promise<T> {
  const [value] = (await once(emitter, event)) as [T]
  return value
}
