// The client's requests with the option `upgrade`: a conversation instead of a body and its answer.
import { once } from 'node:events'
import type net from 'node:net'
import { PassThrough } from 'node:stream'
import { createClient } from 'express-fastcgi/client'
import { GET, serve, stopAll } from '../support/serve'
import { until } from '../support/wait'

const PARAMS = { ...GET, CONTENT_LENGTH: '0', SERVER_SOFTWARE: 'lighttpd/1.4.79', HTTP_CONNECTION: 'Upgrade', HTTP_UPGRADE: 'test' }
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: Upgrade\r\n\r\n'

const sockets: net.Socket[] = []
const clients: ReturnType<typeof createClient>[] = []

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  for (const socket of sockets.splice(0)) socket.destroy()
  await stopAll()
})

async function application(onUpgrade: (socket: net.Socket) => void, options: Parameters<typeof createClient>[1] = {}): Promise<ReturnType<typeof createClient>> {
  const { server, path } = await serve((_req, res) => res.end('an ordinary answer'))
  server.on('upgrade', (_req, socket: net.Socket) => {
    sockets.push(socket)
    onUpgrade(socket)
  })
  const client = createClient({ path }, options)
  clients.push(client)
  return client
}

const echo = (socket: net.Socket): void => {
  socket.write(SWITCH)
  socket.pipe(socket)
}

function textOf(stdout: NodeJS.ReadableStream): () => string {
  let text = ''
  stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  return () => text
}

describe.each([
  ['alone on its connection', {}],
  ['beside others', { multiplex: true, maxConnections: 1 }],
])('an upgrade, %s', (_where, options) => {
  it('STDIN stays open: what is written arrives, and what the application writes', async () => {
    const client = await application(echo, options)
    const request = client.request({ params: PARAMS, upgrade: true })
    const text = textOf(request.stdout)
    await until('the answer', () => text().endsWith('\r\n\r\n'))
    expect(text()).toMatch(/^Status: 101 /)
    request.stdin!.write('one')
    await until('one', () => text().endsWith('one'))
    request.stdin!.write('two')
    await until('two', () => text().endsWith('onetwo'))
    request.stdin!.end()
    expect(await request.ended).toEqual({ appStatus: 0, protocolStatus: 0 })
  })

  it('the application ends it: stdin is destroyed', async () => {
    const client = await application((socket) => socket.end(`${SWITCH}bye`), options)
    const request = client.request({ params: PARAMS, upgrade: true })
    const text = textOf(request.stdout)
    const closed = once(request.stdin!, 'close')
    await request.ended
    await closed
    await until('all of it', () => text().endsWith('bye'))
    const error = await new Promise((resolve) => request.stdin!.write('too late', resolve))
    expect((error as NodeJS.ErrnoException).code).toBe('ERR_STREAM_DESTROYED')
  })

  it('destroying stdin gives it up', async () => {
    const client = await application(echo, options)
    const request = client.request({ params: PARAMS, upgrade: true })
    const text = textOf(request.stdout)
    await until('the answer', () => text().endsWith('\r\n\r\n'))
    const gone = once(sockets[0]!, 'close')
    request.stdin!.destroy()
    await expect(request.ended).rejects.toMatchObject({ code: 'FCGI_ERR_ABORTED' })
    await gone
  })

  it('a stream as its body, 10 MB of it, at the pace of the application', async () => {
    const client = await application(echo, options)
    const body = new PassThrough()
    const request = client.request({ params: PARAMS, body, upgrade: true })
    expect(request.stdin).toBeUndefined()
    let received = 0
    request.stdout.on('data', (chunk: Buffer) => (received += chunk.length))
    for (let i = 0; i < 100; i++) if (!body.write(Buffer.alloc(100_000))) await once(body, 'drain')
    await until('all of it', () => received > 10_000_000)
    body.end()
    await request.ended
  })
})

it('a body that has an end is refused', async () => {
  const client = await application(echo)
  for (const body of ['text', Buffer.from('bytes')]) {
    expect(() => client.request({ params: PARAMS, upgrade: true, body })).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION' }))
  }
})

it('timeoutMs counts until the answer, and not any more from then on', async () => {
  const client = await application((socket) => {
    if (sockets.length === 2) socket.write(SWITCH)
  })
  const silent = client.request({ params: PARAMS, upgrade: true, timeoutMs: 30 })
  await expect(silent.ended).rejects.toMatchObject({ code: 'FCGI_ERR_TIMEOUT' })
  // As long as a busy machine may take to answer.
  const answered = client.request({ params: PARAMS, upgrade: true, timeoutMs: 2_000 })
  const text = textOf(answered.stdout)
  await until('the answer', () => text() !== '')
  // Another silence of the same length, behind it.
  const later = client.request({ params: PARAMS, upgrade: true, timeoutMs: 2_500 })
  await expect(later.ended).rejects.toMatchObject({ code: 'FCGI_ERR_TIMEOUT' })
  answered.stdin!.end()
  sockets[1]!.end('still here')
  await answered.ended
  await until('the rest', () => text().endsWith('still here'))
})
