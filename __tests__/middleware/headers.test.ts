// Middleware that lives on headers: helmet, cors, method-override and vhost.
import type http from 'node:http'
import cors from 'cors'
import express from 'express'
import helmet from 'helmet'
import methodOverride from 'method-override'
import vhost from 'vhost'
import { describeRoutes } from './routes'

describeRoutes('helmet', (route) => {
  it('sets its headers, and takes X-Powered-By off', async () => {
    const app = route.app()
    app.use(helmet())
    app.get('/', (_req, res) => res.send('x'))
    const { headers } = await route.ask('/')
    expect(headers).toMatchObject({
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'origin-agent-cluster': '?1',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': expect.stringMatching(/^max-age=\d+; includeSubDomains$/) as string,
      'x-content-type-options': 'nosniff',
      'x-dns-prefetch-control': 'off',
      'x-download-options': 'noopen',
      'x-frame-options': 'SAMEORIGIN',
      'x-permitted-cross-domain-policies': 'none',
      'x-xss-protection': '0',
    })
    expect(headers['content-security-policy']).toContain("default-src 'self';")
    expect(headers).not.toHaveProperty('x-powered-by')
  })

  it('a policy made for each response reaches the client byte for byte', async () => {
    const app = route.app()
    app.use((_req, res, next) => {
      res.locals['nonce'] = 'bm9uY2U='
      next()
    })
    const nonce = (_req: http.IncomingMessage, res: http.ServerResponse): string =>
      `'nonce-${(res as express.Response).locals['nonce'] as string}'`
    app.use(helmet({ contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], scriptSrc: ["'self'", nonce] } } }))
    app.get('/', (_req, res) => res.send('x'))
    expect((await route.ask('/')).headers['content-security-policy']).toBe("default-src 'none';script-src 'self' 'nonce-bm9uY2U='")
  })
})

describeRoutes('cors', (route) => {
  const ORIGIN = { Origin: 'http://elsewhere.test' }
  const PREFLIGHT = { ...ORIGIN, 'Access-Control-Request-Method': 'PUT', 'Access-Control-Request-Headers': 'x-a, x-b' }
  const allowed = ({ headers }: { headers: http.IncomingHttpHeaders }) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('access-control-') || name === 'vary'))

  it('any origin by default', async () => {
    const app = route.app()
    app.use(cors())
    app.get('/', (_req, res) => res.send('x'))
    expect(allowed(await route.ask('/', { headers: ORIGIN }))).toEqual({ 'access-control-allow-origin': '*' })
  })

  it('a preflight is answered with 204, an empty body and what is allowed', async () => {
    const app = route.app()
    app.use(cors())
    const answer = await route.ask('/', { method: 'OPTIONS', headers: PREFLIGHT })
    expect([answer.status, answer.text, answer.complete]).toEqual([204, '', true])
    expect(allowed(answer)).toEqual({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET,HEAD,PUT,PATCH,POST,DELETE',
      'access-control-allow-headers': 'x-a, x-b',
      vary: 'Access-Control-Request-Headers',
    })
  })

  it('credentials, one origin, exposed headers and an age', async () => {
    const app = route.app()
    const allowing = { exposedHeaders: ['X-C'], maxAge: 60, methods: ['GET', 'PUT'] }
    app.use(cors({ origin: /\.test$/, credentials: true, optionsSuccessStatus: 200, ...allowing }))
    app.put('/', (_req, res) => res.send('x'))
    const preflight = await route.ask('/', { method: 'OPTIONS', headers: PREFLIGHT })
    expect([preflight.status, preflight.headers['content-length']]).toEqual([200, '0'])
    expect(allowed(preflight)).toEqual({
      'access-control-allow-origin': 'http://elsewhere.test',
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'x-a, x-b',
      'access-control-expose-headers': 'X-C',
      'access-control-max-age': '60',
      vary: 'Origin, Access-Control-Request-Headers',
    })
    expect(allowed(await route.ask('/', { method: 'PUT', headers: ORIGIN }))).toEqual({
      'access-control-allow-origin': 'http://elsewhere.test',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'X-C',
      vary: 'Origin',
    })
    const other = await route.ask('/', { method: 'PUT', headers: { Origin: 'http://bad.example' } })
    expect(other.headers).not.toHaveProperty('access-control-allow-origin')
  })

  it('preflightContinue leaves the answer to the application', async () => {
    const app = route.app()
    app.use(cors({ preflightContinue: true }))
    app.options('/', (_req, res) => res.status(202).send('own'))
    expect(await route.ask('/', { method: 'OPTIONS', headers: PREFLIGHT })).toMatchObject({ status: 202, text: 'own' })
  })
})

describeRoutes('method-override', (route) => {
  it.each([
    ['a header', '/', { 'X-HTTP-Method-Override': 'DELETE' }, 'DELETE POST'],
    ['a header in lower case', '/', { 'x-http-method-override': 'patch' }, 'PATCH POST'],
    ['a query', '/?_method=PUT', {}, 'PUT POST'],
    ['nothing', '/', {}, 'POST POST'],
    ['a method that there is none', '/', { 'X-HTTP-Method-Override': 'BOGUS' }, 'POST POST'],
  ])('%s', async (_what, path, headers, text) => {
    const app = route.app()
    app.use(methodOverride('X-HTTP-Method-Override'))
    app.use(methodOverride('_method'))
    app.use((req, res) => res.send(`${req.method} ${(req as { originalMethod?: string }).originalMethod ?? 'none'}`))
    const answer = await route.ask(path, { method: 'POST', headers: { 'Content-Length': 0, ...headers } })
    expect(answer.text).toBe(text)
  })

  it('the header is named in Vary', async () => {
    const app = route.app()
    app.use(methodOverride())
    app.use((_req, res) => res.send('x'))
    expect((await route.ask('/', { method: 'POST' })).headers.vary).toBe('X-HTTP-Method-Override')
  })

  it('a request that becomes HEAD midway answers without a body', async () => {
    const app = route.app()
    app.use(methodOverride('X-HTTP-Method-Override', { methods: ['GET'] }))
    app.head('/', (_req, res) => res.set('X-Was', 'head').end())
    const answer = await route.ask('/', { headers: { 'X-HTTP-Method-Override': 'HEAD' } })
    expect([answer.status, answer.headers['x-was'], answer.text, answer.complete]).toEqual([200, 'head', '', true])
  })
})

describeRoutes('vhost', (route) => {
  it.each([
    ['api.example.test', 'api'],
    ['API.example.test:8080', 'api'],
    ['one.two.example.test', 'wild one two of one.two.example.test'],
    ['example.test', 'none'],
    ['[::1]:8080', 'none'],
  ])('Host: %s', async (host, text) => {
    const app = route.app()
    app.use(vhost('api.example.test', (_req, res) => res.end('api')))
    app.use(
      vhost('*.*.example.test', (req, res) => {
        const { vhost: found } = req as { vhost?: { readonly host: string; readonly [index: number]: string } }
        res.end(`wild ${found![0]!} ${found![1]!} of ${found!.host}`)
      }),
    )
    app.use((_req, res) => res.send('none'))
    expect((await route.ask('/', { headers: { Host: host } })).text).toBe(text)
  })

  it('an application of its own behind each host', async () => {
    const first = express().get('/', (req, res) => res.send(`first ${req.hostname} ${req.host}`))
    const app = route.app()
    app.use(vhost('first.test', first as never))
    app.get('/', (_req, res) => res.send('main'))
    const answers = await Promise.all(['first.test:81', 'second.test'].map((Host) => route.ask('/', { headers: { Host } })))
    expect(answers.map(({ text }) => text)).toEqual(['first first.test first.test:81', 'main'])
  })
})
