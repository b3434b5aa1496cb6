// HTTP that is sent to a FastCGI port: answered in HTTP, with one line that says what is wrong.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { createServer, type Server } from 'express-fastcgi'
import { RawHttp } from '../support/http-raw'
import { GET, serve, stopAll } from '../support/serve'
import { begin, params } from '../support/fcgi-bytes'

let server: Server
const errors: { code: string }[] = []

beforeEach(async () => {
  errors.length = 0
  server = createServer((_req, res) => res.end('the application'))
  server.on('clientError', (error) => errors.push(error as { code: string } & Error))
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterEach(async () => {
  await stopAll()
  server.close().closeAllConnections()
  await once(server, 'close')
})

const port = (): number => (server.address() as net.AddressInfo).port

it.each([
  ['GET', undefined],
  ['PROPFIND', undefined],
  ['POST', Buffer.alloc(5_000_000, 'x')],
])('a %s of node:http is answered with 400 and the reason', async (method, body) => {
  const request = http.request({ port: port(), method, agent: false })
  request.on('error', () => undefined).end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.on('error', () => undefined)
  const text = Buffer.concat((await response.toArray()) as Buffer[]).toString()
  expect(response.statusCode).toBe(400)
  expect(text).toMatch(/^This port speaks FastCGI, not HTTP\. Use fastcgi_pass .*\n$/)
  expect(errors).toMatchObject([{ code: 'FCGI_ERR_VERSION' }])
})

it.each([
  ['a request line that is cut in its method', 'GE'],
  ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
])('%s is answered too', async (_what, bytes) => {
  const client = await RawHttp.connect(port())
  client.write(bytes)
  expect((await client.rest()).toString()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
})

it.each([
  ['TLS', Buffer.from('16030100c8010000c40303', 'hex')],
  ['SSH', Buffer.from('SSH-2.0-x\r\n')],
  ['the PROXY protocol', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n')],
  ['lower case', Buffer.from('get / HTTP/1.1\r\n\r\n')],
])('%s is closed without a word', async (_what, bytes) => {
  const client = await RawHttp.connect(port())
  client.write(bytes)
  expect((await client.rest()).length).toBe(0)
})

it('HTTP among the records of a request is a violation, and no place for an answer', async () => {
  const served = await serve((_req, res) => res.end())
  served.server.on('clientError', () => undefined)
  const web = await served.client()
  let received = ''
  web.socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')))
  web.send(Buffer.concat([begin(1, { keep: true }), params(1, { ...GET, REQUEST_METHOD: 'POST', CONTENT_LENGTH: '9' }), Buffer.from('GET / HTTP/1.1\r\n\r\n')]))
  await web.closed
  expect(received).not.toContain('HTTP/1.1')
})

it('nothing is held for a peer that stays', async () => {
  const client = net.connect(port(), '127.0.0.1').resume()
  client.write('GET / HTTP/1.1\r\n\r\n')
  await once(client, 'end')
  server.close()
  client.destroy()
  await once(server, 'close')
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
