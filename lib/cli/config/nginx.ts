// A site for nginx: what is between `http {` and `}`, as Debian's conf.d has it. Tried with nginx 1.22.

import { type Configuration } from './configuration'
import { type Deployment, hostAndPort, type ListenAddress } from './deployment'
import { comment, identifier, preamble, quoted, staticRoot, without } from './text'

export const nginx: Configuration = {
  server: 'nginx',
  summary: 'a site for nginx (fastcgi_pass)',
  files: (deployment) => [{ path: `/etc/nginx/conf.d/${deployment.name}.conf`, text: site(deployment) }],
}

function site(deployment: Deployment): string {
  const { listen, name, port, mount } = deployment
  const upstream = identifier(deployment)
  return `${preamble(deployment, `/etc/nginx/conf.d/${name}.conf`, 'www-data', 'Then: sudo nginx -t && sudo systemctl reload nginx')}

upstream ${upstream} {
    server ${address(listen)};
    # A second process: nginx asks it when the first refuses or does not answer. What a client sent by POST is not sent twice.
    #server ${address(second(listen))};

    # Idle connections that each worker keeps: as many as it has requests with the application at once.
    keepalive 32;
}

server {
    listen ${port};
    listen [::]:${port};
    server_name ${name};

${comment(tlsReason).replace(/^/gm, '    ')}
    #listen 443 ssl http2;
    #ssl_certificate /etc/ssl/certs/${name}.pem;
    #ssl_certificate_key /etc/ssl/private/${name}.key;
    # Client certificates, for req.socket.getPeerCertificate() and req.socket.authorized:
    #ssl_client_certificate /etc/ssl/certs/${name}-clients-ca.pem;
    #ssl_verify_client optional;
    #fastcgi_param SSL_CLIENT_VERIFY $ssl_client_verify;
    #fastcgi_param SSL_CLIENT_CERT $ssl_client_escaped_cert;
    #fastcgi_param SSL_PROTOCOL $ssl_protocol;
    #fastcgi_param SSL_CIPHER $ssl_cipher;

    # Above the include, as the first one counts: Debian's fastcgi_params make it from $host, which has lost the port.
    fastcgi_param HTTP_HOST $http_host;
    include fastcgi_params;
    # Without this "keepalive" keeps nothing.
    fastcgi_keep_conn on;
    # A response head above the first is a 502; nginx's own 4k is little for many cookies.
    fastcgi_buffer_size 16k;
    fastcgi_buffers 8 16k;
    # A long answer waits in the application for its reader, not in a file.
    fastcgi_max_temp_file_size 0;
    # Server-sent events may be silent for long; nginx's own is a minute.
    fastcgi_read_timeout 1h;
    # Longer uploads are a 413; nginx's own is 1m. The limits of the application's body parsers hold besides.
    client_max_body_size 100m;

${locations(deployment, upstream)}

    # Nothing waits here: uploads and answers pass as they come. An answer can ask for its half: X-Accel-Buffering: no.
    #location ${mount}/live/ {
    #    fastcgi_request_buffering off;
    #    fastcgi_buffering off;
    #    fastcgi_pass ${upstream};
    #}

    # Files that nginx sends when the application answers with X-Accel-Redirect: /private-files/NAME; nobody else gets at them.
    #location /private-files/ {
    #    internal;
    #    alias /srv/${name}/private-files/;
    #}
}
`
}

const tlsReason = ['TLS, here or in a file of its own; req.protocol and req.secure follow from it without "trust proxy":']

function locations(deployment: Deployment, upstream: string): string {
  const { mount } = deployment
  const root = staticRoot(deployment)
  const pass = `fastcgi_pass ${upstream};`
  if (root === undefined) {
    const exact = mount === '' ? '' : `    location = ${mount} { ${pass} }\n`
    return `${exact}    location ${mount}/ { ${pass} }`
  }
  const value = quoted(without(/\$/, root, '--root', 'nginx'))
  return `    # The document root: a file there is sent by nginx, ${mount}/x.css from ${quoted(`${root}${mount}/x.css`)}. Everything else is the application's.
    root ${value};
    location ${mount === '' ? '/' : `${mount}/`} { try_files $uri @application; }
${mount === '' ? '' : `    location = ${mount} { ${pass} }\n`}    # Such as .env and .git: never as files.
    location ~ /\\. { ${mount === '' ? pass : `return 404;`} }
    location @application { ${pass} }`
}

function address(listen: ListenAddress): string {
  return listen.kind === 'unix' ? quoted(`unix:${listen.path}`) : hostAndPort(listen)
}

/** A free place beside the first, for a second process. */
function second(listen: ListenAddress): ListenAddress {
  if (listen.kind === 'tcp') return { ...listen, port: listen.port === 65_535 ? 65_534 : listen.port + 1 }
  return { kind: 'unix', path: listen.path.replace(/(\.[^./]*)?$/, '-2$1') }
}
