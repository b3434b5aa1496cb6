// What the configurations have in common: the words at their top, and values in the languages they are written in.

import { dirname, posix } from 'node:path'
import { UsageError } from '../usage-error'
import { addressText, type Deployment } from './deployment'
import { isInside } from './inside'

/**
 * The comment at the top of a configuration.
 *
 * @param file where it belongs
 * @param user whom the web server runs as on Debian
 * @param reload the command that has the web server read it
 */
export function preamble(deployment: Deployment, file: string, user: string, reload: string): string {
  return comment(['', `${file}: ${deployment.name}${deployment.mount}, an Express application over FastCGI.`, reload, '', ...startLines(deployment, user), ''].slice(1, -1))
}

/** How the application is started, so that this configuration finds it. */
function startLines({ listen, mount, node, app }: Deployment, user: string): string[] {
  const variables = [`FASTCGI_LISTEN=${shellWord(addressText(listen))}`, ...(mount === '' ? [] : [`FASTCGI_MOUNT=${shellWord(mount)}`])]
  const lines = [
    'Start the application, with express-fastcgi installed in its folder:',
    `  cd ${shellWord(dirname(app))} && ${variables.join(' ')} ${shellWord(node)} --import express-fastcgi/register ${shellWord(app)}`,
  ]
  if (mount !== '') lines.push(`FASTCGI_MOUNT takes ${mount} off req.url and puts it into req.baseUrl, as app.use('${mount}', ...) would.`)
  if (listen.kind === 'tcp') return [...lines, 'Whoever reaches that port can claim to be any client: let only this machine, or this web server, reach it.']
  return [...lines, ...socketLines(listen.path, app, user)]
}

/** Folders that are not one application's: `/run`, `/home/jo`, `/var/lib`. */
const OF_OTHERS = /^\/(?:[^/]*|(?:var|usr|home|dev|run\/user)\/[^/]+|run\/(?:lock|user))$/
/** Debian's units of Apache, Caddy and h2o have folders of their own in their place (PrivateTmp). */
const PRIVATE = /^\/(?:var\/)?tmp(?=\/)/

/**
 * Lines of a comment.
 *
 * @param path of the socket
 * @param app main file of the application
 * @param user whom the web server runs as, and the name of its group
 */
function socketLines(path: string, app: string, user: string): string[] {
  const folder = posix.dirname(path)
  const [tmp] = PRIVATE.exec(path) ?? []
  const warning = tmp === undefined ? [] : [`A web server that systemd starts may have a ${tmp} of its own (PrivateTmp) and not find it: a folder in /run is safer.`]
  // `install` would take a folder with other things in it away from its owner.
  if (OF_OTHERS.test(folder) || app.startsWith(`${folder}/`)) {
    return [
      `The socket has the mode 0660. So that ${user} may connect, after each start of the application:`,
      `  sudo chgrp ${user} ${shellWord(path)}`,
      'A folder for the socket alone, as in --listen /run/express-fastcgi/app.sock, does without.',
      ...warning,
    ]
  }
  return [
    `The socket has the mode 0660 and the group of its folder, if that has the set-group-ID bit. So that ${user} may connect, once (/run is empty after a restart):`,
    `  sudo install -d -o "$USER" -g ${user} -m 2750 ${shellWord(folder)}`,
    ...warning,
  ]
}

/** Lines as a comment of any of these languages. */
export function comment(lines: readonly string[]): string {
  return lines.map((line) => (line === '' ? '#' : `# ${line}`)).join('\n')
}

/** A word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w/.:,@%+=~[\]-]+$/.test(text) && !text.startsWith('~') ? text : singleQuoted(text)
}

/** Nothing in it has a meaning, and a quote is written outside of it: in a POSIX shell, and for HAProxy. */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** As in C and JSON, with backslashes before backslashes and quotes; only where that is needed. */
export function quoted(text: string): string {
  return /^[\w/.:@%+=~-]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`
}

/**
 * Refuses what the language of a configuration has no way to write.
 *
 * @throws {UsageError} naming the value and the text
 */
export function without(pattern: RegExp, value: string, what: string, server: string): string {
  const found = pattern.exec(value)
  if (found === null) return value
  throw new UsageError(`${what} ${JSON.stringify(value)}: a configuration for ${server} has no way to write ${JSON.stringify(found[0])} there`)
}

/**
 * The folder whose files the web server serves by itself, when one was asked for.
 *
 * @throws {UsageError} when the application is in it, since everybody could then read its source
 */
export function staticRoot({ root, serveRoot, app }: Deployment): string | undefined {
  if (!serveRoot) return undefined
  if (isInside(app, root)) {
    throw new UsageError(`--root ${root}: the application ${app} is in it, and everybody could read its source; put the static files into a folder of their own`)
  }
  return root
}

/** A name in which only letters, digits and underscores are, made from the site's. */
export function identifier({ name, mount }: Deployment): string {
  return `${name}${mount}`.replace(/[^A-Za-z0-9]/g, '_')
}
