// An HTTP request listener in front of a FastCGI application, for development and tests. Knows which application and which options.

import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import { type Socket } from 'node:net'
import { type Duplex } from 'node:stream'
import { type HttpRequestHead, requestParams } from '../cgi/request-params'
import { checkOptions, Client, CLIENT_OPTIONS, type ClientOptions, type ClientTarget, FastCGIError, OptionError, parseTarget } from '../client'
import { Forward, type ForwardOptions } from './forward'
import { addressOf, isListener, type ListenerLike, wasStartedHere } from './listener'

/** Meta-variables to add or replace; `undefined` takes one away. */
export type ExtraParams = Readonly<Record<string, string | undefined>>

/** Anything a client takes, or a FastCGI server in this process; one that does not listen yet is made to, privately. */
export type GatewayTarget = ClientTarget | ListenerLike

/** Options of a gateway: those of the client, and these. docs/gateway.md */
export interface GatewayOptions extends ClientOptions {
  /** SCRIPT_NAME; default: where Express mounted the gateway, else `''`. */
  readonly scriptName?: string | undefined
  /** Adds DOCUMENT_ROOT, SCRIPT_FILENAME and PATH_TRANSLATED; default: not sent. */
  readonly documentRoot?: string | undefined
  /** More meta-variables, the same for each request or made for it. */
  readonly params?: ExtraParams | ((req: IncomingMessage) => ExtraParams) | undefined
  /** Where the application's STDERR goes; default: this process's. */
  readonly onStderr?: ((text: Buffer, req: IncomingMessage) => void) | undefined
  /** Largest response head, in bytes; default 65536. */
  readonly maxHeadBytes?: number | undefined
}

/** A listener for `http.createServer`, Express's `app.use` and supertest's `request`. */
export interface Gateway {
  (req: IncomingMessage, res: ServerResponse): void
  /** A listener for 'upgrade' of an http.Server: WebSockets reach the application. */
  readonly upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Makes an http.Server with both listeners. Its arguments are those of `net.Server.listen`. */
  readonly listen: Server['listen']
  /** Closes the connections to the application; requests under way are answered with 503. */
  close(): Promise<void>
}

/** As nginx's `fastcgi_read_timeout`: a browser should see an error, not wait for ever. */
const DEFAULT_TIMEOUT_MS = 60_000
const GATEWAY_OPTIONS = {
  ...CLIENT_OPTIONS,
  timeoutMs: { ...CLIENT_OPTIONS.timeoutMs, default: DEFAULT_TIMEOUT_MS },
  maxHeadBytes: { kind: 'integer', unit: 'bytes', default: 65_536, min: 1, text: 'Largest response head.' },
} as const

interface OwnOptions {
  readonly scriptName: string | undefined
  readonly documentRoot: string | undefined
  readonly params: (req: IncomingMessage) => ExtraParams | undefined
}

/** Express sets these on the request of a mounted middleware; REQUEST_URI is the whole of it, as behind a web server. */
interface MountedRequest {
  readonly originalUrl?: unknown
  readonly baseUrl?: unknown
}

/**
 * Makes a request listener that forwards to a FastCGI application and answers 502, 503 or 504 with the reason when that fails.
 *
 * ```ts
 * http.createServer(gateway('unix:/run/app.sock')).listen(8080)
 * await request(gateway(createServer(app))).get('/').expect(200)   // supertest
 * ```
 *
 * @throws {OptionError} for a target or an option that cannot be right
 */
export function gateway(target: GatewayTarget, options: GatewayOptions = {}): Gateway {
  const { scriptName, documentRoot, params, onStderr = writeStderr, ...rest } = options
  if (scriptName !== undefined && scriptName !== '' && !/^\/.*[^/]$/.test(scriptName)) {
    throw new OptionError('scriptName must begin with a slash and not end with one')
  }
  const { maxHeadBytes, ...clientSettings } = checkOptions(GATEWAY_OPTIONS, rest)
  const own: OwnOptions = { scriptName, documentRoot, params: typeof params === 'function' ? params : () => params }
  const forwardOptions: ForwardOptions = { maxHeadBytes, onStderr }
  let client: Client | undefined
  let isClosed = false

  const connect = async (server: ListenerLike): Promise<Client> => {
    const address = await addressOf(server).catch((error: unknown) => {
      throw new FastCGIError('FCGI_ERR_CONNECT', `the FastCGI server could not be started: ${String(error)}`, error)
    })
    // A server that lives for a test should find no connection of ours open when the test is over.
    const keepAlive = options.keepAlive ?? !wasStartedHere(server)
    client ??= new Client(address, { ...clientSettings, keepAlive })
    if (isClosed) await client.close()
    return client
  }
  if (!isListener(target)) client = new Client(parseTarget(target), clientSettings)

  const start = (forward: Forward, req: IncomingMessage, connection?: Duplex): void => {
    if (client !== undefined) send(forward, client, req, own, connection)
    else if (isListener(target)) {
      connect(target).then(
        (ready) => send(forward, ready, req, own, connection),
        (error: unknown) => forward.fail(error),
      )
    }
  }
  const listener = (req: IncomingMessage, res: ServerResponse): void => start(new Forward(req, res, forwardOptions), req)
  const upgrade = (req: IncomingMessage, connection: Duplex, head: Buffer): void => {
    // Nobody could tell where the new protocol begins; lighttpd does not upgrade these either.
    if (hasBody(req)) {
      connection.on('error', () => undefined)
      connection.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    if (head.length > 0) connection.unshift(head)
    start(new Forward(req, responseOver(connection, req), forwardOptions, connection), req, connection)
  }
  return Object.assign(listener, {
    upgrade,
    listen: ((...args: Parameters<Server['listen']>) => createServer(listener).on('upgrade', upgrade).listen(...args)) as Server['listen'],
    close: async (): Promise<void> => {
      isClosed = true
      await client?.close()
    },
  })
}

/** @param connection of a request that asks for an upgrade */
function send(forward: Forward, client: Client, req: IncomingMessage, own: OwnOptions, connection: Duplex | undefined): void {
  if (forward.isDone) return
  try {
    if (connection !== undefined) {
      forward.follow(client.request({ params: paramsOf(req, own, true), body: connection, upgrade: true }))
      return
    }
    refuseOddBodies(req)
    const params = paramsOf(req, own)
    forward.follow(client.request({ params, body: hasBody(req) ? req : undefined }))
  } catch (error) {
    forward.fail(error)
  }
}

/** For the answer to an upgrade where it is none. node's server has let go of the connection: what it does is done here. */
function responseOver(connection: Duplex, req: IncomingMessage): ServerResponse {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  // The connection of 'upgrade' is the socket of the request.
  res.assignSocket(connection as unknown as Socket)
  connection.on('error', () => undefined)
  connection.on('drain', () => res.emit('drain'))
  res.on('finish', () => connection.end(() => connection.destroy()))
  return res
}

function paramsOf(req: IncomingMessage, own: OwnOptions, upgrade = false): string[] {
  const socket: Partial<Socket> & { encrypted?: boolean } = req.socket
  const { originalUrl, baseUrl }: MountedRequest = req as MountedRequest
  const head: HttpRequestHead = {
    method: req.method ?? 'GET',
    url: typeof originalUrl === 'string' ? originalUrl : req.url ?? '/',
    httpVersion: req.httpVersion,
    rawHeaders: req.rawHeaders,
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    localAddress: socket.localAddress,
    localPort: socket.localPort,
    encrypted: socket.encrypted === true,
  }
  const scriptName = own.scriptName ?? (typeof baseUrl === 'string' ? baseUrl : '')
  return requestParams(head, { scriptName, documentRoot: own.documentRoot, upgrade, params: own.params(req) })
}

function hasBody(req: IncomingMessage): boolean {
  if (req.headers['transfer-encoding'] !== undefined) return true
  return (req.headers['content-length'] ?? '0') !== '0'
}

function refuseOddBodies(req: IncomingMessage): void {
  if (hasBody(req) && req.readableEnded) {
    throw new OptionError('the request body was read before the gateway got the request; put the gateway before body parsers')
  }
}

function writeStderr(text: Buffer): void {
  process.stderr.write(text)
}
