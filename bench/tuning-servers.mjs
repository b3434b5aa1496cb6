// Real web servers in front of the same application, one front for each variant of their configuration. Text only: nothing is started here.
// A variant has `address` (a unix socket or a TCP port), `transport` to say which, `port` to listen on, and pieces of configuration.
import { readFileSync } from 'node:fs'
import { nginxConfiguration } from './nginx.mjs'

const nginx = {
  start: (file, folder) => ['-p', folder, '-c', file],
  configuration: (folder, variants) => nginxConfiguration(folder, variants.map(nginxFront)),
}

function nginxFront({ port, transport, address, upstream = '', location = '', params = readFileSync('/etc/nginx/fastcgi_params', 'latin1') }, index) {
  return `
  upstream application${index} { server ${transport === 'tcp' ? `127.0.0.1:${address}` : `unix:${address}`}; ${upstream} }
  server {
    listen 127.0.0.1:${port};
    location / {
${params}
      ${location}
      fastcgi_pass application${index};
    }
  }`
}

// One thread, because connections to the application are kept per thread. Without http-no-delay small answers wait for company.
const haproxy = {
  start: (file) => ['-q', '-db', '-f', file],
  configuration: (folder, variants) => `
global
  nbthread 1
  maxconn 1000
  ${variants[0].global ?? ''}
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option http-no-delay
${variants.map((variant, index) => haproxyFront(variant, index, folder)).join('')}`,
}

const haproxyFront = ({ port, transport, address, app = '', backend = '', server = '' }, index, folder) => `
fcgi-app app${index}
  docroot ${folder}
  ${app}
frontend front${index}
  bind 127.0.0.1:${port}
  default_backend back${index}
backend back${index}
  use-fcgi-app app${index}
  ${backend}
  server application ${transport === 'tcp' ? `127.0.0.1:${address}` : `unix@${address}`} proto fcgi ${server}
`

const APACHE_MODULES = ['mpm_event', 'authz_core', 'proxy', 'proxy_fcgi']

// One process with a thread for each connection of the load and to spare: connections to the application are kept per process.
const apache = {
  start: (file, folder) => ['-d', folder, '-f', file, '-DFOREGROUND'],
  configuration: (folder, variants) => `
${APACHE_MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
DefaultRuntimeDir ${folder}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
ServerName localhost
${process.getuid() === 0 ? 'User www-data\nGroup www-data' : ''}
StartServers 1
ServerLimit 1
ThreadsPerChild 64
ThreadLimit 64
MaxRequestWorkers 64
MaxKeepAliveRequests 0
KeepAliveTimeout 600
${variants.map(apacheFront).join('')}`,
}

// The host behind `|` is only a name, and one of its own for each, because Apache shares what is known of equal ones.
const apacheFront = ({ port, transport, address, pass = '' }, index) => `
Listen 127.0.0.1:${port}
<VirtualHost 127.0.0.1:${port}>
  ProxyPass / ${transport === 'tcp' ? `fcgi://127.0.0.1:${address}` : `unix:${address}|fcgi://application${index}`}/ ${pass}
</VirtualHost>
`

/** By the name of their binary: the configuration of all variants, and the arguments that start it in the foreground. */
export const SERVERS = { nginx, haproxy, apache2: apache }
