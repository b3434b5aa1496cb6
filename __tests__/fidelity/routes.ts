// The ways from the client to an application: node's server or ours, each behind a real web server or none.
// Every way of ours is compared with node:http behind the same web server, so what differs is ours.

import { createServer } from 'express-fastcgi'
import { gateway } from 'express-fastcgi/gateway'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startHAProxy } from '../support/haproxy'
import { startNginx } from '../support/nginx'
import type { Route } from './scenario'

/** Routes of ours. */
export type OurRoute = Exclude<Route, 'http'>

/** A route of ours, or the one it is compared with. */
export type WayName = OurRoute | 'http' | 'haproxy http' | 'direct'

/** What each route of ours must be equal to. */
export const BASES: Readonly<Record<OurRoute, WayName>> = {
  nginx: 'http',
  // HAProxy hides things that nginx shows, such as a client that left while nothing was sent.
  haproxy: 'haproxy http',
  // Nothing stands in front of the gateway that could be put in front of node:http.
  gateway: 'direct',
}

/** What the tests call each way. */
export const TITLES: Readonly<Record<WayName, string>> = {
  http: 'node:http behind nginx',
  'haproxy http': 'node:http behind HAProxy',
  direct: 'node:http itself',
  nginx: 'ours behind nginx',
  haproxy: 'ours behind HAProxy',
  gateway: 'ours behind the gateway',
}

export interface Way {
  readonly name: WayName
  /** Where the server of the scenario must listen: the path of a unix socket, or a free port of 127.0.0.1. */
  readonly listenAt: string | 0
  /** Where the client connects; absent: to the server itself. */
  readonly port: number | undefined
  /** FastCGI. */
  readonly isOurs: boolean
  /** A request that never becomes complete is held open, so that those of the scenario share its connection. */
  readonly isShared: boolean
  /** HAProxy gives a 304 of FastCGI a Content-Length of 0. */
  readonly lengthens304: boolean
}

/** Makes the server of a way, the same class of options for both. */
export function serverFor(way: Way, options: http.ServerOptions): http.Server {
  return way.isOurs ? createServer(options) : http.createServer(options)
}

export interface Ways {
  way(name: WayName): Way
  stop(): Promise<void>
}

/** Starts nginx, HAProxy and the gateway, once for all scenarios of a test file. */
export async function startWays(): Promise<Ways> {
  const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-fidelity-'))
  const socket = (name: string) => join(folder, name)
  const nginx = await startNginx({ ports: 2, http: ([http = 0, fcgi = 0]) => nginxBlocks(http, fcgi, socket) })
  const haproxy = await startHAProxy({
    ports: 2,
    folder,
    sections: ([http = 0, fcgi = 0]) => haproxySections(http, fcgi, socket, folder),
  })
  const forward = gateway({ path: socket('gateway') })
  const outer = http.createServer(forward).on('upgrade', forward.upgrade).listen(0, '127.0.0.1')
  await once(outer, 'listening')
  const ways: Way[] = [
    { name: 'http', listenAt: socket('http'), port: nginx.ports[0], isOurs: false, isShared: false, lengthens304: false },
    { name: 'nginx', listenAt: socket('nginx'), port: nginx.ports[1], isOurs: true, isShared: false, lengthens304: false },
    { name: 'haproxy http', listenAt: socket('haproxy-http'), port: haproxy.ports[0], isOurs: false, isShared: false, lengthens304: false },
    { name: 'haproxy', listenAt: socket('haproxy'), port: haproxy.ports[1], isOurs: true, isShared: true, lengthens304: true },
    { name: 'direct', listenAt: 0, port: undefined, isOurs: false, isShared: false, lengthens304: false },
    { name: 'gateway', listenAt: socket('gateway'), port: (outer.address() as AddressInfo).port, isOurs: true, isShared: false, lengthens304: false },
  ]
  return {
    way: (name) => ways.find((way) => way.name === name)!,
    async stop() {
      await Promise.all([nginx.stop(), haproxy.stop(), forward.close()])
      outer.close().closeAllConnections()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

// Nothing is buffered, nothing is tried twice, heads may be large, and Date and Server are the application's own.
function nginxBlocks(httpPort: number, fcgiPort: number, socket: (name: string) => string): string {
  return `
  upstream http_app { server unix:${socket('http')}; keepalive 8; }
  upstream fastcgi_app { server unix:${socket('nginx')}; keepalive 8; }
  server {
    listen 127.0.0.1:${httpPort};
    location / {
      proxy_pass http://http_app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_buffer_size 64k;
      proxy_buffers 8 64k;
      proxy_busy_buffers_size 128k;
      proxy_next_upstream off;
      proxy_pass_header Date;
      proxy_pass_header Server;
    }
  }
  server {
    listen 127.0.0.1:${fcgiPort};
    location / {
      fastcgi_param HTTP_HOST $http_host;
      include fastcgi_params;
      fastcgi_pass fastcgi_app;
      fastcgi_keep_conn on;
      fastcgi_buffering off;
      fastcgi_request_buffering off;
      fastcgi_buffer_size 64k;
      fastcgi_buffers 8 64k;
      fastcgi_busy_buffers_size 128k;
      fastcgi_next_upstream off;
    }
  }`
}

// Every 5 s HAProxy would close some of its idle connections, in the middle of a scenario that looks at one.
function haproxySections(httpPort: number, fcgiPort: number, socket: (name: string) => string, folder: string): string {
  return `
frontend http
  bind 127.0.0.1:${httpPort}
  default_backend http
backend http
  http-reuse always
  server app unix@${socket('haproxy-http')} pool-purge-delay 1h
fcgi-app app
  docroot ${folder}
  option keep-conn
  option mpxs-conns
  option max-reqs 1000
  pass-header authorization
  pass-header proxy-authorization
frontend fastcgi
  bind 127.0.0.1:${fcgiPort}
  default_backend fastcgi
backend fastcgi
  use-fcgi-app app
  http-reuse always
  server app unix@${socket('haproxy')} proto fcgi pool-purge-delay 1h
`
}
