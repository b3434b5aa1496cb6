// Clients of socket.io that end with their test.
import { io as connect, type Socket } from 'socket.io-client'

export class SocketIoClients {
  private readonly clients: Socket[] = []

  /** Begins to connect. */
  connect(url: string, options: Parameters<typeof connect>[1] = {}): Socket {
    const client = connect(url, { forceNew: true, reconnection: false, ...options })
    this.clients.push(client)
    return client
  }

  /** Connects, and waits until it has. */
  async join(url: string, options?: Parameters<typeof connect>[1]): Promise<Socket> {
    const client = this.connect(url, options)
    await new Promise<void>((resolve, reject) => client.once('connect', resolve).once('connect_error', reject))
    return client
  }

  disconnect(): void {
    for (const client of this.clients.splice(0)) client.disconnect()
  }
}
