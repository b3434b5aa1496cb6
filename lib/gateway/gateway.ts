// An HTTP request listener in front of a FastCGI application, for development and tests. Knows which application and which options.

import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type Socket } from 'node:net'
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

  const listener = (req: IncomingMessage, res: ServerResponse): void => {
    const forward = new Forward(req, res, forwardOptions)
    if (client !== undefined) send(forward, client, req, own)
    else if (isListener(target)) {
      connect(target).then(
        (ready) => send(forward, ready, req, own),
        (error: unknown) => forward.fail(error),
      )
    }
  }
  return Object.assign(listener, {
    close: async (): Promise<void> => {
      isClosed = true
      await client?.close()
    },
  })
}

function send(forward: Forward, client: Client, req: IncomingMessage, own: OwnOptions): void {
  if (forward.isDone) return
  try {
    refuseOddBodies(req)
    const params = paramsOf(req, own)
    forward.follow(client.request({ params, body: hasBody(req) ? req : undefined }))
  } catch (error) {
    forward.fail(error)
  }
}

function paramsOf(req: IncomingMessage, own: OwnOptions): string[] {
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
  return requestParams(head, { scriptName, documentRoot: own.documentRoot, params: own.params(req) })
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
