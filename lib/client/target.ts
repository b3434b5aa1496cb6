// Where a FastCGI application listens, in every way a caller may say it, and how to connect to it.

import { connect as netConnect, type Socket } from 'node:net'
import { FastCGIError, OptionError } from '../errors'

/**
 * An application's address: `{ path }`, `{ host, port }`, or text: `unix:/run/app.sock`, `/run/app.sock`,
 * `\\.\pipe\app` (Windows), `127.0.0.1:9000`, `[::1]:9000`, `tcp://127.0.0.1:9000`, `:9000` (127.0.0.1).
 */
export type ClientTarget = string | { readonly path: string } | { readonly host?: string | undefined; readonly port: number }

/** A target after checking. */
export type Address = { readonly path: string } | { readonly host: string; readonly port: number }

const LOOPBACK = '127.0.0.1'
const HOST_PORT = /^(?:tcp:\/\/|tcp:)?(\[[0-9A-Fa-f:.%]+\]|[^:/\s[\]]*):([0-9]{1,5})\/?$/

/**
 * @throws {OptionError} for text that is no address, or a port outside 1 to 65535
 */
export function parseTarget(target: ClientTarget): Address {
  if (typeof target === 'string') return parseText(target)
  if ('path' in target) return checkPath(target.path)
  return checkPort(target.host ?? LOOPBACK, target.port)
}

/** The address as people write it. */
export function describeAddress(address: Address): string {
  if ('path' in address) return `unix:${address.path}`
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/**
 * Starts to connect.
 *
 * @returns a socket that is not connected yet and ends when its peer does (node's default)
 */
export function openSocket(address: Address): Socket {
  return 'path' in address ? netConnect({ path: address.path }) : netConnect({ host: address.host, port: address.port, noDelay: true })
}

/** What a failed connection means and what to do about it; FCGI_ERR_CONNECT. */
export function connectError(address: Address, cause: Error): FastCGIError {
  const code = 'code' in cause ? String(cause.code) : ''
  const where = describeAddress(address)
  return new FastCGIError('FCGI_ERR_CONNECT', `cannot connect to the FastCGI application at ${where}: ${reason(code, address, cause)}`, cause)
}

function reason(code: string, address: Address, cause: Error): string {
  const isPath = 'path' in address
  switch (code) {
    case 'ENOENT':
      return 'there is no such socket (ENOENT); start the application, or correct the path it listens on'
    case 'ECONNREFUSED':
      return isPath
        ? 'the socket is there but nobody listens on it (ECONNREFUSED); start the application again'
        : 'nothing listens there (ECONNREFUSED); start the application, or correct the port'
    case 'EACCES':
    case 'EPERM':
      return `no right to open it (${code}); give this user's group write access to the socket and its folders`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name does not resolve (${code}); correct it`
    case 'EAGAIN':
      return 'its queue of waiting connections is full (EAGAIN); the application is overloaded or hangs'
    case 'ETIMEDOUT':
      return 'no answer (ETIMEDOUT); check the address and any firewall between'
    default:
      return cause.message
  }
}

function parseText(text: string): Address {
  const path = /^unix:(?:\/\/)?(.+)$/.exec(text)?.[1]
  if (path !== undefined) return checkPath(path)
  if (text.startsWith('/') || text.startsWith('./') || text.startsWith('\\\\')) return checkPath(text)
  const [, host, port] = HOST_PORT.exec(text) ?? []
  if (host === undefined) {
    throw new OptionError(`${JSON.stringify(text)} is no address of a FastCGI application; use unix:/path, /path, host:port or tcp://host:port`)
  }
  return checkPort(host === '' ? LOOPBACK : host.replace(/^\[|\]$/g, ''), Number(port))
}

function checkPath(path: unknown): Address {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return { path }
  throw new OptionError('the path of a unix socket must be text, not empty and without NUL')
}

function checkPort(host: string, port: unknown): Address {
  if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65_535) return { host, port }
  throw new OptionError(`a port must be an integer of 1 to 65535, not ${String(port)}`)
}
