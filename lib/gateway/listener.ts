// A FastCGI server in this process as a target: finds where it listens, or makes it listen where only we can reach it.

import { mkdtemp } from 'node:fs/promises'
import { rmSync } from 'node:fs'
import { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClientTarget } from '../client'

/** What the gateway needs of a server; a net.Server has it, and so has ours. */
export interface ListenerLike {
  readonly listening: boolean
  listen(options: { path: string } | { host: string; port: number }): unknown
  address(): string | AddressInfo | null
  on(event: 'connection', listener: (socket: { unref?: () => unknown }) => void): unknown
  once(event: 'listening' | 'close', listener: () => void): unknown
  once(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'listening', listener: () => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
  unref?(): unknown
}

/** One start for each server, however many gateways stand in front of it. */
const starts = new WeakMap<ListenerLike, Promise<ClientTarget>>()
const startedHere = new WeakSet<ListenerLike>()
const folders = new Set<string>()

export function isListener(target: unknown): target is ListenerLike {
  return typeof target === 'object' && target !== null && 'listen' in target && 'address' in target && typeof target.listen === 'function'
}

/**
 * Where the server listens. One that does not listen yet is made to: on a unix socket in a new folder that only this
 * user can enter, on Windows on a free port of 127.0.0.1; neither keeps the process alive.
 */
export async function addressOf(server: ListenerLike): Promise<ClientTarget> {
  const running = starts.get(server)
  if (running !== undefined) return running
  if (server.listening) return toTarget(server)
  startedHere.add(server)
  const start = makeListen(server)
  starts.set(server, start)
  try {
    return await start
  } finally {
    starts.delete(server)
  }
}

/** A gateway made this server listen. */
export function wasStartedHere(server: ListenerLike): boolean {
  return startedHere.has(server)
}

async function makeListen(server: ListenerLike): Promise<ClientTarget> {
  const folder = process.platform === 'win32' ? undefined : await mkdtemp(join(tmpdir(), 'express-fastcgi-gateway-'))
  if (folder !== undefined) removeLater(server, folder)
  try {
    await listenAt(server, folder === undefined ? { host: '127.0.0.1', port: 0 } : { path: join(folder, 'app.sock') })
  } catch (error) {
    if (folder !== undefined) remove(folder)
    throw error
  }
  // Whoever waits for an answer holds the process by the HTTP connection; this end need not.
  server.unref?.()
  server.on('connection', (socket) => socket.unref?.())
  return toTarget(server)
}

function listenAt(server: ListenerLike, where: Parameters<ListenerLike['listen']>[0]): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const onListening = (): void => {
      server.removeListener('error', onError)
      resolve()
    }
    const onError = (error: Error): void => {
      server.removeListener('listening', onListening)
      reject(error)
    }
    server.once('listening', onListening)
    server.once('error', onError)
    server.listen(where)
  })
}

function toTarget(server: ListenerLike): ClientTarget {
  const address = server.address()
  if (address === null) throw new Error('the FastCGI server has no address; listen on a port or a path, or let the gateway do it')
  if (typeof address === 'string') return { path: address }
  // A wildcard is where to listen, not where to connect.
  const host = address.address === '0.0.0.0' ? '127.0.0.1' : address.address === '::' ? '::1' : address.address
  return { host, port: address.port }
}

function removeLater(server: ListenerLike, folder: string): void {
  if (folders.size === 0) process.once('exit', removeAll)
  folders.add(folder)
  server.once('close', () => remove(folder))
}

function removeAll(): void {
  for (const folder of folders) remove(folder)
}

function remove(folder: string): void {
  folders.delete(folder)
  if (folders.size === 0) process.removeListener('exit', removeAll)
  rmSync(folder, { recursive: true, force: true })
}
