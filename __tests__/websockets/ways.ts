// The ways a WebSocket takes to an application in these tests. Every test runs on all of them and asserts plain facts, so that
// node:http proves the test, and the test proves us.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'express-fastcgi'
import { gateway, type GatewayOptions } from 'express-fastcgi/gateway'
import { describeWithNewerLighttpd, startNewerLighttpd } from '../support/newer-lighttpd'

interface Front {
  readonly port: number
  stop(): Promise<void>
}

interface Way {
  readonly name: string
  readonly describe: (title: string, tests: () => void) => void
  /** A client has to wait for an application that does not read. lighttpd takes what it sends. */
  readonly holdsClientsBack: boolean
  readonly createServer: () => http.Server
  /** @param folder that is removed afterwards */
  start(server: http.Server, folder: string): Promise<Front>
}

const WAYS: readonly Way[] = [
  {
    name: 'node:http',
    describe,
    holdsClientsBack: true,
    createServer: () => http.createServer(),
    async start(server) {
      await once(server.listen(0, '127.0.0.1'), 'listening')
      return { port: (server.address() as AddressInfo).port, stop: () => Promise.resolve() }
    },
  },
  {
    name: 'FastCGI behind the gateway',
    describe,
    holdsClientsBack: true,
    createServer: () => createServer(),
    start: behindGateway({ keepAlive: false }),
  },
  {
    name: 'FastCGI behind the gateway, several on one connection',
    describe,
    holdsClientsBack: true,
    createServer: () => createServer(),
    start: behindGateway({ multiplex: true, maxConnections: 2, maxRequestsPerConnection: 1_000 }),
  },
  {
    name: 'FastCGI behind lighttpd',
    describe: describeWithNewerLighttpd,
    holdsClientsBack: false,
    createServer: () => createServer(),
    async start(server, folder) {
      const path = join(folder, 'app')
      await once(server.listen(path), 'listening')
      return startNewerLighttpd(path)
    },
  },
]

/** A gateway in front of the application's unix socket. */
function behindGateway(options: GatewayOptions): Way['start'] {
  return async (server, folder) => {
    const path = join(folder, 'app')
    await once(server.listen(path), 'listening')
    const listener = gateway({ path }, options)
    const front = listener.listen(0, '127.0.0.1')
    await once(front, 'listening')
    return {
      port: (front.address() as AddressInfo).port,
      async stop() {
        await listener.close()
        front.closeAllConnections()
        await once(front.close(), 'close')
      },
    }
  }
}

/** What a test gets: the application's server, and where clients find it. */
export class Route {
  private running: http.Server | undefined
  private front: Front | undefined
  private folder = ''

  constructor(private readonly way: Way) {}

  get holdsClientsBack(): boolean {
    return this.way.holdsClientsBack
  }

  get server(): http.Server {
    if (this.running === undefined) throw new Error('the route has not started')
    return this.running
  }

  get port(): number {
    if (this.front === undefined) throw new Error('the route has not started')
    return this.front.port
  }

  url(path = '/', scheme = 'ws'): string {
    return `${scheme}://127.0.0.1:${this.port}${path}`
  }

  async start(): Promise<void> {
    this.folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-ws-'))
    this.running = this.way.createServer()
    this.front = await this.way.start(this.running, this.folder)
  }

  /** Proves that nothing holds on to the server: it emits 'close'. */
  async stop(): Promise<void> {
    await this.front?.stop()
    const { running } = this
    if (running !== undefined) {
      const closed = once(running, 'close')
      running.close()
      running.closeAllConnections()
      await closed
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The same tests for every way, each with servers of its own. */
export function describeWays(title: string, tests: (route: Route) => void): void {
  for (const way of WAYS) {
    way.describe(`${title} (${way.name})`, () => {
      const route = new Route(way)
      beforeAll(() => route.start())
      afterAll(() => route.stop())
      tests(route)
    })
  }
}
