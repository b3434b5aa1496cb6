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
  const { server, messages } = host
  messages.lookAt(server)
  const socket = head.encrypted ? new EncryptedRequestSocket(request, server) : new RequestSocket(request, server)
  const req = messages.request(socket)
  req.httpVersion = head.httpVersion
  req.httpVersionMajor = head.httpVersionMajor
  req.httpVersionMinor = head.httpVersionMinor
  req.method = head.method
  req.url = head.url
  // What node's parser says of an ordinary request, and its types do not know.
  ;(req as http.IncomingMessage & { upgrade: boolean }).upgrade = false
  if ((server as { joinDuplicateHeaders?: boolean }).joinDuplicateHeaders === true) Object.assign(req, { joinDuplicateHeaders: true })
  setHeaders(req, head.rawHeaders, limited(head.rawHeaders, server.maxHeadersCount))
  if (host.mount !== false) mount(host, req, head)
  const res = newResponse(host, req, socket.writableHighWaterMark)
  leaveConnectionToWebServer(res)
  if (!request.passesChunks) leaveFramingToWebServer(res)
  // Of a client that speaks HTTP/2 node:http hears as of one that speaks HTTP/1.1.
  else if (head.httpVersionMajor > 1) res.useChunkedEncodingByDefault = true
  const exchange = { req, res, socket, server, expect: head.expect }
  request.start(exchange)
  handOver(exchange)
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

function newResponse({ server, messages }: DispatchHost, req: http.IncomingMessage, highWaterMark: number): http.ServerResponse {
  const { rejectNonStandardBodyWrites } = server as http.Server & { rejectNonStandardBodyWrites?: boolean }
  const res = messages.response(req, { highWaterMark, rejectNonStandardBodyWrites })
  inheritUniqueHeaders(res, server)
  const internals = res as http.ServerResponse & { _keepAliveTimeout: number; _maxRequestsPerSocket: number | null }
  internals._keepAliveTimeout = server.keepAliveTimeout
  internals._maxRequestsPerSocket = server.maxRequestsPerSocket
  return res
}

function handOver(exchange: Exchange): void {
  const { req, res, socket, server, expect } = exchange
  if (server.timeout > 0) socket.setTimeout(server.timeout)
  if (requestStart.hasSubscribers) requestStart.publish({ request: req, response: res, socket, server })
  assignSocket(res, socket)
  // First of the 'finish' listeners, as node's own: the application's find `res.socket` null.
  res.on('finish', onFinish)
  if (expect === undefined || req.httpVersion !== '1.1') server.emit('request', req, res)
  else withExpectation(exchange, expect)
}

/** The web server has answered `Expect: 100-continue` already; the application's events are those of node:http. */
function withExpectation({ req, res, server }: Exchange, expect: string): void {
  if (CONTINUE.test(expect)) {
    expectContinue(res)
    if (server.emit('checkContinue', req, res)) return
    res.writeContinue()
    server.emit('request', req, res)
    return
  }
  if (server.emit('checkExpectation', req, res)) return
  res.writeHead(417)
  res.end()
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
  if (prefix === '') return
  req.url = url
  Object.assign(req, { originalUrl: head.url, baseUrl: prefix })
}
