// `express-fastcgi check ADDRESS`: each reason why an application does not answer, made for real.
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'express-fastcgi'
import { parseTarget } from '../../lib/client/target'
import { checkDirectly, type DirectOptions } from '../../lib/cli/check/direct'
import { type Finding } from '../../lib/cli/check/finding'
import { type User } from '../../lib/cli/check/user'
import { command } from './command'

const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-check-'))
const path = join(folder, 'app.sock')
const defaults: DirectOptions = { user: undefined, uri: '/', params: {}, status: undefined, timeoutMs: 2_000 }
const cleanUp: (() => unknown)[] = []

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function listening(server: net.Server, at: string | number = path): Promise<string> {
  const sockets = new Set<net.Socket>()
  server.on('connection', (socket: net.Socket) => sockets.add(socket))
  server.listen(at as number, ...(typeof at === 'number' ? ['127.0.0.1'] : []))
  await once(server, 'listening')
  cleanUp.push(async () => {
    sockets.forEach((socket) => socket.destroy())
    await new Promise((done) => server.close(done))
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : String(address)
}

const check = (address: string, options: Partial<DirectOptions> = {}): Promise<Finding[]> => checkDirectly(parseTarget(address), { ...defaults, ...options })
const verdicts = (findings: readonly Finding[]): string[] => findings.map(({ step, verdict }) => `${step} ${verdict}`)
const last = (findings: readonly Finding[]): Finding => findings.at(-1)!

describe('an application that answers', () => {
  it('passes every step, and its management variables and head are told', async () => {
    await listening(createServer((req, res) => res.setHeader('X-Url', req.url!).end('hello')))
    const findings = await check(path, { uri: '/a?b=c' })
    expect(verdicts(findings)).toEqual(['socket ok', 'connect ok', 'protocol ok', 'request ok'])
    expect(findings[2]!.text).toContain('FCGI_MPXS_CONNS=1')
    expect(last(findings).text).toMatch(/^GET \/a\?b=c: 200, \d+ headers, 5 bytes of body, /)
  })

  it('passes over TCP as well', async () => {
    const address = await listening(createServer((_req, res) => res.end('hello')), 0)
    expect(verdicts(await check(address))).toEqual(['connect ok', 'protocol ok', 'request ok'])
  })

  it.each([
    ['500', undefined, 'request fail'],
    ['404', undefined, 'request ok'],
    ['200', 204, 'request fail'],
    ['204', 204, 'request ok'],
  ])('with %s, where %s is wanted: %s', async (status, wanted, verdict) => {
    await listening(createServer((_req, res) => res.writeHead(Number(status)).end()))
    expect(verdicts(await check(path, { status: wanted })).at(-1)).toBe(verdict)
  })

  it('may be asked with variables of its own kind', async () => {
    await listening(createServer((req, res) => res.writeHead(req.url === '/other' ? 200 : 500).end()))
    expect(verdicts(await check(path, { params: { REQUEST_URI: '/other' } })).at(-1)).toBe('request ok')
  })

  it('and answers slower than the timeout, fails', async () => {
    await listening(createServer(() => undefined))
    const finding = last(await check(path, { timeoutMs: 100 }))
    expect(finding).toMatchObject({ step: 'request', verdict: 'fail' })
    expect(finding.change).toContain('--timeout')
  })

  it('is waited for however long that is to be', async () => {
    await listening(createServer((_req, res) => res.end('hello')))
    expect(verdicts(await check(path, { timeoutMs: 2 ** 31 - 1 })).at(-1)).toBe('request ok')
  })

  it('and never ends its answer, fails', async () => {
    await listening(createServer((_req, res) => {
      const timer = setInterval(() => res.write('x'), 10)
      res.on('close', () => clearInterval(timer))
    }))
    expect(last(await check(path, { timeoutMs: 100 }))).toMatchObject({ step: 'request', verdict: 'fail' })
  })
})

describe('what is at the path', () => {
  it('nothing: the deepest folder that exists is named', async () => {
    const [finding] = await check(join(folder, 'no', 'such', 'app.sock'))
    expect(finding).toMatchObject({ step: 'socket', verdict: 'fail' })
    expect(finding!.text).toContain(`${folder} is there, and nothing below it`)
  })

  it('a plain file', async () => {
    writeFileSync(join(folder, 'plain'), '')
    expect(await check(join(folder, 'plain'))).toMatchObject([{ step: 'socket', verdict: 'fail', text: expect.stringContaining('a plain file') }])
  })

  it('a folder', async () => {
    expect(await check(folder)).toMatchObject([{ step: 'socket', verdict: 'fail', text: expect.stringContaining('a folder') }])
  })

  it('a socket that nobody listens on', async () => {
    const server = net.createServer()
    // close() removes the path that it knows.
    const stale = join(folder, 'stale.sock')
    await once(server.listen(stale), 'listening')
    renameSync(stale, join(folder, 'left.sock'))
    await new Promise((done) => server.close(done))
    const findings = await check(join(folder, 'left.sock'))
    expect(verdicts(findings)).toEqual(['socket ok', 'connect fail'])
    expect(last(findings).text).toContain('ECONNREFUSED')
  })

  it('a port that nobody listens on', async () => {
    const server = net.createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as net.AddressInfo
    await new Promise((done) => server.close(done))
    expect(verdicts(await check(`127.0.0.1:${port}`))).toEqual(['connect fail'])
  })
})

describe('what answers', () => {
  it('HTTP: says so, and what to do', async () => {
    const findings = await check(await listening(http.createServer((_req, res) => res.end()), 0))
    expect(verdicts(findings)).toEqual(['connect ok', 'protocol fail'])
    expect(last(findings).text).toContain('HTTP/1.1 400 Bad Request')
    expect(last(findings).change).toContain('express-fastcgi/register')
  })

  it('something else: shows its first bytes', async () => {
    await listening(net.createServer((socket) => socket.end('SSH-2.0-x\r\n')))
    expect(last(await check(path))).toMatchObject({ step: 'protocol', verdict: 'fail', text: expect.stringContaining('5353482d') })
  })

  it('nobody: the connection is closed', async () => {
    await listening(net.createServer((socket) => socket.destroy()))
    const finding = last(await check(path))
    expect(finding).toMatchObject({ step: 'protocol', verdict: 'fail' })
    expect(finding.change).toContain('allowedClients')
  })

  it('silence: no answer to GET_VALUES is only noted, none to a request is a failure', async () => {
    await listening(net.createServer(() => undefined))
    expect(verdicts(await check(path, { timeoutMs: 100 }))).toEqual(['socket ok', 'connect ok', 'protocol note', 'request fail'])
  })

  it('a broken record', async () => {
    await listening(net.createServer((socket) => socket.write(Buffer.from('0109000000ff0000', 'hex'))))
    expect(last(await check(path, { timeoutMs: 100 }))).toMatchObject({ verdict: 'fail' })
  })

  it('a GET_VALUES_RESULT with pairs that are none', async () => {
    await listening(net.createServer((socket) => socket.write(Buffer.from('010a0000000200000501', 'hex'))))
    expect(last(await check(path))).toMatchObject({ step: 'protocol', verdict: 'fail', text: expect.stringContaining('neither FastCGI nor HTTP') })
  })
})

describe('who may connect (unix(7))', () => {
  const deep = join(folder, 'deep')
  const socket = join(deep, 'app.sock')
  const someone: User = { name: 'someone', uid: 12_345, gids: [12_346] }
  const ours = { uid: process.getuid!(), gid: process.getgid!() }

  beforeEach(async () => {
    chmodSync(folder, 0o755)
    mkdirSync(deep, { recursive: true })
    chmodSync(deep, 0o755)
    await listening(createServer((_req, res) => res.end()), socket)
  })

  const rights = async (user: User): Promise<Finding> => (await check(socket, { user })).find(({ step }) => step === 'rights')!

  it.each([
    ['others, with the right to write', 0o755, 0o666, someone, 'ok'],
    ['others, without', 0o755, 0o660, someone, 'fail'],
    ['others, with the right to read only', 0o755, 0o664, someone, 'fail'],
    ['the group', 0o750, 0o660, { ...someone, gids: [12_346, ours.gid] }, 'ok'],
    ['the group, when only others may', 0o755, 0o606, { ...someone, gids: [ours.gid] }, 'fail'],
    ['others, who may not enter the folder', 0o750, 0o666, someone, 'fail'],
    ['root, whatever the modes are', 0o700, 0o600, { name: 'root', uid: 0, gids: [0] }, 'ok'],
  ] as const)('%s', async (_who, folderMode, socketMode, user, verdict) => {
    chmodSync(deep, folderMode)
    chmodSync(socket, socketMode)
    expect(await rights(user)).toMatchObject({ verdict })
  })

  it('names the folder that forbids it, and the line to change', async () => {
    chmodSync(deep, 0o700)
    const finding = await rights(someone)
    expect(finding.text).toContain(`someone may not enter ${deep} (mode 0700`)
    expect(finding.change).toMatch(new RegExp(`^chgrp 12346 ${deep} && chmod g\\+x`))
  })

  it('names the group of the folder, as the printed configurations give it, and writes paths for a shell', async () => {
    const spaced = join(folder, 'a b')
    mkdirSync(spaced, { recursive: true })
    const address = join(spaced, 'app.sock')
    await listening(createServer((_req, res) => res.end()), address)
    chmodSync(address, 0o660)
    expect((await check(address, { user: someone })).find(({ step }) => step === 'rights')!.change).toContain(`chgrp 12346 '${spaced}' && chmod g+xs '${spaced}'`)
    chmodSync(spaced, 0o777)
    expect((await check(address, { user: someone })).find(({ step }) => step === 'rights')!.change).not.toContain('g+xs')
    chmodSync(spaced, 0o700)
    expect((await check(address, { user: someone })).find(({ step }) => step === 'rights')!.change).toBe(`chgrp 12346 '${spaced}' && chmod g+x '${spaced}'`)
  })

  it('the answer to a request is looked at all the same', async () => {
    chmodSync(socket, 0o600)
    expect(verdicts(await check(socket, { user: someone }))).toEqual(['socket ok', 'rights fail', 'connect ok', 'protocol ok', 'request ok'])
  })

  const asRoot = process.getuid?.() === 0 ? it : it.skip
  if (process.getuid?.() !== 0) process.stderr.write('SKIPPED: check --as with a real user: needs root\n')
  asRoot('with the name of a user of this system', async () => {
    chmodSync(socket, 0o660)
    chownSync(socket, 0, 0)
    const { status, stdout } = await command(['check', socket, '--as', 'nobody'])
    expect(stdout).toContain('FAIL  rights        nobody may not connect')
    expect(status).toBe(1)
  })
})

describe('the command', () => {
  it('exit status 0, 1 and 2', async () => {
    await listening(createServer((_req, res) => res.end()))
    expect(await command(['check', path])).toMatchObject({ status: 0, stderr: '' })
    expect(await command(['check', join(folder, 'none.sock')])).toMatchObject({ status: 1, stderr: '' })
    expect(await command(['check'])).toMatchObject({ status: 2, stdout: '' })
  })

  it('--json can be read by programs', async () => {
    await listening(createServer((_req, res) => res.writeHead(503).end()))
    const { stdout } = await command(['check', path, '--json'])
    const report = JSON.parse(stdout) as { healthy: boolean; findings: Finding[] }
    expect(report.healthy).toBe(false)
    expect(verdicts(report.findings)).toEqual(['socket ok', 'connect ok', 'protocol ok', 'request fail'])
  })

  it('--quiet says nothing of what is well', async () => {
    await listening(createServer((_req, res) => res.end()))
    expect(await command(['check', path, '--quiet'])).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  it('control characters of an answer do not reach the terminal', async () => {
    const address = await listening(net.createServer((socket) => socket.end('HTTP/1.1 200 \x1b[31mred\r\n')), 0)
    const { stdout } = await command(['check', address])
    expect(stdout).toContain('red')
    expect(stdout).not.toContain('\x1b')
  })

  it.each([
    [['nonsense'], 'nonsense'],
    [['127.0.0.1:70000'], 'port'],
    [['/x', '--uri', 'no-slash'], '--uri'],
    [['/x', '--timeout', '0'], '--timeout'],
    [['/x', '--param', 'NOTHING'], '--param'],
    [['/x', '--as', 'no-such-user-here'], 'no such user'],
    [['--via', 'ftp://x/'], 'http://'],
    [['--via', 'nonsense'], 'URL'],
    [['--via', 'http://127.0.0.1:1/'], 'FASTCGI_CHECK_TOKEN'],
    [['--via', 'http://user:password@127.0.0.1:1/'], 'a user and password are not sent'],
    [['--via', 'http://127.0.0.1:1/?a=b'], 'give the path alone'],
    [['/x', '--frobnicate'], 'unknown option'],
  ])('%j is wrong usage, and says why', async (args, why) => {
    const { status, stderr, stdout } = await command(['check', ...args])
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(why)
  })
})
