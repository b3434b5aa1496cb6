// Runs the demo: the site as a FastCGI application on a private unix socket, and something that speaks HTTP in front of it.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { cgiParams, listen } from 'express-fastcgi'
import { gateway } from 'express-fastcgi/gateway'
import { type Logger, pino } from 'pino'
import { createApp } from './app'
import { findNginx, startNginx } from './nginx'
import { echoSockets } from './pages/echo'
import { findFreePort, listenOnFreePort } from './ports'

const GRACE_MS = 2000

export interface StartOptions {
  /** First port to try on 127.0.0.1; 0 is any free one. */
  readonly port: number
  /** Who speaks HTTP: the gateway of this package, in this process, or real nginx. */
  readonly front: 'gateway' | 'nginx'
  readonly logger?: Logger
  /** Called when the demo cannot go on. */
  readonly onFailure?: (error: Error) => void
}

export interface Demo {
  readonly url: string
  readonly port: number
  /** The unix socket that speaks FastCGI. */
  readonly socketPath: string
  /** Path of nginx's configuration, when nginx is in front. */
  readonly configuration: string | undefined
  /** Lets running requests finish, for two seconds at most, and leaves nothing behind. */
  close(): Promise<void>
}

interface Front {
  readonly port: number
  readonly configuration?: string
  close(): Promise<void>
}

async function closeServer(server: HttpServer): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  // A kept connection whose last answer ends only now is idle only then.
  const tidying = setInterval(() => server.closeIdleConnections(), 20)
  const impatience = setTimeout(() => server.closeAllConnections(), GRACE_MS)
  await closed
  clearInterval(tidying)
  clearTimeout(impatience)
}

async function startGateway(socketPath: string, port: number): Promise<Front> {
  // Uploads and event streams take as long as they take, in both directions.
  const listener = gateway({ path: socketPath }, { timeoutMs: 0 })
  const server = createServer({ requestTimeout: 0 }, listener).on('upgrade', listener.upgrade)
  const close = async (): Promise<void> => {
    await closeServer(server)
    await listener.close()
  }
  return { port: await listenOnFreePort(server, port), close }
}

async function startFront(options: StartOptions, folder: string, socketPath: string): Promise<Front> {
  if (options.front === 'gateway') return startGateway(socketPath, options.port)
  const port = await findFreePort(options.port)
  const onFailure = options.onFailure ?? (() => undefined)
  return { port, ...(await startNginx({ program: findNginx(), folder, socketPath, port, probe: '/live/ping', onFailure })) }
}

/** Starts everything. When a part does not start, the parts that did are stopped again. */
export async function start(options: StartOptions): Promise<Demo> {
  // mkdtemp makes the folder 0700: nobody else can reach the socket, who could then claim to be any client.
  const folder = mkdtempSync(path.join(tmpdir(), 'express-fastcgi-demo-'))
  const socketPath = path.join(folder, 'app.sock')
  const stopping = new AbortController()
  const logger = options.logger ?? pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination({ dest: 2, sync: true }))
  const steps: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })]
  let closed: Promise<void> | undefined
  const close = async (): Promise<void> => {
    stopping.abort()
    for (const step of steps.reverse()) await step()
  }
  try {
    const application = listen(createApp({ metaVariables: cgiParams, logger, stopping: stopping.signal }), { path: socketPath })
    echoSockets(application, stopping.signal)
    await once(application, 'listening')
    steps.push(() => closeServer(application))
    const front = await startFront(options, folder, socketPath)
    steps.push(() => front.close())
    return {
      url: `http://127.0.0.1:${front.port}/`,
      port: front.port,
      socketPath,
      configuration: front.configuration,
      close: () => (closed ??= close()),
    }
  } catch (error) {
    await close()
    throw error
  }
}
