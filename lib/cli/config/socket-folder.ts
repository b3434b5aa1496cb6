// Who may connect to the unix socket of an application, and the command by which the web server's user may.

import { posix } from 'node:path'
import { shellWord } from './shell-word'

/** Folders that are not one application's: `/run`, `/home/jo`, `/var/lib`. */
const OF_OTHERS = /^\/(?:[^/]*|(?:var|usr|home|dev|run\/user)\/[^/]+|run\/(?:lock|user))$/
/** Debian's units of Apache, Caddy and h2o have folders of their own in their place (PrivateTmp). */
const PRIVATE = /^\/(?:var\/)?tmp(?:\/|$)/

/**
 * Lines of a comment.
 *
 * @param path of the socket
 * @param app main file of the application
 * @param user whom the web server runs as, and the name of its group
 */
export function socketLines(path: string, app: string, user: string): string[] {
  const folder = posix.dirname(path)
  const warning = PRIVATE.test(path) ? [`A web server that systemd starts may have a ${folder} of its own (PrivateTmp) and not find it: a folder in /run is safer.`] : []
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
