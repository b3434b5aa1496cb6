// From the path of a file to what a web server is told: a URI or a path of its own, never of a file outside of the roots.

import { closeSync, constants, fstatSync, openSync, realpathSync, type Stats, statSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { OptionError } from '../errors'

/** A regular file that this process may read. */
export interface File {
  /** Without symbolic links. */
  readonly path: string
  readonly stat: Stats
}

interface Root {
  readonly folder: string
  /** Percent-encoded, without a slash at its end. */
  readonly target: string
}

/**
 * Looks at a file as it is now.
 *
 * @returns undefined unless it is a regular file which this process may read: the web server may be allowed more; and for a name that
 *   is not UTF-8 or has control characters, which lighttpd replaces
 */
export function openable(path: string): File | undefined {
  try {
    const real = realpathSync.native(path, 'buffer')
    const name = real.toString()
    // eslint-disable-next-line no-control-regex -- these are what is looked for
    if (!Buffer.from(name).equals(real) || /[\0-\x1f\x7f]/.test(name)) return undefined
    // Opening a named pipe would wait for whoever writes to it. Windows has no such flag, which makes it 0.
    const fd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stat = fstatSync(fd)
      return stat.isFile() ? { path: name, stat } : undefined
    } finally {
      closeSync(fd)
    }
  } catch {
    // Whatever it is, the application meets it as well, and answers as it always does.
    return undefined
  }
}

/** The folders whose files may be handed over. */
export class Roots {
  private readonly roots: readonly Root[]

  /**
   * @param areUris what the folders are mapped to are paths of URIs, not of files
   * @throws {OptionError} FCGI_ERR_OPTION for a folder that is none, and for a mapping that cannot be right
   */
  constructor(given: Readonly<Record<string, string>> | readonly string[], areUris: boolean) {
    if (Array.isArray(given) && areUris) {
      throw new OptionError("option roots of sendfile() must be an object for X-Accel-Redirect, such as { '/srv/files': '/protected' }")
    }
    const pairs = Array.isArray(given) ? given.map((folder): [string, unknown] => [String(folder), folder]) : Object.entries(given as Record<string, unknown>)
    if (pairs.length === 0) throw new OptionError('option roots of sendfile() names no folder')
    this.roots = pairs.map(([folder, target]) => ({ folder: checkFolder(folder), target: areUris ? checkUri(folder, target) : checkPath(folder, target) }))
  }

  /**
   * What the web server is to be told of a file.
   *
   * @param path without symbolic links
   * @param isLiteral the web server does not decode it: then nothing may need it
   * @returns ASCII, percent-encoded; undefined for a file outside of all roots
   */
  target(path: string, isLiteral: boolean): string | undefined {
    let best: { readonly inside: string; readonly target: string } | undefined
    for (const { folder, target } of this.roots) {
      const inside = within(folder, path)
      if (inside !== undefined && (best === undefined || inside.length < best.inside.length)) best = { inside, target }
    }
    if (best === undefined) return undefined
    const encoded = `${best.target}/${encodePath(best.inside)}`
    return isLiteral && encoded.includes('%') ? undefined : encoded
  }
}

/** The path of a file below a folder, whose own symbolic links are followed each time: it may be one that changes with each release. */
function within(folder: string, path: string): string | undefined {
  try {
    const real = realpathSync.native(folder)
    return path.startsWith(real + sep) ? path.slice(real.length + 1) : undefined
  } catch {
    return undefined
  }
}

function encodePath(path: string): string {
  return path.split(sep).map(encodeSegment).join('/')
}

function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

function checkFolder(folder: string): string {
  const absolute = resolve(folder)
  if (absolute === resolve(absolute, '..')) throw new OptionError(`option roots of sendfile() must not have ${absolute}: that is every file there is`)
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory() !== true) throw new OptionError(`option roots of sendfile(): ${absolute} is no folder`)
  return absolute
}

function checkUri(folder: string, target: unknown): string {
  const isPath = typeof target === 'string' && /^\/[A-Za-z0-9._~/-]*$/.test(target) && !/\/(?:\.{0,2}\/|\.{1,2}$)/.test(target)
  if (isPath) return target.replace(/\/$/, '')
  throw new OptionError(`option roots of sendfile() must map ${folder} to the path of a location such as '/protected', not ${JSON.stringify(target)}`)
}

function checkPath(folder: string, target: unknown): string {
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  if (typeof target !== 'string' || /[\0-\x1f\x7f]/.test(target)) {
    throw new OptionError(`option roots of sendfile() must map ${folder} to a folder of the web server, not ${JSON.stringify(target)}`)
  }
  return encodePath(resolve(target))
}
