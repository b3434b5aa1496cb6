// The CGI bridge as it is printed: behind web servers that have nothing but CGI, and by itself.
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type DeploymentOptions } from '../../lib/cli/config/deployment'
import { startApache } from '../support/apache'
import { startLighttpd } from '../support/lighttpd'
import { describeWith, program } from '../support/need'
import { until } from '../support/wait'
import { sharedFolder, type WebServer } from '../support/web-server'
import { lighttpdUser } from './lighttpd'
import { install, printedFiles } from '../support/printed'
import { ask, writeApplication } from './small-application'

let folder: string
const cleanUp: (() => unknown)[] = []

beforeEach(() => {
  folder = sharedFolder('cgi')
})

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
  await endApplications()
  rmSync(folder, { recursive: true, force: true })
})

/** `cgi-bin/app.cgi`, and an application in a folder that the user of the web server may write to, as on hosts for one user. */
function deploy(appFolder: string, options: Partial<DeploymentOptions> = {}): string {
  mkdirSync(join(folder, 'cgi-bin'))
  mkdirSync(appFolder)
  if (process.getuid?.() === 0) chownSync(appFolder, lighttpdUser(), lighttpdUser())
  const files = printedFiles('cgi', { app: writeApplication(appFolder), ...options })
  install(files.filter(({ path }) => basename(path) === 'app.cgi'), join(folder, 'cgi-bin'))
  install(files.filter(({ path }) => basename(path) !== 'app.cgi'), appFolder)
  applications.push(appFolder)
  return join(folder, 'cgi-bin', 'app.cgi')
}

const applications: string[] = []

async function endApplications(): Promise<void> {
  for (const appFolder of applications.splice(0)) {
    const pid = pidOf(appFolder)
    if (pid === undefined || !isRunning(pid)) continue
    process.kill(pid, 'SIGKILL')
    await until('the application to end', () => !isRunning(pid))
  }
}

const servers: readonly (readonly [name: string, needs: string[], start: () => Promise<WebServer>])[] = [
  [
    'lighttpd (mod_cgi)',
    ['lighttpd'],
    () =>
      startLighttpd({
        ports: 1,
        folder,
        modules: ['mod_cgi'],
        configuration: () => 'cgi.assign = ( ".cgi" => "" )',
      }),
  ],
  [
    'Apache (mod_cgid)',
    ['apache2'],
    () =>
      startApache({
        ports: 1,
        folder,
        modules: ['cgid'],
        configuration: () => `ScriptSock ${folder}/cgid.sock\n<Directory ${folder}/cgi-bin>\n  Options +ExecCGI\n  SetHandler cgi-script\n  CGIPassAuth On\n</Directory>`,
      }),
  ],
]

describe.each(servers)('behind %s', (name, needs, start) => {
  describeWith([...needs, 'cgi-fcgi', 'flock'], name, () => {
    it('the first requests start one application, which serves all that follow', async () => {
      const appFolder = join(folder, `o'd "q" $x é`)
      deploy(appFolder)
      const web = await start()
      cleanUp.push(() => web.stop())
      const port = web.ports[0] ?? 0
      const pids = await Promise.all(Array.from({ length: 12 }, async () => (await ask(port, '/cgi-bin/app.cgi/pid')).body))
      expect(new Set(pids)).toEqual(new Set([String(pidOf(appFolder))]))
      expect(readFileSync(join(appFolder, 'app.log'), 'utf8').match(/^listening$/gm)).toHaveLength(1)
      // Nobody else's.
      expect(statSync(join(appFolder, 'app.sock')).mode & 0o077).toBe(0)
      const seen = JSON.parse((await ask(port, '/cgi-bin/app.cgi/a%20b?c=d', { headers: { 'X-A': 'b', Proxy: 'http://evil.example', Authorization: 'Bearer x' } })).body) as object
      expect(seen).toMatchObject({ url: '/a%20b?c=d', SCRIPT_NAME: '/cgi-bin/app.cgi', PATH_INFO: '/a b', HTTP_X_A: 'b', HTTP_AUTHORIZATION: 'Bearer x' })
    })

    it('bodies go both ways, and what the application prints does no harm', async () => {
      deploy(join(folder, 'app'))
      const web = await start()
      cleanUp.push(() => web.stop())
      const body = 'a body '.repeat(50_000)
      const port = web.ports[0] ?? 0
      // Not before: Apache writes a whole body to the script before it reads anything of the answer, and pipes hold 64 kB.
      expect(await ask(port, '/cgi-bin/app.cgi/echo-when-whole', { method: 'POST', headers: { 'Content-Length': body.length } }, body)).toMatchObject({ status: 200, body })
      expect((await ask(port, '/cgi-bin/app.cgi/log')).body).toBe('logged')
      expect(readFileSync(join(folder, 'app', 'app.log'), 'utf8')).toContain('log 99')
    })

    it('an application that ends is started again by the next request', async () => {
      const appFolder = join(folder, 'app')
      deploy(appFolder)
      const web = await start()
      cleanUp.push(() => web.stop())
      const port = web.ports[0] ?? 0
      const before = (await ask(port, '/cgi-bin/app.cgi/pid')).body
      expect((await ask(port, '/cgi-bin/app.cgi/exit')).status).toBe(500)
      await until('the application to end', () => !isRunning(Number(before)))
      expect((await ask(port, '/cgi-bin/app.cgi/pid')).body).not.toBe(before)
    })

    it('an application that cannot start: 500, and its log says why', async () => {
      const appFolder = join(folder, 'app')
      deploy(appFolder)
      rmSync(join(appFolder, 'server.js'))
      const web = await start()
      cleanUp.push(() => web.stop())
      expect((await ask(web.ports[0] ?? 0, '/cgi-bin/app.cgi/')).status).toBe(500)
      expect(readFileSync(join(appFolder, 'app.log'), 'utf8')).toContain("Cannot find module '")
    })
  })
})

describeWith(['cgi-fcgi', 'flock'], 'the script by itself', () => {
  interface Result {
    readonly status: number | null
    readonly stdout: string
    readonly stderr: string
  }

  /** Plays a web server. */
  function request(script: string, path: string, more: Readonly<Record<string, string>> = {}): Promise<Result> {
    const env = { PATH: process.env['PATH'], GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET', SCRIPT_NAME: '/app.cgi', PATH_INFO: path, SCRIPT_FILENAME: script, SERVER_PROTOCOL: 'HTTP/1.1', ...more }
    return new Promise((resolve) => {
      const child = spawn(script, { env, stdio: ['ignore', 'pipe', 'pipe'] })
      let [stdout, stderr] = ['', '']
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      child.once('close', (status) => resolve({ status, stdout, stderr }))
    })
  }

  it('nothing of a request gets into the environment of the application', async () => {
    const script = deploy(join(folder, 'app'))
    const { stdout, status } = await request(script, '/environment', { HTTP_PROXY: 'http://evil.example', HTTP_X_A: 'b', NODE_OPTIONS: '--frozen-intrinsics', REMOTE_USER: 'me' })
    expect(status).toBe(0)
    const environment = JSON.parse(stdout.slice(stdout.indexOf('{'))) as Record<string, string>
    expect(Object.keys(environment).filter((name) => !['PATH', 'HOME', 'LANG', 'PWD', 'OLDPWD', 'FASTCGI_SCRIPT', 'NODE_ENV'].includes(name))).toEqual([])
    expect(environment).toMatchObject({ FASTCGI_SCRIPT: script, NODE_ENV: 'production' })
  })

  it('requests at the same time, again and again, after the application was killed: there is never a second one', async () => {
    const appFolder = join(folder, 'app')
    const script = deploy(appFolder)
    for (let round = 0; round < 3; round++) {
      const results = await Promise.all(Array.from({ length: 6 }, () => request(script, '/pid')))
      expect(new Set(results.map(({ stdout }) => stdout.trim().split('\n').pop()))).toEqual(new Set([String(pidOf(appFolder))]))
      await killed(appFolder)
    }
    expect(readFileSync(join(appFolder, 'app.log'), 'utf8').match(/^listening$/gm)).toHaveLength(3)
  })

  it('a port is refused', () => {
    expect(() => printedFiles('cgi', { listen: '9000', app: join(folder, 'server.js') })).toThrow(/behind CGI use a path/)
  })

  async function killed(appFolder: string): Promise<void> {
    const pid = pidOf(appFolder) ?? 0
    process.kill(pid, 'SIGKILL')
    await until('the application to end', () => !isRunning(pid))
  }
})

describeWith('cgi-fcgi', 'cgi-fcgi -start', () => {
  it('an application whose standard output and error are closed prints as it likes', () => {
    const appFolder = join(folder, 'app')
    deploy(appFolder)
    const socket = join(folder, 'bare.sock')
    // Without the redirection that the printed script has.
    const starter = join(appFolder, 'app.fcgi')
    install([{ path: starter, mode: 0o755, text: readFileSync(starter, 'utf8').replace(/^exec >>.*\n/m, '') }], appFolder)
    expect(spawnSync(program('cgi-fcgi'), ['-start', '-connect', socket, starter]).status).toBe(0)
    const env = { PATH: process.env['PATH'], REQUEST_METHOD: 'GET', REQUEST_URI: '/log', SCRIPT_NAME: '', SERVER_PROTOCOL: 'HTTP/1.1' }
    const { status, stdout } = spawnSync(program('cgi-fcgi'), ['-bind', '-connect', socket], { env, encoding: 'utf8' })
    expect([status, stdout.endsWith('logged')]).toEqual([0, true])
    const open = (fd: number): string => spawnSync('readlink', [`/proc/${pidOf(appFolder) ?? 0}/fd/${fd}`], { encoding: 'utf8' }).stdout.trim()
    expect([open(1), open(2)]).toEqual(['/dev/null', '/dev/null'])
  })
})

function pidOf(appFolder: string): number | undefined {
  try {
    return Number(readFileSync(join(appFolder, 'app.pid'), 'utf8'))
  } catch {
    return undefined
  }
}

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}
