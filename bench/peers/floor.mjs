// The least a FastCGI application in JavaScript can cost: the same bytes for every request, as soon as its STDIN has ended.
// Looks at record headers only, and only where a request arrives in one piece, as small ones from nginx do.
import { createServer } from 'node:net'

const HEADER_LENGTH = 8
const BEGIN_REQUEST = 1
const END_REQUEST = 3
const STDIN = 5
const STDOUT = 6
/** In the flags of BEGIN_REQUEST, the third byte of its content. FCGI 5.1 */
const KEEP_CONN = 1

/** @returns a net.Server whose answers all have this body */
export function createFloor(body) {
  const answer = answerBytes(body)
  return createServer((socket) => {
    socket.skip = 0
    socket.keep = true
    socket.on('data', serve)
    socket.on('error', () => socket.destroy())
  })

  function serve(chunk) {
    let at = this.skip
    while (at + HEADER_LENGTH <= chunk.length) {
      const type = chunk[at + 1]
      const length = chunk.readUInt16BE(at + 4)
      if (type === BEGIN_REQUEST) this.keep = (chunk[at + HEADER_LENGTH + 2] & KEEP_CONN) !== 0
      if (type === STDIN && length === 0) this.keep ? this.write(answer) : this.end(answer)
      at += HEADER_LENGTH + length + chunk[at + 6]
    }
    if (at < chunk.length) throw new Error('a record header was cut in two')
    this.skip = at - chunk.length
  }
}

/** As createFloor, without looking: every piece that arrives counts as a request. */
export function createBare(body) {
  const answer = answerBytes(body)
  return createServer((socket) => { socket.on('data', serveBlindly) })

  function serveBlindly() {
    this.write(answer)
  }
}

function answerBytes(body) {
  const content = Buffer.from(`Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  return Buffer.concat([header(STDOUT, content.length), content, header(STDOUT, 0), header(END_REQUEST, 8), Buffer.alloc(8)])
}

// nginx numbers every request 1.
function header(type, contentLength) {
  return Buffer.from([1, type, 0, 1, contentLength >> 8, contentLength & 255, 0, 0])
}
