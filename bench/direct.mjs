// Connections to an application without a web server between, as many as are wanted: each sends one request, waits for
// its answer, and sends the next. Small answers only, which arrive in one piece.
import { once } from 'node:events'
import { connect } from 'node:net'
import { HEADERS, SMALL, requestBytes } from './cases.mjs'
import { requestRecords } from './request-records.mjs'

/** As many as the system lets wait for accept() with room to spare. */
const CONNECTS_AT_ONCE = 200

const PROTOCOLS = {
  fastcgi: { request: requestRecords, complete: (piece) => piece.length >= 16 && piece[piece.length - 15] === 3 },
  proxy: {
    request: (path) => requestBytes({ method: 'GET', path }, HEADERS.browser),
    complete: (piece) => piece.includes(SMALL, piece.length - SMALL.length),
  },
}

export class DirectLoad {
  #sockets = []
  #protocol
  #unsent = 0
  #unanswered = 0
  #finished

  /** @param pass 'fastcgi' or 'proxy', as a contender has it */
  constructor(path, pass) {
    this.path = path
    this.#protocol = PROTOCOLS[pass]
  }

  /** Opens connections until there are `count`. */
  async open(count) {
    while (this.#sockets.length < count) {
      const more = Math.min(CONNECTS_AT_ONCE, count - this.#sockets.length)
      await Promise.all(Array.from({ length: more }, () => this.#open()))
    }
  }

  /** @returns seconds taken */
  async run(requests) {
    const request = this.#protocol.request('/small')
    this.#unsent = requests
    this.#unanswered = requests
    const before = process.hrtime.bigint()
    await new Promise((resolve, reject) => {
      this.#finished = { resolve, reject, request }
      for (const socket of this.#sockets) this.#next(socket)
    })
    return Number(process.hrtime.bigint() - before) / 1e9
  }

  /** Sends a request that is never answered on every connection. */
  hold() {
    const request = this.#protocol.request('/hold')
    for (const socket of this.#sockets) socket.write(request)
  }

  close() {
    for (const socket of this.#sockets) socket.removeAllListeners('close').destroy()
    this.#sockets = []
  }

  async #open() {
    const socket = await connected(this.path)
    socket.on('data', (piece) => { if (this.#protocol.complete(piece)) this.#answered(socket) })
    socket.on('error', () => undefined)
    socket.on('close', () => this.#finished?.reject(new Error('the application closed a connection')))
    this.#sockets.push(socket)
  }

  #next(socket) {
    if (this.#unsent-- > 0) socket.write(this.#finished.request)
  }

  #answered(socket) {
    if (--this.#unanswered === 0) this.#finished.resolve()
    else this.#next(socket)
  }
}

// On a unix socket a full backlog is an error at once, not a wait.
async function connected(path) {
  for (;;) {
    const socket = connect(path)
    const error = await once(socket, 'connect').then(() => undefined, (reason) => reason)
    if (error === undefined) return socket
    if (error.code !== 'EAGAIN') throw error
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
