// Tells FastCGI and HTTP apart on one port: a FastCGI connection begins with its version, 1, and HTTP with a letter.

import type { Socket } from 'node:net'
import { VERSION } from '../protocol/constants'

/** What becomes of a connection once its first bytes are there. */
export interface FirstByteHandlers {
  /** The bytes are handed over; they are not in the stream any more. */
  fastcgi(socket: Socket, bytes: Buffer): void
  /** The bytes are back in the stream. */
  http(socket: Socket): void
}

/** Waits for the first bytes of a connection. One that ends without any is closed. */
export function byFirstByte(socket: Socket, { fastcgi, http }: FirstByteHandlers): void {
  const onReadable = (): void => {
    const bytes = socket.read() as Buffer | null
    // 'readable' comes at the end of the stream as well.
    if (bytes === null) return
    forget()
    if (bytes[0] === VERSION) {
      fastcgi(socket, bytes)
    } else {
      socket.unshift(bytes)
      http(socket)
    }
  }
  const onEnd = (): void => {
    socket.destroy()
  }
  const forget = (): void => {
    socket.removeListener('readable', onReadable)
    socket.removeListener('end', onEnd)
    // Whoever takes the socket has listened to 'error' by the time it could come.
    process.nextTick(() => socket.removeListener('error', ignore))
  }
  socket.on('error', ignore)
  socket.on('end', onEnd)
  socket.on('readable', onReadable)
}

function ignore(): void {
  // 'close' follows, and says all that is needed.
}
