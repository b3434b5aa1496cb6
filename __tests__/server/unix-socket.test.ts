// Unix sockets: their rights from the first instant, their owner, and what happens to a file that is there already.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { createServer, type Server } from '../../lib'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { Child, type Report } from './children/child'

const GET = Buffer.concat([begin(1), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: '/' }), stdin(1)])
const isRoot = process.getuid?.() === 0
/** Not the rights of root, where there is a choice. */
const NOBODY = 65_534
const itAsRoot = isRoot ? it : it.skip

let folder: string
let socketPath: string
let server: Server
let umask: number

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fcgi-unix-'))
  socketPath = path.join(folder, 'app.sock')
  server = createServer((_req, res) => res.end('ok'))
  umask = currentUmask()
})

afterEach(async () => {
  process.umask(umask)
  await close(server)
  fs.rmSync(folder, { recursive: true })
})

function close(one: net.Server): Promise<unknown> {
  return one.listening ? new Promise((resolve) => one.close(resolve)) : Promise.resolve()
}

/** Reading it needs setting it. */
function currentUmask(): number {
  const mask = process.umask(0)
  process.umask(mask)
  return mask
}

const modeOf = (file: string): string => (fs.statSync(file).mode & 0o777).toString(8)

function listening(...args: unknown[]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    ;(server.listen as (...given: unknown[]) => unknown)(...args, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

async function failure(...args: unknown[]): Promise<NodeJS.ErrnoException> {
  try {
    await listening(...args)
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
  throw new Error('it listens')
}

async function answers(file: string): Promise<boolean> {
  const client = await connect(file)
  client.send(GET)
  const { head } = await client.response(1)
  client.destroy()
  return head.status === 200
}

/** A socket file nobody listens on, as a killed process leaves it. */
async function leaveStale(file: string): Promise<void> {
  const owner = spawn(process.execPath, ['-e', 'require("node:net").createServer().listen(process.argv[1], () => console.log("up"))', file], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => owner.stdout.once('data', resolve))
  const exited = new Promise((resolve) => owner.once('exit', resolve))
  owner.kill('SIGKILL')
  await exited
  expect(fs.lstatSync(file).isSocket()).toBe(true)
}

describe('rights', () => {
  it.each([0, 0o022, 0o077, 0o777])('0660 from the first instant, whatever the umask is (%i)', async (mask) => {
    process.umask(mask)
    const isListening = new Promise((resolve) => server.once('listening', resolve))
    server.listen(socketPath)
    // The file exists since a moment ago, and no event has run since.
    expect(modeOf(socketPath)).toBe('660')
    expect(currentUmask()).toBe(mask)
    await isListening
    expect(modeOf(socketPath)).toBe('660')
  })

  it('no instant of wider rights: the umask while the file is made is the one that makes them', () => {
    process.umask(0)
    const seen: string[] = []
    const umaskSeen: string[] = []
    const settable = process as { umask(mask: number): number }
    const setUmask = settable.umask.bind(process)
    const spy = jest.spyOn(settable, 'umask').mockImplementation((mask) => {
      umaskSeen.push(`${fs.existsSync(socketPath) ? 'file' : 'none'} ${mask.toString(8)}`)
      return setUmask(mask)
    })
    for (const call of ['chmodSync', 'chmod', 'fchmodSync'] as const) jest.spyOn(fs, call).mockImplementation(() => void seen.push(call))
    server.listen(socketPath)
    spy.mockRestore()
    jest.restoreAllMocks()
    // Narrowed before there is a file, widened after; never repaired by a chmod.
    expect(umaskSeen).toEqual(['none 117', 'file 0'])
    expect(seen).toEqual([])
  })

  it.each([
    ['0o600', 0o600, '600'],
    ['0o666', 0o666, '666'],
    ['0o777', 0o777, '777'],
    ['0', 0, '0'],
  ])('option mode %s', async (_name, mode, expected) => {
    await listening({ path: socketPath, mode })
    expect(modeOf(socketPath)).toBe(expected)
    expect(currentUmask()).toBe(umask)
  })

  it('the umask is restored when binding fails', async () => {
    process.umask(0o027)
    await failure(path.join(folder, 'missing', 'app.sock'))
    expect(currentUmask()).toBe(0o027)
  })

  itAsRoot('options owner and group, by name and by id', async () => {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'www-data']).toString()))
    for (const [owner, group] of [['www-data', 'www-data'], [uid, gid], [String(uid), String(gid)]]) {
      const one = createServer()
      await new Promise<void>((resolve) => one.listen({ path: socketPath, owner, group } as net.ListenOptions, resolve))
      const stat = fs.statSync(socketPath)
      expect([stat.uid, stat.gid, stat.mode & 0o777]).toEqual([uid, gid, 0o660])
      await close(one)
    }
  })

  itAsRoot('group alone leaves the owner', async () => {
    await listening({ path: socketPath, group: 'www-data' })
    expect(fs.statSync(socketPath)).toMatchObject({ uid: process.getuid?.(), gid: Number(execFileSync('id', ['-g', 'www-data']).toString()) })
  })

  it.each(['group', 'owner'])('an unknown %s is named, before anything is opened', (option) => {
    expect(() => server.listen({ path: socketPath, [option]: 'no-such-name' })).toThrow(
      expect.objectContaining({ code: 'FCGI_ERR_OPTION', message: expect.stringMatching(/there is no (user|group) no-such-name on this machine/) as string }),
    )
    expect(fs.existsSync(socketPath)).toBe(false)
    expect(server.listening).toBe(false)
  })

  it.each(['', '.*', '-1', 'root:x'])('a name such as %j is nobody', (group) => {
    expect(() => server.listen({ path: socketPath, group } as net.ListenOptions)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION' }))
  })

  itAsRoot("a group this user may not give is an 'error', and nothing stays behind", async () => {
    fs.chmodSync(folder, 0o777)
    const child = new Child({ args: [{ path: socketPath, group: 'root' }], uid: NOBODY })
    try {
      expect(await child.report('error', 'thrown', 'listening')).toMatchObject({ event: 'error', code: 'FCGI_ERR_SOCKET_RIGHTS', listening: false })
      await child.report('exit')
      expect(fs.existsSync(socketPath)).toBe(false)
    } finally {
      await child.kill()
    }
  })
})

describe('a file that is there already', () => {
  it('of a process that is gone is replaced', async () => {
    await leaveStale(socketPath)
    await listening(socketPath)
    expect(modeOf(socketPath)).toBe('660')
    await expect(answers(socketPath)).resolves.toBe(true)
  })

  it('is not touched before the connection is refused', async () => {
    await leaveStale(socketPath)
    const unlink = jest.spyOn(fs, 'unlinkSync')
    const isListening = listening(socketPath)
    expect(unlink).not.toHaveBeenCalled()
    await isListening
    expect(unlink.mock.calls).toEqual([[socketPath]])
    unlink.mockRestore()
  })

  it('with somebody behind it is left alone: EADDRINUSE, and what to do', async () => {
    const other = createServer((_req, res) => res.end('other'))
    await new Promise<void>((resolve) => other.listen(socketPath, resolve))
    try {
      const error = await failure(socketPath)
      expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', address: socketPath })
      expect(error.message).toContain(socketPath)
      expect(error.message).toMatch(/Stop it first, or choose another path/)
      expect(server.listening).toBe(false)
      await expect(answers(socketPath)).resolves.toBe(true)
    } finally {
      await close(other)
    }
  })

  it('whose server does not accept right now counts as live', async () => {
    const other = net.createServer()
    await new Promise<void>((resolve) => other.listen(socketPath, resolve))
    const child = new Child({ args: [socketPath] })
    try {
      // This process does not accept while it waits, and yet its socket must not be taken over.
      const report = await child.report('error')
      expect(report).toMatchObject({ code: 'EADDRINUSE' })
      expect(fs.existsSync(socketPath)).toBe(true)
    } finally {
      await child.kill()
      await close(other)
    }
  })

  it.each<[what: string, make: () => void, text: () => string]>([
    ['a regular file', () => fs.writeFileSync(socketPath, 'precious'), () => fs.readFileSync(socketPath, 'utf8')],
    ['an empty folder', () => fs.mkdirSync(socketPath), () => String(fs.statSync(socketPath).isDirectory())],
    ['a link to a file', () => fs.symlinkSync(__filename, socketPath), () => fs.readlinkSync(socketPath)],
    ['a link to nothing', () => fs.symlinkSync('nowhere', socketPath), () => fs.readlinkSync(socketPath)],
  ])('%s is left alone: FCGI_ERR_NOT_A_SOCKET', async (_what, make, text) => {
    make()
    const before = text()
    const error = await failure(socketPath)
    expect(error).toMatchObject({ code: 'FCGI_ERR_NOT_A_SOCKET', name: 'FastCGIError' })
    expect(error.message).toContain(`${socketPath} exists and is not a socket`)
    expect(text()).toBe(before)
    expect(server.listening).toBe(false)
  })

  it('another path can be listened on after the failure', async () => {
    fs.writeFileSync(socketPath, 'precious')
    await failure(socketPath)
    const second = path.join(folder, 'second.sock')
    await listening(second)
    await expect(answers(second)).resolves.toBe(true)
  })

  it('listen() on the path it listens on already is refused, as by node, and the server goes on', async () => {
    await listening(socketPath)
    expect(() => server.listen(socketPath)).toThrow(expect.objectContaining({ code: 'ERR_SERVER_ALREADY_LISTEN' }))
    expect(server.listening).toBe(true)
    await expect(answers(socketPath)).resolves.toBe(true)
  })
})

describe('paths that cannot be', () => {
  it('a folder that does not exist is named, with what to do', async () => {
    const error = await failure(path.join(folder, 'missing', 'app.sock'))
    expect(error.message).toContain(`the folder ${path.join(folder, 'missing')} does not exist; create it first`)
  })

  it('a path through a file', async () => {
    fs.writeFileSync(path.join(folder, 'file'), '')
    const error = await failure(path.join(folder, 'file', 'app.sock'))
    expect(error.message).toContain(path.join(folder, 'file'))
    expect(error.code).toMatch(/^E/)
  })

  it('one that is too long is refused at once, not cut off', () => {
    const long = path.join(folder, 'x'.repeat(120))
    expect(() => server.listen(long)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION', message: expect.stringContaining(`not ${Buffer.byteLength(long)}: ${long}`) as string }))
    expect(fs.readdirSync(folder)).toEqual([])
  })

  it('bytes count, not characters', () => {
    expect(() => server.listen(path.join(folder, 'é'.repeat(50)))).toThrow(/at most 10[37] bytes/)
  })

  it('the longest possible path works', async () => {
    const longest = path.join(folder, 'x'.repeat((process.platform === 'linux' ? 107 : 103) - Buffer.byteLength(folder) - 1))
    await listening(longest)
    await expect(answers(longest)).resolves.toBe(true)
  })

  itAsRoot('no right to write to the folder: says which folder, and what to choose', async () => {
    fs.chmodSync(folder, 0o755)
    const child = new Child({ args: [socketPath], uid: NOBODY })
    try {
      const report: Report = await child.report('error')
      expect(report.code).toBe('EACCES')
      expect(report.message).toContain(`may not create a file in ${folder}`)
    } finally {
      await child.kill()
    }
  })
})

describe('the end', () => {
  it('close() removes the file', async () => {
    await listening(socketPath)
    expect(fs.existsSync(socketPath)).toBe(true)
    await close(server)
    expect(fs.existsSync(socketPath)).toBe(false)
  })

  it('the server can listen again after close(), on the same path', async () => {
    await listening(socketPath)
    await close(server)
    await listening(socketPath)
    await expect(answers(socketPath)).resolves.toBe(true)
  })

  it('close() while a stale file is looked at: it does not listen afterwards', async () => {
    await leaveStale(socketPath)
    let isListening = false
    server.once('listening', () => (isListening = true))
    server.listen(socketPath)
    const error = await new Promise<Error | undefined>((resolve) => server.close(resolve))
    expect(error).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' })
    // The look at the file is a connection of this process; another one made after it is refused after it.
    await new Promise((resolve) => net.connect(socketPath).once('error', resolve))
    await new Promise(setImmediate)
    expect([isListening, server.listening]).toEqual([false, false])
  })

  it('listen(), close(), listen() in one go: the last one counts', async () => {
    await leaveStale(socketPath)
    server.listen(socketPath)
    server.close()
    await listening(socketPath)
    await expect(answers(socketPath)).resolves.toBe(true)
  })
})
