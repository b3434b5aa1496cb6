// What a scenario of the fidelity tests is: one application, one client, and the notes both take. The harness runs it on
// node:http and on us behind the same kinds of web server, and compares everything noted and answered.

import type { EventEmitter } from 'node:events'
import type * as http from 'node:http'
import type { RawHttp } from '../support/http-raw'

/** The ways an application is reached. The first is node:http; each other is compared with node:http behind the same web server. */
export type Route = 'http' | 'nginx' | 'haproxy' | 'gateway'

export interface Scenario {
  /** Unique; shown as the name of the test, and named in docs/compatibility.md. */
  readonly name: string
  /** Options of `http.createServer`, given to node's server and to ours alike. */
  readonly options?: http.ServerOptions
  /** Called with the server before it listens: other events than 'request', properties. */
  readonly setup?: (server: http.Server, stage: Stage) => void
  /** The 'request' listener. Left out when `setup` adds its own. */
  readonly app?: (req: http.IncomingMessage, res: http.ServerResponse, stage: Stage) => void
  /** What the client does; what it returns is compared. Absent: one GET of `/`, and its answer. */
  readonly client?: (client: Client, stage: Stage) => Promise<unknown>
  /** Notes that must all have been taken before the scenario is over, besides the client's return. Default: `['res close']` by {@link Stage.watch}, if it is watched. */
  readonly until?: readonly string[]
  /** Known differences, each with its reason, which docs/compatibility.md gives too: the harness checks that the routes named do differ. */
  readonly differs?: Partial<Record<Exclude<Route, 'http'>, string>>
  /** The lines of node in which `differs` holds; in the others all must be the same. Default: every line. */
  readonly differsIn?: readonly number[]
  /** Why this is run without other requests on the connection that HAProxy shares; by default there is one, unseen by the application. */
  readonly alone?: string
  /** Routes whose web server never lets this happen, to node:http neither, each with its reason. Not run there. */
  readonly impossible?: Partial<Record<Exclude<Route, 'http'>, string>>
  /** What the gateway is compared with: node:http itself, unless a web server's own answer, such as a 502, is the point. */
  readonly gatewayBase?: 'http'
}

/** What application and client share: the notes, and a way for each to wait for the other. */
export interface Stage {
  /** Takes a note: text, and values that are compared deeply (errors by name, code and message). */
  note(text: string, ...values: unknown[]): void
  /** Notes each event of an object as `${name} ${event}`, in order, and the first argument if it is an error. */
  watch(name: string, emitter: EventEmitter, events: readonly string[]): void
  /** Resolves when a note with this text was taken, or has been. */
  seen(text: string): Promise<void>
  /** As `note`, but not compared: only for {@link seen}. For what happens at no fixed place in the order. */
  signal(text: string): void
}

export interface Answer {
  readonly status: number
  readonly reason: string
  /** Lower-case names, sorted; without what the web server itself decides (Date's value, Server, Connection, Keep-Alive, Transfer-Encoding, Via). */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** latin1 */
  readonly body: string
  /** False when the connection ended before the answer was whole. */
  readonly complete: boolean
  /** The status of each interim answer (1xx) before this one, if there were any. */
  readonly interim?: readonly number[]
  /** Names in lower case, if there were any. */
  readonly trailers?: readonly (readonly [name: string, value: string])[]
}

export interface ClientRequest {
  readonly method?: string
  readonly path?: string
  readonly version?: '1.0' | '1.1'
  /** Besides Host. `Content-Length` is added when there is a body and neither it nor Transfer-Encoding is given. */
  readonly fields?: readonly (readonly [name: string, value: string])[]
  readonly body?: string | Buffer
}

export interface Client {
  /** One request on a connection of its own; resolves when the answer is over, whole or cut. */
  request(request?: ClientRequest): Promise<Answer>
  /** A connection for what `request` cannot do: leaving at a given moment, a body in pieces. Closed by the harness. */
  open(): Promise<RawHttp>
  /** The value of Host, for requests written by hand: `app.test` on every route. */
  readonly host: string
}
