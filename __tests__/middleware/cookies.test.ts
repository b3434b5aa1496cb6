// Cookies and what is built on them: cookie-parser, cookie-session, express-session, and csrf-csrf's double submit.
import cookieParser from 'cookie-parser'
import cookieSession from 'cookie-session'
import { doubleCsrf } from 'csrf-csrf'
import session from 'express-session'
import { deferred } from '../support/wait'
import { type Answer, type Door, describeRoutes, onError } from './routes'

declare module 'express-session' {
  interface SessionData {
    views: number
  }
}

/** What a browser would send back. */
const cookiesOf = ({ headers }: Answer): string => (headers['set-cookie'] ?? []).map((cookie) => cookie.split(';')[0]).join('; ')
const attributesOf = (cookie = ''): string[] => cookie.split('; ').slice(1).filter((attribute) => !attribute.startsWith('expires')).sort()

describeRoutes('cookie-parser', (route) => {
  it('plain, JSON, signed and tampered cookies', async () => {
    const app = route.app()
    app.use(cookieParser('secret'))
    app.get('/set', (_req, res) => {
      res.cookie('plain', 'ü ;').cookie('object', { a: [1] }).cookie('signed', 'value', { signed: true, httpOnly: true, maxAge: 60_000 }).end()
    })
    app.get('/', (req, res) => res.json({ plain: req.cookies as unknown, signed: req.signedCookies as unknown }))
    const set = await route.ask('/set')
    expect(set.headers['set-cookie']).toHaveLength(3)
    const cookie = cookiesOf(set)
    expect(JSON.parse((await route.ask('/', { headers: { Cookie: cookie } })).text)).toEqual({
      plain: { plain: 'ü ;', object: { a: [1] } },
      signed: { signed: 'value' },
    })
    const tampered = cookie.replace('s%3Avalue', 's%3Aother')
    expect(JSON.parse((await route.ask('/', { headers: { Cookie: tampered } })).text)).toMatchObject({ signed: { signed: false } })
  })

  it('cookies of several header lines are all there', async () => {
    const app = route.app()
    app.use(cookieParser())
    app.get('/', (req, res) => res.json(req.cookies))
    const client = await route.raw()
    client.write('GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\nCookie: c=3\r\nConnection: close\r\n\r\n')
    await client.head()
    expect(JSON.parse((await client.rest()).toString())).toEqual({ a: '1', b: '2', c: '3' })
  })

  it('cookies are cleared', async () => {
    const app = route.app()
    app.get('/', (_req, res) => res.clearCookie('a').clearCookie('b', { path: '/x' }).end())
    expect((await route.ask('/')).headers['set-cookie']).toEqual([
      'a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
      'b=; Path=/x; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    ])
  })
})

describeRoutes('cookie-session', (route) => {
  /** Its own types and those of express-session cannot both describe `req.session`. */
  const sessionOf = (req: object): Record<string, unknown> => (req as { session: Record<string, unknown> }).session

  it('keeps its values in signed cookies', async () => {
    const app = route.app()
    app.use(cookieSession({ name: 'session', keys: ['new', 'old'] }))
    app.get('/', (req, res) => {
      const values = sessionOf(req)
      values['views'] = ((values['views'] as number | undefined) ?? 0) + 1
      res.send(String(values['views']))
    })
    app.get('/end', (req, res) => {
      Object.assign(req, { session: null })
      res.send('ended')
    })
    const first = await route.ask('/')
    expect(first.headers['set-cookie']!.map((cookie) => cookie.split('=')[0])).toEqual(['session', 'session.sig'])
    const second = await route.ask('/', { headers: { Cookie: cookiesOf(first) } })
    expect((await route.ask('/', { headers: { Cookie: cookiesOf(second) } })).text).toBe('3')
    expect((await route.ask('/', { headers: { Cookie: 'session=eyJ2aWV3cyI6OX0=; session.sig=forged' } })).text).toBe('1')
    const ended = await route.ask('/end', { headers: { Cookie: cookiesOf(second) } })
    expect(ended.headers['set-cookie']![0]).toMatch(/^session=; .*expires=Thu, 01 Jan 1970/)
  })

  it('a secure cookie is set over https, and refused over http', async () => {
    const app = route.app()
    app.use(cookieSession({ keys: ['key'], secure: true }))
    app.get('/', (req, res) => {
      sessionOf(req)['a'] = 1
      res.send(`${req.protocol} ${req.secure}`)
    })
    const secure = await route.secure.ask('/')
    expect([secure.status, secure.text]).toEqual([200, 'https true'])
    expect(attributesOf(secure.headers['set-cookie']?.[0])).toEqual(['httponly', 'path=/', 'secure'])
    const plain = await route.ask('/')
    expect([plain.status, plain.headers['set-cookie']]).toEqual([200, undefined])
  })
})

describeRoutes('express-session', (route) => {
  const base = { secret: 'secret', resave: false, saveUninitialized: false } as const

  /** An application that counts its visits; `stored` is called when the store has a session. */
  function counting(options: Partial<session.SessionOptions> = {}, stored: (sid: string) => void = () => undefined) {
    const store = new session.MemoryStore()
    const set = store.set.bind(store)
    store.set = (sid, data, callback) =>
      set(sid, data, (error?: unknown) => {
        // A store elsewhere takes its time; the end of the answer has to wait for it.
        setImmediate(() => {
          stored(sid)
          callback?.(error)
        })
      })
    const app = route.app()
    app.use(session({ ...base, ...options, store }))
    app.get('/views', (req, res) => {
      req.session.views = (req.session.views ?? 0) + 1
      res.send(String(req.session.views))
    })
    app.get('/look', (req, res) => res.send(String(req.session.views)))
    return app
  }

  async function visit(door: Door, cookie = '', path = '/views'): Promise<[text: string, cookie: string]> {
    const answer = await door.ask(path, { headers: cookie === '' ? {} : { Cookie: cookie } })
    return [answer.text, cookiesOf(answer)]
  }

  it('counts the visits of one client, and none of another', async () => {
    counting()
    const [first, cookie] = await visit(route)
    expect([first, await visit(route, cookie), await visit(route, cookie), (await visit(route))[0]]).toEqual(['1', ['2', ''], ['3', ''], '1'])
  })

  it('a forged session is a new one', async () => {
    counting()
    const [, cookie] = await visit(route)
    expect((await visit(route, `${cookie.slice(0, -3)}abc`))[0]).toBe('1')
  })

  it('nothing is set for a session nobody used', async () => {
    counting()
    expect(await visit(route, '', '/look')).toEqual(['undefined', ''])
  })

  it('the session is saved before the end of the answer arrives', async () => {
    const log: string[] = []
    counting({}, () => log.push('stored'))
    for (const door of [route, route.unbuffered]) {
      await visit(door)
      log.push('answered')
    }
    expect(log).toEqual(['stored', 'answered', 'stored', 'answered'])
  })

  it('a streamed answer ends when the session is saved, its pieces come before', async () => {
    const log: string[] = []
    const arrived = deferred()
    const app = counting({}, () => log.push('stored'))
    app.get('/stream', async (req, res) => {
      req.session.views = 7
      res.write('a piece')
      await arrived.promise
      log.push('ending')
      res.end(', the end')
    })
    const { text, complete } = await route.unbuffered.ask('/stream', { onData: () => arrived.resolve() })
    expect([text, complete, log]).toEqual(['a piece, the end', true, ['ending', 'stored']])
  })

  it('a secure cookie is set over https only', async () => {
    counting({ cookie: { secure: true, sameSite: 'lax' } })
    const answer = await route.secure.ask('/views')
    expect(attributesOf(answer.headers['set-cookie']?.[0])).toEqual(['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'])
    expect((await visit(route.secure, cookiesOf(answer)))[0]).toBe('2')
    expect((await visit(route))[1]).toBe('')
  })

  it("secure: 'auto' follows the client's protocol", async () => {
    counting({ cookie: { secure: 'auto' } })
    expect(attributesOf((await route.secure.ask('/views')).headers['set-cookie']?.[0])).toEqual(['HttpOnly', 'Path=/', 'Secure'])
    expect(attributesOf((await route.ask('/views')).headers['set-cookie']?.[0])).toEqual(['HttpOnly', 'Path=/'])
  })

  it('rolling: the cookie is set again with every answer', async () => {
    counting({ rolling: true, cookie: { maxAge: 60_000 } })
    const [, cookie] = await visit(route)
    const [text, again] = await visit(route, cookie, '/look')
    expect([text, again]).toEqual(['1', cookie])
  })

  it('regenerate and destroy', async () => {
    const app = counting()
    app.get('/regenerate', (req, res, next) => req.session.regenerate((error) => (error ? next(error) : res.send(String(req.session.views)))))
    app.get('/destroy', (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.send('gone'))))
    const [, cookie] = await visit(route)
    expect((await visit(route, cookie, '/regenerate'))[0]).toBe('undefined')
    expect((await visit(route, cookie, '/look'))[0]).toBe('undefined')
    const [, other] = await visit(route)
    expect([(await visit(route, other, '/destroy'))[0], (await visit(route, other))[0]]).toEqual(['gone', '1'])
  })

  it('a store that fails is an error of the request', async () => {
    const store = new session.MemoryStore()
    store.get = (_sid, callback) => callback(Object.assign(new Error('store is down'), { status: 503 }))
    const app = route.app()
    app.use(session({ ...base, secret: 'secret', store, saveUninitialized: true }))
    app.get('/', (_req, res) => res.send('x'))
    onError(app, (error, res) => res.status(error.status).send(error.message))
    const [, cookie] = await visit(route, '', '/')
    expect(await route.ask('/', { headers: { Cookie: cookie } })).toMatchObject({ status: 503, text: 'store is down' })
  })
})

describeRoutes('csrf-csrf', (route) => {
  it('takes a form with the token of its cookie, and no other', async () => {
    const { generateCsrfToken, doubleCsrfProtection } = doubleCsrf({
      getSecret: () => 'secret',
      getSessionIdentifier: (req) => (req.cookies as Record<string, string>)['id'] ?? '',
      cookieName: '__Host-token',
      cookieOptions: { secure: true, sameSite: 'strict' },
    })
    const app = route.app()
    app.use(cookieParser())
    app.get('/form', (req, res) => res.json(generateCsrfToken(req, res)))
    app.post('/form', doubleCsrfProtection, (_req, res) => res.send('taken'))
    onError(app, (error, res) => res.status(error.status).send(error.code))

    const form = await route.secure.ask('/form', { headers: { Cookie: 'id=1' } })
    const token = JSON.parse(form.text) as string
    expect(attributesOf(form.headers['set-cookie']?.[0])).toEqual(['HttpOnly', 'Path=/', 'SameSite=Strict', 'Secure'])
    const submit = async (id: string, cookie: string, sent: string): Promise<unknown[]> => {
      const headers = { Cookie: `id=${id}; ${cookie}`, 'X-CSRF-Token': sent, 'Content-Length': 0 }
      const { status, text } = await route.secure.ask('/form', { method: 'POST', headers })
      return [status, text]
    }
    expect(await submit('1', cookiesOf(form), token)).toEqual([200, 'taken'])
    expect(await submit('2', cookiesOf(form), token)).toEqual([403, 'EBADCSRFTOKEN'])
    expect(await submit('1', cookiesOf(form), `${token}x`)).toEqual([403, 'EBADCSRFTOKEN'])
    expect(await submit('1', '', token)).toEqual([403, 'EBADCSRFTOKEN'])
  })
})
