// Serves the pipe that IIS gives. The server counts as listening for as long as the pipe is open, and the process ends with it.

import type * as http from 'node:http'
import { Socket } from 'node:net'
import { takePipeOfIIS } from './iis'
import { acceptAsListener, startAsListener } from './node-internals'

const PIPE_FD = 0
/** What an application may take to put things in order; timers and databases that it keeps open do not hold the process after that. */
const EXIT_GRACE_MS = 3_000

/** Starts the server: 'listening', then its only 'connection'. What goes wrong comes as 'error'. */
export function listenToPipe(server: http.Server): void {
  let pipe: Socket
  try {
    pipe = new Socket({ fd: PIPE_FD, readable: true, writable: true, allowHalfOpen: true })
  } catch (error) {
    process.nextTick(() => server.emit('error', error))
    return
  }
  takePipeOfIIS()
  startAsListener(server, () => {
    // Closed before it began.
    if (!server.listening) {
      pipe.destroy()
      return
    }
    pipe.once('error', (error) => {
      // Later ones are how a pipe ends.
      if (pipe.bytesRead > 0) return
      error.message = `the pipe that IIS gave as standard input failed before it brought a request: ${error.message}`
      server.emit('error', error)
    })
    pipe.once('close', () => endWithPipe(server))
    acceptAsListener(server, pipe)
  })
}

/** IIS keeps a process for its pipe: without it nobody will ever ask this one anything. */
function endWithPipe(server: http.Server): void {
  // An application that closed its server is about to end by itself.
  if (!server.listening) return
  server.close()
  setTimeout(() => process.exit(), EXIT_GRACE_MS).unref()
}
