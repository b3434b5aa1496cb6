// A download of any size from a few bytes of memory: made up as fast as the other end takes it, and no faster.
import { createCipheriv } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Router } from 'express'
import { html, type Markup } from '../html'
import { rootOf, sendPage } from '../layout'
import { HttpError } from './errors'

const MEBIBYTE = 1024 * 1024
const MOST_MEBIBYTES = 4096
const sizes = [1, 16, 128, 1024] as const

// Bytes that do not compress and are the same in every run: AES in counter mode over zeros.
const block = createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16)).update(Buffer.alloc(64 * 1024))

function* blocks(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= block.length) yield left < block.length ? block.subarray(0, left) : block
}

const page = (root: string): Markup => html`
  <div class="columns uneven">
    <section class="card">
      <h2>Choose a size</h2>
      <form id="download" action="${root}/download/file" method="get">
        <fieldset class="choices">
          <legend>Size in MiB</legend>
          ${sizes.map((size) => html`
          <label><input type="radio" name="preset" value="${size}"${size === 16 && html` checked`}><span>${size}</span></label>`)}
        </fieldset>
        <label>Exactly
          <input type="number" name="mib" min="1" max="${MOST_MEBIBYTES}" value="16" required>
        </label>
        <div class="actions">
          <button type="submit">Save as a file</button>
          <button type="button" class="quiet" id="measure">Measure here</button>
        </div>
      </form>
    </section>
    <section class="card" aria-labelledby="measured-title">
      <h2 id="measured-title">Measured in this page <span class="badge" id="state" role="status">not started</span></h2>
      <div class="meter">
        <div><label for="received">The browser has received</label><output id="received-text">–</output></div>
        <progress id="received" max="1" value="0"></progress>
      </div>
      <dl class="tiles">
        <div><dt>Rate</dt><dd id="rate">–</dd></div>
        <div><dt>Content-Length</dt><dd id="length">–</dd></div>
        <div><dt>Time</dt><dd id="time">–</dd></div>
      </dl>
      <div class="actions"><button type="button" class="quiet danger" id="cancel" disabled>Stop</button></div>
      <noscript><p class="note">Measuring needs JavaScript. Saving does not.</p></noscript>
    </section>
  </div>`

/** The page and the file. */
export function downloadPages(): Router {
  const router = Router()
  router.get('/download', (_req, res) => {
    sendPage(res, {
      title: 'Download, at your pace',
      section: '/download',
      lead: 'Made up while it is sent. A reader that stops stops the application too, so memory stays where it is, whatever the size.',
      script: 'download.js',
      body: page(rootOf(res)),
    })
  })
  router.get('/download/file', async (req, res) => {
    const mebibytes = Number(req.query['mib'])
    if (!Number.isInteger(mebibytes) || mebibytes < 1 || mebibytes > MOST_MEBIBYTES) {
      throw new HttpError(400, `mib must be a whole number from 1 to ${MOST_MEBIBYTES}`)
    }
    const length = mebibytes * MEBIBYTE
    res.attachment(`demo-${mebibytes}-mib.bin`).type('application/octet-stream').set('Content-Length', String(length))
    if (req.method === 'HEAD') return void res.end()
    // A client that leaves midway is not an error of ours; pipeline has stopped the source by then.
    await pipeline(Readable.from(blocks(length)), res).catch(() => undefined)
  })
  return router
}
