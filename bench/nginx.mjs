// Real nginx in front of the contenders: one worker, one port per contender, the same settings for both protocols.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { accepts, freePorts } from './ports.mjs'
import { program } from './programs.mjs'

// With keep_conn off, and with `Connection: close`, it is the application that closes, after each answer.
const passes = {
  fastcgi: ({ kept, params }) => `
      include fastcgi_params;
      ${params ?? ''}
      fastcgi_keep_conn ${kept ? 'on' : 'off'};`,
  proxy: ({ kept }) => `
      proxy_http_version 1.1;
      proxy_set_header Connection "${kept ? '' : 'close'}";
      proxy_set_header Host $http_host;`,
}

// Buffers are the same for both, and nothing is written to disk: the client reads as fast as it can.
const buffers = (kind) => `
      ${kind}_buffer_size 16k;
      ${kind}_buffers 32 32k;
      ${kind}_busy_buffers_size 64k;
      ${kind}_max_temp_file_size 0;`

const keepalive = `
    keepalive 256;
    keepalive_requests 100000000;
    keepalive_timeout 600s;`

const server = ({ socket, site }, index, port) => `
  upstream application${index} {
    server unix:${socket};${site.kept ? keepalive : ''}
  }
  server {
    listen 127.0.0.1:${port};
    location / {${passes[site.pass](site)}${buffers(site.pass)}
      ${site.pass}_pass ${site.pass === 'proxy' ? 'http://' : ''}application${index};
    }
  }`

/** The main file for `server` and `upstream` blocks, `settings` being directives for all of them: one worker, no log of requests, nothing of the system's. */
export const nginxConfiguration = (folder, blocks, settings = '') => `${process.getuid() === 0 ? 'user root;' : ''}
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_max_body_size 64m;
  ${settings}
  # Towards the load, so that only the way to the application differs.
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  root /var/www/html;
${blocks.join('\n')}
}
`

/**
 * Starts nginx in front of unix sockets.
 *
 * @param applications `{ socket, site }` each; a site has `pass` ('fastcgi' or 'proxy'), `kept`, and `params`: more directives
 * @returns the ports, in the same order, and a function that stops it
 */
export async function startNginx(folder, applications) {
  mkdirSync(folder, { recursive: true })
  const ports = await freePorts(applications.length)
  const file = join(folder, 'nginx.conf')
  const binary = program('nginx')
  // The package's own fastcgi_params, found beside our configuration because nginx resolves includes there.
  writeFileSync(join(folder, 'fastcgi_params'), readFileSync('/etc/nginx/fastcgi_params'))
  const servers = applications.map((application, index) => server(application, index, ports[index]))
  writeFileSync(file, nginxConfiguration(folder, servers, 'client_body_buffer_size 512k;'))
  execFileSync(binary, ['-t', '-q', '-p', folder, '-c', file])
  const child = spawn(binary, ['-p', folder, '-c', file], { stdio: ['ignore', 'inherit', 'inherit'] })
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  await accepts({ port: ports[0], host: '127.0.0.1' }, child)
  return {
    ports,
    /** What went wrong between nginx and one application, without the request it went wrong with. */
    errorsOf(socket) {
      const lines = readFileSync(join(folder, 'error.log'), 'utf8').split('\n')
      const concerned = lines.filter((line) => line.includes(`unix:${socket}:`))
      return concerned.map((line) => `nginx: ${line.replace(/^.*?\*\d+ /, '').replace(/, client: .*/, '')}`)
    },
    async stop() {
      const exited = once(child, 'exit')
      kill()
      await exited
      process.off('exit', kill)
    },
  }
}
