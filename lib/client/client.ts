// The web server's side of FastCGI: which request goes out on which connection. Knows no records.

import { RequestAbortedError } from '../errors'
import { ManagementVariable } from '../protocol'
import { Connection, type ConnectionOwner } from './connection'
import { type ClientRequest, type ClientRequestOptions, Exchange, type ExchangeHost } from './exchange'
import { checkOptions, CLIENT_OPTIONS, type ClientOptions, type ClientSettings } from './options'
import { type Address, type ClientTarget, parseTarget } from './target'
import { getValues } from './values'

const GET_VALUES_TIMEOUT_MS = 5_000

/** A pool of connections to one FastCGI application. */
export class Client {
  private readonly address: Address
  private readonly settings: ClientSettings
  private readonly connections = new Set<Connection>()
  private readonly waiting = new Set<Exchange>()
  private isClosed = false

  /** @throws {OptionError} for a target or an option that cannot be right */
  constructor(target: ClientTarget, options: ClientOptions = {}) {
    this.address = parseTarget(target)
    this.settings = checkOptions(CLIENT_OPTIONS, options)
  }

  /**
   * Sends a request as soon as a connection is free for it.
   *
   * A request whose kept connection turns out closed before any byte of its answer arrived is sent once more on a fresh
   * connection, if its REQUEST_METHOD is idempotent (RFC 9110 9.2.2) and nothing was read from a body that is a stream.
   *
   * @returns at once; every failure is in `ended` and in `stdout`
   * @throws {OptionError} for params or a role that cannot be sent
   */
  request(options: ClientRequestOptions): ClientRequest {
    const { timeoutMs } = checkOptions({ timeoutMs: CLIENT_OPTIONS.timeoutMs }, { timeoutMs: options.timeoutMs ?? this.settings.timeoutMs })
    const exchange = new Exchange(options, timeoutMs)
    if (this.isClosed) {
      exchange.fail(new RequestAbortedError('the client is closed'))
      return exchange
    }
    exchange.host = this.queue
    this.waiting.add(exchange)
    this.dispatch()
    return exchange
  }

  /**
   * Asks the application what it can do, on a connection of its own.
   *
   * @param names default: the three of FCGI 4.1
   * @returns the values it told; an empty object when it does not know the question
   */
  getValues(
    names: readonly string[] = Object.values(ManagementVariable),
    options: { readonly timeoutMs?: number | undefined } = {},
  ): Promise<Record<string, string>> {
    if (this.isClosed) return Promise.reject(new RequestAbortedError('the client is closed'))
    return getValues(this.address, names, options.timeoutMs ?? GET_VALUES_TIMEOUT_MS)
  }

  /** Ends everything now: requests under way fail with FCGI_ERR_ABORTED. Resolves when the last socket is closed. */
  async close(): Promise<void> {
    this.isClosed = true
    const error = new RequestAbortedError('the client was closed')
    for (const exchange of this.waiting) exchange.fail(error)
    this.waiting.clear()
    const connections = [...this.connections]
    for (const connection of connections) connection.close(error, false)
    await Promise.all(connections.map((connection) => connection.whenClosed))
  }

  private readonly queue: ExchangeHost = {
    abandon: (exchange) => this.waiting.delete(exchange),
    readMore: () => undefined,
    paused: false,
  }

  private readonly owner: ConnectionOwner = {
    released: (connection) => {
      this.dispatch()
      if (connection.isIdle) this.keep(connection)
    },
    closed: (connection, retriable) => {
      this.connections.delete(connection)
      if (retriable.length > 0) this.retry(retriable)
      this.dispatch()
    },
  }

  private dispatch(): void {
    for (const exchange of this.waiting) {
      const connection = this.pick() ?? this.open()
      if (connection === undefined) return
      this.waiting.delete(exchange)
      connection.start(exchange)
    }
  }

  /** The connection used last is the least likely to have been closed by the other end meanwhile. */
  private pick(): Connection | undefined {
    return [...this.connections].reverse().find((connection) => connection.hasRoom)
  }

  private open(): Connection | undefined {
    if (this.settings.maxConnections > 0 && this.connections.size >= this.settings.maxConnections) return undefined
    const connection = new Connection(this.address, this.settings, this.owner)
    this.connections.add(connection)
    return connection
  }

  /** Not on a kept connection: after a restart of the application all of them are dead. */
  private retry(exchanges: readonly Exchange[]): void {
    let fresh: Connection | undefined
    for (const exchange of exchanges) {
      exchange.retried = true
      if (fresh?.hasRoom !== true) fresh = this.open() ?? fresh
      if (fresh?.hasRoom === true) fresh.start(exchange)
      else this.waiting.add(exchange)
    }
  }

  private keep(connection: Connection): void {
    const idle = [...this.connections].filter((one) => one.isIdle)
    if (idle.length > this.settings.maxIdle) {
      connection.close(new RequestAbortedError('enough idle connections'))
      return
    }
    // To the end of the set, where pick() looks first.
    this.connections.delete(connection)
    this.connections.add(connection)
    connection.rest()
  }
}

/**
 * Makes a client of one FastCGI application.
 *
 * @throws {OptionError} for a target or an option that cannot be right
 */
export function createClient(target: ClientTarget, options?: ClientOptions): Client {
  return new Client(target, options)
}
