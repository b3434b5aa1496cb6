// In a file of its own, because it counts what holds the event loop, and other tests leave things that close a little later.

import { once } from 'node:events'
import { createServer as createNetServer } from 'node:net'
import supertest from 'supertest'
import { gateway, type GatewayOptions } from '../../lib/gateway'
import { answer, Peer } from '../support/scripted-application'

it.each<[string, GatewayOptions]>([
  ['closed connections', {}],
  ['kept connections', { keepAlive: true }],
])('a server that the gateway started keeps no process alive, with %s', async (_what, options) => {
  // Only what holds the event loop is listed: the pipes of jest itself, and at worst ours.
  const pipes = (): string[] => process.getActiveResourcesInfo().filter((name) => name.startsWith('Pipe'))
  const before = pipes()
  const server = createNetServer(async (socket) => {
    const peer = new Peer(socket)
    const request = await peer.request()
    if (request !== undefined) peer.write(answer(request.id, 'X: y\n\n'))
  })
  const listener = gateway(server, options)
  await supertest(listener).get('/').expect(200)
  while (pipes().length > before.length) await new Promise((resolve) => setImmediate(resolve))
  expect(server.listening).toBe(true)
  await listener.close()
  server.close()
  await once(server, 'close')
})
