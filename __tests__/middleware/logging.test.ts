// Loggers look at requests from outside and late: after the answer, or after the client left. morgan, pino-http and response-time.
import { EventEmitter, once } from 'node:events'
import type http from 'node:http'
import morgan from 'morgan'
import pinoHttp, { type Options } from 'pino-http'
import responseTime from 'response-time'
import { deferred } from '../support/wait'
import { describeRoutes } from './routes'

/** Lines as a logger writes them, and the wait for the next. */
class Log extends EventEmitter {
  readonly lines: string[] = []

  readonly write = (line: string): void => {
    this.lines.push(line.trimEnd())
    this.emit('line')
  }

  async line(number = 1): Promise<string> {
    while (this.lines.length < number) await once(this, 'line')
    return this.lines[number - 1]!
  }
}

const ABORTED = 'GET /waits HTTP/1.1\r\nHost: a\r\n\r\n'

describeRoutes('morgan', (route) => {
  const number = /^\d+\.\d{3}$/

  it('every token has its value', async () => {
    const log = new Log()
    const tokens = [
      'method', 'url', 'status', 'http-version', 'remote-addr', 'remote-user', 'referrer', 'user-agent', 'req[x-a]',
      'res[content-length]', 'res[content-type]', 'res[x-b]', 'response-time', 'total-time', 'date[iso]',
    ]
    const app = route.app()
    app.use(morgan(tokens.map((token) => `:${token}`).join('|'), { stream: log }))
    app.post('/p/:id', (_req, res) => res.status(201).set('X-B', ['1', '2']).type('text').send('hello'))
    await route.ask('/p/1?q=%20', {
      method: 'POST',
      headers: { 'X-A': 'a', Referer: 'http://from/', 'User-Agent': 'test/1', Authorization: `Basic ${btoa('someone:secret')}` },
      body: 'ignored',
    })
    const values = (await log.line()).split('|')
    expect(values.slice(0, 12)).toEqual([
      'POST', '/p/1?q=%20', '201', '1.1', '127.0.0.1', 'someone', 'http://from/', 'test/1', 'a', '5', 'text/plain; charset=utf-8', '1, 2',
    ])
    expect(values[12]).toMatch(number)
    expect(values[13]).toMatch(number)
    expect(Number(values[13])).toBeGreaterThanOrEqual(Number(values[12]))
    expect(new Date(values[14]!).toISOString()).toBe(values[14])
  })

  it.each([
    ['combined', /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/x HTTP\/1\.1" 404 5 "-" "test\/1"$/],
    ['common', /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/x HTTP\/1\.1" 404 5$/],
    ['short', /^127\.0\.0\.1 - GET \/x HTTP\/1\.1 404 5 - \d+\.\d{3} ms$/],
    ['tiny', /^GET \/x 404 5 - \d+\.\d{3} ms$/],
  ])('the format %s', async (format, line) => {
    const log = new Log()
    const app = route.app()
    app.use(morgan(format, { stream: log }))
    app.use((_req, res) => res.status(404).send('never'))
    await route.ask('/x', { headers: { 'User-Agent': 'test/1' } })
    expect(await log.line()).toMatch(line)
  })

  it('a 204 and a 304 have no content-length', async () => {
    const log = new Log()
    const app = route.app()
    app.use(morgan(':status :res[content-length]', { stream: log }))
    app.get('/none', (_req, res) => res.status(204).end())
    app.get('/same', (_req, res) => res.set('ETag', '"1"').send('x'))
    await route.ask('/none')
    await log.line()
    await route.ask('/same', { headers: { 'If-None-Match': '"1"' } })
    expect([await log.line(), await log.line(2)]).toEqual(['204 -', '304 -'])
  })

  route.itBehindNginx('a request whose client left before an answer has no status, no length and no response time', async () => {
    const log = new Log()
    const arrived = deferred()
    const app = route.app()
    app.use(morgan(':method :url :status :res[content-length] :response-time :total-time :remote-addr', { stream: log }))
    app.get('/waits', () => arrived.resolve())
    const client = await route.raw()
    client.write(ABORTED)
    await arrived.promise
    client.leave()
    expect(await log.line()).toBe('GET /waits - - - - 127.0.0.1')
  })

  route.itBehindNginx('a request whose client left during the answer has its status', async () => {
    const log = new Log()
    const app = route.app()
    app.use(morgan(':status :res[content-length] :response-time', { stream: log }))
    app.get('/waits', (_req, res) => {
      res.set('Content-Length', '1000').write('the beginning')
    })
    const client = await route.unbuffered.raw()
    client.write(ABORTED)
    await client.head()
    client.leave()
    expect(await log.line()).toMatch(/^200 1000 \d+\.\d{3}$/)
  })

  it('immediate: the line comes with the request', async () => {
    const log = new Log()
    const app = route.app()
    app.use(morgan(':method :url :status', { stream: log, immediate: true }))
    app.use((_req, res) => res.send(String(log.lines.length)))
    expect([(await route.ask('/now')).text, log.lines]).toEqual(['1', ['GET /now -']])
  })

  it('a line for each of many at the same time', async () => {
    const log = new Log()
    const app = route.app()
    app.use(morgan(':url :res[content-length]', { stream: log, skip: (req) => req.url === '/0' }))
    app.use((req, res) => res.send('x'.repeat(Number(req.path.slice(1)))))
    await Promise.all(Array.from({ length: 20 }, (_, index) => route.ask(`/${index}`)))
    await log.line(19)
    expect(log.lines.sort()).toEqual(Array.from({ length: 19 }, (_, index) => `/${index + 1} ${index + 1}`).sort())
  })
})

describeRoutes('pino-http', (route) => {
  interface Line {
    readonly level: number
    readonly msg: string
    readonly req: { readonly id: unknown; readonly headers: object; readonly remotePort: unknown }
    readonly res: { readonly headers: object }
    readonly err: { readonly message: string; readonly type: string }
    readonly responseTime: unknown
  }
  const line = async (log: Log, number = 1): Promise<Line> => JSON.parse(await log.line(number)) as Line

  function logging(log: Log, options: Options = {}) {
    const app = route.app()
    app.use(pinoHttp(options, log))
    return app
  }

  it('a completed request, with its request and response', async () => {
    const log = new Log()
    logging(log).get('/a/:b', (req, res) => {
      req.log.info({ id: req.id }, 'within')
      res.set('X-B', '1').json({ b: 1 })
    })
    await route.ask('/a/b?c=d', { headers: { 'X-A': '1' } })
    const within = await line(log)
    const done = await line(log, 2)
    expect([within.msg, within.req.id, done.msg, done.level]).toEqual(['within', 1, 'request completed', 30])
    expect(done.req).toMatchObject({ id: 1, method: 'GET', url: '/a/b?c=d', query: { c: 'd' }, remoteAddress: '127.0.0.1' })
    expect(done.req.headers).toMatchObject({ 'x-a': '1' })
    expect(done.res).toMatchObject({ statusCode: 200, headers: { 'x-b': '1', 'content-length': '7' } })
    expect([typeof done.responseTime, typeof done.req.remotePort]).toEqual(['number', 'number'])
  })

  it('ids count the requests, or are those of the client', async () => {
    const log = new Log()
    const app = logging(log, { genReqId: (req: http.IncomingMessage) => req.headers['x-request-id'] ?? 'none' })
    app.use((req, res) => res.send(req.id))
    expect((await route.ask('/', { headers: { 'X-Request-Id': 'of-mine' } })).text).toBe('of-mine')
    expect((await line(log)).req.id).toBe('of-mine')
  })

  route.itBehindNginx('an aborted request is said to be, without a status', async () => {
    const log = new Log()
    const arrived = deferred()
    logging(log).get('/waits', () => arrived.resolve())
    const client = await route.raw()
    client.write(ABORTED)
    await arrived.promise
    client.leave()
    expect(await line(log)).toMatchObject({ level: 30, msg: 'request aborted', req: { url: '/waits' }, res: { statusCode: null } })
    expect(log.lines).toHaveLength(1)
  })

  it.each([
    ['a status of 500', '/status', 'failed with status code 503'],
    ['an error of the handler', '/throws', 'failed with status code 500'],
    ['an error told with res.err', '/told', 'as planned'],
  ])('%s is an errored request', async (_what, path, message) => {
    const log = new Log()
    const app = logging(log)
    app.get('/status', (_req, res) => res.status(503).end())
    app.get('/throws', () => {
      throw new Error('as planned')
    })
    app.get('/told', (_req, res) => {
      res.err = new Error('as planned')
      res.end()
    })
    await route.ask(path)
    const errored = await line(log)
    expect([errored.msg, errored.level, errored.err.message, errored.err.type]).toEqual(['request errored', 30, message, 'Error'])
  })

  it('serializers, an own level, and requests that are ignored', async () => {
    const log = new Log()
    const app = logging(log, {
      autoLogging: { ignore: (req) => req.url === '/quiet' },
      customLogLevel: (_req, res) => (res.statusCode === 404 ? 'warn' : 'info'),
      serializers: { req: (req: { raw: http.IncomingMessage }) => req.raw.url, res: (res: { raw: http.ServerResponse }) => res.raw.statusCode },
    })
    app.get('/quiet', (_req, res) => res.end())
    await route.ask('/quiet')
    await route.ask('/nothing')
    expect(await line(log)).toMatchObject({ level: 40, req: '/nothing', res: 404 })
  })
})

describeRoutes('response-time', (route) => {
  it('sets the header when the head is written, by writeHead() or not', async () => {
    const app = route.app()
    app.use(responseTime({ digits: 2 }))
    app.get('/send', (_req, res) => res.send('x'))
    app.get('/head', (_req, res) => res.writeHead(203, { 'X-A': 'a' }).end())
    app.get('/stream', (_req, res) => {
      res.write('a')
      res.end('b')
    })
    for (const path of ['/send', '/head', '/stream']) {
      expect((await route.ask(path)).headers['x-response-time']).toMatch(/^\d+\.\d\dms$/)
    }
  })

  it('hands the time to a function', async () => {
    const seen: string[] = []
    const app = route.app()
    app.use(responseTime((req, res, time) => seen.push(`${req.url} ${res.statusCode} ${typeof time}`)))
    app.use((_req, res) => res.status(418).end())
    await route.ask('/tea')
    expect(seen).toEqual(['/tea 418 number'])
  })
})
