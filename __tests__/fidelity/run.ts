// Runs one scenario on one way, from an empty server to a closed one, and says what was seen.

import { once } from 'node:events'
import { rmSync } from 'node:fs'
import type http from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { RawHttp } from '../support/http-raw'
import { createClient, HOST } from './client'
import { type Note, Recorder } from './recorder'
import { serverFor, type Way } from './routes'
import type { Scenario } from './scenario'
import { plain } from './values'

/** What a scenario showed: all of it is compared. */
export interface Seen {
  readonly notes: readonly Note[]
  /** What the client returned. */
  readonly answer: unknown
}

/** Far above what any scenario takes; a run that needs it has hung. */
export const LIMIT_MS = 12_000

/** So many turns of the event loop are given to what might still happen after the last awaited note. */
const LATE_TURNS = 20

/** What a web server may take to notice that its connections are ended; one that is stuck never does. */
const NOTICE_MS = 1_000

const HELD_PATH = '/held-by-the-harness'

/**
 * @throws when the scenario does not come to its end, with the notes so far; when the server does not close; and when
 *   requests that should share a connection did not
 */
export async function run(scenario: Scenario, way: Way, limitMs = LIMIT_MS): Promise<Seen> {
  const what = `"${scenario.name}" on ${way.name}`
  const recorder = new Recorder()
  const server = serverFor(way, scenario.options ?? {})
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  const leaving: { leave(): void }[] = []
  const transports = new Set<Socket>()
  server.on('connection', (transport) => transports.add(transport))
  scenario.setup?.(server, recorder)
  if (scenario.app) server.on('request', (req, res) => scenario.app?.(req, res, recorder))
  await once(server.listen(way.listenAt === 0 ? { port: 0, host: '127.0.0.1' } : { path: way.listenAt }), 'listening')
  // jest has its own listeners for uncaught exceptions, which would end the test; a scenario may be about one.
  process.setUncaughtExceptionCaptureCallback((error) => recorder.note('uncaughtException', error))
  try {
    const port = way.port ?? (server.address() as AddressInfo).port
    const held = way.isShared && scenario.alone === undefined ? await within(limitMs, hold(port, server), () => `${what}: no request came`) : undefined
    const client = createClient(port, way)
    leaving.push(client, ...(held === undefined ? [] : [held]))
    const ending = Promise.all([scenario.client ? scenario.client(client, recorder) : client.request(), recorder.all(scenario.until)])
    const [answer] = await within(limitMs, ending, () => `${what} is not over; notes so far: ${JSON.stringify(recorder.notes, null, 2)}`)
    for (let turn = 0; turn < LATE_TURNS; turn++) await new Promise(setImmediate)
    const seen = { notes: [...recorder.notes], answer: plain(answer) }
    if (held !== undefined && !(await held.isShared())) {
      throw new Error(`${what}: the requests did not share one connection; if they cannot, say so by "alone"`)
    }
    return seen
  } finally {
    recorder.over()
    leaving.forEach((one) => one.leave())
    try {
      // Whatever the scenario left of it: nothing may hold on to a server that is closed.
      if (server.listening) server.close()
      await noticed(transports)
      server.closeAllConnections()
      await within(limitMs, closed, () => `the server of ${what} does not close`)
    } finally {
      process.setUncaughtExceptionCaptureCallback(null)
      // One that does not close must not be in the way of the next scenario.
      if (way.listenAt !== 0) rmSync(way.listenAt, { force: true })
    }
  }
}

interface Held {
  /** It still waits for its answer, and the server has no other connection than the one it came by. */
  isShared(): Promise<boolean>
  leave(): void
}

/**
 * Begins a request that waits for its answer until it leaves, unseen by the listeners of 'request'. The connection is busy
 * with it, so a request that arrives over the same connection is multiplexed.
 */
async function hold(port: number, server: http.Server): Promise<Held> {
  const emit = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean
  const arrived = new Promise<http.ServerResponse>((resolve) => {
    server.emit = (event: string, ...args: unknown[]): boolean => {
      const [req, res] = args as [http.IncomingMessage, http.ServerResponse]
      if (event !== 'request' || req.url !== HELD_PATH) return emit(event, ...args)
      resolve(res)
      return true
    }
  })
  let connection: RawHttp
  let res: http.ServerResponse | undefined
  do {
    connection = await RawHttp.connect(port)
    connection.write(`GET ${HELD_PATH} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
    // An answer is a 502 of the web server, which tried a connection of the scenario before.
    const answered = connection.head().then(
      () => undefined,
      () => undefined,
    )
    res = await Promise.race([arrived, answered])
    if (res === undefined) connection.leave()
  } while (res === undefined && server.listening)
  if (res === undefined) throw new Error('no request came before the server was closed')
  const held = res
  return {
    async isShared() {
      const connections = await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)))
      return connections === 1 && !held.destroyed
    },
    leave: () => connection.leave(),
  }
}

/**
 * Ends connections and waits until the web server has ended its side. It would send a request of the next scenario over
 * one that it does not yet know to be closed, and answer that request with 502.
 */
async function noticed(transports: ReadonlySet<Socket>): Promise<void> {
  const open = [...transports].filter((transport) => !transport.destroyed)
  const all = Promise.all(open.map((transport) => new Promise((resolve) => transport.once('close', resolve))))
  // Not the transport's own `end`, which waits for its requests.
  for (const transport of open) {
    Reflect.apply(Socket.prototype.end, transport, [])
    // One that is paused would not see the other side's end.
    transport.resume()
  }
  await within(NOTICE_MS, all, () => 'stuck').catch(() => undefined)
}

async function within<T>(limitMs: number, promise: Promise<T>, complaint: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(complaint())), limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
