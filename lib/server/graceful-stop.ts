// What SIGTERM does to an application that says nothing about it: requests under way are finished, then the process ends.
// Whoever started it sends SIGTERM at any time: mod_fcgid to processes that are busy, too.

import type * as http from 'node:http'

/** A web server that restarts may have chosen this process for a request just before it sent the signal. */
const STILL_ACCEPTING_MS = 50
/** mod_fcgid kills after two seconds, systemd after 90; lighttpd and spawn-fcgi never do. */
const LIMIT_MS = 10_000

/** Closes servers on SIGTERM. */
export class GracefulStop {
  private readonly servers = new Set<http.Server>()
  private isStopping = false

  /** From now on the signal is ours, unless the application listens to it. */
  add(server: http.Server): void {
    // First, so that a package which looks whether it is the only listener finds itself to be that.
    if (this.servers.size === 0) process.prependListener('SIGTERM', this.onSignal)
    this.servers.add(server)
  }

  private readonly onSignal = (): void => {
    if (process.listenerCount('SIGTERM') > 1) {
      process.off('SIGTERM', this.onSignal)
      return
    }
    // mod_fcgid sends it again while it waits.
    if (this.isStopping) return
    this.isStopping = true
    setTimeout(exit, LIMIT_MS)
    setTimeout(() => this.close(), STILL_ACCEPTING_MS)
  }

  private close(): void {
    let open = 1
    const closed = (): void => {
      if (--open === 0) exit()
    }
    for (const server of this.servers) {
      open++
      if (server.listening) server.close(closed)
      else whenUnused(server, closed)
    }
    closed()
  }
}

/** The application may have closed it, and wait for its requests as we do. */
function whenUnused(server: http.Server, done: () => void): void {
  server.getConnections((_error, count) => {
    if (count > 0) server.once('close', done)
    else done()
  })
}

function exit(): void {
  process.exit()
}
