// Makes node's req and res for a request and hands them to the application, as node:http's own parserOnIncoming does.

import * as diagnostics from 'node:diagnostics_channel'
import * as http from 'node:http'
import type { Socket } from 'node:net'
import type { RequestHead } from '../cgi/request-head'
import { scriptPrefix, stripPrefix } from '../cgi/request-target'
import {
  assignSocket,
  expectContinue,
  inheritUniqueHeaders,
  leaveConnectionToWebServer,
  leaveFramingToWebServer,
  nopOfNode,
  onHead,
  setHeaders,
} from './node-internals'
import type { Mount } from './options'
import type { Messages } from './prototypes'
import type { Request } from './request'
import { EncryptedRequestSocket } from './encrypted-socket'
import { RequestSocket } from './socket'
import type { CheckEchoes } from './check-echo'
import type { SpawnedScript } from './spawned-script'

/** The objects of one request as the application sees them. */
export interface Exchange {
  readonly req: http.IncomingMessage
  readonly res: http.ServerResponse
  readonly socket: RequestSocket
  readonly server: http.Server
  readonly expect: string | undefined
}

/** What dispatching needs to know of the server. */
export interface DispatchHost {
  readonly server: http.Server
  readonly messages: Messages
  readonly mount: Mount
  /** The script this process was started as by the web server itself; undefined when it was started otherwise. */
  readonly spawnedScript: SpawnedScript | undefined
  /** Answers requests of `express-fastcgi check`; undefined where none are wanted. */
  readonly checkEchoes: CheckEchoes | undefined
  /** Once for each code. */
  warn(code: string, message: string): void
  /** There are handlers of other roles, so that there need not be one for Responders. */
  readonly isForOtherRoles: boolean
}

const requestStart = diagnostics.channel('http.server.request.start')
const responseFinish = diagnostics.channel('http.server.response.finish')
/** Of `maxHeadersCount` null. */
const DEFAULT_HEADERS_COUNT = 2_000
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

RequestSocket.ignoredCallback = nopOfNode
onHead((res) => RequestSocket.hostOf(res.socket) as Request | undefined)

/** Makes req and res over a socket of their own and calls the application's handler. Runs in the request's async context. */
export function dispatch(host: DispatchHost, request: Request, head: RequestHead): void {
  const { messages, checkEchoes } = host
  const exchange = begin(host, messages, request, head, requestListener(host.server))
  const { req, res, server, expect } = exchange
  if (checkEchoes?.concerns(req) === true) {
    checkEchoes.answer(req, res)
    return
  }
  const isHeard = expect === undefined || req.httpVersion !== '1.1' ? server.emit('request', req, res) : withExpectation(exchange, expect)
  if (!isHeard && host.isForOtherRoles) request.refuseRole()
}

/** The only listener of 'request'; no function where there are several, or none. */
export function requestListener(server: http.Server): unknown {
  return (server as { _events?: { request?: unknown } })._events?.request
}

/**
 * Makes req and res and gets everything ready for a handler to be called with them.
 *
 * @param listener the handler, where there is one alone
 */
export function begin(host: DispatchHost, messages: Messages, request: Request, head: RequestHead, listener: unknown): Exchange {
  const { server } = host
  const socket = head.encrypted ? new EncryptedRequestSocket(request, server) : new RequestSocket(request, server)
  const req = newRequest(host, messages, listener, socket, head, false)
  const res = newResponse(server, messages, req, socket.writableHighWaterMark)
  leaveConnectionToWebServer(res)
  if (!request.passesChunks) leaveFramingToWebServer(res)
  // Of a client that speaks HTTP/2 node:http hears as of one that speaks HTTP/1.1.
  else if (head.httpVersionMajor > 1) res.useChunkedEncodingByDefault = true
  const exchange = { req, res, socket, server, expect: head.expect }
  request.start(exchange)
  open(exchange)
  return exchange
}

/** @param upgrade what node's parser says of the request, and its types do not know */
export function newRequest(
  host: DispatchHost, messages: Messages, listener: unknown, socket: unknown, head: RequestHead, upgrade: boolean,
): http.IncomingMessage {
  const { server } = host
  messages.lookAt(listener)
  const req = messages.request(socket)
  req.httpVersion = head.httpVersion
  req.httpVersionMajor = head.httpVersionMajor
  req.httpVersionMinor = head.httpVersionMinor
  req.method = head.method
  req.url = head.url
  ;(req as http.IncomingMessage & { upgrade: boolean }).upgrade = upgrade
  if ((server as { joinDuplicateHeaders?: boolean }).joinDuplicateHeaders === true) Object.assign(req, { joinDuplicateHeaders: true })
  setHeaders(req, head.rawHeaders, limited(head.rawHeaders, server.maxHeadersCount))
  if (host.mount !== false) mount(host, req, head)
  return req
}

/** Has the listeners of 'clientError' answer a request that node's parser would not have let through. They get its socket, as there. */
export function refuseByListener(host: DispatchHost, request: Request, error: Error): void {
  const { server } = host
  const socket = new RequestSocket(request, server)
  // Nobody sees these two: an exchange has them.
  const req = new http.IncomingMessage(socket as unknown as Socket)
  const res = new http.ServerResponse(req)
  request.start({ req, res, socket, server, expect: undefined })
  socket.refused(error)
}

function newResponse(server: http.Server, messages: Messages, req: http.IncomingMessage, highWaterMark: number): http.ServerResponse {
  const { rejectNonStandardBodyWrites } = server as http.Server & { rejectNonStandardBodyWrites?: boolean }
  const res = messages.response(req, { highWaterMark, rejectNonStandardBodyWrites })
  inheritUniqueHeaders(res, server)
  const internals = res as http.ServerResponse & { _keepAliveTimeout: number; _maxRequestsPerSocket: number | null }
  internals._keepAliveTimeout = server.keepAliveTimeout
  internals._maxRequestsPerSocket = server.maxRequestsPerSocket
  return res
}

function open({ req, res, socket, server }: Exchange): void {
  if (server.timeout > 0) socket.setTimeout(server.timeout)
  if (requestStart.hasSubscribers) requestStart.publish({ request: req, response: res, socket, server })
  assignSocket(res, socket)
  // First of the 'finish' listeners, as node's own: the application's find `res.socket` null.
  res.on('finish', onFinish)
}

/**
 * The web server has answered `Expect: 100-continue` already; the application's events are those of node:http.
 *
 * @returns whether anybody is there to answer
 */
function withExpectation({ req, res, server }: Exchange, expect: string): boolean {
  if (CONTINUE.test(expect)) {
    expectContinue(res)
    if (server.emit('checkContinue', req, res)) return true
    res.writeContinue()
    return server.emit('request', req, res)
  }
  if (server.emit('checkExpectation', req, res)) return true
  res.writeHead(417)
  res.end()
  return true
}

function onFinish(this: http.ServerResponse): void {
  const { socket, req } = this
  const host = RequestSocket.hostOf(socket) as Request | undefined
  if (responseFinish.hasSubscribers) {
    responseFinish.publish({ request: req, response: this, socket, server: host?.exchange?.server })
  }
  host?.finished()
}

/** Of the fields, how many go into `req.headers`: as in node 20, what is beyond the limit is in `rawHeaders` only. */
function limited(rawHeaders: string[], maxHeadersCount: number | null): number {
  const most = 2 * (maxHeadersCount ?? DEFAULT_HEADERS_COUNT)
  if (most === 0 || rawHeaders.length <= most) return rawHeaders.length
  // Without these two a body parser would not see that there is a body; they come last.
  for (let i = most; i < rawHeaders.length; i += 2) {
    if (/^(?:content-length|transfer-encoding)$/i.test(rawHeaders[i] ?? '')) rawHeaders.splice(most - 2, 0, ...rawHeaders.splice(i, 2))
  }
  return most
}

/** Takes the mount prefix off, as `app.use(prefix, ...)` would: Express's links and redirects then keep it. */
function mount(host: DispatchHost, req: http.IncomingMessage, head: RequestHead): void {
  let wanted: string = host.mount === false ? '' : host.mount
  if (wanted === 'auto') {
    if (host.spawnedScript === undefined || !host.spawnedScript.is(head.scriptFilename)) return
    wanted = scriptPrefix(head.url, head.scriptName)
  }
  const { url, prefix } = stripPrefix(head.url, wanted)
  if (prefix === '') {
    if (host.mount !== 'auto') {
      // What a client asked for stays out of the log's lines: quoted, and cut.
      const shown = JSON.stringify(head.url.slice(0, 100))
      host.warn('FCGI_WARN_MOUNT', `a request for ${shown} is not below the mount prefix ${String(host.mount)}, and keeps its URL; correct the option mount, or the prefix in the web server`)
    }
    return
  }
  req.url = url
  Object.assign(req, { originalUrl: head.url, baseUrl: prefix })
}
