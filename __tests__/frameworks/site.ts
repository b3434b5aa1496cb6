// One site of nginx or HAProxy with an application behind it, and how it is asked. Knows nothing of frameworks.

import { once } from 'node:events'
import http from 'node:http'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** Every line of a header by itself, by lower-case name. */
  readonly lines: NodeJS.Dict<string[]>
  readonly body: Buffer
}

/** An answer of which the head and the first piece are there. */
export interface BegunAnswer {
  /** Everything so far. */
  text(): string
  /** Everything, when it has ended; rejects when it was cut short. */
  whole(): Promise<string>
  /** As a browser does whose window is closed. */
  leave(): void
}

export class Site {
  constructor(readonly port: () => number) {}

  async ask(path: string, options: http.RequestOptions = {}, content?: string | Buffer): Promise<Answer> {
    const request = http.request({ port: this.port(), path, agent: false, ...options })
    request.end(content)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    const { statusCode = 0, headers, headersDistinct } = response
    return { status: statusCode, headers, lines: headersDistinct, body: Buffer.concat(chunks) }
  }

  /** What the application answers, as JSON. */
  async json(path: string, options: http.RequestOptions = {}, content?: string | Buffer): Promise<unknown> {
    const { body } = await this.ask(path, options, content)
    return JSON.parse(body.toString())
  }

  post(path: string, type: string, content: string | Buffer): Promise<unknown> {
    const headers = { 'Content-Type': type, 'Content-Length': Buffer.byteLength(content) }
    return this.json(path, { method: 'POST', headers }, content)
  }

  async begin(path: string): Promise<BegunAnswer> {
    const request = http.get({ port: this.port(), path, agent: false })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const chunks: Buffer[] = []
    const text = (): string => Buffer.concat(chunks).toString()
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    const ended = once(response, 'end').then(text)
    // Whoever leaves does not wait for the end.
    ended.catch(() => undefined)
    await once(response, 'data')
    return { text, whole: () => ended, leave: () => request.destroy() }
  }
}

export interface SiteSetup {
  readonly name: string
  /** Unix socket of the application. */
  readonly socket: string
  readonly protocol: 'http' | 'fastcgi'
  readonly port: number
  /** The same site, as if a client had come over TLS. */
  readonly securePort: number
}

/** The part of nginx's configuration for one site. `X-Client` is believed to be the client's address. */
export function siteConfiguration({ name, socket, protocol, port, securePort }: SiteSetup): string {
  const pass =
    protocol === 'http'
      ? `proxy_pass http://${name}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_buffering off;`
      : `fastcgi_pass ${name}; fastcgi_keep_conn on; fastcgi_buffering off; fastcgi_param HTTP_HOST $http_host; include fastcgi_params;`
  const server = (at: number, more: string): string => `
  server {
    listen 127.0.0.1:${at};
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Client;
    location / { ${more} ${pass} }
  }`
  return `
  upstream ${name} { server unix:${socket}; keepalive 4; }
  ${server(port, '')}
  ${server(securePort, protocol === 'fastcgi' ? 'fastcgi_param HTTPS on;' : '')}
`
}

/** HAProxy's sections for one site, with its several requests on one connection. */
export function haproxySections({ name, socket, port, securePort }: SiteSetup): string {
  const site = (own: string, at: number, more: string): string => `
frontend ${own}
  bind 127.0.0.1:${at}
  http-request set-src hdr(X-Client) if { req.hdr(X-Client) -m found }
  default_backend ${own}
fcgi-app ${own}
  docroot /
  option keep-conn
  option mpxs-conns
  option max-reqs 100
  ${more}
backend ${own}
  use-fcgi-app ${own}
  http-reuse always
  server app unix@${socket} proto fcgi
`
  return site(name, port, '') + site(`${name}-secure`, securePort, 'set-param HTTPS on')
}
