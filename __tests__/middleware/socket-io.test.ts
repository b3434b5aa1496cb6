// socket.io over long polling, the transport that needs no upgrade: the server attached as under node:http, the client its own.
import { once } from 'node:events'
import { Server, type Socket as ServerSocket } from 'socket.io'
import { type Socket } from 'socket.io-client'
import { pattern } from '../servers/app'
import { SocketIoClients } from '../support/socket-io'
import { deferred, until } from '../support/wait'
import { describeRoutes } from './routes'

describeRoutes('socket.io by long polling', (route) => {
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

  const join = (options: Parameters<typeof clients.join>[1] = { transports: ['polling'] }): Promise<Socket> => clients.join(route.url(), options)

  it('messages go both ways, with acknowledgements', async () => {
    io.on('connection', (socket) => {
      socket.on('ask', (text: string, answer: (text: string) => void) => answer(`you said ${text}`))
      socket.emit('welcome', socket.handshake.address, socket.handshake.secure, { a: ['ü'] })
    })
    const connecting = clients.connect(route.url(), { transports: ['polling'] })
    const [address, isSecure, object] = await new Promise<unknown[]>((resolve) => connecting.once('welcome', (...args) => resolve(args)))
    expect([address, isSecure, object]).toEqual(['127.0.0.1', false, { a: ['ü'] }])
    expect(await connecting.emitWithAck('ask', 'hello')).toBe('you said hello')
    expect(connecting.io.engine.transport.name).toBe('polling')
  })

  it('many messages keep their order', async () => {
    io.on('connection', (socket) => socket.on('number', (number: number) => socket.emit('number', number)))
    const client = await join()
    const numbers = Array.from({ length: 200 }, (_, index) => index)
    const seen: number[] = []
    const all = deferred()
    client.on('number', (number: number) => {
      seen.push(number)
      if (seen.length === numbers.length) all.resolve()
    })
    for (const number of numbers) client.emit('number', number)
    await all.promise
    expect(seen).toEqual(numbers)
  })

  it.each([10, 500_000])('%d bytes go there and back', async (length) => {
    io.on('connection', (socket) => {
      socket.on('bytes', (bytes: Buffer, answer: (value: unknown) => void) => answer({ is: Buffer.isBuffer(bytes), bytes }))
    })
    const client = await join()
    const sent = pattern(length)
    const { is, bytes } = (await client.emitWithAck('bytes', sent)) as { is: boolean; bytes: Buffer }
    expect([is, bytes.equals(sent)]).toEqual([true, true])
  })

  it('a broadcast reaches every client, and a room its own', async () => {
    io.on('connection', (socket) => {
      socket.on('enter', async (room: string, done: () => void) => {
        await socket.join(room)
        done()
      })
    })
    const members = await Promise.all([join(), join(), join(), join(), join()])
    const seen = members.map((member) => {
      const texts: string[] = []
      member.on('text', (text: string) => texts.push(text))
      return texts
    })
    await Promise.all(members.slice(0, 2).map((member) => member.emitWithAck('enter', 'room')))
    io.to('room').emit('text', 'for the room')
    const allThere = Promise.all(members.map((member) => new Promise((resolve) => member.once('done', resolve))))
    io.emit('text', 'for all')
    io.emit('done')
    await allThere
    expect(seen).toEqual([...Array.from({ length: 2 }, () => ['for the room', 'for all']), ...Array.from({ length: 3 }, () => ['for all'])])
  })

  it('a client that disconnects is seen', async () => {
    const reason = deferred<string>()
    io.on('connection', (socket) => socket.on('disconnect', (why) => reason.resolve(why)))
    const client = await join()
    client.disconnect()
    expect(await reason.promise).toBe('client namespace disconnect')
  })

  route.itBehindNginx('a client whose poll breaks off is seen', async () => {
    const clientOf = (sid: string) => (io.engine as unknown as { clients: Record<string, { transport: { writable: boolean } }> }).clients[sid]!
    const reason = deferred<string>()
    io.once('connection', (socket) => socket.on('disconnect', (why) => reason.resolve(why)))
    const client = await route.raw()
    const path = '/socket.io/?EIO=4&transport=polling'
    const ask = (target: string): void => void client.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const answer = async (): Promise<string> => {
      const head = await client.head()
      return (await client.bytes(Number(head.values('content-length')[0]))).toString()
    }
    ask(path)
    const { sid } = JSON.parse((await answer()).slice(1)) as { sid: string }
    client.write(`POST ${path}&sid=${sid} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n40`)
    expect(await answer()).toBe('ok')
    ask(`${path}&sid=${sid}`)
    expect(await answer()).toMatch(/^40\{"sid":/)
    // The poll that waits for the next message.
    ask(`${path}&sid=${sid}`)
    await until('the poll to wait', () => clientOf(sid).transport.writable)
    client.leave()
    expect(await reason.promise).toBe('transport error')
  })

  it('the server disconnects a client', async () => {
    io.on('connection', (socket: ServerSocket) => socket.on('leave', () => socket.disconnect(true)))
    const client = await join()
    const left = once(client as never, 'disconnect')
    client.emit('leave')
    expect((await left)[0]).toBe('io server disconnect')
  })

  route.itWithoutUpgrade('an attempt to upgrade fails quietly, and polling goes on', async () => {
    io.on('connection', (socket) => socket.on('ask', (answer: (text: string) => void) => answer('still here')))
    const failed = deferred()
    const client = clients.connect(route.url())
    client.io.once('open', () => client.io.engine.once('upgradeError', () => failed.resolve()))
    await failed.promise
    expect([await client.emitWithAck('ask'), client.io.engine.transport.name]).toEqual(['still here', 'polling'])
  })

  route.itWithoutUpgrade('a handshake by WebSocket is refused, and the server lives on', async () => {
    const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': 'AQIDBAUGBwgJCgsMDQ4PEA==' }
    const answer = await route.ask('/socket.io/?EIO=4&transport=websocket', { headers })
    expect([answer.status, answer.text]).toEqual([400, '{"code":3,"message":"Bad request"}'])
    expect((await join()).connected).toBe(true)
  })

  it("what is not socket.io's goes to the application, and its own client file is served", async () => {
    const app = route.app()
    app.get('/', (_req, res) => res.send('the application'))
    expect((await route.ask('/')).text).toBe('the application')
    const file = await route.ask('/socket.io/socket.io.js', { headers: { 'Accept-Encoding': 'gzip' } })
    expect([file.status, file.headers['content-type'], file.headers['content-encoding'], file.complete]).toEqual([
      200,
      'application/javascript; charset=utf-8',
      'gzip',
      true,
    ])
    const again = await route.ask('/socket.io/socket.io.js', { headers: { 'If-None-Match': file.headers.etag } })
    expect([again.status, again.text]).toEqual([304, ''])
  })
})
