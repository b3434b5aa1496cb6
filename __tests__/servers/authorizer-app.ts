// The Express applications of the tests with authorizers: one that says who may pass, and one with content that tells what it was told. As
// unmodified as any: passport checks passwords in it, and body parsers look for a body.
import express, { type Express } from 'express'
import passport from 'passport'
import { BasicStrategy } from 'passport-http'
import { cgiParams } from 'express-fastcgi'

/** What an authorizer was asked, as far as it concerns the tests. */
export interface Asked {
  readonly method: string
  readonly url: string
  readonly body: unknown
  readonly apacheRole: string | undefined
  readonly user: string | undefined
}

export interface Authorizer {
  readonly app: Express
  readonly asked: Asked[]
}

/** Anybody's name will do, with this password. */
export const PASSWORD = 'w\xf6rd'

/** Does what `?auth=` says; without it, grants access to who has the password. */
export function createAuthorizer(): Authorizer {
  const asked: Asked[] = []
  const app = express()
  app.use(express.json(), express.urlencoded({ extended: false }))
  app.use((req, _res, next) => {
    const { FCGI_APACHE_ROLE: apacheRole, REMOTE_USER: user } = cgiParams(req)
    asked.push({ method: req.method, url: req.originalUrl, body: req.body as unknown, apacheRole, user })
    next()
  })
  app.use((req, res, next) => {
    switch (req.query['auth']) {
      case 'grant':
        res.cookie('seen', '1').set('Variable-AUTH_NOTE', 'granted by Express').set('Variable-REMOTE_USER', 'from-app').send('welcome')
        return
      case 'forbid':
        res.status(403).cookie('seen', '1').set('X-Why', 'because').send('forbidden by Express')
        return
      case 'redirect':
        res.redirect('https://login.example.test/?next=%2F')
        return
      case 'destroy':
        req.destroy()
        return
      case 'begin':
        res.flushHeaders()
        res.write('welc')
        setImmediate(() => res.destroy())
        return
      case 'throw':
        throw new Error('thrown by a handler')
      case 'end-socket':
        res.socket?.end()
        return
      case 'nothing':
        return
      default:
        next()
    }
  })
  const authenticator = new passport.Passport()
  // As browsers do it: the bytes of a name and a password are UTF-8, or latin1, and that makes no difference here.
  authenticator.use(new BasicStrategy({ realm: 'Express' }, (name, password, done) => done(null, password === PASSWORD && { name })))
  app.use(authenticator.initialize(), authenticator.authenticate('basic', { session: false }), (req, res) => {
    const { name } = req.user as { name: string }
    res.set('Variable-AUTH_NOTE', `password of ${name}`).set('Variable-REMOTE_USER', name).sendStatus(200)
  })
  app.set('env', 'test')
  return { app, asked }
}

/** What the content was told. */
export interface Told {
  readonly method: string
  readonly url: string
  readonly note: string | undefined
  readonly user: string | undefined
  readonly body: string
}

export function createContent(): Express {
  const app = express()
  app.use(express.text({ type: '*/*' }))
  app.use((req, res) => {
    const { AUTH_NOTE: note, REMOTE_USER: user } = cgiParams(req)
    res.json({ method: req.method, url: req.originalUrl, note, user, body: typeof req.body === 'string' ? req.body : '' } satisfies Told)
  })
  return app
}

/** The field of a client that has a password. */
export function basic(name: string, password: string): { Authorization: string } {
  return { Authorization: `Basic ${Buffer.from(`${name}:${password}`, 'utf8').toString('base64')}` }
}
