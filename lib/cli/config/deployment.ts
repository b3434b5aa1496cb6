// What every configuration is made from: where the application is, where it listens, and where the site is.

import { isAbsolute, resolve, win32 } from 'node:path'
import { describeAddress } from '../../client/target'
import { UsageError } from '../usage-error'

/** Where the application listens. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/** Where the application listens unless told; a server that would not find that folder has a default of its own. */
export const DEFAULT_LISTEN = '/run/express-fastcgi/app.sock'

/** One application behind one web server. */
export interface Deployment {
  readonly listen: ListenAddress
  /** Absolute path of the folder of static files, the web server's document root. No slash at its end. */
  readonly root: string
  /** Whether that folder was named: then the web server serves its files by itself, where that is safe. */
  readonly serveRoot: boolean
  /** Path prefix the application is served under, such as `/shop`; '' for the whole site. No slash at its end. */
  readonly mount: string
  /** Host name of the site. */
  readonly name: string
  /** Port that the web server listens on. */
  readonly port: number
  /** Absolute path of the application's main file. */
  readonly app: string
  /** Absolute path of the node program. */
  readonly node: string
}

/** The same as the command line has it. */
export interface DeploymentOptions {
  readonly listen: string
  readonly root?: string | undefined
  readonly mount: string
  readonly name: string
  readonly port: string
  readonly app: string
  readonly node: string
}

/**
 * Checks the options of the command line.
 *
 * @throws {UsageError} naming the option, its value and what it may be
 */
export function deployment(options: DeploymentOptions): Deployment {
  const name = hostName(options.name)
  return {
    listen: listenAddress(options.listen),
    root: absolute('--root', options.root ?? `/var/www/${name}`),
    serveRoot: options.root !== undefined,
    mount: mountPath(options.mount),
    name,
    port: portNumber('--port', options.port),
    app: absolute('--app', options.app),
    node: absolute('--node', options.node),
  }
}

/**
 * @param text `/run/app.sock`, `unix:/run/app.sock`, `9000` (127.0.0.1), `127.0.0.1:9000` or `[::1]:9000`
 */
export function listenAddress(text: string): ListenAddress {
  if (/^(?:unix:)?\//.test(text)) return { kind: 'unix', path: socketPath(text.replace(/^unix:/, '')) }
  const match = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):)?([0-9]+)$/.exec(text)
  if (match === null) throw new UsageError(`--listen ${text} is no address: use /path, PORT, HOST:PORT or [IPV6]:PORT`)
  return { kind: 'tcp', host: match[1] ?? match[2] ?? '127.0.0.1', port: portNumber('--listen', match[3] ?? '') }
}

function socketPath(path: string): string {
  // sun_path of Linux, with its final zero; every web server refuses more.
  if (Buffer.byteLength(path) <= 107 && !path.endsWith('/')) return plain('--listen', path)
  throw new UsageError(`--listen ${path}: the path of a unix socket has at most 107 bytes and no slash at its end`)
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
export function hostAndPort({ host, port }: Extract<ListenAddress, { kind: 'tcp' }>): string {
  return describeAddress({ host, port })
}

/** As FASTCGI_LISTEN and `listen()` take it. */
export function addressText(listen: ListenAddress): string {
  return listen.kind === 'unix' ? listen.path : hostAndPort(listen)
}

function portNumber(option: string, text: string): number {
  const port = Number(text)
  if (/^[0-9]+$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new UsageError(`${option}: a port is a number from 1 to 65535, not ${JSON.stringify(text)}`)
}

function hostName(text: string): string {
  // It becomes part of file names as well, so no slash, and nothing that any configuration language could take for its own.
  if (/^(?!-)[A-Za-z0-9.-]{1,253}$/.test(text) && !text.includes('..') && !text.startsWith('.')) return text
  throw new UsageError(`--name ${JSON.stringify(text)} is no host name: letters, digits, dots and hyphens`)
}

function mountPath(text: string): string {
  const path = text.replace(/\/+$/, '')
  if (path === '') return ''
  const segments = path.slice(1).split('/')
  if (path.startsWith('/') && segments.every((segment) => /^[A-Za-z0-9._~-]+$/.test(segment) && !/^\.+$/.test(segment))) return path
  throw new UsageError(`--mount ${JSON.stringify(text)} is no path prefix such as /shop: a slash, then letters, digits and . _ ~ -`)
}

// Windows paths are left as they are on any machine: a configuration for IIS may be made elsewhere.
function absolute(option: string, path: string): string {
  if (path === '') throw new UsageError(`${option}: an empty path`)
  const isFull = isAbsolute(path) || win32.isAbsolute(path)
  return plain(option, (isFull ? path : resolve(path)).replace(/(?<=.)[/\\]+$/, ''))
}

// Nothing a path needs, and the end of a line or of a quoted text in every configuration language.
function plain(option: string, path: string): string {
  // eslint-disable-next-line no-control-regex
  if (!/[\x00-\x1f\x7f]/.test(path)) return path
  throw new UsageError(`${option}: a path with control characters cannot be written into a configuration`)
}
