// An HTTP upgrade from its request to the event 'upgrade'. Loaded when the first one is asked for.

import type * as http from 'node:http'
import type { RequestHead } from '../cgi/request-head'
import { asksForUpgrade } from '../cgi/upgrade'
import { type DispatchHost, newRequest, requestListener } from './dispatch'
import { mayUpgrade, shouldUpgrade } from './node-internals'
import type { UpgradedRequest } from './upgraded-request'
import { EncryptedUpgradedSocket, UpgradedSocket } from './upgraded-socket'

export { passesUpgrades } from '../cgi/upgrade'
export { UpgradedRequest } from './upgraded-request'
export { UpgradedSocket }

/** Whether a request asks for an upgrade, and the application may have a use for it. */
export function isUpgradeWanted(head: RequestHead, server: http.Server): boolean {
  return asksForUpgrade(head) && mayUpgrade(server)
}

/** Whether it is a WebSocket that is asked for. RFC 6455 4.1 */
export function isWebSocket(rawHeaders: readonly string[]): boolean {
  return rawHeaders.some((value, index) => index % 2 === 1 && rawHeaders[index - 1] === 'Upgrade' && /\bwebsocket\b/i.test(value))
}

/** Gives the request to the listeners of 'upgrade', as node:http's parser does, unless it is to be an ordinary one. */
export function offer(host: DispatchHost, request: UpgradedRequest, head: RequestHead): void {
  const { server } = host
  const socket = head.encrypted ? new EncryptedUpgradedSocket(request, server) : new UpgradedSocket(request, server)
  const req = newRequest(host, host.messages, requestListener(server), socket, head, true)
  if (!shouldUpgrade(server, req)) return
  req.complete = true
  req.push(null)
  request.take(socket)
  if (server.timeout > 0) socket.setTimeout(server.timeout)
  // What came behind the head is not known apart from the rest: it is read from the socket.
  if (!server.emit('upgrade', req, socket, Buffer.alloc(0))) socket.destroy()
}
