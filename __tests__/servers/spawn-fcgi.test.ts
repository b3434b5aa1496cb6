// spawn-fcgi, and multiwatch on its socket, by the printed scripts.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DeploymentOptions } from '../../lib/cli/config/deployment'
import { askFastCGI } from '../register/application'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { describeWith } from '../support/need'
import { freePorts } from '../support/ports'
import { connect, type RawAddress } from '../support/raw-client'
import { until } from '../support/wait'
import { lighttpdUser } from './lighttpd'
import { install, printedFiles } from '../support/printed'
import { writeApplication } from './small-application'

const isRoot = process.getuid?.() === 0
let folder: string
const cleanUp: (() => unknown)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-spawn-'))
  // Where we are root the application is www-data.
  chmodSync(folder, 0o755)
})

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
  rmSync(folder, { recursive: true, force: true })
})

/** Writes the scripts; the pid file is in the folder. */
function scripts(server: string, options: Partial<DeploymentOptions>): string {
  install(printedFiles(server, { app: join(folder, 'server.js'), ...options }), folder, { '/run/example.org.pid': join(folder, 'pid') })
  return join(folder, 'example.org.sh')
}

async function answer(target: RawAddress, path = '/pid'): Promise<string> {
  return until('the application to answer', () => askFastCGI(target, path).catch(() => undefined))
}

describeWith('spawn-fcgi', 'spawn-fcgi', () => {
  /** Runs the script, which leaves the application in the background; returns the pid that it wrote. */
  function start(options: Partial<DeploymentOptions>): number {
    const { status, stdout, stderr } = spawnSync(scripts('spawn-fcgi', options), { encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('child spawned successfully')
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    cleanUp.push(() => isRunning(pid) && process.kill(pid, 'SIGKILL'))
    return pid
  }

  it.each<[string, () => Promise<[listen: string, target: RawAddress]>]>([
    ['a unix socket in a folder that is not there yet', () => both(join(folder, 'run', 'app.sock'))],
    ['a unix socket of an odd name', () => both(join(folder, `o'd "q" $x é.sock`))],
    ['a port', async () => ofPort()],
  ])('%s: the application is in the background, and writes to its output, which is /dev/null', async (_kind, address) => {
    const [listen, target] = await address()
    writeApplication(folder)
    const pid = start({ listen })
    expect(await answer(target)).toBe(String(pid))
    expect(await answer(target, '/log')).toBe('logged')
    process.kill(pid, 'SIGTERM')
    await until('the application to end', () => !isRunning(pid))
  })

  it('the socket has mode 0660; as root it is www-data\'s, and the application too', async () => {
    const listen = join(folder, 'app.sock')
    writeApplication(folder)
    const pid = start({ listen })
    await answer(listen)
    const { mode, uid, gid } = statSync(listen)
    expect(mode & 0o777).toBe(0o660)
    if (isRoot) expect([uid, gid, statSync(`/proc/${pid}`).uid]).toEqual([lighttpdUser(), lighttpdUser(), lighttpdUser()])
  })

  it('a second start is refused, and the first can still be stopped', async () => {
    const listen = join(folder, 'app.sock')
    writeApplication(folder)
    const pid = start({ listen })
    await answer(listen)
    const { status, stderr } = spawnSync(join(folder, 'example.org.sh'), { encoding: 'utf8' })
    expect([status === 0, stderr]).toEqual([false, expect.stringContaining('socket is already in use')])
    expect(Number(readFileSync(join(folder, 'pid'), 'utf8'))).toBe(pid)
    expect(readdirSync(folder)).not.toContain('pid.new')
    process.kill(pid, 'SIGTERM')
    await until('the application to end', () => !isRunning(pid))
    expect(start({ listen })).not.toBe(pid)
    await answer(listen)
  })

  it('FASTCGI_LISTEN of the caller changes nothing, and a prefix reaches the application', async () => {
    const listen = join(folder, 'app.sock')
    writeApplication(folder)
    process.env['FASTCGI_LISTEN'] = join(folder, 'other.sock')
    try {
      start({ listen, mount: '/shop' })
    } finally {
      delete process.env['FASTCGI_LISTEN']
    }
    expect(JSON.parse(await answer(listen, '/shop/environment'))).toMatchObject({ FASTCGI_MOUNT: '/shop' })
  })

  it('a host name is refused', () => {
    expect(() => printedFiles('spawn-fcgi', { listen: 'localhost:9000' })).toThrow(/spawn-fcgi listens on addresses, not on names/)
  })
})

describeWith(['spawn-fcgi', 'multiwatch'], 'multiwatch', () => {
  async function start(app: string, more: NodeJS.ProcessEnv = {}): Promise<{ child: ChildProcess; listen: string; processes(): number[] }> {
    const listen = join(folder, 'app.sock')
    const child = spawn(scripts('multiwatch', { listen, app }), { stdio: 'ignore', env: { PATH: process.env['PATH'], ...more } })
    cleanUp.push(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      // multiwatch first: it would start the others again.
      const all = descendants(child.pid ?? 0)
      child.kill('SIGKILL')
      for (const pid of all) process.kill(pid, 'SIGKILL')
      await exit
    })
    await answer(listen)
    return { child, listen, processes: () => children(child.pid ?? 0).flatMap(children) }
  }

  it('two processes share the socket, and one that ends is started again', async () => {
    const { listen, processes } = await start(writeApplication(folder))
    const seen = new Set<string>()
    while (seen.size < 2) for (const pid of await Promise.all(Array.from({ length: 10 }, () => answer(listen)))) seen.add(pid)
    expect([...seen].map(Number).sort()).toEqual(processes().sort())
    await askFastCGI(listen, '/exit').catch(() => undefined)
    await until('another process', () => processes().length === 2 && processes().some((pid) => !seen.has(String(pid))))
  })

  it.each<NodeJS.Signals>(['SIGTERM', 'SIGINT', 'SIGUSR1'])('%s: requests are finished, and no process is left', async (signal) => {
    const { child, listen, processes } = await start(writeApplication(folder), { PROCESSES: '1' })
    const all = [...children(child.pid ?? 0), ...processes()]
    expect(all).toHaveLength(2)
    const client = await connect(listen)
    client.send(begin(1), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: '/until-closed' }), stdin(1))
    await until('the request to begin', () => client.records().length > 0)
    const exit = once(child, 'exit')
    child.kill(signal)
    expect((await client.response(1)).body.toString()).toBe('begun, finished')
    client.destroy()
    await exit
    await until('the processes to end', () => all.every((pid) => !isRunning(pid)))
  })
})

function children(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter((text) => text !== '').map(Number)
}

function descendants(pid: number): number[] {
  return children(pid).flatMap((child) => [child, ...descendants(child)])
}

function isRunning(pid: number): boolean {
  try {
    // A zombie is no process any more, though it has a number.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

function both(path: string): Promise<[string, RawAddress]> {
  return Promise.resolve([path, path])
}

async function ofPort(): Promise<[string, RawAddress]> {
  const [port = 0] = await freePorts(1)
  return [String(port), port]
}
