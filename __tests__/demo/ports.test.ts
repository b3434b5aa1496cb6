import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { findFreePort, listenOnFreePort } from '../../demo-app/ports'

describe('the port of the demo', () => {
  const servers: Server[] = []
  const server = (): Server => {
    const made = createServer()
    servers.push(made)
    return made
  }
  const listening = async (): Promise<number> => {
    const made = server().listen(0, '127.0.0.1')
    await once(made, 'listening')
    return (made.address() as AddressInfo).port
  }
  afterEach(() => servers.splice(0).forEach((made) => made.close()))

  it('is a later one when the one asked for is taken', async () => {
    const taken = await listening()
    const port = await listenOnFreePort(server(), taken)
    expect(port).toBeGreaterThan(taken)
    expect(await findFreePort(taken)).toBeGreaterThan(port)
  })

  it('is on the loopback interface only', async () => {
    const made = server()
    const port = await listenOnFreePort(made, 0)
    expect(made.address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port })
  })

  it('is not looked for when listening fails for another reason', async () => {
    await expect(listenOnFreePort(server(), 70_000)).rejects.toThrow(/70000/)
  })
})
