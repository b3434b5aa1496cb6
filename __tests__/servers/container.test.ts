// The Dockerfile and the objects of Kubernetes. There is no engine here to build or run them: what they say is taken from them and done.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DeploymentOptions } from '../../lib/cli/config/deployment'
import { askFastCGI } from '../register/application'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { findProgram } from '../support/need'
import { freePorts } from '../support/ports'
import { connect, type RawAddress } from '../support/raw-client'
import { until } from '../support/wait'
import { printedFile, printedFiles } from '../support/printed'
import { writeApplication } from './small-application'

const dockerfile = (options: Partial<DeploymentOptions> = {}): string => printedFile('docker', 'Dockerfile', options)

/** The JSON after an instruction, as its last stage has it. */
function json(text: string, instruction: string): string[] {
  const [line] = text.split('\n').filter((one) => one.startsWith(instruction)).slice(-1)
  return JSON.parse(line!.slice(line!.indexOf('['))) as string[]
}

function environment(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^ENV (\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value.startsWith('"') ? (JSON.parse(value) as string) : value]))
}

describe('the Dockerfile', () => {
  let folder: string
  const children: ChildProcess[] = []
  let said = ''

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-docker-'))
  })

  afterEach(async () => {
    for (const child of children.splice(0)) {
      const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
      child.kill('SIGKILL')
      await exit
    }
    rmSync(folder, { recursive: true, force: true })
  })

  function run(text: string, before: readonly string[] = []): ChildProcess {
    const [command = '', ...args] = [...before, ...json(text, 'CMD ')]
    const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env['PATH'], ...environment(text) } })
    children.push(child)
    said = ''
    child.stderr.setEncoding('utf8').on('data', (part: string) => (said += part))
    return child
  }

  async function answer(target: RawAddress): Promise<Record<string, string>> {
    return JSON.parse(await until('the application to answer', () => askFastCGI(target, '/environment').catch(() => undefined))) as Record<string, string>
  }

  it.each(['', '[::]:'])('listens on all addresses of the container, without a warning, and the health check may connect (%s)', async (host) => {
    writeApplication(folder)
    const [port = 0] = await freePorts(1)
    const text = dockerfile({ listen: `${host}${port}`, mount: '/shop', app: join(process.cwd(), 'server.js') })
    expect(json(text, 'HEALTHCHECK')).toEqual(['node_modules/.bin/express-fastcgi', 'check', host === '' ? `127.0.0.1:${port}` : `[::1]:${port}`])
    run(text)
    expect(await answer(port)).toMatchObject({ FASTCGI_LISTEN: host === '' ? `0.0.0.0:${port}` : `[::]:${port}`, FASTCGI_MOUNT: '/shop', NODE_ENV: 'production' })
    expect(said).not.toContain('Warning')
  })

  it('a unix socket is in a volume', async () => {
    writeApplication(folder)
    const listen = join(folder, `o'd é.sock`)
    const text = dockerfile({ listen, app: join(process.cwd(), 'server.js') })
    expect([json(text, 'VOLUME'), json(text, 'HEALTHCHECK').at(-1)]).toEqual([[folder], listen])
    run(text)
    expect(await answer(listen)).toMatchObject({ FASTCGI_LISTEN: listen })
  })

  // As root only; and not in every container.
  const canBeFirst = findProgram('unshare') !== undefined && spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0
  if (!canBeFirst) process.stderr.write('SKIPPED: node as process 1: unshare --pid is not allowed here\n')
  ;(canBeFirst ? it : it.skip)('as process 1 it ends on SIGTERM when the running requests have ended', async () => {
    writeApplication(folder)
    const listen = join(folder, 'app.sock')
    const unshare = run(dockerfile({ listen, app: join(process.cwd(), 'server.js') }), ['unshare', '--pid', '--fork', '--kill-child'])
    await answer(listen)
    const [first = 0] = readFileSync(`/proc/${unshare.pid ?? 0}/task/${unshare.pid ?? 0}/children`, 'utf8').split(' ').map(Number)
    expect(readFileSync(`/proc/${first}/status`, 'utf8')).toMatch(/^NSpid:\t\d+\t1$/m)
    const client = await connect(listen)
    client.send(begin(1), params(1, { REQUEST_METHOD: 'GET', REQUEST_URI: '/until-closed' }), stdin(1))
    await until('the request to begin', () => client.records().length > 0)
    const exit = once(unshare, 'exit')
    process.kill(first, 'SIGTERM')
    expect((await client.response(1)).body.toString()).toBe('begun, finished')
    client.destroy()
    expect(await exit).toEqual([0, null])
  })

  it('runs as node, not as root, and leaves the packages of this machine out', () => {
    const text = dockerfile()
    expect(text.indexOf('\nUSER node\n')).toBeGreaterThan(text.lastIndexOf('\nCOPY'))
    expect(printedFile('docker', '.dockerignore')).toMatch(/^node_modules$/m)
  })

  it.each<[string, string]>([
    ['dist/main.js', 'dist/main.js'],
    ['../elsewhere/my app.js', 'my app.js'],
  ])('--app %s is %s in the image', (app, inImage) => {
    expect(json(dockerfile({ app }), 'CMD ').at(-1)).toBe(inImage)
  })
})

describe('the objects of Kubernetes', () => {
  const manifest = (options: Partial<DeploymentOptions> = {}): string => printedFile('kubernetes', `${options.name ?? 'example.org'}.yaml`, options)

  it('probes, port and address belong together', () => {
    const text = manifest({ listen: '[::]:9001', mount: '/shop' })
    expect(text).toContain('{ name: FASTCGI_LISTEN, value: "[::]:9001" }')
    expect(text.match(/exec: \{ command: \["node_modules\/\.bin\/express-fastcgi", "check", "\[::1\]:9001"\] \}/g)).toHaveLength(2)
    expect(text).toContain('{ name: fastcgi, containerPort: 9001 }')
    expect(text).toContain('- path: "/shop"')
    expect(text).toContain('{ name: FASTCGI_MOUNT, value: "/shop" }')
  })

  it.each([
    ['Shop.Example.org', 'shop-example-org', '"shop.example.org"'],
    ['1.example.org', 'app-1-example-org', '"1.example.org"'],
    ['no', 'app-no', '"no"'],
  ])('names of objects: %s', (name, id, host) => {
    expect(manifest({ name })).toContain(`kind: Service\nmetadata:\n  name: ${id}\n`)
    expect(manifest({ name })).toContain(`- host: ${host}\n`)
  })
})

describe('what a container cannot have', () => {
  it.each<[string, Partial<DeploymentOptions>, RegExp]>([
    ['docker', { listen: '10.0.0.5:9000' }, /which address a container will have is not known; use --listen 9000/],
    ['docker', { listen: '/run/$x/app.sock' }, /a Dockerfile cannot have a path with a dollar sign or a backslash/],
    ['kubernetes', { listen: '/run/app.sock' }, /another pod, so use a port/],
    ['kubernetes', { name: '10.0.0.1' }, /--name 10\.0\.0\.1: an Ingress takes a name of the DNS/],
    ['kubernetes', { name: 'a-.org' }, /an Ingress takes a name of the DNS/],
  ])('%s: %j', (server, options, message) => {
    expect(() => printedFiles(server, options)).toThrow(message)
  })
})
