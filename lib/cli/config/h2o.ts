// A complete h2o.conf. Tried with h2o 2.2.

import { type Configuration } from './configuration'
import { type Deployment } from './deployment'
import { preamble, staticRoot } from './text'

export const h2o: Configuration = {
  server: 'h2o',
  summary: 'a complete h2o.conf (fastcgi.connect)',
  files: (deployment) => [{ path: '/etc/h2o/h2o.conf', text: file(deployment) }],
}

function file(deployment: Deployment): string {
  const { listen, name, port, mount } = deployment
  const root = staticRoot(deployment)
  const files = root === undefined ? '' : `        # A file that is there is sent by h2o; everything else is the application's.
        file.dir: ${word(root + mount)}
        file.index: []
`
  return `${preamble(deployment, '/etc/h2o/h2o.conf', 'debian-h2o', 'Then: sudo systemctl reload h2o')}

user: debian-h2o
access-log: "|rotatelogs -l -f -L /var/log/h2o/access.log -p /usr/share/h2o/compress_logs /var/log/h2o/access.log.%Y-%m-%d 86400"
error-log: "|rotatelogs -l -f -L /var/log/h2o/error.log -p /usr/share/h2o/compress_logs /var/log/h2o/error.log.%Y-%m-%d 86400"
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
${files}        fastcgi.connect:
${listen.kind === 'unix' ? `          port: ${word(listen.path)}
          type: unix` : `          host: ${word(listen.host)}
          port: ${listen.port}
          type: tcp`}
        # ms that an idle connection is kept for the next request; without it each request makes one of its own.
        fastcgi.timeout.keepalive: 60000
        # ms between two pieces of an answer; server-sent events may be silent for long, h2o's own is 30 s.
        fastcgi.timeout.io: 3600000
`
}

/** A double-quoted scalar of YAML, where JSON is the same. */
function word(text: string): string {
  return JSON.stringify(text)
}
