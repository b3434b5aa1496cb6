// Who may connect: the list itself, and a server that keeps to it.

import { execFileSync } from 'node:child_process'
import { type AddressInfo, type Socket } from 'node:net'
import path from 'node:path'
import { createServer, type Server } from '../../lib'
import { AccessList, accessList } from '../../lib/server/access'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { Child } from './children/child'

describe('a list of clients', () => {
  const allows = (entries: readonly string[], address: string | undefined): boolean => {
    const list = new AccessList()
    list.narrow(entries, 'test')
    return list.allows(address)
  }

  it.each([
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.7/32', '192.0.2.7', true],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['2001:DB8::1', '2001:db8:0:0::1', true],
    ['::/0', '2001:db8::1', true],
    ['::1', '127.0.0.1', false],
    // An IPv4 client of a listener on :: . RFC 4291 2.5.5.2
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '::ffff:11.1.2.3', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    [' 192.0.2.7 ', '192.0.2.7', true],
  ])('%s and %s: %s', (entry, address, expected) => {
    expect(allows([entry], address)).toBe(expected)
  })

  it('any of several entries will do', () => {
    expect(allows(['192.0.2.1', '10.0.0.0/8', '::1'], '::1')).toBe(true)
    expect(allows(['192.0.2.1', '10.0.0.0/8', '::1'], '192.0.2.2')).toBe(false)
  })

  it.each(['', ' ', 'localhost', '10.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/a', '2001:db8::/129', '192.0.2.1 192.0.2.2', '*', 'any', '10.0.0.256'])(
    '%j does not parse, which stops the start',
    (entry) => {
      expect(() => accessList(['192.0.2.7', entry], undefined)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_ALLOWED_CLIENTS' }))
      expect(() => accessList(['192.0.2.7', entry], undefined)).toThrow('allowedClients')
      expect(() => accessList(undefined, `192.0.2.7,${entry}`)).toThrow('FCGI_WEB_SERVER_ADDRS')
    },
  )

  it('an empty list is refused: nobody is on it', () => {
    expect(() => accessList([], undefined)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_ALLOWED_CLIENTS' }))
    expect(() => accessList(undefined, '')).toThrow(expect.objectContaining({ code: 'FCGI_ERR_ALLOWED_CLIENTS' }))
  })

  it('there is none where neither the option nor the environment says so', () => expect(accessList(undefined, undefined)).toBeUndefined())

  it('FCGI_WEB_SERVER_ADDRS has its addresses between commas (FCGI 3.2)', () => {
    const list = accessList(undefined, '192.0.2.1,192.0.2.2, 192.0.2.3')
    expect(['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map((address) => list?.allows(address))).toEqual([true, true, true, false])
  })

  it('of both a client must be on both', () => {
    const list = accessList(['10.0.0.0/8', '192.0.2.1'], '10.0.0.0/16')
    expect(['10.0.1.1', '10.1.0.1', '192.0.2.1'].map((address) => list?.allows(address))).toEqual([true, false, false])
  })
})

const GET = Buffer.concat([begin(1), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: '/' }), stdin(1)])

const addressOf = (server: Server): AddressInfo => server.address() as AddressInfo

describe('a server that has a list', () => {
  let server: Server
  const requests: string[] = []

  async function start(allowedClients: readonly string[]): Promise<void> {
    requests.length = 0
    server = createServer({ allowedClients }, (req, res) => {
      requests.push(req.url ?? '')
      res.end('ok')
    })
    await new Promise<void>((resolve) => server.listen(0, resolve))
  }

  afterEach(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })

  it('answers who is on it', async () => {
    await start(['127.0.0.0/8'])
    const client = await connect(addressOf(server))
    client.send(GET)
    expect((await client.response(1)).head.status).toBe(200)
    await client.closed
  })

  it("closes everybody else's connection unread, and emits 'drop' as node does", async () => {
    await start(['192.0.2.7', '::1'])
    const dropped = new Promise<unknown>((resolve) => server.once('drop', resolve))
    const client = await connect(addressOf(server))
    client.send(GET)
    await expect(dropped).resolves.toMatchObject({ remoteAddress: '127.0.0.1', remoteFamily: 'IPv4', localAddress: '127.0.0.1', remotePort: expect.any(Number) as number })
    await client.closed
    expect(client.records()).toEqual([])
    expect(requests).toEqual([])
  })

  it('does not serve a client that has reset its connection by the time it is accepted: it has no address any more', async () => {
    await start(['192.0.2.7'])
    const { port } = addressOf(server)
    const closed = new Promise((resolve) => server.once('connection', (transport: Socket) => transport.once('close', resolve)))
    // Blocks this process, so that connection, request and reset all wait in the kernel when it goes on.
    execFileSync(process.execPath, [path.join(__dirname, 'children', 'hit-and-run.cjs'), String(port), GET.toString('hex')])
    await closed
    expect(requests).toEqual([])
  })

  it('does not start on a list that does not parse, and can be started after that', async () => {
    server = createServer({ allowedClients: ['127.0.0.1', 'localhost'] })
    expect(() => server.listen(0)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_ALLOWED_CLIENTS', name: 'OptionError' }))
    expect(server.listening).toBe(false)
    await start(['127.0.0.1'])
    expect(server.listening).toBe(true)
  })
})

describe('FCGI_WEB_SERVER_ADDRS in the environment of a process (FCGI 3.2)', () => {
  let child: Child
  afterEach(() => child.kill())

  it('lets in who is on it', async () => {
    child = new Child({ args: [0], env: { FCGI_WEB_SERVER_ADDRS: '192.0.2.7,127.0.0.1' } })
    const { address } = await child.report('listening')
    const client = await connect(address as AddressInfo)
    client.send(GET)
    expect((await client.response(1)).body.toString()).toBe(`pid ${child.process.pid ?? 0} /`)
    client.destroy()
  })

  it('closes the connection of everybody else', async () => {
    child = new Child({ args: [0], env: { FCGI_WEB_SERVER_ADDRS: '192.0.2.7' } })
    const { address } = await child.report('listening')
    const client = await connect(address as AddressInfo)
    client.send(GET)
    expect(await child.report('drop')).toMatchObject({ remoteAddress: '127.0.0.1' })
    await client.closed
    expect(client.records()).toEqual([])
  })

  it.each(['', 'localhost', '127.0.0.1,', '127.0.0.1;192.0.2.7'])('%j stops the start: no list that does not parse lets everybody in', async (list) => {
    child = new Child({ args: [0], env: { FCGI_WEB_SERVER_ADDRS: list } })
    expect(await child.report('thrown')).toMatchObject({ code: 'FCGI_ERR_ALLOWED_CLIENTS', listening: false, message: expect.stringContaining('FCGI_WEB_SERVER_ADDRS') as string })
    await child.report('exit')
  })
})
