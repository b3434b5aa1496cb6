// Free ports of 127.0.0.1 for programs that cannot find one themselves.
import { once } from 'node:events'
import net from 'node:net'

/** So many ports that nobody listens on now; somebody may a moment later. */
export async function freePorts(count: number): Promise<number[]> {
  // All are held until the last is known, so that no port is found twice.
  const holders = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = net.createServer().listen(0, '127.0.0.1')
      await once(holder, 'listening')
      return holder
    }),
  )
  const ports = holders.map((holder) => (holder.address() as net.AddressInfo).port)
  await Promise.all(holders.map((holder) => once(holder.close(), 'close')))
  return ports
}

/** Connects and leaves; rejects when nobody listens. */
export async function connectOnce(port: number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
}
