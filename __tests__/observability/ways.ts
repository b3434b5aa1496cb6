// The two ways to an application in these tests: node:http and FastCGI, each behind the same nginx, which buffers nothing.
// What is observed on the one is what must be observed on the other.

import { createServer } from 'express-fastcgi'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { RawHttp } from '../support/http-raw'
import { type Nginx, startNginx } from '../support/nginx'

export type WayName = 'http' | 'fastcgi'

export interface Ways {
  /** Where clients connect. */
  port(way: WayName): number
  /** The unix socket on which the application of a way has to listen. */
  socket(way: WayName): string
  stop(): Promise<void>
}

/** Starts nginx in front of two unix sockets; one to node:http, one to FastCGI. */
export async function startWays(): Promise<Ways> {
  const nginx: Nginx = await startNginx({
    ports: 2,
    http: ([httpPort = 0, fastcgiPort = 0], folder) => `
  upstream fastcgi_app { server unix:${folder}/app-fastcgi; keepalive 8; }
  upstream http_app { server unix:${folder}/app-http; keepalive 8; }
  server {
    listen 127.0.0.1:${httpPort};
    location / {
      proxy_pass http://http_app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_next_upstream off;
    }
  }
  server {
    listen 127.0.0.1:${fastcgiPort};
    location / {
      fastcgi_param HTTP_HOST $http_host;
      include fastcgi_params;
      fastcgi_pass fastcgi_app;
      fastcgi_keep_conn on;
      fastcgi_buffering off;
      fastcgi_request_buffering off;
      fastcgi_next_upstream off;
    }
  }`,
  })
  return {
    port: (way) => nginx.ports[way === 'http' ? 0 : 1]!,
    socket: (way) => join(nginx.folder, `app-${way}`),
    stop: () => nginx.stop(),
  }
}

/** Serves a handler on one way for as long as `use` takes. */
export async function serving<T>(ways: Ways, way: WayName, handler: http.RequestListener, use: (server: http.Server, port: number) => Promise<T>): Promise<T> {
  const server = way === 'http' ? http.createServer(handler) : createServer(handler)
  await once(server.listen(ways.socket(way)), 'listening')
  try {
    return await use(server, ways.port(way))
  } finally {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
    rmSync(ways.socket(way), { force: true })
  }
}

export interface Asked {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface Question {
  readonly method?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string
}

/** One request on a connection of its own, and its whole answer. */
export async function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Question = {}): Promise<Asked> {
  const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let text = ''
  response.setEncoding('utf8').on('data', (part: string) => (text += part))
  await once(response, 'end')
  return { status: response.statusCode ?? 0, headers: response.headers, body: text }
}

/** Sends a request, waits until `arrived` resolves, and leaves. */
export async function askAndLeave(port: number, path: string, arrived: Promise<unknown>, head = ''): Promise<void> {
  const client = await RawHttp.connect(port)
  client.write(`GET ${path} HTTP/1.1\r\nHost: www.example.test\r\n${head}\r\n`)
  await arrived
  client.leave()
}
