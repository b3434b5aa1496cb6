// A site for Apache with mod_proxy_fcgi, as Debian's sites-available has it.

import { type Configuration } from './configuration'
import { type Deployment, hostAndPort, type ListenAddress } from './deployment'
import { comment, preamble, staticRoot, without } from './text'

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
  const root = staticRoot(deployment)
  const file = `/etc/apache2/sites-available/${name}.conf`
  return `${preamble(deployment, file, 'www-data', `Then: sudo a2ensite ${name} && sudo apachectl configtest && sudo systemctl reload apache2`)}
${listen.kind === 'unix' ? comment(['A 503 here, with "Permission denied" and AH02454 in the error log, says that Apache may not connect to the socket.']) : '#'}

# The same as: sudo a2enmod proxy proxy_fcgi${port === HTTPS ? ' ssl' : ''}
${loaded('proxy')}
${loaded('proxy_fcgi')}
${listening(port)}
<VirtualHost *:${port}>
    ServerName ${name}
${port === HTTPS ? tls(name) : ''}
${root === undefined ? '' : documentRoot(root, mount)}    # Everything${mount === '' ? '' : ` below ${mount}`} is the application's.
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
</VirtualHost>
`
}

function documentRoot(root: string, mount: string): string {
  const quoted = quotedArgument(without(/[*?[\]]/, root, '--root', 'Apache'), '--root')
  return `    DocumentRoot ${quoted}
    <Directory ${quoted}>
        Options -Indexes
        AllowOverride None
        Require all granted
    </Directory>
    # What Apache is to serve from there, under a path of the application's; any number of such lines:
    #ProxyPass "${mount}/static/" "!"

`
}

function target(listen: ListenAddress, mount: string): string {
  if (listen.kind === 'tcp') return `"fcgi://${hostAndPort(listen)}${mount === '' ? '/' : mount}"`
  // Apache reads it as a URL, and ends it at the first of these.
  const path = without(/[|?#%]/, listen.path, '--listen', 'Apache')
  return quotedArgument(`unix:${path}|fcgi://localhost${mount === '' ? '/' : mount}`, '--listen')
}

/** One argument of a directive. Behind these two characters Apache looks for a variable, and nothing prevents it. */
function quotedArgument(text: string, option: string): string {
  return `"${without(/\$\{/, text, option, 'Apache').replace(/["\\]/g, String.raw`\$&`)}"`
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
