// A WebSocket, through `ws` as it comes: what is said in the page comes back from the application.
import { type Server } from 'node:http'
import { Router } from 'express'
import { WebSocketServer } from 'ws'
import { html, type Markup } from '../html'
import { rootOf, sendPage } from '../layout'

const SOCKET_PATH = '/echo/socket'
const LONGEST_MESSAGE = 65_536
/** For a client that does not answer the end of its connection. */
const GRACE_MS = 1_000

const page = (root: string): Markup => html`
  <section class="card" id="echo" data-socket="${root}${SOCKET_PATH}">
    <h2>Say something <span class="badge" id="state" role="status">not connected</span></h2>
    <form id="say" class="inline">
      <label>Message<input name="message" maxlength="200" required autocomplete="off"></label>
      <button>Send</button>
    </form>
    <dl class="stack">
      <div><dt>Came back</dt><dd><output id="answer">–</output></dd></div>
      <div><dt>Round trip</dt><dd><output id="time">–</output></dd></div>
    </dl>
    <noscript><p class="note">A WebSocket needs JavaScript.</p></noscript>
  </section>`

/** The page; the connections it opens are those of {@link echoSockets}. */
export function echoPages(): Router {
  const router = Router()
  router.get('/echo', (_req, res) => {
    sendPage(res, {
      title: 'Echo, over a WebSocket',
      section: '/echo',
      lead: 'The upgrade crosses FastCGI where the web server in front can pass it on: lighttpd 1.4.74 and later, and the gateway of this package; not nginx.',
      script: 'echo.js',
      body: page(rootOf(res)),
    })
  })
  return router
}

/**
 * Answers every message with itself.
 *
 * @param stopping aborted when the process is about to stop: connections end, so that nothing holds the server open
 */
export function echoSockets(server: Server, stopping: AbortSignal): void {
  const sockets = new WebSocketServer({ server, path: SOCKET_PATH, maxPayload: LONGEST_MESSAGE })
  sockets.on('connection', (socket) => {
    // Such as a message that is too long: ws closes the connection.
    socket.on('error', () => undefined)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  stopping.addEventListener('abort', () => {
    for (const socket of sockets.clients) {
      socket.close(1001)
      setTimeout(() => socket.terminate(), GRACE_MS).unref()
    }
  }, { once: true })
}
