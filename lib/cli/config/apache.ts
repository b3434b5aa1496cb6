// A site for Apache with mod_proxy_fcgi, as Debian's sites-available has it.

import { UsageError } from '../usage-error'
import { apacheQuoted } from './apache-quoted'
import { type Configuration } from './configuration'
import { addressText, type Deployment, hostAndPort, type ListenAddress } from './deployment'
import { shellWord } from './shell'

const HTTP = 80
const HTTPS = 443
/** Where Debian has the modules. */
const MODULES = '/usr/lib/apache2/modules'

export const apache: Configuration = {
  server: 'apache',
  summary: 'a site for Apache (mod_proxy_fcgi)',
  files: (deployment) => [{ path: `/etc/apache2/sites-available/${deployment.name}.conf`, text: site(deployment) }],
}

function site(deployment: Deployment): string {
  const { listen, name, port, mount } = deployment
  const root = folder(deployment.root)
  return `# ${name}: Apache in front of an application that is served over FastCGI (mod_proxy_fcgi, Apache 2.4.34 or later).
#
# This file belongs into /etc/apache2/sites-available. Put it into use with
#   a2ensite ${name} && apachectl configtest && systemctl reload apache2
# and start the application with
#   FASTCGI_LISTEN=${shellWord(addressText(listen))} ${shellWord(deployment.node)} --import express-fastcgi/register ${shellWord(deployment.app)}
${rights(listen)}
# The same as: a2enmod proxy proxy_fcgi${port === HTTPS ? ' ssl' : ''}
${loaded('proxy')}
${loaded('proxy_fcgi')}
${listening(port)}
<VirtualHost *:${port}>
    ServerName ${name}
    DocumentRoot ${root}
${port === HTTPS ? tls(name) : ''}
    # Everything${mount === '' ? '' : ` below ${mount}`} is the application's. What Apache is to serve itself, from DocumentRoot, comes before it:
    #   ProxyPass "${mount}/static/" "!"
    # enablereuse keeps connections. flushpackets hands on at once what the application writes, such as server-sent events.
    # nocanon, with AllowEncodedSlashes, leaves the path as the client wrote it.
    ProxyPass "${mount}${mount === '' ? '/' : ''}" ${target(listen, mount)} enablereuse=on flushpackets=on nocanon
    AllowEncodedSlashes NoDecode
    # The application is not PHP-FPM, for which some variables are bent.
    ProxyFCGIBackendType GENERIC
    # Answers to HEAD keep the Content-Length of the application. Those to GET are sent in chunks: with SetEnv instead they keep it
    # too, but a client on a kept connection then takes its next answer for the rest of one that the application broke off.
    SetEnvIf Request_Method "^HEAD$" ap_trust_cgilike_cl

    <Location "${mount === '' ? '/' : mount}">
        # Without it the header Authorization stays here.
        CGIPassAuth On
    </Location>

    <Directory ${root}>
        Options -Indexes
        AllowOverride None
        Require all granted
    </Directory>
</VirtualHost>
`
}

function target(listen: ListenAddress, mount: string): string {
  if (listen.kind === 'tcp') return `"fcgi://${hostAndPort(listen)}${mount === '' ? '/' : mount}"`
  // Apache reads it as a URL, and ends it at the first of these.
  const wrong = /[|?#%]/.exec(listen.path)?.[0]
  if (wrong !== undefined) throw new UsageError(`--listen ${listen.path}: Apache cannot have ${wrong} in the path of a socket`)
  return apacheQuoted('--listen', `unix:${listen.path}|fcgi://localhost${mount === '' ? '/' : mount}`)
}

function folder(root: string): string {
  const wrong = /[*?[\]]/.exec(root)?.[0]
  if (wrong !== undefined) throw new UsageError(`--root ${root}: Apache takes ${wrong} in the name of a folder for a pattern`)
  return apacheQuoted('--root', root)
}

function rights(listen: ListenAddress): string {
  if (listen.kind === 'tcp') return ''
  return `# as a user whose group is www-data, or with that group for the folder of the socket and \`chmod g+s\`: Apache's own user has
# to write to the socket, whose mode is 0660. A 503 with "Permission denied" and AH02454 in the error log says that it may not.
`
}

function loaded(module: string, more = ''): string {
  const file = `${MODULES}/mod_${module}.so`
  return `<IfModule !${module}_module>
    <IfFile "${file}">
        LoadModule ${module}_module ${file}
    </IfFile>${more}
</IfModule>`
}

function listening(port: number): string {
  if (port === HTTP) return ''
  // Debian's ports.conf has it where ssl is enabled.
  if (port === HTTPS) return `${loaded('socache_shmcb')}\n${loaded('ssl', `\n    Listen ${port}`)}\n`
  return `Listen ${port}\n`
}

function tls(name: string): string {
  return `
    # As certbot leaves them.
    SSLEngine on
    SSLCertificateFile "/etc/letsencrypt/live/${name}/fullchain.pem"
    SSLCertificateKeyFile "/etc/letsencrypt/live/${name}/privkey.pem"
    # For getProtocol(), getCipher() and getPeerCertificate() of req.socket.
    SSLOptions +StdEnvVars +ExportCertData
    # Client certificates, signed by an authority of yours:
    #SSLVerifyClient optional
    #SSLCACertificateFile "/etc/ssl/certs/${name}-clients.pem"
`
}
