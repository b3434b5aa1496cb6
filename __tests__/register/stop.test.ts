// SIGTERM under register: what the application has begun is finished.

import net from 'node:net'
import { once } from 'node:events'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { askFastCGI, Workshop } from './application'

const workshop = new Workshop()
afterEach(() => workshop.clear())
afterAll(() => workshop.remove())

/** Answers /slow once SIGUSR2 comes, everything else at once. */
const slow = `
const server = require('node:http').createServer((req, res) => {
  if (req.url !== '/slow') return answer(req, res)
  process.once('SIGUSR2', () => res.end('slow'))
  report('begun')
}).listen(0, () => report('listening'))
`

async function refused(path: string): Promise<boolean> {
  const socket = net.connect(path)
  try {
    await once(socket, 'connect')
    return false
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}

const ask = (url: string): Buffer =>
  Buffer.concat([begin(1), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: url, SERVER_PROTOCOL: 'HTTP/1.1' }), stdin(1)])

it.each([
  ['once', 1],
  ['three times, as mod_fcgid and impatient people do', 3],
])('SIGTERM %s: a request under way is answered, no other is accepted, the process ends', async (_times, count) => {
  const path = workshop.path(`stop${count}.sock`)
  const child = workshop.run(slow, { env: { FASTCGI_LISTEN: path } })
  await child.report('listening')
  const client = await connect(path)
  client.send(ask('/slow'))
  await child.report('begun')
  for (let i = 0; i < count; i++) child.process.kill('SIGTERM')
  while (!(await refused(path)));
  child.process.kill('SIGUSR2')
  expect((await client.response(1)).body.toString()).toBe('slow')
  expect([await child.exit(), child.stderr]).toEqual([0, ''])
})

it('a server that the application has closed by then: its requests are answered, too', async () => {
  const path = workshop.path('closed.sock')
  const child = workshop.run(
    `${slow}
     const { getConnections } = server
     server.getConnections = (done) => getConnections.call(server, (error, count) => report('connections', count, done(error, count)))
     server.on('request', () => server.close())`,
    { env: { FASTCGI_LISTEN: path } },
  )
  await child.report('listening')
  const client = await connect(path)
  client.send(ask('/slow'))
  await child.report('begun')
  while (!(await refused(path)));
  child.process.kill('SIGTERM')
  // All that can be seen of the signal.
  expect(await child.report('connections')).toBe(1)
  child.process.kill('SIGUSR2')
  expect((await client.response(1)).body.toString()).toBe('slow')
  expect([await child.exit(), child.stderr]).toEqual([0, ''])
})

it('an idle process ends; timers and the like do not keep it', async () => {
  const path = workshop.path('idle.sock')
  const child = workshop.run(`${slow}; setInterval(() => undefined, 1000); process.on('exit', () => report('exit'))`, { env: { FASTCGI_LISTEN: path } })
  await child.report('listening')
  await askFastCGI(path)
  child.process.kill('SIGTERM')
  expect(await child.exit()).toBe(0)
  await child.report('exit')
})

it.each([
  ['before listen()', (handler: string): string => handler + slow],
  ['after listen()', (handler: string): string => slow + handler],
])("the application's own handler, set %s, has it all", async (_when, place) => {
  const path = workshop.path('own.sock')
  const child = workshop.run(place("process.on('SIGTERM', () => report('own', process.listenerCount('SIGTERM')));"), { env: { FASTCGI_LISTEN: path } })
  await child.report('listening')
  child.process.kill('SIGTERM')
  // Ours is gone before it runs: a package that ends the process only where it is the sole listener finds itself to be that.
  expect(await child.report('own')).toBe(1)
  expect(await askFastCGI(path)).toContain('GET / of')
})

it('without an address in the environment, as in development, the process ends at once', async () => {
  const child = workshop.run(slow)
  await child.report('listening')
  child.process.kill('SIGTERM')
  expect(await child.exit()).toBe('SIGTERM')
})
