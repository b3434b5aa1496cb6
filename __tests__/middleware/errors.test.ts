// Requests that go wrong: errorhandler's pages, and connect-timeout's answer in place of a handler that gives none.
import timeout from 'connect-timeout'
import errorhandler from 'errorhandler'
import { deferred } from '../support/wait'
import { describeRoutes, onError } from './routes'

describeRoutes('errorhandler', (route) => {
  function failing() {
    const app = route.app()
    app.get('/error', () => {
      throw new Error('boom <&>')
    })
    app.get('/status', (_req, _res, next) => next(Object.assign(new Error('no'), { status: 403 })))
    app.get('/later', async () => {
      await Promise.resolve()
      throw new Error('later')
    })
    app.get('/midway', (req, res, next) => {
      if (req.query['length'] !== undefined) res.set('Content-Length', '100')
      res.write('the beginning')
      setImmediate(() => next(new Error('midway')))
    })
    app.use(errorhandler({ log: false }))
    return app
  }

  it.each([
    ['text/html', 'text/html; charset=utf-8', '<h2><em>500</em> Error: boom &lt;&amp;&gt;</h2>'],
    ['application/json', 'application/json; charset=utf-8', '"message": "boom <&>"'],
    ['text/plain', 'text/plain; charset=utf-8', 'Error: boom <&>'],
  ])('Accept: %s', async (accept, type, part) => {
    failing()
    const answer = await route.ask('/error', { headers: { Accept: accept } })
    expect([answer.status, answer.reason, answer.headers['content-type']]).toEqual([500, 'Internal Server Error', type])
    expect(answer.headers['x-content-type-options']).toBe('nosniff')
    expect(answer.text).toContain(part)
  })

  it('the status of the error, and an error of an async handler', async () => {
    failing()
    expect((await route.ask('/status')).status).toBe(403)
    const later = await route.ask('/later', { headers: { Accept: 'text/plain' } })
    expect([later.status, later.text.split('\n')[0]]).toEqual([500, 'Error: later'])
  })

  it.each(['/midway', '/midway?length'])('an error midway cuts the answer of %s off, and the next request is served', async (path) => {
    failing()
    const answer = await route.unbuffered.ask(path)
    expect([answer.status, answer.text, answer.complete]).toEqual([200, 'the beginning', false])
    expect((await route.ask('/status')).status).toBe(403)
  })
})

describeRoutes('connect-timeout', (route) => {
  it('answers with 503 when the handler takes too long, and tells the request so', async () => {
    const seen = deferred<unknown[]>()
    const app = route.app()
    app.use(timeout('20ms'))
    app.get('/', (req) => {
      req.on('timeout', (milliseconds: number) => seen.resolve([req.timedout, milliseconds]))
    })
    onError(app, (error, res) => res.status(error.status).send(error.code))
    const answer = await route.ask('/')
    expect([answer.status, answer.text, await seen.promise]).toEqual([503, 'ETIMEDOUT', [true, 20]])
  })

  it('does nothing to a request that is answered in time, or whose handler clears it', async () => {
    const cleared = deferred()
    const timedOut: string[] = []
    const app = route.app()
    app.use(timeout('40ms'))
    app.use((req, _res, next) => {
      req.on('timeout', () => timedOut.push(req.url))
      next()
    })
    app.get('/quick', (_req, res) => res.send('quick'))
    app.get('/cleared', async (req, res) => {
      req.clearTimeout()
      await cleared.promise
      res.send('slow')
    })
    app.get('/late', () => undefined)
    onError(app, (_error, res) => res.status(503).end())
    const slow = route.ask('/cleared')
    expect((await route.ask('/quick')).text).toBe('quick')
    // Begun after the other two, so when it times out they would have.
    expect((await route.ask('/late')).status).toBe(503)
    cleared.resolve()
    expect([(await slow).text, timedOut]).toEqual(['slow', ['/late']])
  })

  it('a head that is sent stops the clock', async () => {
    const timedOut: string[] = []
    const app = route.app()
    app.use(timeout('40ms'))
    app.use((req, _res, next) => {
      req.on('timeout', () => timedOut.push(req.url))
      next()
    })
    const go = deferred()
    app.get('/slow', async (_req, res) => {
      res.write('a')
      await go.promise
      res.end('b')
    })
    app.get('/late', () => undefined)
    onError(app, (_error, res) => res.status(503).end())
    const slow = route.unbuffered.ask('/slow')
    await route.ask('/late')
    go.resolve()
    expect([(await slow).text, timedOut]).toEqual(['ab', ['/late']])
  })
})
