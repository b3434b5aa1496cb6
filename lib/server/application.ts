// A FastCGI application: all connections of one server, what they share, and the one clock behind every time-out.

import { AsyncResource } from 'node:async_hooks'
import type * as http from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorCode, ProtocolError } from '../errors'
import type { RequestHead } from '../cgi/request-head'
import type { AccessList } from './access'
import { CheckEchoes } from './check-echo'
import { Connection, type ConnectionHost } from './connection'
import { byFirstByte } from './first-byte'
import { dispatch, type DispatchHost, refuseByListener } from './dispatch'
import { messageClasses } from './node-internals'
import { loadRoles, loadUpgrade } from './on-demand'
import type { Mount, Settings } from './options'
import { Messages } from './prototypes'
import type { Request } from './request'
import type { Roles } from './roles'
import type { SpawnedScript } from './spawned-script'
import type { UpgradedRequest } from './upgraded-request'

export { listenToPipe } from './iis-pipe'
export { followRequests } from './followed'
export { RequestSocket } from './socket'

/** The clock ticks at a quarter of the shortest time-out, within these bounds; a time-out fires at most two ticks late. */
const SWEEP_MAX_MS = 1_000
const SWEEP_MIN_MS = 20

export class Application implements ConnectionHost, DispatchHost {
  readonly server: http.Server
  readonly settings: Settings
  readonly messages: Messages
  readonly checkEchoes: CheckEchoes | undefined
  readonly roles: Roles | undefined
  activeRequests = 0
  isClosing = false
  isUnref = false
  /** Who may connect over TCP; undefined for anybody. Decided when listening starts. */
  access: AccessList | undefined
  /** False for a unix socket, whose rights are the file system's. True until that is known: a list must not be passed by. */
  isTcp = true
  /** The only connection there will ever be is a pipe, and the process ends with it (IIS): it is not closed without need. */
  isOnPipe = false
  /** The script as which a web server started this process; undefined when none did. */
  spawnedScript: SpawnedScript | undefined

  /** Takes the connections that turn out to speak HTTP; undefined where nothing but FastCGI is spoken. */
  private readonly http: ((transport: Socket) => void) | undefined
  /** node's own value, which is meant for HTTP; NaN where it has been replaced. */
  private readonly httpKeepAliveTimeout: number

  /**
   * Not a Set, which makes its table anew every few dozen connections: the old tables refer to each new one, and those that V8 has
   * in its old space keep every connection alive until that is collected (measured: a fifth of all that is allocated).
   */
  private readonly connections: Connection[] = []
  /** Those that have not sent a byte by which they could be told apart. */
  private readonly undecided = new Set<Socket>()
  private readonly warned = new Set<string>()
  private sweeper: NodeJS.Timeout | undefined

  /** @param http takes connections that speak HTTP; absent, everything is taken for FastCGI */
  constructor(server: http.Server, settings: Settings, http?: { accept: (transport: Socket) => void; keepAliveTimeout: number }) {
    this.server = server
    this.settings = settings
    this.http = http?.accept
    this.httpKeepAliveTimeout = http?.keepAliveTimeout ?? Number.NaN
    const { Request, Response } = messageClasses(server)
    this.messages = new Messages(Request, Response)
    this.checkEchoes = settings.checkToken === '' ? undefined : new CheckEchoes(settings.checkToken)
    const { authorizer, filter } = settings
    if (authorizer !== undefined || filter !== undefined) this.roles = new (loadRoles().Roles)(settings, Request, Response)
  }

  get mount(): Mount {
    return this.settings.mount
  }

  get isForOtherRoles(): boolean {
    return this.roles !== undefined
  }

  get allowHalfOpen(): boolean {
    return (this.server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen === true
  }

  get maxConnections(): number {
    const limit: unknown = this.server.maxConnections
    return typeof limit === 'number' && limit > 0 ? limit : 0
  }

  /** Takes a connection that was just accepted. */
  accept(transport: Socket): void {
    if (this.access !== undefined && this.isTcp && !this.access.allows(transport.remoteAddress)) {
      const { localAddress, localPort, remoteAddress, remotePort, remoteFamily } = transport
      transport.destroy()
      // The event net.Server emits for a connection that it does not take.
      this.server.emit('drop', { localAddress, localPort, remoteAddress, remotePort, remoteFamily })
      return
    }
    // Taken here: the reads of an accepted connection have no context of their own.
    const context = new AsyncResource('FASTCGICONNECTION')
    if (this.http === undefined || this.isOnPipe) this.speakFastCGI(transport, context)
    else this.decide(transport, context, this.http)
  }

  private speakFastCGI(transport: Socket, context: AsyncResource, firstBytes?: Buffer): void {
    const connection = new Connection(this, transport, context)
    connection.place = this.connections.push(connection) - 1
    this.armSweep()
    if (firstBytes !== undefined) connection.resume(firstBytes)
  }

  private decide(transport: Socket, context: AsyncResource, http: (transport: Socket) => void): void {
    const { undecided } = this
    undecided.add(transport)
    if (this.isUnref) transport.unref()
    const forget = (): void => {
      undecided.delete(transport)
      transport.setTimeout(0)
    }
    transport.once('close', forget)
    // As node:http does with a connection that never says a word.
    const { headersTimeout } = this.server
    if (headersTimeout > 0) transport.setTimeout(headersTimeout, () => undecided.has(transport) && transport.destroy())
    byFirstByte(transport, {
      fastcgi: (socket, bytes) => {
        forget()
        this.speakFastCGI(socket, context, bytes)
      },
      http: (socket) => {
        forget()
        socket.ref()
        context.runInAsyncScope(http, undefined, socket)
      },
    })
  }

  closed(connection: Connection): void {
    const { connections } = this
    if (connections[connection.place] !== connection) return
    const last = connections.pop()
    if (last === undefined || last === connection) return
    connections[connection.place] = last
    last.place = connection.place
  }

  dispatch(request: Request, head: RequestHead): void {
    if (request.role === 'responder') dispatch(this, request, head)
    else this.roles?.dispatch(this, request, head)
  }

  upgrade(request: UpgradedRequest, head: RequestHead): void {
    loadUpgrade().offer(this, request, head)
  }

  refuseByListener(request: Request, error: Error): void {
    refuseByListener(this, request, error)
  }

  isSpawnedBy(serverSoftware: string): boolean {
    if (this.isOnPipe) return true
    // Of a request that could not be read, nothing is known.
    return this.spawnedScript !== undefined && (serverSoftware === '' || serverSoftware.startsWith('Apache'))
  }

  /** Reports a violation once, to 'clientError' or, without a listener, as a warning. */
  violated(error: ProtocolError, transport: Socket): void {
    // Later, so that a listener that throws cannot stop what is being read.
    if (this.server.listenerCount('clientError') > 0) process.nextTick(emit, this.server, 'clientError', error, transport)
    else this.warn(error.code, `${error.message}; the connection was closed. Listen to 'clientError' to see all of these`)
  }

  /** Reports what went wrong with one request, to 'requestError' or, without a listener, as a warning. */
  report(code: ErrorCode, message: string, requestId: number): void {
    const error = Object.assign(new Error(message), { code, requestId })
    if (this.server.listenerCount('requestError') > 0) process.nextTick(emit, this.server, 'requestError', error)
    else this.warn(code, `request ${requestId}: ${message}. Listen to 'requestError' to see all of these`)
  }

  /** One warning for each code: whoever sends nonsense must not be able to fill a log with it. */
  warn(code: string, message: string): void {
    if (this.warned.has(code)) return
    this.warned.add(code)
    process.emitWarning(message, { type: 'FastCGIWarning', code })
  }

  /** Lets active requests finish and closes what is idle, now and as it becomes so. */
  startClosing(): void {
    this.isClosing = true
    this.closeIdle()
  }

  closeIdle(): void {
    const wasClosing = this.isClosing
    this.isClosing = true
    for (const connection of this.connections) connection.closeIfIdle()
    for (const transport of this.undecided) transport.destroy()
    this.isClosing = wasClosing
  }

  /** What `server.unref()` says of the listening socket holds for idle connections too. */
  unref(): void {
    this.isUnref = true
    for (const connection of this.connections) connection.updateRef()
    for (const transport of this.undecided) transport.unref()
  }

  ref(): void {
    this.isUnref = false
    for (const connection of this.connections) connection.ref()
    for (const transport of this.undecided) transport.ref()
  }

  closeAll(): void {
    for (const connection of this.connections) connection.closeRequests()
    for (const transport of this.undecided) transport.destroy()
  }

  /** For connections of FastCGI: those of HTTP are node's to look after. */
  private get keepAliveTimeout(): number {
    const { keepAliveTimeout } = this.server
    return this.isOnPipe || keepAliveTimeout === this.httpKeepAliveTimeout ? 0 : keepAliveTimeout
  }

  private armSweep(): void {
    if (this.sweeper !== undefined || this.connections.length === 0) return
    const { headersTimeout, requestTimeout } = this.server
    const shortest = Math.min(...[headersTimeout, requestTimeout, this.keepAliveTimeout].filter((timeout) => timeout > 0), 4 * SWEEP_MAX_MS)
    const delay = Math.max(SWEEP_MIN_MS, Math.min(SWEEP_MAX_MS, shortest / 4))
    this.sweeper = setTimeout(() => this.sweep(), delay).unref()
  }

  private sweep(): void {
    this.sweeper = undefined
    const now = performance.now()
    const { headersTimeout, requestTimeout } = this.server
    const { keepAliveTimeout } = this
    for (const connection of this.connections) connection.sweep(now, headersTimeout, requestTimeout, keepAliveTimeout)
    this.armSweep()
  }
}

function emit(server: http.Server, event: string, ...args: unknown[]): void {
  server.emit(event, ...args)
}
