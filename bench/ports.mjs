// TCP ports of 127.0.0.1 for web servers that cannot tell which one they took.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** Returns when something accepts there; `target` is what net.connect takes, `child` who should. */
export async function accepts(target, child) {
  while (child.exitCode === null && child.signalCode === null) {
    const socket = connect(target)
    const connected = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (connected) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${child.spawnfile} exited with ${child.exitCode ?? child.signalCode}`)
}
