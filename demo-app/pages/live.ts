// Server-sent events: the process measures itself and the page draws it.
import { Router } from 'express'
import { openEventStream } from '../events'
import { html, type Markup } from '../html'
import { rootOf, sendPage } from '../layout'
import { type Meter } from '../meter'

const BLOCK_MOST_MS = 1000

/** A chart names its lines as `key:label`; the script draws whatever is listed here. */
const chart = (id: string, title: string, unit: string, ...series: readonly (readonly [string, string])[]): Markup => html`
  <section class="card chart" data-unit="${unit}" data-series="${series.map(([key]) => key).join(' ')}" id="${id}">
    <header>
      <h2>${title}</h2>
      <ul class="legend">${series.map(([key, label], index) => html`
        <li class="line-${index}"><span>${label}</span> <output data-key="${key}">–</output></li>`)}
      </ul>
    </header>
    <svg role="img" aria-label="${title}, no measurement yet" preserveAspectRatio="none"></svg>
  </section>`

const page = (root: string): Markup => html`
  <div id="live" data-events="${root}/live/events" data-ping="${root}/live/ping" data-block="${root}/live/block">
    <div class="toolbar">
      <p><span class="badge" id="state" role="status">connecting</span> <span class="muted"><output id="count">0</output> events received</span></p>
      <div class="actions">
        <button type="button" id="load">Send 300 requests</button>
        <button type="button" id="block" class="quiet">Block the event loop for 200 ms</button>
        <button type="button" id="pause" class="quiet" aria-pressed="false">Pause</button>
      </div>
    </div>
    <dl class="tiles">
      <div><dt>Requests so far</dt><dd data-key="requests">–</dd></div>
      <div><dt>Resident memory</dt><dd data-key="rssBytes">–</dd></div>
      <div><dt>Processor</dt><dd data-key="cpuPercent">–</dd></div>
      <div><dt>Watching</dt><dd data-key="watchers">–</dd></div>
    </dl>
    ${chart('delay', 'Event-loop delay', 'ms', ['delayWorst', 'worst'], ['delayMedian', 'median'])}
    <div class="columns">
      ${chart('rate', 'Requests', '/s', ['requestsPerSecond', 'per second'])}
      ${chart('memory', 'Memory', 'bytes', ['rssBytes', 'resident'], ['heapBytes', 'heap'])}
    </div>
    <noscript><p class="note">The charts need JavaScript.</p></noscript>
  </div>`

/** The page, its events, and two ways to make the lines move. */
export function livePages(meter: Meter, stopping: AbortSignal): Router {
  const router = Router()
  router.get('/live', (_req, res) => {
    sendPage(res, {
      title: 'Live, two events a second',
      section: '/live',
      lead: 'One response that never ends: server-sent events, each passed on at once by everyone in between and drawn as it arrives.',
      script: 'live.js',
      body: page(rootOf(res)),
    })
  })
  router.get('/live/events', (req, res) => {
    const stream = openEventStream(req, res, stopping, () => unwatch())
    const unwatch = meter.watch((sample) => stream.send('sample', sample, sample.id))
  })
  router.get('/live/ping', (_req, res) => void res.sendStatus(204))
  router.post('/live/block', (req, res) => {
    const until = performance.now() + Math.min(BLOCK_MOST_MS, Math.max(0, Number(req.query['ms']) || 0))
    while (performance.now() < until);
    res.sendStatus(204)
  })
  return router
}
