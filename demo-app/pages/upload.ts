// An upload that is counted and hashed as it arrives, never kept. The page shows both ends of it at once.
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type Request, type Response, Router } from 'express'
import { openEventStream } from '../events'
import { html } from '../html'
import { rootOf, sendPage } from '../layout'

const REPORT_INTERVAL_MS = 100
// Mebibytes a second the application allows itself to read, so that back-pressure can be watched; 0 is full speed.
const paces = [0, 64, 16, 4] as const
const samples = [8, 64, 256] as const

const page = (root: string) => html`
  <div class="columns uneven">
    <section class="card">
      <h2>Choose what to send</h2>
      <form id="upload" data-action="${root}/upload/file" data-events="${root}/upload/events">
        <label class="drop" id="drop">
          <input type="file" name="file">
          <span><strong>Choose a file</strong> or drop one here</span>
          <span class="muted">It is hashed and forgotten. Nothing is stored.</span>
        </label>
        <p class="or"><span>or random bytes</span></p>
        <div class="actions">
          ${samples.map((size) => html`<button type="button" class="quiet" data-sample="${size}">${size} MiB</button>`)}
        </div>
        <label>The application reads
          <select name="pace">
            ${paces.map((pace) => html`<option value="${pace}">${pace === 0 ? 'at full speed' : `at most ${pace} MiB/s`}</option>`)}
          </select>
        </label>
      </form>
    </section>
    <section class="card" id="transfer" aria-labelledby="transfer-title">
      <h2 id="transfer-title">Transfer <span class="badge" id="state" role="status">nothing sent yet</span></h2>
      <div class="meter">
        <div><label for="sent">The browser has sent</label><output id="sent-text">–</output></div>
        <progress id="sent" max="1" value="0"></progress>
      </div>
      <div class="meter">
        <div><label for="received">The application has read</label><output id="received-text">–</output></div>
        <progress id="received" max="1" value="0"></progress>
      </div>
      <dl class="tiles">
        <div><dt>Rate</dt><dd id="rate">–</dd></div>
        <div><dt>Size</dt><dd id="size">–</dd></div>
        <div><dt>Time</dt><dd id="time">–</dd></div>
      </dl>
      <dl class="stack">
        <div><dt>SHA-256, by the application</dt><dd><code id="sha256">–</code></dd></div>
      </dl>
      <div class="actions"><button type="button" class="quiet danger" id="cancel" disabled>Cancel</button></div>
      <noscript><p class="note">Progress needs JavaScript.</p></noscript>
    </section>
  </div>`

/** What happened to an upload, in the order it happened: any number of `progress`, then `complete` or `aborted`. */
interface Report {
  readonly name: 'progress' | 'complete' | 'aborted'
  readonly received: number
}

/** Waits as long as it takes for `received` bytes not to exceed the pace. */
async function keepPace(received: number, startedAt: number, bytesPerSecond: number): Promise<void> {
  if (bytesPerSecond === 0) return
  const ahead = (received / bytesPerSecond) * 1000 - (performance.now() - startedAt)
  if (ahead > 5) await delay(ahead)
}

async function receive(req: Request, res: Response, report: (report: Report) => void): Promise<void> {
  const hash = createHash('sha256')
  const startedAt = performance.now()
  const pace = paces.find((known) => String(known) === req.query['pace']) ?? 0
  let received = 0
  let reportedAt = 0
  try {
    for await (const chunk of req as AsyncIterable<Buffer>) {
      hash.update(chunk)
      received += chunk.length
      const now = performance.now()
      if (now - reportedAt > REPORT_INTERVAL_MS) {
        reportedAt = now
        report({ name: 'progress', received })
      }
      await keepPace(received, startedAt, pace * 1024 * 1024)
    }
  } catch {
    // The client left before the end: nobody waits for an answer any more.
    report({ name: 'aborted', received })
    res.destroy()
    return
  }
  const seconds = (performance.now() - startedAt) / 1000
  report({ name: 'complete', received })
  res.json({ bytes: received, sha256: hash.digest('hex'), seconds, bytesPerSecond: received / seconds })
}

/** The page, the upload itself, and the application's own account of it as events. */
export function uploadPages(stopping: AbortSignal): Router {
  const router = Router()
  // One event name per upload: the id the page made up. Nothing is remembered beyond its listeners.
  const reports = new EventEmitter().setMaxListeners(0)
  const idOf = (req: Request): string => (typeof req.query['id'] === 'string' ? `upload ${req.query['id']}` : '')

  router.get('/upload', (_req, res) => {
    sendPage(res, {
      title: 'Upload, watched from both ends',
      section: '/upload',
      lead: 'The request body streams through FastCGI as STDIN records. When the application reads slowly, the browser slows down with it.',
      script: 'upload.js',
      body: page(rootOf(res)),
    })
  })
  router.post('/upload/file', (req, res) => receive(req, res, (report) => reports.emit(idOf(req), report)))
  router.get('/upload/events', (req, res) => {
    const stream = openEventStream(req, res, stopping, () => reports.off(idOf(req), forward))
    const forward = (report: Report): void => {
      stream.send(report.name, { received: report.received })
      if (report.name !== 'progress') stream.end()
    }
    reports.on(idOf(req), forward)
  })
  return router
}
