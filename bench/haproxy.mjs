// Real HAProxy in front of FastCGI applications, the one web server that sends several requests over one connection.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { accepts, freePorts } from './ports.mjs'
import { program } from './programs.mjs'

// One thread, because connections to the application are kept per thread. Without http-no-delay small answers wait for company.
const GENERAL = `
global
  nbthread 1
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option http-no-delay
`

// max-reqs: once the requests of a connection that wait to be sent exceed tune.bufsize, 16 kB, HAProxy 2.6 answers some with its own 500:
// where the headers of one still fit into its output buffer and its own variables do not, it gives up instead of taking another.
// 'http-reuse always' on both sides: without it every request that comes while another is served opens a connection.
const sections = ({ socket, site }, index, port, folder) => `
fcgi-app app${index}
  docroot ${folder}
  option keep-conn
  ${site.multiplexed ? 'option mpxs-conns\n  option max-reqs 16' : ''}
frontend front${index}
  bind 127.0.0.1:${port}
  default_backend back${index}
backend back${index}
  use-fcgi-app app${index}
  http-reuse always
  server application unix@${socket} proto fcgi pool-purge-delay 600s
`

/** As startNginx; a site has `multiplexed`: whether several requests may share a connection. */
export async function startHAProxy(folder, applications) {
  mkdirSync(folder, { recursive: true })
  const ports = await freePorts(applications.length)
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, GENERAL + applications.map((application, index) => sections(application, index, ports[index], folder)).join(''))
  const child = spawn(program('haproxy'), ['-q', '-db', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] })
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  await accepts({ port: ports[0], host: '127.0.0.1' }, child)
  return {
    ports,
    errorsOf: () => [],
    async stop() {
      const exited = once(child, 'exit')
      // SIGTERM kills at once, SIGUSR1 would wait for kept connections.
      kill()
      await exited
      process.off('exit', kill)
    },
  }
}
