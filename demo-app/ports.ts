// Finds a port on the loopback interface: the one asked for, or the next that nobody has.
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

const LOOPBACK = '127.0.0.1'
const TRIES = 50

const isTaken = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EADDRINUSE'

/**
 * Lets a server listen on 127.0.0.1.
 *
 * @param port first port to try; 0 is any free one
 * @returns the port it got
 */
export async function listenOnFreePort(server: Server, port: number): Promise<number> {
  for (let next = port; ; next += 1) {
    try {
      server.listen(next, LOOPBACK)
      await once(server, 'listening')
      const address = server.address()
      return typeof address === 'object' && address !== null ? address.port : next
    } catch (error) {
      if (!isTaken(error) || next >= Math.min(port + TRIES, 65535)) throw error
    }
  }
}

/** A port for another program. Somebody may take it before that program does, which will then say so. */
export async function findFreePort(port: number): Promise<number> {
  const probe = createServer()
  const found = await listenOnFreePort(probe, port)
  probe.close()
  await once(probe, 'close')
  return found
}
