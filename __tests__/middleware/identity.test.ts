// Middleware that asks who the client is: express-rate-limit by its address, passport by its credentials.
import { rateLimit } from 'express-rate-limit'
import passport from 'passport'
import { BasicStrategy } from 'passport-http'
import { describeRoutes } from './routes'

describeRoutes('express-rate-limit', (route) => {
  it("counts by the client's address, and says what is left", async () => {
    const problems: unknown[] = []
    const logger = { error: (problem: unknown) => problems.push(problem), warn: (problem: unknown) => problems.push(problem) }
    const app = route.app()
    app.use(rateLimit({ windowMs: 60_000, limit: 2, standardHeaders: 'draft-6', legacyHeaders: true, logger }))
    app.get('/', (req, res) => res.send(req.ip))
    const answers = [await route.ask('/'), await route.ask('/'), await route.ask('/')]
    const counted = ['ratelimit-limit', 'ratelimit-remaining', 'x-ratelimit-remaining']
    expect(answers.map(({ status, headers }) => [status, ...counted.map((name) => headers[name])])).toEqual([
      [200, '2', '1', '1'],
      [200, '2', '0', '0'],
      [429, '2', '0', '0'],
    ])
    expect([answers[0]!.text, answers[2]!.text]).toEqual(['127.0.0.1', 'Too many requests, please try again later.'])
    expect(Number(answers[2]!.headers['retry-after'])).toBeGreaterThan(0)
    expect(problems).toEqual([])
  })

  it('a client cannot claim another address', async () => {
    const app = route.app()
    app.get('/', (req, res) => res.json([req.ip, req.protocol]))
    const { text } = await route.ask('/', { headers: { 'X-Real-IP': '192.0.2.1', Forwarded: 'for=192.0.2.1' } })
    expect(JSON.parse(text)).toEqual(['127.0.0.1', 'http'])
  })

  it('skips, and gives back what failed, when the answer is finished', async () => {
    const app = route.app()
    app.use(rateLimit({ limit: 1, skipFailedRequests: true, skip: (req) => req.path === '/free', validate: false }))
    app.get('/free', (_req, res) => res.send('free'))
    app.get('/fails', (_req, res) => res.status(500).end())
    app.get('/', (_req, res) => res.send('counted'))
    const statuses = []
    for (const path of ['/fails', '/free', '/', '/free', '/']) statuses.push((await route.ask(path)).status)
    expect(statuses).toEqual([500, 200, 200, 200, 429])
  })
})

describeRoutes('passport with basic authentication', (route) => {
  function guarded() {
    const authenticator = new passport.Passport()
    authenticator.use(
      new BasicStrategy({ realm: 'here' }, (name, password, done) => done(null, password === 'wörd' && { name })),
    )
    const app = route.app()
    app.use(authenticator.initialize())
    app.get('/', authenticator.authenticate('basic', { session: false }), (req, res) => res.json([req.user, req.isAuthenticated()]))
    return app
  }

  it.each([
    ['no credentials', {}],
    ['wrong credentials', { Authorization: `Basic ${btoa('ada:guess')}` }],
    ['another scheme', { Authorization: 'Bearer token' }],
  ])('%s: 401 with a challenge', async (_what, headers) => {
    guarded()
    const answer = await route.ask('/', { headers })
    expect([answer.status, answer.headers['www-authenticate'], answer.text]).toEqual([401, 'Basic realm="here"', 'Unauthorized'])
  })

  it('malformed credentials: 400', async () => {
    guarded()
    expect((await route.ask('/', { headers: { Authorization: 'Basic' } })).status).toBe(400)
  })

  it('right credentials arrive through the web server', async () => {
    guarded()
    const credentials = Buffer.from('ada:wörd').toString('base64')
    const answer = await route.ask('/', { headers: { Authorization: `Basic ${credentials}` } })
    expect([answer.status, JSON.parse(answer.text)]).toEqual([200, [{ name: 'ada' }, true]])
  })
})
