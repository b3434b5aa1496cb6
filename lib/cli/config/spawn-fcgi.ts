// spawn-fcgi: opens the socket and starts the application on it; with multiwatch several of it, watched.

import { posix } from 'node:path'
import { isIP } from 'node:net'
import { UsageError } from '../usage-error'
import { type Configuration } from './configuration'
import { type Deployment, hostAndPort } from './deployment'
import { type StartOptions, startScript } from './start-script'
import { shellWord } from './text'

export const spawnFcgi: Configuration = {
  server: 'spawn-fcgi',
  summary: 'a script that starts the application by spawn-fcgi',
  files(deployment) {
    const { name } = deployment
    return files(deployment, {
      about: `# Starts the application of ${name} in the background: run it as root, at boot or by hand.
# Stop it:  kill "$(cat /run/${name}.pid)"
# Nobody starts it again when it ends: express-fastcgi config multiwatch, or config systemd, does.
# What it prints is lost, as spawn-fcgi gives it /dev/null: have it log to a file.`,
      options: `-P ${shellWord(`/run/${name}.pid.new`)}`,
      program: shellWord(applicationPath(name)),
      // spawn-fcgi empties its pid file before it finds that the socket is in use.
      after: `# Only now: of a second start, which is refused, nothing is to be left.
mv ${shellWord(`/run/${name}.pid.new`)} ${shellWord(`/run/${name}.pid`)}
`,
    })
  },
}

export const multiwatch: Configuration = {
  server: 'multiwatch',
  summary: 'a script that keeps several processes of the application running',
  files(deployment) {
    const { name } = deployment
    return files(deployment, {
      about: `# Starts processes of the application of ${name} that share one socket, and starts them again when they end.
# It stays in the foreground, as a service of runit, daemontools or systemd (Type=exec) does; stop it with SIGTERM.
# A process that fails three times within ten seconds of its start is given up; with the last one multiwatch ends.`,
      options: '-n',
      // spawn-fcgi does not look for programs in PATH.
      setting: `
multiwatch=$(command -v multiwatch) || { echo 'multiwatch is not installed (Debian: multiwatch)' >&2; exit 127; }
`,
      program: `"$multiwatch" -f "\${PROCESSES:-2}" -- ${shellWord(applicationPath(name))}`,
      run: asStoppedBySignals,
    })
  },
}

// multiwatch 1.0.0 stops its children by SIGUSR1, at which node starts its debugger. With -s it sends another signal than the one
// named: TERM is SIGQUIT, QUIT is SIGINT, and nothing is SIGTERM.
function asStoppedBySignals(command: string): string {
  return `# multiwatch sends SIGUSR1 to stop it, by which node would start its debugger, and never SIGTERM: this shell stays, and passes it on.
pid=
trap 'test -n "$pid" || exit 0; kill -TERM "$pid" 2>/dev/null' HUP INT QUIT TERM USR1
# What is started by & has no standard input unless told.
exec 3<&0
${command} <&3 3<&- &
pid=$!
# A signal ends the wait, not the application.
while kill -0 "$pid" 2>/dev/null; do
    wait "$pid"
    status=$?
done
exit "$status"
`
}

interface Variant {
  readonly about: string
  readonly options: string
  /** Lines before the last, each with its line end. */
  readonly setting?: string
  /** Lines that follow; with none the script becomes what it starts. */
  readonly after?: string
  /** See startScript. */
  readonly run?: StartOptions['run']
  /** What is started on the socket, as words of a shell command. */
  readonly program: string
}

function applicationPath(name: string): string {
  return `/usr/local/bin/${name}.fcgi`
}

function files(deployment: Deployment, variant: Variant): ReturnType<Configuration['files']> {
  return [
    { path: `/usr/local/sbin/${deployment.name}.sh`, mode: 0o755, text: starter(deployment, variant) },
    startScript(deployment, applicationPath(deployment.name), { run: variant.run }),
  ]
}

function starter({ listen }: Deployment, { about, options, setting = '', program, after = '' }: Variant): string {
  const command = after === '' ? 'exec spawn-fcgi' : 'spawn-fcgi'
  if (listen.kind === 'tcp') {
    if (isIP(listen.host) === 0) throw new UsageError(`--listen ${hostAndPort(listen)}: spawn-fcgi listens on addresses, not on names; 127.0.0.1:${listen.port} is this machine`)
    return `#!/bin/sh
${about}
set -eu
${setting}
# -u, -g: the user that the application runs as; only root can give one, and for others they mean nothing.
${command} -a ${shellWord(listen.host)} -p ${listen.port} -u www-data -g www-data ${options} -- \\
    ${program}
${after}`
  }
  const folder = shellWord(posix.dirname(listen.path))
  return `#!/bin/sh
${about}
set -eu
${setting}
# /run is empty after a boot.
mkdir -p -m 0755 ${folder}

# -M: rights of the socket. Its owner and the user that the application runs as can be given by root only:
# -U and -G are who may connect, the web server's user; -u and -g are the application's own.
users=
if [ "$(id -u)" = 0 ]; then users='-U www-data -G www-data -u www-data -g www-data'; fi
${command} -s ${shellWord(listen.path)} -M 0660 $users ${options} -- \\
    ${program}
${after}`
}
