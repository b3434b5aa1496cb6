// Real nginx in front of the contenders: one worker, one port per contender, the same settings for both protocols.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'

const BINARY = '/usr/sbin/nginx'
const PACKAGE = 'nginx-light'

/** Installs Debian's nginx where that is possible, and says what to do where it is not. */
export function requireNginx() {
  if (existsSync(BINARY)) return
  const isRoot = process.getuid?.() === 0
  if (!isRoot || !existsSync('/usr/bin/apt-get')) {
    const advice = `run "apt-get install ${PACKAGE}" as root (Debian, Ubuntu), or install your system's package`
    throw new Error(`the bench needs nginx at ${BINARY}: ${advice}`)
  }
  process.stderr.write(`installing ${PACKAGE} ...\n`)
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  execFileSync('apt-get', ['update'], quiet)
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', PACKAGE], quiet)
}

export function nginxVersion() {
  // nginx -v answers on its standard error.
  return execFileSync('sh', ['-c', `${BINARY} -v 2>&1`], { encoding: 'utf8' }).trim().replace('nginx version: ', '')
}

const passes = {
  fastcgi: `
      include fastcgi_params;
      fastcgi_keep_conn on;`,
  proxy: `
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;`,
}

// Buffers are the same for both, and nothing is written to disk: the client reads as fast as it can.
const buffers = (kind) => `
      ${kind}_buffer_size 16k;
      ${kind}_buffers 32 32k;
      ${kind}_busy_buffers_size 64k;
      ${kind}_max_temp_file_size 0;`

const site = ({ socket, pass }, index, port) => `
  upstream application${index} {
    server unix:${socket};
    keepalive 256;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
  }
  server {
    listen 127.0.0.1:${port};
    location / {${passes[pass]}${buffers(pass)}
      ${pass}_pass ${pass === 'proxy' ? 'http://' : ''}application${index};
    }
  }`

const configuration = (folder, sites) => `${process.getuid() === 0 ? 'user root;' : ''}
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
  client_max_body_size 16m;
  client_body_buffer_size 512k;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  root /var/www/html;
${sites.join('\n')}
}
`

/**
 * Starts nginx in front of unix sockets.
 *
 * @param applications `{ socket, pass }` each, `pass` being 'fastcgi' or 'proxy'
 * @returns the ports, in the same order, and a function that stops it
 */
export async function startNginx(folder, applications) {
  mkdirSync(folder, { recursive: true })
  const ports = await freePorts(applications.length)
  const file = join(folder, 'nginx.conf')
  // The package's own fastcgi_params, found beside our configuration because nginx resolves includes there.
  writeFileSync(join(folder, 'fastcgi_params'), readFileSync('/etc/nginx/fastcgi_params'))
  writeFileSync(file, configuration(folder, applications.map((application, index) => site(application, index, ports[index]))))
  execFileSync(BINARY, ['-t', '-q', '-p', folder, '-c', file])
  const child = spawn(BINARY, ['-p', folder, '-c', file], { stdio: ['ignore', 'inherit', 'inherit'] })
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  await accepts(ports[0], child)
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

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

async function accepts(port, child) {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1')
    const connected = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (connected) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`nginx exited with ${child.exitCode}`)
}
