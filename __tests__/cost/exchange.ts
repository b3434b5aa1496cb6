// One small request, sent again and again over one kept connection on a unix socket, while somebody counts. It knows what
// is sent and when the counting starts and ends, not what is counted.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import * as http from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { GET, POST, serve } from '../support/serve'

/** What a usual web server sends of a usual browser. */
const BROWSER = {
  SERVER_PROTOCOL: 'HTTP/1.1',
  SERVER_SOFTWARE: 'nginx/1.22.1',
  REMOTE_ADDR: '127.0.0.1',
  REMOTE_PORT: '60902',
  SERVER_ADDR: '127.0.0.1',
  SERVER_PORT: '80',
  HTTP_HOST: 'app.example',
  HTTP_USER_AGENT: 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  HTTP_ACCEPT: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  HTTP_COOKIE: 'session=s%3AqT1vN0c5b3Jr; theme=dark',
}

export const ANSWER = 'hello world\n'
const UPLOAD = 'a=1&b=2'

/** One exchange: a handler and what is sent to it, the same bytes each time. The request id is taken again as soon as it is free. */
export interface Exchange {
  readonly handler: http.RequestListener
  readonly request: Buffer
  /** What `request` uploads. */
  readonly body?: string
  /** What is answered; {@link ANSWER} unless given. */
  readonly answer?: string
}

export const ID = 1
const get = Buffer.concat([begin(ID, { keep: true }), params(ID, { ...GET, ...BROWSER }), stdin(ID)])
const post = Buffer.concat([
  begin(ID, { keep: true }),
  params(ID, { ...POST, ...BROWSER, CONTENT_TYPE: 'application/octet-stream', CONTENT_LENGTH: String(UPLOAD.length) }),
  stdin(ID, UPLOAD),
  stdin(ID),
])

function plain(_req: http.IncomingMessage, res: http.ServerResponse): void {
  // Its value is made anew once a second, by a timer of node's own.
  res.sendDate = false
  res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': ANSWER.length })
  res.end(ANSWER)
}

function plainUpload(req: http.IncomingMessage, res: http.ServerResponse): void {
  req.on('data', () => undefined)
  req.on('end', () => plain(req, res))
}

function expressApp(): express.Express {
  const app = express().disable('x-powered-by').disable('etag')
  app.get('/', (_req, res) => {
    res.sendDate = false
    res.type('text/plain').send(ANSWER)
  })
  app.post('/', express.raw({ type: () => true }), (_req, res) => {
    res.sendDate = false
    res.type('text/plain').send(ANSWER)
  })
  return app
}

export const EXCHANGES = {
  'a plain handler': { handler: plain, request: get },
  'Express 5': { handler: expressApp() as http.RequestListener, request: get },
  'an upload to a plain handler': { handler: plainUpload, request: post, body: UPLOAD },
  'an upload to Express 5': { handler: expressApp() as http.RequestListener, request: post, body: UPLOAD },
} satisfies Record<string, Exchange>
export const WITHOUT_BODY = ['a plain handler', 'Express 5'] as const
export const UPLOADS = ['an upload to a plain handler', 'an upload to Express 5'] as const
export const ALL = [...WITHOUT_BODY, ...UPLOADS] as const

/** Before these, things are made that are made once: node's own, and Express's. */
const WARM_UP = 20
const COUNTED = 100

/** Who counts. All three are called with the connection's socket, the last two in the application's turn. */
export interface Ledger {
  accepted?(transport: Socket): void
  open(transport: Socket): void
  close(transport: Socket): void
}

/** Of a count over all requests, the share of one; a fraction when they are not all alike. */
export function perRequest(count: number): number {
  return count / COUNTED
}

/**
 * Sends one request after the other. The ledger is open from the turn of one handler to that of a later one, so that every
 * request between is in it with all that belongs to it, from its first byte to whatever comes behind its end.
 */
export async function keepLedger({ handler, request, answer = ANSWER }: Exchange, ledger: Ledger): Promise<void> {
  const { server, client } = await serve(counting(handler, ledger, () => transport))
  let transport: Socket | undefined
  server.prependListener('connection', (socket: Socket) => {
    transport = socket
    ledger.accepted?.(socket)
  })
  const web = await client()
  const expected = Buffer.from(answer)
  for (let sent = 0; sent <= WARM_UP + COUNTED; sent++) {
    web.send(request)
    const { head, body } = await web.response(ID)
    expect(head.status).toBe(200)
    expect(body.equals(expected)).toBe(true)
  }
}

/** The same exchange under node:http, for what only a comparison can tell. */
export async function keepLedgerOfHttp({ handler, body }: Exchange, ledger: Ledger): Promise<void> {
  let transport: Socket | undefined
  const server = http.createServer(counting(handler, ledger, () => transport))
  server.prependListener('connection', (socket: Socket) => {
    transport = socket
    ledger.accepted?.(socket)
  })
  const folder = mkdtempSync(join(tmpdir(), 'http-server-'))
  const socketPath = join(folder, 's')
  await once(server.listen(socketPath), 'listening')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const options = body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': body.length } }
  for (let sent = 0; sent <= WARM_UP + COUNTED; sent++) {
    const request = http.request({ socketPath, agent, ...options }).end(body)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    await once(response.resume(), 'end')
  }
  agent.destroy()
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true })
}

function counting(handler: http.RequestListener, ledger: Ledger, transport: () => Socket | undefined): http.RequestListener {
  let requests = 0
  return (req, res) => {
    const socket = transport()
    if (socket !== undefined && requests === WARM_UP) ledger.open(socket)
    if (socket !== undefined && requests === WARM_UP + COUNTED) ledger.close(socket)
    requests++
    handler(req, res)
  }
}
