// A complete h2o.conf. Tried with h2o 2.2.

import { type Configuration } from './configuration'
import { type Deployment } from './deployment'
import { preamble } from './text'

export const h2o: Configuration = {
  server: 'h2o',
  summary: 'a complete h2o.conf (fastcgi.connect)',
  files: (deployment) => [{ path: '/etc/h2o/h2o.conf', text: file(deployment) }],
}

function file(deployment: Deployment): string {
  const { listen, name, port, mount } = deployment
  return `${preamble(deployment, '/etc/h2o/h2o.conf', 'debian-h2o', 'Then: sudo systemctl reload h2o')}

user: debian-h2o
access-log: "|rotatelogs -l -f -L /var/log/h2o/access.log -p /usr/share/h2o/compress_logs /var/log/h2o/access.log.%Y-%m-%d 86400"
error-log: "|rotatelogs -l -f -L /var/log/h2o/error.log -p /usr/share/h2o/compress_logs /var/log/h2o/error.log.%Y-%m-%d 86400"
# Started by hand, it needs -m master, as Debian's units have it: the user above may not write here.
pid-file: /run/h2o.pid

listen:
  port: ${port}
# TLS:
#listen:
#  port: 443
#  ssl:
#    certificate-file: /etc/ssl/certs/${name}.pem
#    key-file: /etc/ssl/private/${name}.key

# The first host gets requests for other names too.
hosts:
  ${word(name)}:
    paths:
      ${word(mount === '' ? '/' : mount)}:
        # No file.dir besides: it would send files whose name begins with a dot, and answer 403 to folders instead of the application.
        fastcgi.connect:
${listen.kind === 'unix' ? `          port: ${word(listen.path)}
          type: unix` : `          host: ${word(listen.host)}
          port: ${listen.port}
          type: tcp`}
        # Each request makes a connection of its own. fastcgi.timeout.keepalive would keep them, but then h2o 2.2 dies
        # of an answer that comes before its request was read, such as a 413.
        # ms between two pieces of an answer; server-sent events may be silent for long, h2o's own is 30 s.
        fastcgi.timeout.io: 3600000
`
}

/** A double-quoted scalar of YAML, where JSON is the same. */
function word(text: string): string {
  return JSON.stringify(text)
}
