// What the error log of real web servers has of FCGI_STDERR: every line of a request, in an entry of its own, and nothing of it in
// the answer.

import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, errorLog, type FastCGISocket, type Server } from 'express-fastcgi'
import express from 'express'
import { pinoHttp } from 'pino-http'
import { startApache } from '../support/apache'
import { startHAProxy } from '../support/haproxy'
import { startLighttpd } from '../support/lighttpd'
import { describeWith } from '../support/need'
import { startNginx } from '../support/nginx'
import { until } from '../support/wait'
import { sharedFolder } from '../support/web-server'

/** What could not go to a web server. */
const elsewhere: string[] = []

function createApp(): express.Express {
  const log = errorLog({ fallback: { write: (text) => elsewhere.push(text.toString()) } })
  const app = express()
  app.use(pinoHttp({ base: null, timestamp: false, quietReqLogger: true, genReqId: (req) => req.url }, log))
  app.get('/line', (req, res) => {
    req.log.info('one\n2026/11/23 12:00:00 [emerg] 1#1: forged \u001b[31m')
    res.send('hello')
  })
  app.get('/raw', ({ socket }, res) => {
    const { stderr } = socket as FastCGISocket
    stderr.write('partial ')
    stderr.write('line of /raw\nand the last')
    res.send('raw')
  })
  app.get('/much', (req, res) => {
    for (let i = 0; i < 200; i++) req.log.info({ i, pad: 'x'.repeat(200) }, 'much')
    res.set('X-Large', 'x'.repeat(1_500)).send('much')
  })
  // 3 KiB and 1.5 KiB do not fit into the 4 KiB that nginx has for both.
  app.get('/head-in-between', (req, res) => {
    for (let i = 0; i < 3; i++) req.log.info({ i, pad: 'x'.repeat(950) }, 'beside the head')
    res.set('X-Large', 'x'.repeat(1_500)).send('fits')
  })
  app.get('/not-modified', (req, res) => {
    req.log.info('nothing new')
    res.status(304).end()
  })
  app.get('/stream', (req, res) => {
    req.log.info('streaming')
    res.write('some, ')
    setTimeout(() => {
      req.log.info('half way')
      res.end('and more')
    }, 20)
  })
  app.get('/sleeps', (req, res) => {
    req.log.info('still working')
    setTimeout(() => res.send('done'), 50)
  })
  app.get('/long', ({ log: ownLog }, res) => {
    ownLog.info({ pad: 'y'.repeat(30_000) }, 'the end of a long line')
    res.send('long')
  })
  return app
}

interface Subject {
  readonly port: number
  readonly server: { errorLog(): string }
  readonly path?: string
}

async function get({ port, path = '' }: Subject, url: string): Promise<{ status: number; body: string }> {
  const request = http.get({ host: '127.0.0.1', port, path: path + url, agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const body = Buffer.concat(await response.toArray()).toString()
  return { status: response.statusCode ?? 0, body }
}

/** Lines of the log with what pino wrote of one URL, as soon as there are that many. */
async function entries({ server }: Subject, text: string, count: number): Promise<string[]> {
  return until(`${count} entries with ${text}`, () => {
    const found = server.errorLog().split('\n').filter((line) => line.includes(text))
    return found.length >= count ? found : undefined
  })
}

/** What holds behind each of them. */
function itLogs(subject: () => Subject): void {
  beforeEach(() => void elsewhere.splice(0))

  it('each line is an entry, that of the end of the request too, and none forges another', async () => {
    expect(await get(subject(), '/line')).toEqual({ status: 200, body: 'hello' })
    const [first, last, ...others] = await entries(subject(), '"reqId":"/line"', 2)
    expect(first).toMatch(/one\\+n2026\/11\/23 12:00:00 \[emerg\] 1#1: forged \\+u001b/)
    expect(last).toContain('request completed')
    expect(others).toEqual([])
    expect(subject().server.errorLog()).not.toMatch(/^2026\/11\/23 12:00:00 \[emerg\]/m)
    expect(elsewhere).toEqual([])
  })

  it('what is written in parts is a line', async () => {
    expect(await get(subject(), '/raw')).toEqual({ status: 200, body: 'raw' })
    expect(await entries(subject(), 'partial line of /raw', 1)).toHaveLength(1)
    expect(await entries(subject(), 'and the last', 1)).toHaveLength(1)
  })

  it.each([
    ['/much', 200, 'much'],
    ['/head-in-between', 200, 'fits'],
  ])('however much it is, the answer is not harmed: %s', async (url, status, body) => {
    expect(await get(subject(), url)).toEqual({ status, body })
    const inLog = (await entries(subject(), 'request completed', 1)).length
    expect(inLog).toBeGreaterThan(0)
    const text = url === '/much' ? '"much"' : 'beside the head'
    const wanted = url === '/much' ? 200 : 3
    const lost = elsewhere.filter((line) => line.includes(text)).length
    await entries(subject(), text, wanted - lost)
    expect(lost).toBe(0)
  })

  it('an answer without a body, one in parts and one that takes time', async () => {
    expect(await get(subject(), '/not-modified')).toEqual({ status: 304, body: '' })
    expect(await get(subject(), '/stream')).toEqual({ status: 200, body: 'some, and more' })
    expect(await get(subject(), '/sleeps')).toEqual({ status: 200, body: 'done' })
    for (const text of ['nothing new', 'streaming', 'half way', 'still working']) expect(await entries(subject(), text, 1)).toHaveLength(1)
    expect(elsewhere).toEqual([])
  })

  it('of a line that is too long for the log, all parts are in it', async () => {
    expect(await get(subject(), '/long')).toEqual({ status: 200, body: 'long' })
    await entries(subject(), 'the end of a long line', 1)
    const letters = subject().server.errorLog().match(/y{3,}/g)!.join('')
    expect(letters).toHaveLength(30_000)
  })
}

async function listen(path: string, options = {}): Promise<Server> {
  const server = createServer(options, createApp())
  await once(server.listen({ path, mode: 0o666 }), 'listening')
  return server
}

const cleanUp: (() => unknown)[] = []
afterAll(async () => {
  for (const step of cleanUp.reverse()) await step()
})

async function start(name: string, options = {}): Promise<string> {
  const folder = sharedFolder(name)
  const path = join(folder, 'app.sock')
  const server = await listen(path, options)
  cleanUp.push(() => rmSync(folder, { recursive: true, force: true }))
  cleanUp.push(() => server.close().closeAllConnections())
  return path
}

describeWith('nginx', 'behind nginx', () => {
  const doors = [
    ['buffered', ''],
    ['buffered, connections kept', 'fastcgi_keep_conn on;'],
    ['unbuffered', 'fastcgi_buffering off;'],
    ['unbuffered, connections kept', 'fastcgi_buffering off; fastcgi_keep_conn on;'],
  ] as const

  describe.each(doors)('%s', (_name, settings) => {
    let subject: Subject
    beforeAll(async () => {
      const path = await start('nginx-log')
      const server = await startNginx({
        ports: 1,
        http: ([port]) => `
  upstream app { server unix:${path}; keepalive 2; }
  server {
    listen 127.0.0.1:${port};
    location / { include fastcgi_params; fastcgi_pass app; ${settings} fastcgi_buffer_size 4k; fastcgi_next_upstream off; }
  }`,
      })
      cleanUp.push(() => server.stop())
      subject = { port: server.ports[0]!, server }
    })

    itLogs(() => subject)

    it('an entry says that it comes from FastCGI, and of which request', async () => {
      await get(subject, '/sleeps')
      const [entry] = await entries(subject, 'still working', 1)
      expect(entry).toMatch(/ \[error\] .* FastCGI sent in stderr: "\{.*"still working"\}" while reading .*, request: "GET \/sleeps HTTP\/1.1"/)
    })
  })
})

describeWith('apache2', 'behind Apache, mod_proxy_fcgi', () => {
  let subject: Subject
  beforeAll(async () => {
    const path = await start('apache-log')
    const server = await startApache({
      ports: 1,
      modules: ['proxy', 'proxy_fcgi'],
      configuration: () => `ProxyPass "/" "unix:${path}|fcgi://localhost/"`,
    })
    cleanUp.push(() => server.stop())
    subject = { port: server.ports[0]!, server }
  })

  itLogs(() => subject)
})

describeWith('lighttpd', 'behind lighttpd', () => {
  let subject: Subject
  beforeAll(async () => {
    const path = await start('lighttpd-log')
    const server = await startLighttpd({
      ports: 1,
      modules: ['mod_fastcgi'],
      configuration: () => `fastcgi.server = ( "/" => (( "socket" => "${path}", "check-local" => "disable", "fix-root-scriptname" => "enable" )) )`,
    })
    cleanUp.push(() => server.stop())
    subject = { port: server.ports[0]!, server }
  })

  itLogs(() => subject)
})

// The process of HAProxy 2.6 ends at a record of STDERR that it reads by itself. It must not get any, whatever the option says.
describeWith('haproxy', 'behind HAProxy that is told to log', () => {
  it.each(['/line', '/raw', '/much', '/head-in-between', '/not-modified', '/stream', '/sleeps', '/long'])('%s is answered', async (url) => {
    const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-log-'))
    cleanUp.push(() => rmSync(folder, { recursive: true, force: true }))
    mkdirSync(join(folder, 'app'))
    const path = join(folder, 'app', 'app.sock')
    const app = await listen(path, { stderr: 'on' })
    const haproxy = await startHAProxy({
      ports: 1,
      sections: ([port]) => `
fcgi-app app
  log-stderr 127.0.0.1:9 local0
  option mpxs-conns
  docroot /
frontend web
  bind 127.0.0.1:${port}
  default_backend app
backend app
  use-fcgi-app app
  http-reuse always
  server app unix@${path} proto fcgi
`,
    })
    try {
      const subject = { port: haproxy.ports[0]!, server: haproxy }
      const answers = await Promise.all([get(subject, url), get(subject, '/line'), get(subject, url)])
      expect(answers.map(({ status }) => status)).toEqual([url === '/not-modified' ? 304 : 200, 200, url === '/not-modified' ? 304 : 200])
      expect(await get(subject, '/line')).toEqual({ status: 200, body: 'hello' })
      expect(haproxy.errorLog()).not.toContain('FATAL')
    } finally {
      await haproxy.stop()
      app.close().closeAllConnections()
    }
  })
})

