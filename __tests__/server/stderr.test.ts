// FCGI_STDERR of a request, `req.socket.stderr` (FCGI 6.2): which records there are, and where they stand among those of the response.
// What real web servers make of them is in __tests__/servers/error-log.test.ts.

import { AsyncResource } from 'node:async_hooks'
import { once } from 'node:events'
import * as http from 'node:http'
import type { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { errorLog, type FastCGISocket, type ServerOptions } from 'express-fastcgi'
import { Random } from '../protocol/random'
import { abort, begin, END_REQUEST, params, type RawRecord, STDERR, stdin, STDOUT } from '../support/fcgi-bytes'
import type { RawResponse } from '../support/raw-client'
import { GET, POST, serve, stopAll } from '../support/serve'
import { until } from '../support/wait'

const NGINX = 'nginx/1.22.1'
const APACHE = 'Apache/2.4.71 (Debian)'

let spy: jest.SpyInstance
/** What was written to `process.stderr`. */
const written = (): string => spy.mock.calls.map(([text]: [string | Buffer]) => text.toString()).join('')

beforeEach(() => {
  spy = jest.spyOn(process.stderr, 'write').mockImplementation(() => true)
})
afterEach(async () => {
  spy.mockRestore()
  await stopAll()
})

const stderrOf = ({ socket }: http.IncomingMessage): Writable => (socket as FastCGISocket).stderr

/** Records as text: a head as its status, other output as it is. */
function shape(records: readonly RawRecord[]): string[] {
  return records.map(({ type, content }) => {
    const text = content.toString()
    if (type === END_REQUEST) return 'END'
    const shown = text.length > 60 ? `${text.slice(0, 3)}...${text.length}` : text.trimEnd()
    if (type === STDERR) return `STDERR ${shown}`.trimEnd()
    if (type !== STDOUT) return `type ${type}`
    return `STDOUT ${/Status: (\d+)/.exec(text)?.[1] ?? shown}`.trimEnd()
  })
}

interface Ask {
  readonly software?: string
  readonly variables?: Record<string, string>
  readonly options?: ServerOptions
  readonly keep?: boolean
}

async function ask(handler: http.RequestListener, { software = NGINX, variables, options, keep = false }: Ask = {}): Promise<RawResponse> {
  const web = await (await serve(handler, options)).client()
  web.send(begin(1, { keep }), params(1, { ...GET, SERVER_SOFTWARE: software, ...variables }), stdin(1))
  return web.response(1)
}

const answer = (res: http.ServerResponse, body = 'body'): void => void res.setHeader('Content-Length', body.length).end(body)

describe('the stream', () => {
  it('is not there for a request that does not use it', async () => {
    const { records } = await ask((_req, res) => answer(res))
    expect(shape(records)).toEqual(['STDOUT 200', 'STDOUT', 'END'])
  })

  it('is not ended when nothing was written to it', async () => {
    const { records } = await ask((req, res) => {
      expect(stderrOf(req).writable).toBe(true)
      answer(res)
    })
    expect(shape(records).filter((text) => text.startsWith('STDERR'))).toEqual([])
  })

  it('is ended by its empty record, in front of that of STDOUT and of END_REQUEST', async () => {
    const { records } = await ask((req, res) => {
      stderrOf(req).write('a line\n')
      answer(res)
    })
    expect(shape(records)).toEqual(['STDERR a line', 'STDOUT 200', 'STDOUT body', 'STDERR', 'STDOUT', 'END'])
  })

  it('is the same object each time, and none that lists of properties show', async () => {
    await ask((req, res) => {
      expect(stderrOf(req)).toBe(stderrOf(req))
      expect(Object.keys(req.socket)).not.toContain('stderr')
      answer(res)
    })
  })

  it('is one for each of the requests that share a connection', async () => {
    const { client } = await serve(async (req, res) => {
      stderrOf(req).write(`one of ${req.url}\n`)
      await setImmediate()
      stderrOf(req).write(`two of ${req.url}\n`)
      answer(res)
    })
    const web = await client()
    for (const id of [1, 3, 5]) web.send(begin(id, { keep: true }), params(id, { ...GET, REQUEST_URI: `/${id}` }), stdin(id))
    for (const id of [1, 3, 5]) expect((await web.response(id)).stderr.toString()).toBe(`one of /${id}\ntwo of /${id}\n`)
  })

  it('takes what is piped into it, and its end', async () => {
    const { stderr, stderrEnded } = await ask((req, res) => {
      const stream = stderrOf(req)
      stream.on('finish', () => answer(res))
      stream.end('the whole\nof it')
    })
    expect(stderr.toString()).toBe('the whole\nof it')
    expect(stderrEnded).toBe(true)
  })
})

describe('lines', () => {
  it('have a record each, since a record is an entry of the log', async () => {
    const { records } = await ask(
      (req, res) => {
        stderrOf(req).write('one\ntwo\nthr')
        stderrOf(req).write('ee\n')
        answer(res)
      },
      { software: APACHE },
    )
    expect(shape(records).slice(0, 3)).toEqual(['STDERR one', 'STDERR two', 'STDERR three'])
  })

  it('without an end go out when the request ends', async () => {
    const { stderr } = await ask((req, res) => {
      stderrOf(req).write('no end')
      answer(res)
    })
    expect(stderr.toString()).toBe('no end')
  })

  it.each([
    [NGINX, 1_900],
    [APACHE, 7_900],
  ])('of %s are cut where its log would cut them off, between two characters', async (software, most) => {
    const line = `${'é'.repeat(5_000)}${'€'.repeat(5_000)}\n`
    const { records, stderr } = await ask(
      (req, res) => {
        stderrOf(req).write(line)
        answer(res)
      },
      { software },
    )
    expect(stderr.toString()).toBe(line)
    const pieces = records.filter(({ type, content }) => type === STDERR && content.length > 0)
    expect(pieces).toHaveLength(Math.ceil(Buffer.byteLength(line) / (most - 1)))
    for (const { content } of pieces) {
      expect(content.length).toBeLessThanOrEqual(most)
      expect(content.toString()).not.toContain('\ufffd')
    }
  })

  it('may be as long as anybody likes', async () => {
    const { stderr } = await ask(
      (req, res) => {
        for (let i = 0; i < 50; i++) stderrOf(req).write('x'.repeat(1_000))
        answer(res)
      },
      { software: APACHE },
    )
    expect(stderr.toString()).toBe('x'.repeat(50_000))
  })

  it.each([1, 2, 3, 4, 7])('without an end are not cut within a character, however they are written (%i bytes at once)', async (size) => {
    const line = Buffer.from('aé€😀'.repeat(5_000))
    const { records, stderr } = await ask(
      (req, res) => {
        for (let at = 0; at < line.length; at += size) stderrOf(req).write(line.subarray(at, at + size))
        answer(res)
      },
      { software: APACHE },
    )
    expect(stderr.equals(line)).toBe(true)
    for (const { type, content } of records) if (type === STDERR) expect(content.toString()).not.toContain('\ufffd')
  })

  it('without an end need not be text', async () => {
    const bytes = Buffer.alloc(40_000, 0x80)
    const { stderr } = await ask(
      (req, res) => {
        stderrOf(req).write(bytes)
        answer(res)
      },
      { software: APACHE },
    )
    expect(stderr.equals(bytes)).toBe(true)
  })

  it('are what they were when they were written', async () => {
    const { stderr } = await ask((req, res) => {
      const line = Buffer.from('before\n')
      stderrOf(req).write(line)
      line.fill('x')
      answer(res)
    })
    expect(stderr.toString()).toBe('before\n')
  })
})

describe('in front of the response head', () => {
  const lines = (count: number): string => `${'l'.repeat(99)}\n`.repeat(count)
  const withLines =
    (count: number, status = 200): http.RequestListener =>
    (req, res) => {
      stderrOf(req).write(lines(count))
      res.statusCode = status
      if (status === 200) answer(res)
      else res.end()
    }

  it('lines are there at once for a web server that reads them there', async () => {
    let go: () => void = () => undefined
    const { client } = await serve((req, res) => {
      stderrOf(req).write('early\n')
      go = () => answer(res)
    })
    const web = await client()
    web.send(begin(1), params(1, { ...GET, SERVER_SOFTWARE: APACHE }), stdin(1))
    expect(shape([await web.next()])).toEqual(['STDERR early'])
    go()
    await web.response(1)
  })

  it('nginx gets them with the head, as many as fit into its buffer together', async () => {
    let released = false
    const { client } = await serve(async (req, res) => {
      stderrOf(req).write('early\n')
      await setImmediate()
      await setImmediate()
      released = true
      answer(res)
    })
    const web = await client()
    web.send(begin(1), params(1, { ...GET, SERVER_SOFTWARE: NGINX }), stdin(1))
    await web.next()
    expect(released).toBe(true)
    expect(shape((await web.response(1)).records)).toEqual(['STDERR early', 'STDOUT 200', 'STDOUT body', 'STDERR', 'STDOUT', 'END'])
  })

  it.each([
    ['nginx', NGINX, 30, 'STDERR'],
    ['nginx', NGINX, 40, 'STDOUT'],
    ['nobody knows what', '', 1, 'STDOUT'],
    ['lighttpd', 'lighttpd/1.4.69', 40, 'STDERR'],
    ['Caddy', 'Caddy/2.6.2', 1, 'STDERR'],
  ])('%s (%s): %i lines; first comes %s', async (_who, software, count, first) => {
    const { records, stderr } = await ask(withLines(count), { software, options: { stderr: 'on' } })
    expect(shape(records)[0]).toMatch(new RegExp(`^${first}`))
    // Never behind the body: where that is complete some web servers stop reading.
    expect(shape(records).slice(-4)).toEqual(['STDOUT body', 'STDERR', 'STDOUT', 'END'])
    expect(stderr.toString()).toBe(lines(count))
    expect(written()).toBe('')
  })

  it('what does not fit, and cannot come behind it, goes to process.stderr: nginx stops at a head without a body', async () => {
    const { records } = await ask(withLines(40, 304))
    expect(shape(records)).toEqual(['STDOUT 304', 'STDOUT', 'END'])
    expect(written()).toBe(lines(40))
  })

  it('no more than 64 KiB wait', async () => {
    const { stderr } = await ask(withLines(1_000))
    expect(stderr.length).toBeLessThan(65_536)
    expect(stderr.toString() + written()).toBe(lines(1_000))
  })

  it('the head is whole in one record', async () => {
    const { records } = await ask(
      (req, res) => {
        stderrOf(req).write('line\n')
        answer(res.setHeader('X-Long', 'l'.repeat(9_000)))
      },
      { software: '' },
    )
    expect(records[0]!.content.toString()).toMatch(/^X-Long[^]*\r\n\r\n$/)
  })
})

describe('behind the head', () => {
  it('lines go out with the body, in the order written', async () => {
    const { records } = await ask(async (req, res) => {
      res.write('one')
      await setImmediate()
      stderrOf(req).write('between\n')
      await setImmediate()
      res.end('two')
    })
    expect(shape(records)).toEqual(['STDOUT 200', 'STDERR between', 'STDOUT two', 'STDERR', 'STDOUT', 'END'])
  })

  it.each(['finish', 'close'])("what a listener of %p writes is still in front of the body's last bytes", async (event) => {
    const { records } = await ask((req, res) => {
      const stderr = stderrOf(req)
      res.on(event, () => stderr.write('at the end\n'))
      answer(res)
    })
    expect(shape(records)).toEqual(['STDERR at the end', 'STDOUT 200', 'STDOUT body', 'STDERR', 'STDOUT', 'END'])
  })

  it.each([
    [NGINX, false, ''],
    [NGINX, true, 'done\n'],
    ['lighttpd/1.4.69', false, 'done\n'],
    [APACHE, true, ''],
  ])('%s, connection kept: %p; once the announced body has left, %j is for process.stderr', async (software, keep, lost) => {
    const { records, body } = await ask(
      (req, res) => {
        const stderr = stderrOf(req)
        res.on('finish', () => stderr.write('done\n'))
        res.setHeader('Content-Length', 8)
        res.write('announce', () => res.end())
      },
      { software, keep },
    )
    expect(body.toString()).toBe('announce')
    expect(written()).toBe(lost)
    expect(shape(records).includes('STDERR done')).toBe(lost === '')
  })

  it('a long answer is not held back for what may be logged', async () => {
    const { body, stderr } = await ask((req, res) => {
      const log = stderrOf(req)
      res.on('finish', () => log.write('done\n'))
      res.end(Buffer.alloc(1_000_000, 'x'))
    })
    expect(body.equals(Buffer.alloc(1_000_000, 'x'))).toBe(true)
    expect(stderr.toString() + written()).toBe('done\n')
  })
})

describe('when it cannot be sent, it goes to process.stderr', () => {
  const logs = (req: http.IncomingMessage, res: http.ServerResponse): void => {
    stderrOf(req).write('a line\nand no end')
    answer(res)
  }

  it.each([
    ['Caddy logs none', { software: 'Caddy/2.6.2' }],
    ['HAProxy logs none', { software: 'HAProxy 2.6.12' }],
    ['HAProxy must not get any: it ends', { software: 'HAProxy 2.6.12', options: { stderr: 'on' } as const }],
    ['IIS shows it to its client', { software: 'Microsoft-IIS/10.0' }],
    ["stderr: 'off'", { options: { stderr: 'off' } as const }],
  ])('%s', async (_why, asked) => {
    const { records } = await ask(logs, asked)
    expect(shape(records)).toEqual(['STDOUT 200', 'STDOUT', 'END'])
    expect(written()).toBe('a line\nand no end')
  })

  it('under IIS, which the environment tells, whatever the variables say', async () => {
    process.env['_FCGI_X_PIPE_'] = '\\\\.\\pipe\\x'
    try {
      const { records } = await ask(logs)
      expect(shape(records)).toEqual(['STDOUT 200', 'STDOUT', 'END'])
    } finally {
      delete process.env['_FCGI_X_PIPE_']
    }
  })

  it('after the request, without an error', async () => {
    let stderr: Writable | undefined
    await ask((req, res) => {
      stderr = stderrOf(req)
      stderr.write('in time\n')
      answer(res)
    })
    await new Promise((resolve) => stderr?.write('too late, and no end', resolve))
    expect(written()).toBe('too late, and no end')
    expect(stderr?.errored).toBeNull()
  })

  it('of a request that is aborted while it waits for the head', async () => {
    const { client } = await serve((req) => void stderrOf(req).write('never sent\n'))
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...GET, SERVER_SOFTWARE: NGINX }), stdin(1), abort(1))
    expect(shape((await web.response(1)).records)).toEqual(['END'])
    expect(written()).toBe('never sent\n')
  })

  it('of a request that is aborted after some of it was sent: the stream is ended', async () => {
    let closed: Promise<unknown> | undefined
    const { client } = await serve((req, res) => {
      stderrOf(req).write('sent\n')
      closed = once(res, 'close')
    })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, { ...GET, SERVER_SOFTWARE: APACHE }), stdin(1))
    await web.next()
    web.send(abort(1))
    expect(shape((await web.response(1)).records)).toEqual(['STDERR sent', 'STDERR', 'END'])
    await closed
  })

  it('when the web server is gone', async () => {
    let close: Promise<unknown> | undefined
    const { client } = await serve((req, res) => {
      stderrOf(req).write('waits\n')
      close = once(res, 'close').then(() => stderrOf(req).write('late\n'))
    })
    const web = await client()
    web.send(begin(1), params(1, { ...GET, SERVER_SOFTWARE: NGINX }), stdin(1))
    web.halfClose()
    await web.closed
    await close
    expect(written()).toBe('waits\nlate\n')
  })
})

describe('the end of a request that is not the usual one', () => {
  it('a response given up midway is cut off, behind what was logged', async () => {
    const { client } = await serve((req, res) => {
      stderrOf(req).write('giving up\n')
      res.write('some', () => res.destroy())
    })
    const web = await client()
    web.send(begin(1), params(1, { ...GET, SERVER_SOFTWARE: APACHE }), stdin(1))
    await web.closed
    expect(shape(web.records())).toEqual(['STDERR giving up', 'STDOUT 200', 'STDOUT some'])
  })

  it('one that was given up before it began still brings its lines', async () => {
    const { client } = await serve((req, res) => {
      stderrOf(req).write('giving up\n')
      res.destroy()
    })
    const web = await client()
    web.send(begin(1), params(1, { ...GET, SERVER_SOFTWARE: NGINX }), stdin(1))
    await web.closed
    expect(shape(web.records()).join() + written()).toContain('giving up')
  })

  it('HTTP written by hand ends as it does without', async () => {
    const { records } = await ask((req) => {
      stderrOf(req).write('by hand\n')
      req.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody')
    })
    expect(shape(records)).toEqual(['STDERR by hand', 'STDOUT 200', 'STDOUT body', 'STDERR', 'STDOUT', 'END'])
  })

  it("a response of the application's own over the socket ends as it does without", async () => {
    const { records } = await ask((req, res) => {
      const socket = res.socket!
      stderrOf(req).write('own\n')
      res.detachSocket(socket)
      const own = new http.ServerResponse(req)
      own.assignSocket(socket)
      answer(own)
    })
    expect(shape(records)).toEqual(['STDERR own', 'STDOUT 200', 'STDOUT body', 'STDERR', 'STDOUT', 'END'])
  })

  it('an upload that comes too short is answered, and logged', async () => {
    const { client } = await serve((req) => void stderrOf(req).write('reading\n'))
    const web = await client()
    web.send(begin(1), params(1, { ...POST, CONTENT_LENGTH: '10', SERVER_SOFTWARE: NGINX }), stdin(1, 'short'), stdin(1))
    const { head, stderr } = await web.response(1)
    expect(head.status).toBe(400)
    expect(stderr.toString()).toBe('reading\n')
  })

  it('a server that closes waits for it', async () => {
    const { server, client } = await serve((req, res) => {
      stderrOf(req).write('line\n')
      server.close()
      setTimeout(() => answer(res), 1)
    })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    expect((await web.response(1)).stderr.toString()).toBe('line\n')
    await once(server, 'close')
  })
})

describe('a web server that does not read', () => {
  /** Fills the connection, and calls back when the operating system takes no more. */
  function fill(res: http.ServerResponse): Promise<void> {
    return new Promise((resolve) => {
      const more = (): void => {
        if (res.write(Buffer.alloc(65_536))) setTimeout(more, 0)
        else void setImmediate().then(() => (res.socket!.writableLength > 0 ? resolve() : more()))
      }
      more()
    })
  }

  /** A request of a web server that does not read before `log` lets it; its lines. */
  async function stalled(log: (stderr: () => Writable, resume: () => void) => void | Promise<void>): Promise<string> {
    let resume: () => void = () => undefined
    const { client } = await serve(async (req, res) => {
      await fill(res)
      await log(() => stderrOf(req), resume)
      res.end()
    })
    const web = await client()
    resume = () => web.resume()
    web.pause()
    web.send(begin(1), params(1, { ...GET, SERVER_SOFTWARE: APACHE }), stdin(1))
    return (await web.response(1)).stderr.toString()
  }

  it('holds up whoever writes to the stream, until there is room', async () => {
    const stderr = await stalled(async (open, resume) => {
      const stream = open()
      let done = false
      stream.write('waits\n', () => (done = true))
      await setImmediate()
      expect(done).toBe(false)
      while (stream.write('more\n'.repeat(1_000)));
      const drained = once(stream, 'drain')
      resume()
      await drained
      expect(done).toBe(true)
    })
    expect(stderr).toMatch(/^waits\n(?:more\n)+$/)
  })

  it('does not fill the memory with what loggers write: what is beyond 64 KiB goes to the fallback', async () => {
    const fallback: string[] = []
    const log = errorLog({ fallback: { write: (text) => fallback.push(text.toString()) } })
    const stderr = await stalled((_open, resume) => {
      for (let i = 0; i < 2_000; i++) log.write(`${'x'.repeat(98)}\n`)
      resume()
    })
    expect(stderr.length).toBeGreaterThan(50_000)
    expect(stderr.length).toBeLessThan(65_536)
    expect(stderr.length + fallback.join('').length).toBe(2_000 * 99)
  })
})

it('is written in whatever context: it is the request that has it', async () => {
  const outside = new AsyncResource('OUTSIDE')
  const { stderr } = await ask((req, res) => {
    outside.runInAsyncScope(() => stderrOf(req).write('line\n'))
    answer(res)
  })
  expect(stderr.toString()).toBe('line\n')
})

// Several requests at a time on one connection, of which some are aborted, of whatever length, for whatever web server.
it('no line is lost and none is there twice, whatever happens', async () => {
  const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const random = new Random(seed)
  const fallback: string[] = []
  const log = errorLog({ fallback: { write: (text) => fallback.push(text.toString()) } })
  const said: string[] = []
  const { client } = await serve(
    async (req, res) => {
      const own = new Random(Number(req.url!.slice(1)))
      const say = (): void => {
        const line = `line ${said.length} ${'y'.repeat(own.below(5) === 0 ? own.below(9_000) : own.below(100))}\n`
        said.push(line)
        if (own.below(2) === 0) log.write(line)
        else stderrOf(req).write(line)
      }
      for (const event of ['finish', 'close']) if (own.below(4) === 0) res.on(event, say)
      const sizes = Array.from({ length: own.below(6) }, () => (own.below(3) === 0 ? own.below(100_000) : own.below(100)))
      if (own.below(3) === 0) res.setHeader('Content-Length', sizes.reduce((sum, size) => sum + size, 0))
      if (own.below(8) === 0) res.statusCode = 304
      for (const size of sizes) {
        for (let count = own.below(4); count > 0; count--) say()
        res.write(Buffer.alloc(size))
        if (own.below(3) === 0) await setImmediate()
      }
      for (let count = own.below(3); count > 0; count--) say()
      res.end()
      if (own.below(5) === 0) say()
    },
    { stderr: 'on' },
  )
  const received: string[] = []
  for (let round = 0; round < 40; round++) {
    const web = await client()
    const keep = random.below(3) > 0
    const software = random.pick([NGINX, APACHE, 'lighttpd/1.4.69', '', 'HAProxy 2.6.12', 'Caddy/2.6.2'])
    const ids = Array.from({ length: keep ? 1 + random.below(8) : 1 }, (_, index) => index + 1)
    for (const id of ids) {
      const variables = { ...GET, SERVER_SOFTWARE: software, REQUEST_URI: `/${random.below(2 ** 31)}`, REQUEST_METHOD: random.pick(['GET', 'GET', 'GET', 'HEAD']) }
      web.send(begin(id, { keep }), params(id, variables), stdin(id))
      if (random.below(6) === 0) web.send(abort(id))
    }
    for (const id of ids) received.push((await web.response(id)).stderr.toString())
  }
  await until('the last line', () => linesOf([...received, ...fallback, written()]).length === said.length)
  expect([seed, linesOf([...received, ...fallback, written()]).sort()]).toEqual([seed, said.sort()])
})

const linesOf = (texts: readonly string[]): string[] => texts.join('').match(/[^\n]*\n/g) ?? []
