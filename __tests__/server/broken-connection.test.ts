// A response that is written as fast as it goes, and a connection that breaks meanwhile: writes that go nowhere must not keep the
// event loop from ever telling so.

import type * as http from 'node:http'
import type { Socket } from 'node:net'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { GET, next, serve, stopAll } from '../support/serve'

afterEach(stopAll)

/** More than any buffers on the way take, and few enough that a test which fails comes to its end. */
const ENOUGH = 20_000

interface Flood {
  readonly handler: http.RequestListener
  /** Resolves with the number of pieces that were written by then. */
  readonly closed: Promise<number>
}

/** Writes at each 'drain', and never waits for anything else. */
function flood(length: number): Flood {
  const piece = Buffer.alloc(length, 'z')
  let written = 0
  let tell: (written: number) => void
  const closed = new Promise<number>((resolve) => (tell = resolve))
  const handler: http.RequestListener = (_req, res) => {
    res.on('close', () => tell(written))
    const pour = (): void => {
      while (written < ENOUGH) {
        written++
        if (!res.write(piece)) return
      }
      res.end()
    }
    res.on('drain', pour)
    pour()
  }
  return { handler, closed }
}

/** As long as `highWaterMark`, a response waits for 'drain' behind each piece. */
const lengths = [65_536, 20_000, 16_384, 1_000]

describe.each(lengths)('a response in pieces of %i bytes ends soon', (length) => {
  it('when the web server leaves without reading', async () => {
    const { handler, closed } = flood(length)
    const { client } = await serve(handler, { highWaterMark: Math.min(length, 16_384) })
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    await next(web.socket, 'data')
    web.pause()
    web.destroy()
    expect(await closed).toBeLessThan(ENOUGH)
  })

  it('when the application destroys the connection', async () => {
    const { handler, closed } = flood(length)
    const { server, client } = await serve(handler, { highWaterMark: Math.min(length, 16_384) })
    const accepted = next<Socket>(server, 'connection')
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    const connection = await accepted
    await next(web.socket, 'data')
    connection.destroy()
    expect(await closed).toBeLessThan(ENOUGH)
  })
})
