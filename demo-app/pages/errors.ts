// Things that go wrong on purpose, and the one view for everything that goes wrong.
import { STATUS_CODES } from 'node:http'
import { type ErrorRequestHandler, type RequestHandler, Router } from 'express'
import { type Logger } from 'pino'
import { html } from '../html'
import { rootOf, sendPage } from '../layout'

/** An error with the status it should be answered with; its message is for the visitor. */
export class HttpError extends Error {
  constructor(readonly status: number, message: string) {
    super(message)
  }
}

const samples = [
  ['/errors/throw', 'Throw', '500', 'A handler throws before it answers.'],
  ['/errors/reject', 'Reject', '500', 'An async handler rejects; Express 5 catches it.'],
  ['/errors/forbidden', 'Refuse', '403', 'An error that names its own status.'],
  ['/errors/nowhere', 'Miss', '404', 'No route takes this path.'],
  ['/errors/midway', 'Break off', 'cut', 'The answer is destroyed after it began: the browser must not take it for complete.'],
] as const

/** The page that offers them, and the ways to fail. */
export function errorPages(): Router {
  const router = Router()
  router.get('/errors', (_req, res) => {
    const root = rootOf(res)
    sendPage(res, {
      title: 'Errors, on purpose',
      section: '/errors',
      lead: 'Every failure is answered in full and with its own status. The FastCGI connection lives on.',
      body: html`<ul class="cards">${samples.map(([path, name, status, text]) => html`
        <li><a class="card" href="${root}${path}">
          <span class="badge status-${status.slice(0, 1)}">${status}</span>
          <h2>${name}</h2><p>${text}</p><code>GET ${path}</code>
        </a></li>`)}</ul>`,
    })
  })
  router.get('/errors/throw', () => {
    throw new Error('thrown by a handler, <b>on purpose</b>')
  })
  router.get('/errors/reject', async () => {
    await Promise.resolve()
    throw new Error('rejected by an async handler, on purpose')
  })
  router.get('/errors/forbidden', () => {
    throw new HttpError(403, 'this one is for nobody')
  })
  router.get('/errors/midway', (_req, res) => {
    res.type('text/plain').set('Content-Length', '1000').write('This answer promises 1000 bytes and ends here, ', () => res.destroy())
  })
  return router
}

/** Behind every route: nobody took the request. */
export const notFound: RequestHandler = (req, _res, next) => {
  next(new HttpError(404, `nothing answers to ${req.method} ${req.originalUrl}`))
}

/** Errors made by Express and its middleware carry a status too, under either name. */
function statusOf(error: unknown): number {
  const { status, statusCode } = (typeof error === 'object' && error !== null ? error : {}) as { status?: unknown; statusCode?: unknown }
  const code = typeof status === 'number' ? status : statusCode
  return typeof code === 'number' && code >= 400 && code <= 599 ? code : 500
}

/** The error view: HTML or JSON, whatever is asked for. Stacks are shown unless NODE_ENV is production. */
export function errorView(logger: Logger): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    const status = statusOf(error)
    if (status >= 500) logger.error({ err: error, method: req.method, url: req.originalUrl }, 'request failed')
    // The head is gone already: Express's own last resort then closes the connection, which tells the client.
    if (res.headersSent) return next(error)
    const told = status < 500 || req.app.get('env') !== 'production'
    const message = told && error instanceof Error ? error.message : 'The application failed. The log has the reason.'
    const stack = told && status >= 500 && error instanceof Error ? error.stack : undefined
    const reason = STATUS_CODES[status] ?? 'Error'
    res.status(status).set('Vary', 'Accept')
    if (req.accepts(['html', 'json']) === 'json') return void res.json({ status, error: reason, message })
    sendPage(res, {
      title: reason,
      section: '/errors',
      body: html`
      <section class="card failure">
        <p class="code" aria-hidden="true">${status}</p>
        <div>
          <p class="message" id="message">${message}</p>
          <p class="muted"><code>${req.method} ${req.originalUrl}</code></p>
          <div class="actions"><a class="button" href="${rootOf(res)}/errors">Back to the errors</a><a class="button quiet" href="${rootOf(res)}/">Start page</a></div>
        </div>
      </section>
      ${stack !== undefined && html`<details class="card" open><summary><h2>Stack</h2></summary><pre id="stack">${stack}</pre></details>`}`,
    })
  }
}
