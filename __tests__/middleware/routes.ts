// The ways a request takes to an application in these tests: FastCGI to a server of ours, and HTTP to node:http, each behind
// real web servers. Every test runs on all and asserts plain facts, so that node:http proves the test and the test proves us.
import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo } from 'node:net'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import { createServer } from 'express-fastcgi'
import { startHAProxy } from '../support/haproxy'
import { RawHttp } from '../support/http-raw'
import { describeWith } from '../support/need'
import { startNginx } from '../support/nginx'

/** The ways into the web server that differ by its configuration. */
const DOORS = ['plain', 'unbuffered', 'secure'] as const
type DoorName = (typeof DOORS)[number]

/** A web server in front of an application. */
interface Front {
  /** By the order of {@link DOORS}. */
  readonly ports: readonly number[]
  stop(): Promise<void>
}

interface Way {
  readonly name: string
  readonly program: 'nginx' | 'haproxy'
  /** The application sees the web server's address, and has to believe `X-Forwarded-*`. */
  readonly isProxied: boolean
  /** A WebSocket gets through. */
  readonly upgrades: boolean
  createServer(listener: http.RequestListener): http.Server
  startFront(applicationPort: number): Promise<Front>
}

const fastcgi = { isProxied: false, upgrades: false, createServer } as const
const node = { isProxied: true, createServer: http.createServer } as const

/** A further way is one more line here. */
const WAYS: readonly Way[] = [
  { ...fastcgi, name: 'FastCGI behind nginx', program: 'nginx', startFront: (port) => startNginxFront(port, fastcgiLocation) },
  { ...node, name: 'node:http behind nginx', program: 'nginx', upgrades: false, startFront: (port) => startNginxFront(port, proxyLocation) },
  { ...fastcgi, name: 'FastCGI behind HAProxy', program: 'haproxy', startFront: (port) => startHAProxyFront(port, fastcgiBackend) },
  { ...node, name: 'node:http behind HAProxy', program: 'haproxy', upgrades: true, startFront: (port) => startHAProxyFront(port, httpBackend) },
]

export interface Answer {
  readonly status: number
  readonly reason: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
  /** False when the connection ended before the body did. */
  readonly complete: boolean
}

export interface Question {
  readonly method?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string | Buffer
  /** Called with what has arrived of the body, each time more has. */
  readonly onData?: (sofar: Buffer) => void
}

/** One way into the web server. */
export class Door {
  constructor(private readonly findPort: () => number) {}

  get port(): number {
    return this.findPort()
  }

  url(path = ''): string {
    return `http://127.0.0.1:${this.port}${path}`
  }

  /** A connection of its own for bytes of the test's own. */
  raw(): Promise<RawHttp> {
    return RawHttp.connect(this.port)
  }

  async ask(path: string, { method = 'GET', headers = {}, body, onData }: Question = {}): Promise<Answer> {
    const request = http.request({ host: '127.0.0.1', port: this.port, path, method, agent: false, headers })
    request.end(body)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    // Errors after the response began are told by `complete`.
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      onData?.(Buffer.concat(chunks))
    })
    if (!response.closed) await new Promise((resolve) => response.once('close', resolve))
    const content = Buffer.concat(chunks)
    return {
      status: response.statusCode!,
      reason: response.statusMessage!,
      headers: response.headers,
      body: content,
      text: content.toString(),
      complete: response.complete,
    }
  }

  post(path: string, type: string, body: string | Buffer, headers: http.OutgoingHttpHeaders = {}): Promise<Answer> {
    return this.ask(path, { method: 'POST', headers: { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), ...headers }, body })
  }
}

/** What a test gets: the doors of the web server, and the application's place behind them. */
export class Route extends Door {
  /** Neither requests nor responses wait in the web server. */
  readonly unbuffered = this.door('unbuffered')
  /** The client came by https, or so the web server says. */
  readonly secure = this.door('secure')
  private front: Front | undefined
  private running: http.Server | undefined
  private listener: http.RequestListener = (_req, res) => res.end()

  constructor(private readonly way: Way) {
    super(() => this.portOf('plain'))
  }

  /** For what hangs on when a client leaves, or on an upload that has only begun: HAProxy keeps both to itself. */
  get itBehindNginx(): jest.It {
    return this.way.program === 'nginx' ? it : it.skip
  }

  /** For what happens where no WebSocket gets through. */
  get itWithoutUpgrade(): jest.It {
    return this.way.upgrades ? it.skip : it
  }

  get isProxied(): boolean {
    return this.way.isProxied
  }

  get server(): http.Server {
    if (this.running === undefined) throw new Error('the route has not started')
    return this.running
  }

  /** An Express application that gets all requests from now on. */
  app(): Express {
    const app = express()
    if (this.way.isProxied) app.set('trust proxy', 'loopback')
    return this.use(app)
  }

  /** A request listener that gets all requests from now on. */
  use<L extends http.RequestListener>(listener: L): L {
    this.listener = listener
    return listener
  }

  async start(): Promise<void> {
    this.running = this.way.createServer((req, res) => this.listener(req, res)).listen(0, '127.0.0.1')
    if (!this.running.listening) await once(this.running, 'listening')
    this.front = await this.way.startFront((this.running.address() as AddressInfo).port)
  }

  async stop(): Promise<void> {
    await this.front?.stop()
    this.running?.close().closeAllConnections()
  }

  private door(name: DoorName): Door {
    return new Door(() => this.portOf(name))
  }

  private portOf(name: DoorName): number {
    const port = this.front?.ports[DOORS.indexOf(name)]
    if (port === undefined) throw new Error('the route has not started')
    return port
  }
}

/** The same tests for every way, each with a web server and an application server of its own. */
export function describeRoutes(title: string, tests: (route: Route) => void): void {
  for (const way of WAYS) {
    describeWith(way.program, `${title} (${way.name})`, () => {
      const route = new Route(way)
      beforeAll(() => route.start())
      afterAll(() => route.stop())
      tests(route)
    })
  }
}

/** An error as middleware makes it, with what http-errors adds. */
export interface HttpError extends Error {
  readonly status: number
  readonly type?: string
  readonly code?: string
}

/** The last resort of an application: called with what a middleware or a handler passed on. */
export function onError(app: Express, answer: (error: HttpError, res: Response) => void): void {
  app.use((error: HttpError, _req: Request, res: Response, next: NextFunction) => {
    if (res.headersSent) next(error)
    else answer(error, res)
  })
}

/** What a web server's configuration says of its way to the application, for one door. */
type Location = (door: DoorName) => string

function startNginxFront(applicationPort: number, location: Location): Promise<Front> {
  return startNginx({
    ports: DOORS.length,
    http: (ports) => `
  upstream app { server 127.0.0.1:${applicationPort}; keepalive 8; }
  ${DOORS.map((door, index) => `server { listen 127.0.0.1:${ports[index]!}; location / { ${location(door)} } }`).join('\n  ')}`,
  })
}

// No second try anywhere: it would hide a connection that was closed too early.
const fastcgiLocation: Location = (door) => `
    fastcgi_param HTTP_HOST $http_host;
    include fastcgi_params;
    ${door === 'secure' ? 'fastcgi_param HTTPS on;' : ''}
    fastcgi_pass app;
    fastcgi_keep_conn on;
    fastcgi_next_upstream off;
    fastcgi_buffer_size 16k;
    fastcgi_buffers 8 16k;
    ${door === 'unbuffered' ? 'fastcgi_buffering off; fastcgi_request_buffering off;' : ''}
  `

const proxyLocation: Location = (door) => `
    proxy_pass http://app;
    proxy_http_version 1.1;
    proxy_set_header Connection '';
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto ${door === 'secure' ? 'https' : '$scheme'};
    proxy_next_upstream off;
    proxy_buffer_size 16k;
    proxy_buffers 8 16k;
    ${door === 'unbuffered' ? 'proxy_buffering off; proxy_request_buffering off;' : ''}
  `

function startHAProxyFront(applicationPort: number, backend: Location): Promise<Front> {
  return startHAProxy({
    ports: DOORS.length,
    sections: (ports) =>
      DOORS.map(
        (door, index) => `
frontend ${door}
  bind 127.0.0.1:${ports[index]!}
  default_backend ${door}
${backend(door).replace('SERVER', `server app 127.0.0.1:${applicationPort}`)}`,
      ).join('\n'),
  })
}

// http-reuse and mpxs-conns together put several clients on one connection.
const fastcgiBackend: Location = (door) => `
fcgi-app ${door}
  docroot /
  option keep-conn
  option mpxs-conns
  option max-reqs 100
  pass-header authorization
  ${door === 'secure' ? 'set-param HTTPS on' : ''}
backend ${door}
  use-fcgi-app ${door}
  http-reuse always
  SERVER proto fcgi
`

const httpBackend: Location = (door) => `
backend ${door}
  http-reuse always
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto ${door === 'secure' ? 'https' : 'http'}
  SERVER
`
