// node's HTTP parser on a server, which FastCGI takes the place of.

import * as http from 'node:http'
import type * as net from 'node:net'

type ConnectionListener = (socket: net.Socket) => void

/** Takes node's HTTP parser off a server; returns it, so that HTTP can still be served beside FastCGI. */
export function removeHttpListener(server: http.Server): ConnectionListener | undefined {
  const exported = (http as unknown as { _connectionListener?: ConnectionListener })._connectionListener
  const listeners = server.listeners('connection') as ConnectionListener[]
  const found = listeners.find((listener) => listener === exported) ?? listeners.find((listener) => listener.name === 'connectionListener')
  if (found !== undefined) server.removeListener('connection', found)
  return found
}
