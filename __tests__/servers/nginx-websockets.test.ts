// nginx passes no upgrade over FastCGI. The way around it of docs/websockets.md: HTTP to the same port, for WebSockets alone.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { cgiParams, createServer, type Server } from 'express-fastcgi'
import { Server as SocketServer } from 'socket.io'
import { io as connect } from 'socket.io-client'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'

describeWith('nginx', 'WebSockets by HTTP beside FastCGI, as docs/websockets.md has it', () => {
  let server: Server
  let io: SocketServer
  let nginx: Nginx | undefined

  beforeAll(async () => {
    server = createServer({ protocol: 'auto' }, (req, res) => res.end(cgiParams(req)['SERVER_SOFTWARE'] ?? 'HTTP'))
    io = new SocketServer(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const page = readFileSync(join(__dirname, '..', '..', 'docs', 'websockets.md'), 'utf8')
    const [, locations = ''] = /```nginx\n(.*?)```/s.exec(page) ?? []
    nginx = await startNginx({ ports: 1, http: ([own = 0]) => `server { listen 127.0.0.1:${own};\n${locations.replaceAll('127.0.0.1:9000', `127.0.0.1:${port}`)} }` })
  })
  afterAll(async () => {
    await nginx?.stop()
    await io.close()
  })

  it('socket.io by WebSocket alone, and everything else over FastCGI', async () => {
    io.on('connection', (socket) => socket.on('ask', (answer: (text: string) => void) => answer('over HTTP')))
    const url = `http://127.0.0.1:${nginx!.ports[0]!}`
    const client = connect(url, { forceNew: true, reconnection: false, transports: ['websocket'] })
    await new Promise<void>((resolve, reject) => client.once('connect', resolve).once('connect_error', reject))
    expect(await client.emitWithAck('ask')).toBe('over HTTP')
    expect(await (await fetch(url)).text()).toMatch(/^nginx\//)
    client.disconnect()
  })
})
