// Writes and bytes of one small response. A write is a system call, by far the dearest part of a small response.

import type * as http from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { begin, END_REQUEST, params, record, STDOUT, stdin } from '../support/fcgi-bytes'
import { GET, serve, stopAll } from '../support/serve'
import { ALL, ANSWER, EXCHANGES, ID, keepLedger, type Ledger, perRequest } from './exchange'

afterEach(stopAll)

/** Counts what is asked of the operating system, below every queue of node's. */
class WriteLedger implements Ledger {
  /** Of one request. */
  writes = 0
  bytes = 0
  private calls = 0
  private bytesBefore = 0

  accepted(transport: Socket): void {
    countWrites(transport, () => { this.calls++ })
  }

  open(transport: Socket): void {
    this.calls = 0
    this.bytesBefore = transport.bytesWritten
  }

  close(transport: Socket): void {
    this.writes = perRequest(this.calls)
    this.bytes = perRequest(transport.bytesWritten - this.bytesBefore)
  }
}

/** Every method of the handle that writes: `writeBuffer`, `writev`, `writeLatin1String` and the like. */
function countWrites(transport: Socket, count: () => void): void {
  countCalls(transport, /^write/, count)
}

function countCalls(transport: Socket, names: RegExp, count: (name: string, args: unknown[]) => void): void {
  const handle = (transport as unknown as { _handle: Record<string, unknown> })._handle
  for (const name of namesOf(handle).filter((method) => names.test(method) && typeof handle[method] === 'function')) {
    const call = handle[name] as (...args: unknown[]) => unknown
    handle[name] = (...args: unknown[]): unknown => {
      count(name, args)
      return call.apply(handle, args)
    }
  }
}

function namesOf(object: object): string[] {
  const names = new Set<string>()
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) for (const name of Object.getOwnPropertyNames(at)) names.add(name)
  return [...names]
}

const HEADS: Record<(typeof ALL)[number], string> = {
  'a plain handler': 'Content-Type: text/plain\r\nContent-Length: 12\r\nStatus: 200 OK\r\n\r\n',
  'Express 5': 'Content-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\nStatus: 200 OK\r\n\r\n',
  'an upload to a plain handler': 'Content-Type: text/plain\r\nContent-Length: 12\r\nStatus: 200 OK\r\n\r\n',
  'an upload to Express 5': 'Content-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\nStatus: 200 OK\r\n\r\n',
}

describe('a small response', () => {
  // The least that FastCGI allows: head and body in one record, the empty one, END_REQUEST; no padding. FCGI 3.3, 5.5
  it.each(ALL)('is one write, of the bytes of its content and 32 more: %s', async (name) => {
    const ledger = new WriteLedger()
    await keepLedger(EXCHANGES[name], ledger)
    expect(ledger.writes).toBe(1)
    expect(ledger.bytes).toBe(HEADS[name].length + ANSWER.length + 32)
  })

  it.each(ALL)('is these bytes: %s', async (name) => {
    const { handler, request } = EXCHANGES[name]
    const { client } = await serve(handler)
    const web = await client()
    const received: Buffer[] = []
    web.socket.on('data', (chunk) => received.push(chunk))
    web.send(request)
    await web.response(ID)
    const expected = [record(STDOUT, ID, HEADS[name] + ANSWER), record(STDOUT, ID), record(END_REQUEST, ID, Buffer.alloc(8))]
    expect(Buffer.concat(received).toString('latin1')).toBe(Buffer.concat(expected).toString('latin1'))
  })
})

describe('a connection for one request', () => {
  const ENDED_AND_CLOSED = [expect.stringMatching(/^write/), 'shutdown', 'close']

  it('is written to and closed: two calls of the operating system behind reading', async () => {
    expect(await callsFor((_req, res) => res.end(ANSWER))).toEqual([expect.stringMatching(/^write/), 'close'])
  })

  it('so is one whose answer comes in a later turn', async () => {
    expect(await callsFor((_req, res) => void setImmediate(() => res.end(ANSWER)))).toEqual([expect.stringMatching(/^write/), 'close'])
  })

  it('is ended before it is closed where somebody waits for its "finish"', async () => {
    expect(await callsFor((_req, res) => res.end(ANSWER), (transport) => transport.on('finish', () => undefined))).toEqual(ENDED_AND_CLOSED)
  })

  it('is ended before it is closed where the operating system did not take the answer at once', async () => {
    const calls = await callsFor((_req, res) => res.end(Buffer.alloc(4_194_304)))
    expect(calls.slice(-2)).toEqual(['shutdown', 'close'])
  })

  it('is ended before it is closed where the server is closing: its "close" comes behind that of the response', async () => {
    const events: string[] = []
    const calls = await callsFor(function (this: http.Server, _req, res) {
      res.on('close', () => events.push('res close'))
      this.on('close', () => events.push('server close')).close()
      res.end(ANSWER)
    })
    expect(calls).toEqual(ENDED_AND_CLOSED)
    expect(events).toEqual(['res close', 'server close'])
  })

  async function callsFor(handler: http.RequestListener, accepted?: (transport: Socket) => void): Promise<string[]> {
    const calls: string[] = []
    const { server, client } = await serve(handler)
    const closed = new Promise<void>((resolve) => {
      server.prependListener('connection', (transport: Socket) => {
        countCalls(transport, /^(?:write|shutdown|close$)/, (name) => calls.push(name))
        transport.on('close', () => resolve())
        accepted?.(transport)
      })
    })
    const web = await client()
    web.send(begin(ID, { keep: false }), params(ID, GET), stdin(ID))
    await web.response(ID)
    await closed
    return calls
  }
})

describe('what is answered together leaves together', () => {
  const TEN_KB = 'x'.repeat(10_000)
  const cases: [rule: string, handler: http.RequestListener][] = [
    ['10 kB of text', (_req, res) => res.end(TEN_KB)],
    ['10 kB of bytes', (_req, res) => res.end(Buffer.from(TEN_KB))],
    ['an answer in pieces, all written in one turn', (_req, res) => { for (const piece of 'hello') res.write(piece); res.end() }],
    ['an answer in a later turn', (_req, res) => { setImmediate(() => res.end(ANSWER)) }],
    ['an answer after a promise', async (_req, res) => { await Promise.resolve(); res.end(ANSWER) }],
  ]

  it.each(cases)('%s is one write', async (_rule, handler) => {
    expect(await writesFor(handler, [1])).toBe(1)
  })

  it('a hundred answers to requests of one chunk are one write', async () => {
    expect(await writesFor((_req, res) => res.end(ANSWER), Array.from({ length: 100 }, (_, index) => index + 1))).toBe(1)
  })

  it('a body in pieces of 64 KiB is one write for each of them, and one for the end', async () => {
    const pieces = Array.from({ length: 16 }, () => Buffer.alloc(65_536))
    // Not counted: the write of nothing behind one that the operating system did not take at once, which says when it is gone.
    const hasBytes = ([, content]: unknown[]): boolean => !(content instanceof Uint8Array && content.length === 0)
    expect(await writesFor((_req, res) => { Readable.from(pieces, { objectMode: false }).pipe(res) }, [1], hasBytes)).toBeLessThanOrEqual(17)
  })

  async function writesFor(handler: http.RequestListener, ids: readonly number[], counts: (args: unknown[]) => boolean = () => true): Promise<number> {
    let writes = 0
    const { server, client } = await serve(handler)
    server.prependListener('connection', (transport: Socket) => countCalls(transport, /^write/, (_name, args) => { if (counts(args)) writes++ }))
    const web = await client()
    web.send(...ids.map((id) => Buffer.concat([begin(id, { keep: true }), params(id, GET), stdin(id)])))
    for (const id of ids) await web.response(id)
    return writes
  }
})
