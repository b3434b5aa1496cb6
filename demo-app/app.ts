// An ordinary Express 5 site. It knows nothing of FastCGI: whoever starts it may hand in a way to show the raw variables.
import { type IncomingMessage } from 'node:http'
import path from 'node:path'
import express, { type Express } from 'express'
import { type Logger, pino } from 'pino'
import { type Locals } from './layout'
import { Meter } from './meter'
import { downloadPages } from './pages/download'
import { echoPages } from './pages/echo'
import { errorPages, errorView, notFound } from './pages/errors'
import { inspectorPages } from './pages/inspector'
import { livePages } from './pages/live'
import { sessionPages } from './pages/session'
import { uploadPages } from './pages/upload'

export interface DemoOptions {
  /** The CGI/1.1 meta-variables a request arrived with; none for a request that came over plain HTTP. */
  readonly metaVariables?: (req: IncomingMessage) => Readonly<Record<string, string>>
  readonly logger?: Logger
  /** Aborted when the process is about to stop: event streams end, so that nothing holds the server open. */
  readonly stopping?: AbortSignal
}

/** Builds the whole site. Two sites in one process share nothing. */
export function createApp(options: DemoOptions = {}): Express {
  const app = express()
  const metaVariables = options.metaVariables ?? ((): Readonly<Record<string, string>> => ({}))
  const logger = options.logger ?? pino({ level: 'silent' })
  const stopping = options.stopping ?? new AbortController().signal
  const meter = new Meter()

  app.disable('x-powered-by')
  app.use((req, res, next) => {
    meter.countRequest()
    const locals: Locals = { root: req.baseUrl, servedBy: metaVariables(req)['SERVER_SOFTWARE'] ?? 'plain HTTP' }
    Object.assign(res.locals, locals)
    // Everything this site needs is its own, so the browser may refuse everything else.
    res.set({
      'Content-Security-Policy': "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
      'Referrer-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
    })
    res.on('finish', () => logger.info({ method: req.method, url: req.originalUrl, status: res.statusCode }, 'answered'))
    next()
  })
  app.use('/assets', express.static(path.join(__dirname, 'public'), { index: false, fallthrough: true }))
  // Pages show the state of this moment; going back to one must not show an old one.
  app.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    next()
  })
  app.use(inspectorPages(metaVariables))
  app.use(uploadPages(stopping))
  app.use(livePages(meter, stopping))
  app.use(downloadPages())
  app.use(echoPages())
  app.use(sessionPages())
  app.use(errorPages())
  app.use(notFound)
  app.use(errorView(logger))
  return app
}
