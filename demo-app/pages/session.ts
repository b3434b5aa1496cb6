// Cookies and a session, through express-session as it comes: what must survive FastCGI is Set-Cookie, Cookie and req.secure.
import { randomBytes } from 'node:crypto'
import express, { type Request, type Response, Router } from 'express'
import session from 'express-session'
import { html, type Markup } from '../html'
import { rootOf, sendPage } from '../layout'
import { HttpError } from './errors'

declare module 'express-session' {
  interface SessionData {
    visits: number
    since: string
    name: string
    notice: string
  }
}

const SESSION_COOKIE = 'demo.sid'
// RFC 6265, section 4.1.1: a cookie's name is a token.
const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/

/** The Cookie field as name and value. Only for showing; values are left as they were sent. */
function cookiesOf(req: Request): (readonly [string, string])[] {
  return (req.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim().split(/=(.*)/s))
    .flatMap(([name, value]) => (name === undefined || name === '' ? [] : [[name, value ?? ''] as const]))
}

function cookieRow(root: string, name: string, value: string): Markup {
  return html`
    <tr>
      <th scope="row"><code>${name}</code></th>
      <td><code>${value}</code></td>
      <td>${name !== SESSION_COOKIE && html`
        <form method="post" action="${root}/session/cookies/remove">
          <input type="hidden" name="name" value="${name}">
          <button class="quiet small" aria-label="Remove the cookie ${name}">Remove</button>
        </form>`}</td>
    </tr>`
}

function page(req: Request, root: string): Markup {
  const { visits = 0, since = '', name, notice } = req.session
  const cookies = cookiesOf(req)
  return html`
  ${notice !== undefined && html`<p class="note" role="status" id="notice">${notice}</p>`}
  <div class="columns">
    <section class="card">
      <h2>Session</h2>
      <p class="hero"><output id="visits">${visits}</output> <span>${visits === 1 ? 'visit' : 'visits'}${name !== undefined && ` by ${name}`}</span></p>
      <dl class="stack">
        <div><dt>Since</dt><dd><time datetime="${since}">${new Date(since).toUTCString()}</time></dd></div>
        <div><dt>Session</dt><dd><code>${req.sessionID.slice(0, 8)}…</code></dd></div>
        <div><dt>Cookie is</dt><dd>HttpOnly, SameSite=Lax${req.secure && ', Secure'}</dd></div>
      </dl>
      <form method="post" action="${root}/session/name" class="inline">
        <label>Your name<input name="name" maxlength="40" value="${name ?? ''}" required autocomplete="off"></label>
        <button>Remember</button>
      </form>
      <div class="actions">
        <a class="button quiet" href="${root}/session">Reload</a>
        <form method="post" action="${root}/session/end"><button class="quiet danger">End the session</button></form>
      </div>
    </section>
    <section class="card">
      <h2>Cookies sent by the browser</h2>
      <div class="scroll"><table class="list" id="cookies">
        <thead><tr><th scope="col">Name</th><th scope="col">Value</th><th scope="col"><span class="unseen">Action</span></th></tr></thead>
        <tbody>
          ${cookies.length === 0 && html`<tr><td colspan="3" class="muted">None yet. Reload to see the session's own.</td></tr>`}
          ${cookies.map(([cookieName, value]) => cookieRow(root, cookieName, value))}
        </tbody>
      </table></div>
      <form method="post" action="${root}/session/cookies" class="inline">
        <label>Name<input name="name" value="flavour" maxlength="64" required spellcheck="false" autocomplete="off"></label>
        <label>Value<input name="value" value="oat &amp; raisin" maxlength="200" spellcheck="false" autocomplete="off"></label>
        <button>Set</button>
      </form>
    </section>
  </div>`
}

/** Text from a form, or '' when it is missing or not text. */
function field(req: Request, name: string): string {
  const value: unknown = (req.body as Record<string, unknown> | undefined)?.[name]
  return typeof value === 'string' ? value.trim() : ''
}

/** The page and its forms. Every form answers 303, so reloading never sends it twice. */
export function sessionPages(): Router {
  const router = Router()
  const form = express.urlencoded({ extended: false, limit: '8kb' })
  const back = (req: Request, res: Response, notice: string): void => {
    req.session.notice = notice
    res.redirect(303, `${rootOf(res)}/session`)
  }
  const cookieName = (req: Request): string => {
    const name = field(req, 'name')
    if (!token.test(name) || name === SESSION_COOKIE) throw new HttpError(400, 'this cannot be the name of a cookie')
    return name
  }

  router.use('/session', session({
    name: SESSION_COOKIE,
    secret: randomBytes(32).toString('hex'),
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto' },
  }))
  router.get('/session', (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1
    req.session.since ??= new Date().toISOString()
    const body = page(req, rootOf(res))
    delete req.session.notice
    sendPage(res, {
      title: 'Session and cookies',
      section: '/session',
      lead: 'express-session as it comes from npm. The counter lives in the application; the browser holds only a signed name for it.',
      body,
    })
  })
  router.post('/session/name', form, (req, res) => {
    req.session.name = field(req, 'name').slice(0, 40)
    back(req, res, `Remembered. This page now knows you as ${req.session.name}.`)
  })
  router.post('/session/cookies', form, (req, res) => {
    const name = cookieName(req)
    res.cookie(name, field(req, 'value').slice(0, 200), { sameSite: 'lax', secure: req.secure })
    back(req, res, `The cookie ${name} was set.`)
  })
  router.post('/session/cookies/remove', form, (req, res) => {
    const name = cookieName(req)
    res.clearCookie(name)
    back(req, res, `The cookie ${name} was removed.`)
  })
  router.post('/session/end', (req, res, next) => {
    req.session.destroy((error: unknown) => {
      if (error !== null && error !== undefined) return next(error)
      res.clearCookie(SESSION_COOKIE).redirect(303, `${rootOf(res)}/session`)
    })
  })
  return router
}
