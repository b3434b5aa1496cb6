// socket.io, unchanged, by WebSocket alone and by an upgrade from polling.
import { once } from 'node:events'
import { Server } from 'socket.io'
import { type Socket } from 'socket.io-client'
import { pattern } from '../servers/app'
import { SocketIoClients } from '../support/socket-io'
import { deferred } from '../support/wait'
import { describeWays } from './ways'

describeWays('socket.io', (route) => {
  let io: Server
  const clients = new SocketIoClients()

  beforeAll(() => {
    io = new Server(route.server)
  })
  afterEach(() => {
    clients.disconnect()
    io.removeAllListeners('connection')
  })
  afterAll(() => io.engine.close())

  const join = (options: Parameters<typeof clients.join>[1]): Promise<Socket> => clients.join(route.url('', 'http'), options)

  it('by WebSocket alone: messages, bytes and acknowledgements', async () => {
    io.on('connection', (socket) => {
      socket.on('ask', (text: string, answer: (text: string) => void) => answer(`you said ${text}`))
      socket.on('bytes', (bytes: Buffer, answer: (bytes: Buffer) => void) => answer(bytes))
    })
    const client = await join({ transports: ['websocket'] })
    expect(client.io.engine.transport.name).toBe('websocket')
    expect(await client.emitWithAck('ask', 'hello')).toBe('you said hello')
    const sent = pattern(500_000)
    expect(((await client.emitWithAck('bytes', sent)) as Buffer).equals(sent)).toBe(true)
  })

  it('from polling to WebSocket, and messages go on', async () => {
    const upgradedAtServer = deferred()
    io.on('connection', (socket) => {
      socket.conn.once('upgrade', () => upgradedAtServer.resolve())
      socket.on('number', (number: number) => socket.emit('number', number))
    })
    const client = clients.connect(route.url('', 'http'))
    const seen: number[] = []
    const all = deferred()
    client.on('number', (number: number) => {
      seen.push(number)
      if (seen.length === 200) all.resolve()
    })
    const upgraded = new Promise<void>((resolve) => client.io.once('open', () => client.io.engine.once('upgrade', () => resolve())))
    for (let i = 0; i < 100; i++) client.emit('number', i)
    await Promise.all([upgraded, upgradedAtServer.promise])
    expect(client.io.engine.transport.name).toBe('websocket')
    for (let i = 100; i < 200; i++) client.emit('number', i)
    await all.promise
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  it('a broadcast reaches all', async () => {
    const members = await Promise.all(Array.from({ length: 20 }, () => join({ transports: ['websocket'] })))
    const all = Promise.all(members.map((member) => new Promise((resolve) => member.once('news', resolve))))
    io.emit('news', { a: ['ü'] })
    expect(await all).toEqual(members.map(() => ({ a: ['ü'] })))
  })

  it.each(['the client', 'the server'] as const)('%s disconnects', async (who) => {
    const reason = deferred<string>()
    io.on('connection', (socket) => {
      socket.on('disconnect', (why) => reason.resolve(why))
      socket.on('leave', () => socket.disconnect(true))
    })
    const client = await join({ transports: ['websocket'] })
    const left = once(client as never, 'disconnect')
    if (who === 'the client') client.disconnect()
    else client.emit('leave')
    expect([await reason.promise, (await left)[0]]).toEqual(
      who === 'the client' ? ['client namespace disconnect', 'io client disconnect'] : ['server namespace disconnect', 'io server disconnect'],
    )
  })

  it('a client that breaks off is seen', async () => {
    const reason = deferred<string>()
    io.on('connection', (socket) => socket.on('disconnect', (why) => reason.resolve(why)))
    const client = await join({ transports: ['websocket'] })
    ;(client.io.engine.transport as unknown as { ws: { terminate(): void } }).ws.terminate()
    expect(await reason.promise).toBe('transport close')
  })
})
