// lighttpd with the application behind mod_fastcgi: started by somebody else, or by lighttpd itself.

import { type Configuration } from './configuration'
import { addressText, DEFAULT_LISTEN, type Deployment, type ListenAddress } from './deployment'
import { startScript } from './start-script'
import { comment, preamble, staticRoot, without } from './text'

/** Where Debian's package reads it. */
const PATH = '/etc/lighttpd/lighttpd.conf'
const RELOAD = `Then: sudo lighttpd -tt -f ${PATH} && sudo systemctl restart lighttpd`

export const lighttpd: Configuration = {
  server: 'lighttpd',
  summary: 'lighttpd (mod_fastcgi)',
  files: (deployment) => [{ path: PATH, text: configuration(deployment, external(deployment)) }],
}

export const lighttpdSpawn: Configuration = {
  server: 'lighttpd-spawn',
  summary: 'lighttpd that starts the application itself (bin-path)',
  files(deployment) {
    const script = startScript(deployment, `/usr/local/bin/${deployment.name}.fcgi`)
    return [{ path: PATH, text: configuration(deployment, spawned(deployment, script.path)) }, script]
  },
}

/** What differs between the two ways to start the application. */
interface Start {
  /** The comment at the top. */
  readonly about: string
  /** Lines inside the host entry of `fastcgi.server`. */
  readonly host: string
  /** Lines about logs, each with its line end. */
  readonly logs: string
}

function external(deployment: Deployment): Start {
  return { about: preamble(deployment, PATH, 'www-data', RELOAD), host: address(deployment.listen), logs: '' }
}

function spawned(deployment: Deployment, script: string): Start {
  // Spawned as www-data, which may make a socket in Debian's folder of lighttpd and not in the usual default.
  const isDefault = addressText(deployment.listen) === DEFAULT_LISTEN
  const listen: ListenAddress = isDefault ? { kind: 'unix', path: `/run/lighttpd/${deployment.name}.socket` } : deployment.listen
  const counted = listen.kind === 'unix' ? 'Each process has a socket of its own: -0, -1, ... is added to this path.' : 'Each process has a port of its own, from this one upwards.'
  return {
    about: comment([
      `${PATH}: ${deployment.name}${deployment.mount}, an Express application over FastCGI.`,
      RELOAD,
      '',
      `lighttpd starts the application as www-data, by ${script}, the second file; mind its mode 0755.`,
      'Its standard output goes nowhere; what it writes to standard error, such as why it does not start, is in /var/log/lighttpd/breakage.log.',
    ]),
    // Where lighttpd goes to the background by itself its standard error is /dev/null, and so is that of what it starts. The error
    // log's own path would mean nothing here.
    logs: `# Standard error of lighttpd, and of the application that it starts.
server.breakagelog = "/var/log/lighttpd/breakage.log"
`,
    host: `        "bin-path" => ${text(script)},
        # ${counted}
${address(listen)}
        # node serves many requests at once; each process has its own memory, sessions and caches.
        "max-procs" => 1,
        "bin-environment" => ( "NODE_ENV" => "production" ),
        # Everything else in lighttpd's environment is handed on, unless it is limited to some names:
        #"bin-copy-environment" => ( "PATH", "HOME", "LANG", "TZ" ),`,
  }
}

function address(listen: ListenAddress): string {
  if (listen.kind === 'unix') return `        "socket" => ${text(listen.path)},`
  return `        "host" => "${listen.host}", "port" => ${listen.port},`
}

function configuration(deployment: Deployment, { about, host, logs }: Start): string {
  const { name, port, root, mount } = deployment
  // Only with a prefix is there anything else than the application, and only files that were asked for.
  const hasFiles = mount !== '' && staticRoot(deployment) !== undefined
  return `${about}
#
# This is the whole file of Debian's package, in place of the one that is there.

server.modules = ( ${hasFiles ? '"mod_indexfile", "mod_fastcgi", "mod_staticfile"' : '"mod_fastcgi"'} )
# No others by default: mod_staticfile would hand out what is in the document root.
server.compat-module-load = "disable"

server.port = ${port}
server.document-root = ${text(root)}
server.username = "www-data"
server.groupname = "www-data"
server.errorlog = "/var/log/lighttpd/error.log"
${logs}server.pid-file = "/run/lighttpd.pid"
server.upload-dirs = ( "/var/cache/lighttpd/uploads" )
${hasFiles ? 'index-file.names = ( "index.html" )\n' : ''}# The port on IPv6 as well, and the types of static files: scripts of Debian's package.
include_shell "/usr/share/lighttpd/use-ipv6.pl " + server.port
include_shell "/usr/share/lighttpd/create-mime.conf.pl"

# A graceful restart or stop gives running requests this many seconds; without it, it waits for the last one, however long.
server.feature-flags += ( "server.graceful-shutdown-timeout" => 30 )

# With TLS, browsers would ask for WebSockets over HTTP/2, which lighttpd cannot pass on.
#server.feature-flags += ( "server.h2proto" => "disable" )

# As much of a head as node itself takes, and GET with a body.
server.max-request-field-size = 16384
server.http-parseopts += ( "method-get-body" => "enable" )

# Answers reach the client as they are made, and a slow client slows the application down instead of filling the disk.
server.stream-response-body = 2
# Uploads are collected first. With 1 or 2 the application gets them as they come, but those without a Content-Length
# (Transfer-Encoding: chunked) are refused with 411.
server.stream-request-body = 0

${mounted(name, mount, host, root, hasFiles)}
`
}

function mounted(name: string, mount: string, host: string, root: string, hasFiles: boolean): string {
  const server = `fastcgi.server = (
    ${text(mount === '' ? '/' : mount)} => ((
${host}
        # Every path goes to the application, whether or not there is a file of that name.
        "check-local" => "disable",${
          mount === ''
            ? `
        # PATH_INFO is the whole path.
        "fix-root-scriptname" => "enable",`
            : ''
        }
        # X-Sendfile: /path in an answer has lighttpd send that file, from this folder only.
        "x-sendfile" => "enable",
        "x-sendfile-docroot" => ( ${text(root)} ),
        # WebSocket, with lighttpd 1.4.74 and later; to earlier ones this means nothing.
        "upgrade" => "enable",
    )),
    # Several applications share the requests when this list has several entries:
    # ${text(mount === '' ? '/' : mount)} => (( "host" => "10.0.0.1", ... ), ( "host" => "10.0.0.2", ... ))
)
# Among several the one with the fewest requests under way is asked, which is the first as long as all are idle; or one after the other:
#fastcgi.balance = "round-robin"`
  if (mount === '') return `# For one site among several put this into  $HTTP["host"] == "${name}" { ... }\n${server}`
  // A key of fastcgi.server is a prefix of any kind: "/shop" is that of "/shopping" as well.
  return `# The condition keeps ${mount}2 away, which begins with ${mount} too. Everything else is ${hasFiles ? 'a file of the document root' : 'refused; --root FOLDER has lighttpd send files from there'}.
$HTTP["url"] =~ "^${mount.replaceAll('.', '[.]')}(?:/|$)" {
${server}
}`
}

/** A text of the configuration. */
function text(value: string): string {
  // lighttpd 1.4.69 takes two backslashes for one or for two, depending on what follows.
  return `"${without(/\\/, value, 'the path', 'lighttpd').replaceAll('"', String.raw`\"`)}"`
}
