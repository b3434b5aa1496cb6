// A bridge for web servers that have plain CGI only: each request starts a small program that hands it to the application,
// which stays.

import { posix } from 'node:path'
import { UsageError } from '../usage-error'
import { type Configuration } from './configuration'
import { addressText, DEFAULT_LISTEN, type Deployment } from './deployment'
import { startScript } from './start-script'
import { shellWord } from './text'

export const cgi: Configuration = {
  server: 'cgi',
  summary: 'a CGI script for hosts without FastCGI (cgi-fcgi of libfcgi)',
  files(deployment) {
    const folder = posix.dirname(deployment.app)
    const starter = posix.join(folder, 'app.fcgi')
    const setting = `echo $$ >${shellWord(pidFile(folder))}
# cgi-fcgi closes standard output and error; a log is what explains an answer 500.
exec >>${shellWord(posix.join(folder, 'app.log'))} 2>&1
`
    return [
      { path: 'app.cgi', mode: 0o755, text: bridge(socketPath(deployment, folder), starter, pidFile(folder)) },
      startScript(deployment, starter, { setting }),
    ]
  },
}

function socketPath({ listen }: Deployment, folder: string): string {
  if (listen.kind === 'tcp') throw new UsageError('--listen: behind CGI use a path; a port of a shared machine is open to everybody on it')
  // Nobody on such a host may write to /run.
  return addressText(listen) === DEFAULT_LISTEN ? posix.join(folder, 'app.sock') : listen.path
}

function pidFile(folder: string): string {
  return posix.join(folder, 'app.pid')
}

function bridge(socket: string, starter: string, pid: string): string {
  return `#!/bin/sh
# Put this where the web server runs CGI scripts, such as cgi-bin, with mode 0755; the second file stays where its path says.
# The first request starts the application; it stays, and serves the others. After an update of it:
#   kill "$(cat ${shellWord(pid)})"
# Needs cgi-fcgi (Debian: libfcgi-bin) and flock (util-linux).

# Whoever can connect to the socket can claim to be any client: it is this user's alone.
umask 077
socket=${shellWord(socket)}

# Of requests that come at the same time one starts the application, and the others wait for it.
exec 9>>"$socket.starting" 8>>"$socket.running"
flock 9
# The application has 8 open, and with it this lock, until it ends in whatever way.
if flock -n 8; then
    # Of the environment only this: the rest is about one request and made by a client, its HTTP_PROXY too.
    # FASTCGI_SCRIPT is what the URL of this script is told by, which is taken off the path of every request.
    env -i PATH="$PATH" HOME="\${HOME:-/}" LANG="\${LANG:-C.UTF-8}" FASTCGI_SCRIPT="\${SCRIPT_FILENAME:-$0}" \\
        cgi-fcgi -start -connect "$socket" ${shellWord(starter)} 9>&-
fi
exec 8>&- 9>&-

exec cgi-fcgi -bind -connect "$socket"
`
}
