// A complete haproxy.cfg. Tried with HAProxy 2.6.

import { type Configuration } from './configuration'
import { type Deployment, hostAndPort } from './deployment'
import { identifier, preamble, singleQuoted, without } from './text'

export const haproxy: Configuration = {
  server: 'haproxy',
  summary: 'a complete haproxy.cfg (fcgi-app, requests share connections)',
  files: (deployment) => [{ path: '/etc/haproxy/haproxy.cfg', text: file(deployment) }],
}

function file(deployment: Deployment): string {
  const { listen, port, root, mount } = deployment
  const application = identifier(deployment)
  const isUnix = listen.kind === 'unix'
  // In an address a dollar begins a variable of the environment, quotes or not.
  const address = isUnix ? word(`unix@${without(/\$/, listen.path, '--listen', 'HAProxy')}`) : hostAndPort(listen)
  return `${preamble(deployment, '/etc/haproxy/haproxy.cfg', 'haproxy', 'Then: sudo systemctl reload haproxy. HAProxy serves no files: static ones are the application\'s affair here.')}

global
    log /dev/log local0
    log /dev/log local1 notice
${isUnix ? '    # No chroot, which Debian has here: the socket of the application would be looked for inside of it.\n' : '    chroot /var/lib/haproxy\n'}    stats socket /run/haproxy/admin.sock mode 660 level admin
    stats timeout 30s
    user haproxy
    group haproxy
    daemon
    # Above max-reqs times the size of a request with all its headers: beyond that HAProxy 2.6 answers 500 by itself.
    # It also bounds the head of a request and of a response.
    tune.bufsize 65536

defaults
    log global
    mode http
    option httplog
    option dontlognull
    timeout connect 5s
    timeout client 1m
    # The time between two pieces of an answer; server-sent events may be silent for long.
    timeout server 1h
    # Without it small pieces of an answer wait for more, up to 400 ms.
    option http-no-delay

frontend site
    bind :${port}
    #bind :::${port} v6only
    #bind :443 ssl crt /etc/haproxy/${deployment.name}.pem alpn h2,http/1.1
${mount === '' ? `    default_backend ${application}` : `    use_backend ${application} if { path ${mount} } || { path_beg ${mount}/ }`}

backend ${application}
    use-fcgi-app ${application}
    # Without it requests do not share a connection, whatever the options below say.
    http-reuse always
    # Every two seconds, through the application: any answer below 500 is well, so a 404 is, too. Without these lines HAProxy would only connect.
    option httpchk GET ${mount}/
    http-check expect status 200-499
    server application-1 ${address} proto fcgi check
    # Further ones share the requests. One that fails three checks in a row gets none until it has passed two; without any HAProxy answers 503.
    #server application-2 10.0.0.2:9000 proto fcgi check

fcgi-app ${application}
    # A must for HAProxy; the application does not use it.
    docroot ${word(root)}
    # Otherwise HAProxy keeps Authorization to itself.
    pass-header authorization
    # What the application writes to FCGI_STDERR goes into the log.
    log-stderr global
    option keep-conn
    # Asks the application how many requests may share a connection, and lets them.
    option get-values
    option mpxs-conns
    option max-reqs 16
`
}

function word(text: string): string {
  return /^[\w/.:@%+=~-]+$/.test(text) ? text : singleQuoted(text)
}
