// A pair of units for systemd: a socket that is always there, and the application that gets it.

import { isIP } from 'node:net'
import { posix } from 'node:path'
import { UsageError } from '../usage-error'
import { type Configuration } from './configuration'
import { type Deployment, hostAndPort, type ListenAddress } from './deployment'

export const systemd: Configuration = {
  server: 'systemd',
  summary: 'units that listen and start the application (socket activation)',
  files: (deployment) => [
    { path: `/etc/systemd/system/${deployment.name}.service`, text: service(deployment) },
    { path: `/etc/systemd/system/${deployment.name}.socket`, text: socket(deployment) },
  ],
}

function socket({ name, listen }: Deployment): string {
  return `# The address of ${name}'s application. systemd listens there; the service of the same name gets the listening socket.
# Requests that come while the application starts or restarts wait here, and none is refused.
#   systemctl daemon-reload && systemctl enable --now ${name}.socket
# Web server:  express-fastcgi config nginx --listen ...

[Unit]
Description=FastCGI address of ${name}

[Socket]
${listen.kind === 'unix' ? unixSocket(listen.path) : tcpSocket(listen)}
[Install]
WantedBy=sockets.target
`
}

function unixSocket(path: string): string {
  return `ListenStream=${value('--listen', path)}
# The user of the web server, as Debian calls it, and nobody else.
SocketUser=www-data
SocketGroup=www-data
SocketMode=0660
RemoveOnStop=yes
`
}

function tcpSocket(listen: Extract<ListenAddress, { kind: 'tcp' }>): string {
  if (isIP(listen.host) === 0) throw new UsageError(`--listen ${hostAndPort(listen)}: systemd listens on addresses, not on names; 127.0.0.1:${listen.port} is this machine`)
  return `ListenStream=${hostAndPort(listen)}
`
}

function service({ name, app, node, listen, mount }: Deployment): string {
  if (/^(?:\/var)?\/tmp\//.test(app)) throw new UsageError(`--app ${app}: the unit gives the application a /tmp of its own, where this is not; use another folder`)
  return `# ${name}'s application: started by the first request, or at boot after  systemctl enable ${name}.service
# Its log:  journalctl -u ${name}.service

[Unit]
Description=Application of ${name} (FastCGI)
Requires=${name}.socket
After=${name}.socket network.target
# A broken application is tried again for ever, and works as soon as it is mended.
StartLimitIntervalSec=0

[Service]
Type=exec
# Readable by everybody, as the user below is nobody's: a node of nvm in somebody's home folder is not.
ExecStart=${program(node)} --import express-fastcgi/register ${argument(app)}
# Also where node looks for express-fastcgi.
WorkingDirectory=${value('--app', posix.dirname(app))}
Environment=NODE_ENV=production
${mount === '' ? '' : `# Taken off the path of every request: the application has its routes at /.\nEnvironment=FASTCGI_MOUNT=${mount}\n`}${listen.kind === 'tcp' ? openPort(listen) : ''}# The next one can start at once: the address stays with systemd.
Restart=always
RestartSec=1
# SIGTERM has express-fastcgi/register finish what is running, for 10 s at the most. An application that listens to it has this time.
KillMode=mixed
TimeoutStopSec=30

# A user that exists only while the application runs. It can read what everybody can, and write to its StateDirectory
# (/var/lib/${name}, in the environment as STATE_DIRECTORY) and to /tmp, which is its own. For a user of your own: User=NAME in its place.
DynamicUser=yes
StateDirectory=${name}
UMask=0077

# MemoryDenyWriteExecute= must not be set: node compiles JavaScript to machine code while it runs.
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
# With "yes" an application below /home would not be found.
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
# NETLINK is what os.networkInterfaces() uses.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`
}

function openPort({ host }: Extract<ListenAddress, { kind: 'tcp' }>): string {
  if (host.startsWith('127.') || host === '::1') return ''
  return `# Whoever reaches the port can claim to be any client: the addresses of the web servers, which nobody else has.
#Environment=FCGI_WEB_SERVER_ADDRS=10.0.0.5,10.0.0.6
`
}

/** The program of ExecStart=, whose name systemd takes without these characters only. */
function program(path: string): string {
  if (/["'\\]/.test(path)) throw new UsageError(`--node ${path}: systemd does not start a program by a name with quotes or backslashes`)
  return `"${path.replaceAll('%', '%%')}"`
}

function argument(path: string): string {
  if (/^[\w./@+-]+$/.test(path)) return path
  return `"${path.replace(/["\\]/g, String.raw`\$&`).replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}

/** The rest of a line, which has no quotes. */
function value(option: string, path: string): string {
  if (/^\s|[\s\\]$/.test(path)) throw new UsageError(`${option} ${path}: a line of a unit cannot end with a blank or a backslash`)
  return path.replaceAll('%', '%%')
}
