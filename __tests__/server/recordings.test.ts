// What real web servers sent, replayed against a server: what the application sees of it, and how it is answered.

import fs from 'node:fs'
import { type IncomingMessage, METHODS, type RequestListener } from 'node:http'
import { type Socket } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { createServer, type Server } from '../../lib'
import { BEGIN_REQUEST, END_REQUEST, GET_VALUES, GET_VALUES_RESULT, parsePairs, parseRecords, PARAMS, type RawRecord, STDIN, STDOUT } from '../support/fcgi-bytes'
import { appendixB, type AppendixB, loadInterleaved, readBin, type RecordedConnection, recordedConnections } from '../support/fixtures'
import { connect, type RawClient, type RawResponse } from '../support/raw-client'

interface Seen {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly body: string
}

/** Says what it got, body in base64; to HEAD, whose answer has no body, in a header. */
const echo: RequestListener = (req, res) => {
  void bodyOf(req).then((body) => {
    const seen: Seen = { method: req.method ?? '', url: req.url ?? '', rawHeaders: req.rawHeaders, body: body.toString('base64') }
    const text = JSON.stringify(seen)
    if (req.method === 'HEAD') res.setHeader('X-Seen', Buffer.from(text).toString('base64'))
    res.end(text)
    // An aborted request: nobody is there to answer.
  }, () => undefined)
}

async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

let folder: string
const servers: Server[] = []
const clients: RawClient[] = []

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fcgi-recordings-'))
})

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  fs.rmSync(folder, { recursive: true })
})

/** Reports to 'requestError' are expected here; they are asserted where they matter. */
async function serve(app: RequestListener): Promise<{ address: string; server: Server; transports: Socket[]; reports: string[] }> {
  const server = createServer(app)
  servers.push(server)
  const address = path.join(folder, `${servers.length}.sock`)
  const transports: Socket[] = []
  const reports: string[] = []
  server.on('connection', (transport: Socket) => transports.push(transport))
  server.on('requestError', (error: NodeJS.ErrnoException) => reports.push(error.code ?? ''))
  await new Promise<void>((resolve) => server.listen(address, resolve))
  return { address, server, transports, reports }
}

async function open(address: string): Promise<RawClient> {
  const client = await connect(address)
  clients.push(client)
  return client
}

/** Sends one byte after the other, each when the server has read the one before. */
async function sendByteByByte(client: RawClient, bytes: Buffer, transports: readonly Socket[]): Promise<void> {
  const transport = transports.at(-1)
  for (let at = 0; at < bytes.length; at++) {
    client.send(bytes.subarray(at, at + 1))
    while (transport !== undefined && transport.bytesRead <= at && !transport.destroyed) await new Promise(setImmediate)
  }
}

const contentOf = (records: readonly RawRecord[], type: number, id: number): Buffer =>
  Buffer.concat(records.filter((record) => record.type === type && record.id === id).map(({ content }) => content))

/** What an application has to see, made of the recorded bytes by rules of our own. */
function expected(bytes: Buffer, id: number): Seen {
  const records = parseRecords(bytes)
  const pairs = parsePairs(contentOf(records, PARAMS, id))
  const value = (name: string): string | undefined => pairs.find(([key]) => key === name)?.[1]
  const dropped = ['HTTP_PROXY', 'HTTP_CONTENT_LENGTH', 'HTTP_CONTENT_TYPE', 'HTTP_TRANSFER_ENCODING']
  const headers = pairs.filter(([name]) => name.startsWith('HTTP_') && !dropped.includes(name)).map(([name, text]) => [name.slice(5), text])
  const length = value('CONTENT_LENGTH')
  const hasLength = length !== undefined && length !== '' && length !== '-1'
  if (value('CONTENT_TYPE')) headers.push(['CONTENT_TYPE', value('CONTENT_TYPE') ?? ''])
  // A length of 0 is the web server's own word where requests seldom have content, unless the client's field is there too.
  const isMadeUp = length === '0' && ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'].includes(value('REQUEST_METHOD') ?? '') && value('HTTP_CONTENT_LENGTH') === undefined
  if (hasLength && !isMadeUp) headers.push(['CONTENT_LENGTH', length])
  if (!hasLength && (length === '-1' || value('HTTP_TRANSFER_ENCODING'))) headers.push(['TRANSFER_ENCODING', 'chunked'])
  const stdin = contentOf(records, STDIN, id)
  return {
    method: value('REQUEST_METHOD') ?? '',
    url: value('REQUEST_URI') ?? `${value('SCRIPT_NAME') ?? ''}${value('PATH_INFO') ?? ''}${value('QUERY_STRING') ? `?${value('QUERY_STRING') ?? ''}` : ''}`,
    rawHeaders: headers.map(([name = '', text = '']) => `${name.replaceAll('_', '-').toLowerCase()}: ${text.replace(/^[ \t]+|[ \t]+$/g, '')}`).sort(),
    body: (hasLength ? stdin.subarray(0, Number(length)) : stdin).toString('base64'),
  }
}

function sorted(seen: Seen): Seen {
  const lines = seen.rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name.toLowerCase()}: ${seen.rawHeaders[index + 1] ?? ''}`] : []))
  return { ...seen, rawHeaders: lines.sort() }
}

/** A complete answer: one record with the whole head, the end of STDOUT, END_REQUEST, and nothing after it. */
function expectComplete(response: RawResponse): void {
  expect(response.stdoutEnded).toBe(true)
  expect(response.records.at(-1)?.type).toBe(END_REQUEST)
  expect(response.records.at(-2)).toMatchObject({ type: STDOUT, content: Buffer.alloc(0) })
  expect(response.records[0]?.content.includes('\r\n\r\n')).toBe(true)
  expect(response.stderr).toHaveLength(0)
}

function seenBy(response: RawResponse): Seen {
  const header = response.head.headers.get('x-seen')
  if (header !== undefined) expect(response.body).toHaveLength(0)
  return JSON.parse(header === undefined ? response.body.toString() : Buffer.from(header, 'base64').toString()) as Seen
}

type Outcome = 'answered' | 'refused' | 'ended' | 'unknown role' | 'too short'

function outcomeOf(bytes: Buffer, connection: RecordedConnection): Outcome {
  if (connection.role === 'AUTHORIZER') return 'unknown role'
  if (connection.params === undefined) return 'ended'
  const length = Number(connection.params.find(([name]) => name === 'CONTENT_LENGTH')?.[1])
  const id = parseRecords(bytes).find(({ type }) => type === BEGIN_REQUEST)?.id ?? 0
  const { method, url } = expected(bytes, parseRecords(bytes)[0]?.id ?? 0)
  // What node's own parser answers with 400.
  if (!METHODS.includes(method) || /[\x7f-\xff]/.test(url)) return 'refused'
  return length > contentOf(parseRecords(bytes), STDIN, id).length ? 'too short' : 'answered'
}

function expectOutcome(response: RawResponse, bytes: Buffer, outcome: Outcome): void {
  const id = response.records[0]?.id ?? 0
  switch (outcome) {
    case 'answered':
      expectComplete(response)
      expect(response.head.status).toBe(200)
      expect(response.end).toEqual({ appStatus: 0, protocolStatus: 0 })
      expect(sorted(seenBy(response))).toEqual(expected(bytes, id))
      return
    case 'ended':
      // Given up before its params: nobody waits for output.
      expect(response.records.map(({ type }) => type)).toEqual([END_REQUEST])
      expect(response.end).toEqual({ appStatus: 0, protocolStatus: 0 })
      return
    case 'unknown role':
      expectComplete(response)
      expect(response.head.status).toBe(500)
      expect(response.end.protocolStatus).toBe(3)
      return
    case 'refused':
    case 'too short':
      expectComplete(response)
      expect(response.head.status).toBe(400)
      expect(response.end.protocolStatus).toBe(0)
  }
}

const recordings = recordedConnections().map((recording) => {
  const bytes = readBin(recording.variant, recording.bin)
  return { ...recording, bytes, outcome: outcomeOf(bytes, recording.connection) }
})

async function replay(bytes: Buffer, outcome: Outcome, send: (client: RawClient) => Promise<void>, address: string): Promise<void> {
  const records = parseRecords(bytes)
  const begun = records.find(({ type }) => type === BEGIN_REQUEST)
  const client = await open(address)
  await send(client)
  expectOutcome(await client.response(begun?.id ?? 0), bytes, outcome)
  // Without KEEP_CONN the application closes, and after an answer nothing else may come. FCGI 3.5
  const isKept = ((begun?.content[2] ?? 0) & 1) === 1
  if (isKept) client.halfClose()
  await expect(client.closed).resolves.toBe('end')
  expect(client.records().filter(({ type, id }) => type === END_REQUEST && id === begun?.id)).toHaveLength(1)
}

describe('recordings of real web servers, replayed', () => {
  it('hold every outcome', () => {
    const count = (outcome: Outcome): number => recordings.filter((recording) => recording.outcome === outcome).length
    expect(count('answered')).toBeGreaterThan(400)
    expect(count('unknown role')).toBeGreaterThan(10)
    expect(count('ended')).toBe(2)
    expect(count('too short')).toBe(1)
  })

  it.each([...new Set(recordings.map(({ variant }) => variant))])('%s', async (variant) => {
    const { address } = await serve(echo)
    for (const { bin, bytes, outcome } of recordings.filter((recording) => recording.variant === variant)) {
      try {
        await replay(bytes, outcome, (client) => Promise.resolve(void client.send(bytes)), address)
      } catch (error) {
        throw new Error(`${variant}/${bin}: ${(error as Error).message}`, { cause: error })
      }
    }
  })

  it.each([
    'nginx-default/get-query.bin',
    'nginx-default/dup-headers.bin',
    'apache-proxy-tcp/post-small.bin',
    'apache-fcgid-htaccess/get-encoded-noslash.bin',
    'lighttpd-bin/post-chunked.bin',
    'caddy-default/post-chunked.bin',
    'haproxy-default/post-chunked-empty.bin',
    'haproxy-default/options-star.bin',
    'h2o-default/get-nul.bin',
    'cgi-fcgi/post-extra-bytes.bin',
    'cgi-fcgi/post-short.bin',
    'apache-authnz-both/authz-get.bin',
  ])('%s, byte by byte', async (name) => {
    const recording = recordings.find(({ variant, bin }) => `${variant}/${bin}` === name)
    if (recording === undefined) throw new Error(`no recording ${name}`)
    const { address, server, transports } = await serve(echo)
    const connected = new Promise((resolve) => server.once('connection', resolve))
    await replay(
      recording.bytes,
      recording.outcome,
      async (client) => {
        await connected
        await sendByteByByte(client, recording.bytes, transports)
      },
      address,
    )
  })

  it('a body longer than CONTENT_LENGTH is reported, and its surplus is not handed over (cgi-fcgi)', async () => {
    const { address, reports } = await serve(echo)
    const client = await open(address)
    client.send(readBin('cgi-fcgi', 'post-extra-bytes.bin'))
    const { body } = await client.response(1)
    expect(Buffer.from((JSON.parse(body.toString()) as Seen).body, 'base64')).toHaveLength(5)
    expect(reports).toEqual(['FCGI_ERR_BODY_TOO_LONG'])
  })

  it('a body shorter than CONTENT_LENGTH is reported, and the application sees an abort (cgi-fcgi)', async () => {
    const outcomes: string[] = []
    const { address, reports } = await serve((req) => {
      req.on('aborted', () => outcomes.push('aborted'))
      req.on('end', () => outcomes.push('end'))
      req.on('error', (error: NodeJS.ErrnoException) => outcomes.push(error.code ?? ''))
      req.on('close', () => outcomes.push('close'))
      req.resume()
    })
    const client = await open(address)
    client.send(readBin('cgi-fcgi', 'post-short.bin'))
    expect((await client.response(1)).head.status).toBe(400)
    await client.closed
    expect(reports).toEqual(['FCGI_ERR_BODY_TOO_SHORT'])
    expect(outcomes).toEqual(['aborted', 'ECONNRESET', 'close'])
  })
})

describe('requests that HAProxy interleaved on one connection', () => {
  it.each(['post-3x18k', 'values-yes'])('%s: each is answered with its own', async (name) => {
    const { address } = await serve(echo)
    const { bytes } = loadInterleaved(name)
    const records = parseRecords(bytes)
    const ids = [...new Set(records.filter(({ type }) => type === BEGIN_REQUEST).map(({ id }) => id))]
    const client = await open(address)
    client.send(bytes)
    for (const id of ids) expectOutcome(await client.response(id), bytes, 'answered')
    const asked = records.filter(({ type }) => type === GET_VALUES)
    const told = client.records().filter(({ type }) => type === GET_VALUES_RESULT)
    expect(asked.length).toBeGreaterThan(0)
    expect(told).toHaveLength(asked.length)
    expect(Object.fromEntries(parsePairs(told[0]?.content ?? Buffer.alloc(0)))).toMatchObject({ FCGI_MPXS_CONNS: '1' })
  })
})

describe('the conversations of FCGI Appendix B', () => {
  const bytesOf = ({ sent }: AppendixB): Buffer => Buffer.concat(sent.map(({ bytes }) => Buffer.from(bytes, 'hex')))

  /** Answers what the conversation says; its head is HTML without a status, which an HTTP application says as 200. */
  function answering(conversation: AppendixB, before: (index: number) => Promise<void>): { app: RequestListener; seen: Seen[] } {
    const seen: Seen[] = []
    const page = conversation.answers[0]?.stdout.split('\r\n\r\n')[1] ?? ''
    const app: RequestListener = (req, res) => {
      void bodyOf(req).then(async (body) => {
        const index = seen.push({ method: req.method ?? '', url: req.url ?? '', rawHeaders: req.rawHeaders, body: body.toString('latin1') }) - 1
        await before(index)
        res.writeHead(200, { 'Content-type': 'text/html' }).end(page)
      })
    }
    return { app, seen }
  }

  it.each(appendixB().map((conversation) => [conversation.title, conversation] as const))('%s', async (_title, conversation) => {
    let answered: (() => void) | undefined
    const secondIsAnswered = new Promise<void>((resolve) => (answered = resolve))
    // In the fourth the later request is answered first.
    const { app, seen } = answering(conversation, (index) => (conversation.requests.length === 2 && index === 0 ? secondIsAnswered : Promise.resolve()))
    const { address } = await serve(app)
    const client = await open(address)
    client.send(bytesOf(conversation))
    for (const [position, answer] of conversation.answers.entries()) {
      const response = await client.response(answer.requestId)
      expectComplete(response)
      expect(response.body.toString('latin1')).toBe(answer.stdout.split('\r\n\r\n')[1])
      expect(response.head.headers.get('content-type')).toBe('text/html')
      expect(response.head.status).toBe(200)
      // An HTTP application has no STDERR of its own and no exit status; the web server ignores both.
      expect(response.end).toEqual({ appStatus: 0, protocolStatus: 0 })
      if (position === 0) answered?.()
    }
    expect(client.records().filter(({ type }) => type === END_REQUEST).map(({ id }) => id)).toEqual(conversation.answers.map(({ requestId }) => requestId))
    expect(seen).toHaveLength(conversation.requests.length)
    for (const [index, request] of conversation.requests.entries()) {
      const value = (name: string): string | undefined => request.params.find(([key]) => key === name)?.[1]
      expect(seen[index]).toMatchObject({ method: value('REQUEST_METHOD'), url: value('REQUEST_URI'), body: request.stdin })
      expect(seen[index]?.rawHeaders.slice(0, 2)).toEqual(['Host', value('HTTP_HOST')])
    }
    if (conversation.requests.every(({ keepConnection }) => keepConnection)) client.halfClose()
    await expect(client.closed).resolves.toBe('end')
  })

  it('each of them byte by byte', async () => {
    for (const conversation of appendixB()) {
      const { app, seen } = answering(conversation, () => Promise.resolve())
      const { address, server, transports } = await serve(app)
      const connected = new Promise((resolve) => server.once('connection', resolve))
      const client = await open(address)
      await connected
      await sendByteByByte(client, bytesOf(conversation), transports)
      for (const { requestId } of conversation.answers) expectComplete(await client.response(requestId))
      expect(seen.map(({ body }) => body)).toEqual(conversation.requests.map(({ stdin }) => stdin))
    }
  })
})
