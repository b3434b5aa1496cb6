// What lighttpd and an application said to each other about upgrades, played by its side alone; and what web servers that cannot
// upgrade send of a WebSocket. See fixtures/upgrade/README.md.
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server } from 'express-fastcgi'
import { createClient } from 'express-fastcgi/client'
import { WebSocketServer } from 'ws'
import { BEGIN_REQUEST, END_REQUEST, parsePairs, parseWholeRecords, PARAMS, STDIN, STDOUT } from '../support/fcgi-bytes'
import { readBin, recordedConnections } from '../support/fixtures'
import { connect } from '../support/raw-client'
import { until } from '../support/wait'

const FIXTURES = join(__dirname, '..', 'fixtures', 'upgrade')

type Side = 'web server' | 'application'

interface Conversation {
  readonly name: string
  /** The request as lighttpd got it. */
  readonly http: string
  /** The head that its client got. */
  readonly answer: string
  /** In order: bytes in base64, or that this side ended. */
  readonly steps: readonly (readonly [from: Side, bytes: string])[]
}

const recorded = readdirSync(FIXTURES)
  .filter((file) => file.endsWith('.json'))
  .flatMap((file) => {
    const { server, conversations } = JSON.parse(readFileSync(join(FIXTURES, file), 'utf8')) as { server: string; conversations: Conversation[] }
    return conversations.map((conversation) => [server, conversation.name, conversation] as const)
  })

let server: Server
let wss: WebSocketServer
let folder: string
let path: string
let reports: string[]
/** What became of the WebSockets: code and reason. */
let closings: string[]

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fcgi-upgrade-'))
  path = join(folder, 'app')
  reports = []
  closings = []
  // The application of the recordings: fixtures/upgrade/record.mjs.
  server = createServer((req, res) => res.end(`an ordinary answer to ${req.method} ${req.url}`))
  server.on('requestError', (error: NodeJS.ErrnoException) => reports.push(error.code ?? ''))
  wss = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req, socket: Duplex, head) => {
    if (req.url === '/refused') socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n')
    else wss.handleUpgrade(req, socket, head, (ws) => wss.emit('connection', ws, req))
  })
  wss.on('connection', (ws, req) => {
    ws.on('close', (code, reason) => closings.push(`${code} ${reason.toString()}`))
    if (req.url === '/greets') ws.send('welcome')
    if (req.url === '/leaves') ws.close(1001, 'going away')
    if (req.url === '/terminates') ws.once('message', () => ws.terminate())
    else ws.on('message', (data, binary) => ws.send(data, { binary }))
  })
  await once(server.listen(path), 'listening')
})

afterEach(async () => {
  for (const ws of wss.clients) ws.terminate()
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  rmSync(folder, { recursive: true, force: true })
})

const bytesOf = (conversation: Conversation, from: Side): Buffer =>
  Buffer.concat(conversation.steps.filter(([side, bytes]) => side === from && bytes !== 'ends').map(([, bytes]) => Buffer.from(bytes, 'base64')))

/** Content of STDOUT, and whether END_REQUEST follows; records may be cut in other ways. */
function said(bytes: Buffer): { stdout: string; isEnded: boolean } {
  const { records } = parseWholeRecords(bytes)
  const stdout = Buffer.concat(records.filter(({ type }) => type === STDOUT).map(({ content }) => content)).toString('latin1')
  return { stdout: stdout.replace(/^Date: [^\r]*\r\n/m, ''), isEnded: records.some(({ type }) => type === END_REQUEST) }
}

describe("lighttpd's side, byte for byte", () => {
  it.each(recorded)('%s: %s', async (_server, _name, conversation) => {
    const client = net.connect({ path, allowHalfOpen: true })
    let received = Buffer.alloc(0)
    client.on('data', (chunk) => (received = Buffer.concat([received, chunk])))
    let expected = Buffer.alloc(0)
    for (const [from, bytes] of conversation.steps) {
      if (from === 'web server') {
        if (bytes === 'ends') client.end()
        else client.write(Buffer.from(bytes, 'base64'))
      } else if (bytes !== 'ends') {
        expected = Buffer.concat([expected, Buffer.from(bytes, 'base64')])
        await until('what the application said', () => said(received).stdout.length >= said(expected).stdout.length)
      }
    }
    await until('the end', () => client.readableEnded || client.destroyed)
    expect(said(received)).toEqual(said(bytesOf(conversation, 'application')))
    client.destroy()
    await until('the WebSocket to be closed', () => wss.clients.size === 0)
  })

  it('the client closes, and the application hears its code', async () => {
    const [, , conversation] = recorded.find(([, name]) => name === 'echo')!
    const client = await connect(path)
    client.send(bytesOf(conversation, 'web server'))
    await client.response(1)
    await until('the WebSocket to be closed', () => closings.length > 0)
    expect(closings).toEqual(['4001 bye'])
  })
})

describe("lighttpd's side, by our client", () => {
  it.each(recorded.filter(([, , { answer }]) => answer.startsWith('HTTP/1.1 101')))('%s: %s', async (_server, _name, conversation) => {
    const sent = parseWholeRecords(bytesOf(conversation, 'web server')).records
    expect(sent[0]?.type).toBe(BEGIN_REQUEST)
    const params = parsePairs(Buffer.concat(sent.filter(({ type }) => type === PARAMS).map(({ content }) => content))).flat()
    const client = createClient({ path })
    const request = client.request({ params, upgrade: true })
    let stdout = ''
    request.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('latin1')))
    const expected = said(bytesOf(conversation, 'application')).stdout
    const headEnd = expected.indexOf('\r\n\r\n') + 4
    await until('the answer', () => stdout.length >= headEnd)
    for (const { content } of sent.filter(({ type }) => type === STDIN)) request.stdin!.write(content)
    await until('all that was said', () => stdout.length >= expected.length)
    expect(stdout).toBe(expected)
    if (!said(bytesOf(conversation, 'application')).isEnded) request.stdin!.end()
    expect(await request.ended).toEqual({ appStatus: 0, protocolStatus: 0 })
    await client.close()
  })
})

// nginx, Apache, Caddy and older versions of lighttpd hand the Upgrade field on, end STDIN at once, and wait for an answer.
describe('a web server that cannot upgrade', () => {
  const handshakes = recordedConnections().filter(({ request }) => request === 'upgrade-ws')
  it('was recorded: seven of them', () => {
    expect(handshakes.map(({ variant }) => variant).sort()).toEqual([
      'apache-fcgid-htaccess',
      'apache-proxy-tcp',
      'caddy-default',
      'h2o-default',
      'haproxy-default',
      'lighttpd-bin',
      'nginx-default',
    ])
  })

  it.each(handshakes.map(({ variant, bin }) => [variant, bin] as const))('%s: an ordinary request', async (variant, bin) => {
    const bytes = readBin(variant, bin)
    const client = await connect(path)
    client.send(bytes)
    const response = await client.response(1)
    expect(response.body.toString()).toBe('an ordinary answer to GET /ws')
    await new Promise(setImmediate)
    // Without the field nobody can know what was asked for.
    expect(reports).toEqual(bytes.includes('HTTP_UPGRADE') ? ['FCGI_ERR_NO_UPGRADE'] : [])
    expect(wss.clients.size).toBe(0)
  })
})
