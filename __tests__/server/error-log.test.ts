// errorLog(): each line finds its request by the async context it was logged in, and what it finds none for goes elsewhere.
// What real web servers log is in __tests__/servers/error-log.test.ts.

import { fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import type * as fastcgi from 'express-fastcgi'
import { errorLog, type ErrorLog } from 'express-fastcgi'
import express from 'express'
import pino from 'pino'
import { pinoHttp } from 'pino-http'
import { begin, params, STDERR, stdin, STDOUT } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { GET, serve, stopAll } from '../support/serve'

const APACHE = { ...GET, SERVER_SOFTWARE: 'Apache/2.4.71 (Debian)' }

afterEach(stopAll)

/** A log, and what did not go to a web server. */
function newLog(): { log: ErrorLog; elsewhere: () => string } {
  const lines: string[] = []
  return { log: errorLog({ fallback: { write: (text) => lines.push(text.toString()) } }), elsewhere: () => lines.join('') }
}

/** What a request with this handler had on STDERR, a record each. */
async function logged(handler: http.RequestListener, variables = APACHE): Promise<string[]> {
  const web = await (await serve(handler)).client()
  web.send(begin(1), params(1, variables), stdin(1))
  const { records } = await web.response(1)
  return records.filter(({ type, content }) => type === STDERR && content.length > 0).map(({ content }) => content.toString())
}

describe('a line', () => {
  it('goes to the request it is logged in, however deep', async () => {
    const { log, elsewhere } = newLog()
    const lines = await logged(async (_req, res) => {
      log.write('at once\n')
      await setTimeout(1)
      log.write('after a timer\n')
      await Promise.all([setImmediate(), fetchNothing()])
      log.write('after a socket\n')
      res.on('finish', () => log.write('finished\n'))
      res.on('close', () => log.write('closed\n'))
      res.end()
    })
    expect(lines).toEqual(['at once\n', 'after a timer\n', 'after a socket\n', 'finished\n', 'closed\n'])
    expect(elsewhere()).toBe('')
  })

  it('is told apart from those of other requests, on one connection too', async () => {
    const { log } = newLog()
    const { client } = await serve(async (req, res) => {
      for (let i = 0; i < 5; i++) {
        log.write(`${req.url} ${i}\n`)
        await setImmediate()
      }
      res.end()
    })
    const ids = [1, 2, 3, 4, 5, 6, 7, 8]
    const webs = [await client(), await client()]
    for (const web of webs) for (const id of ids) web.send(begin(id, { keep: true }), params(id, { ...APACHE, REQUEST_URI: `/${id}` }), stdin(id))
    for (const web of webs) {
      for (const id of ids) expect((await web.response(id)).stderr.toString()).toBe([0, 1, 2, 3, 4].map((i) => `/${id} ${i}\n`).join(''))
    }
  })

  it('goes to the fallback outside of a request, and in what outlives one', async () => {
    const { log, elsewhere } = newLog()
    log.write('before\n')
    const later = new EventEmitter()
    await logged((_req, res) => {
      void once(later, 'go').then(() => {
        log.write('too late\n')
        later.emit('gone')
      })
      res.end()
    })
    const gone = once(later, 'gone')
    later.emit('go')
    await gone
    log.write('after\n')
    expect(elsewhere()).toBe('before\ntoo late\nafter\n')
  })

  it('goes to the fallback where STDERR is off', async () => {
    const { log, elsewhere } = newLog()
    const lines = await logged(
      (_req, res) => {
        log.write('a line\n')
        res.end()
      },
      { ...GET, SERVER_SOFTWARE: 'Caddy/2.6.2' },
    )
    expect(lines).toEqual([])
    expect(elsewhere()).toBe('a line\n')
  })

  it('goes to the fallback over plain HTTP', async () => {
    const { log, elsewhere } = newLog()
    const { server } = await serve(() => undefined, { protocol: 'auto' })
    server.removeAllListeners('request').on('request', (_req, res) => {
      log.write('by HTTP\n')
      res.end()
    })
    const path = server.address() as string
    const response = (await once(http.get({ socketPath: path, agent: false }), 'response'))[0] as http.IncomingMessage
    response.resume()
    await once(response, 'close')
    expect(elsewhere()).toBe('by HTTP\n')
  })

  it('goes to process.stderr unless there is another fallback', () => {
    const spy = jest.spyOn(process.stderr, 'write').mockImplementation(() => true)
    try {
      errorLog().write('a line\n')
      expect(spy.mock.calls).toEqual([['a line\n']])
    } finally {
      spy.mockRestore()
    }
  })
})

describe('no text can make entries of its own in the log', () => {
  const FORGED = '\n2026/11/23 12:00:00 [emerg] 1#1: forged'

  it('of what pino writes, each line is one record', async () => {
    const { log } = newLog()
    const logger = pino({ base: null, timestamp: false }, log)
    const lines = await logged((_req, res) => {
      logger.info({ agent: `curl${FORGED}\r\u001b[2J\u0000\u007f\u0085\u009b31m\u2028` }, `msg${FORGED}`)
      res.end()
    })
    expect(lines).toHaveLength(1)
    // eslint-disable-next-line no-control-regex -- these are what is looked for
    expect(lines[0]).toMatch(/^[^\0-\x1f\x7f-\x9f\u2028\u2029]+\n$/)
    expect(JSON.parse(lines[0]!)).toEqual({ level: 30, agent: `curl${FORGED}\r\u001b[2J\u0000\u007f\u0085\u009b31m\u2028`, msg: `msg${FORGED}` })
  })

  it('of other loggers, a line break begins a record, which the web server marks, and control characters are escaped', async () => {
    const { log } = newLog()
    const lines = await logged((_req, res) => {
      log.write(`agent${FORGED}\r\nESC \u001b[31m, tab\t, CR \r, NUL \0, é`)
      res.end()
    })
    expect(lines).toEqual(['agent\n', '2026/11/23 12:00:00 [emerg] 1#1: forged\n', 'ESC \\u001b[31m, tab\t, CR \\u000d, NUL \\u0000, é\n'])
  })
})

describe('is a stream that loggers take as it is', () => {
  it('pino-http, with the line it writes when the response is finished', async () => {
    const { log, elsewhere } = newLog()
    const app = express()
    app.use(pinoHttp({ base: null, timestamp: false }, log))
    app.get('/', (req, res) => {
      req.log.info('in the handler')
      res.send('hello')
    })
    const lines = (await logged(app)).map((line) => JSON.parse(line) as { msg: string; res?: { statusCode: number } })
    expect(lines.map(({ msg }) => msg)).toEqual(['in the handler', 'request completed'])
    expect(lines[1]!.res!.statusCode).toBe(200)
    expect(elsewhere()).toBe('')
  })

  it('Console', async () => {
    const { log } = newLog()
    const own = new console.Console(log)
    const lines = await logged((_req, res) => {
      own.error('two\nlines %d', 2)
      res.end()
    })
    expect(lines).toEqual(['two\n', 'lines 2\n'])
  })

  it('bytes as well as text', async () => {
    const { log } = newLog()
    const lines = await logged((_req, res) => {
      log.write(Buffer.from('bytes: é\n'))
      log.write('')
      res.end()
    })
    expect(lines).toEqual(['bytes: é\n'])
  })
})

it('leaves requests that began before it alone, and follows those after', async () => {
  jest.resetModules()
  // A copy of its own, in which nobody asked for a log before.
  const fresh = jest.requireActual<typeof fastcgi>('express-fastcgi')
  const folder = mkdtempSync(join(tmpdir(), 'fcgi-log-'))
  const path = join(folder, 's')
  let log: ErrorLog | undefined
  const elsewhere: string[] = []
  const server = fresh.createServer((_req, res) => {
    log ??= fresh.errorLog({ fallback: { write: (text) => elsewhere.push(text.toString()) } })
    log.write('a line\n')
    res.end()
  })
  await once(server.listen(path), 'listening')
  const web = await connect(path)
  for (const id of [1, 2]) {
    web.send(begin(id, { keep: true }), params(id, APACHE), stdin(id))
    expect((await web.response(id)).stderr.toString()).toBe(id === 1 ? '' : 'a line\n')
  }
  expect(elsewhere).toEqual(['a line\n'])
  web.destroy()
  await once(server.close(), 'close')
  rmSync(folder, { recursive: true })
})

describe('options', () => {
  it.each([
    [{ fallback: {} }, 'option fallback of errorLog() must have a write() method'],
    [{ fallback: null }, 'option fallback of errorLog() must have a write() method'],
    [{ fall: 1 }, 'unknown option fall of errorLog(); known is fallback'],
  ])('%j is refused: %s', (options, message) => {
    expect(() => errorLog(options as never)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION', message }) as Error)
  })
})

// Of nginx, which gets no line before the head: these are sent all the same.
it.each([
  ['/throws', ['begun', 'thrown'], ''],
  ['/exits-later', ['begun'], ''],
  ['/exits-at-finish', ['begun', 'finished'], 'whole'],
])('what was logged of a request arrives though the process ends: %s', async (url, messages, body) => {
  const folder = mkdtempSync(join(tmpdir(), 'fcgi-log-'))
  const path = join(folder, 's')
  const child = fork(join(__dirname, 'children', 'logs.cjs'), [path], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
  try {
    await once(child, 'message')
    const exit = once(child, 'exit')
    const web = await connect(path)
    web.send(begin(1, { keep: true }), params(1, { ...GET, REQUEST_URI: url, SERVER_SOFTWARE: 'nginx/1.22.1' }), stdin(1))
    await web.closed
    const records = web.records()
    const lines = records.filter(({ type, content }) => type === STDERR && content.length > 0).map(({ content }) => content.toString())
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(messages)
    const output = records.filter(({ type }) => type === STDOUT).map(({ content }) => content.toString())
    expect(output.join('').replace(/^[^]*\r\n\r\n/, '')).toBe(body)
    await exit
  } finally {
    child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
})

/** A round trip over a socket, in whose callbacks the context is to be kept. */
async function fetchNothing(): Promise<void> {
  const server = http.createServer((_req, res) => res.end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const request = http.get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  await once(response, 'end')
  server.close()
}
