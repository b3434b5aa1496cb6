// The load: a fixed number of HTTP requests over a few kept connections, every answer checked for its status and size.
// Raw sockets, because http.request would cost more than what is measured and share the machine with it.
import { connect } from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')
const RIGHT_STATUS = 'HTTP/1.1 200 '

/**
 * Sends `requests` requests and waits for their answers.
 *
 * @param request the bytes of one request
 * @param answerLength body bytes of a right answer
 * @returns seconds taken
 * @throws {Error} at the first wrong answer or lost connection
 */
export async function load({ port, request, answerLength, requests, connections, keep }) {
  const before = process.hrtime.bigint()
  let unsent = requests
  const next = () => unsent-- > 0
  const sockets = []
  try {
    await Promise.all(
      Array.from({ length: Math.min(connections, requests) }, () =>
        new Promise((resolve, reject) => sockets.push(client({ port, request, answerLength, next, keep }, resolve, reject))),
      ),
    )
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  return Number(process.hrtime.bigint() - before) / 1e9
}

/** The body of the answer to one request. */
export async function fetchOnce(port, request, answerLength) {
  const pieces = []
  await load({ port, request, answerLength, requests: 1, connections: 1, keep: (piece) => pieces.push(Buffer.from(piece)) })
  return Buffer.concat(pieces)
}

// One read buffer for all connections: what is read is looked at before the next read.
const readBuffer = Buffer.allocUnsafeSlow(262_144)

function client({ port, request, answerLength, next, keep }, resolve, reject) {
  let bodyLeft = 0
  let head = Buffer.alloc(0)

  function sendNext() {
    if (next()) socket.write(request)
    else resolve()
  }

  function onRead(length, buffer) {
    let data = buffer.subarray(0, length)
    if (bodyLeft === 0) {
      if (head.length > 0) data = Buffer.concat([head, data])
      const end = data.indexOf(HEAD_END)
      if (end === -1) {
        head = Buffer.from(data)
        return
      }
      const text = data.toString('latin1', 0, end + 2)
      const announced = /\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1]
      if (!text.startsWith(RIGHT_STATUS) || Number(announced) !== answerLength) {
        const [statusLine] = text.split('\r\n', 1)
        reject(new Error(`answered "${statusLine}", Content-Length ${announced ?? 'absent'}; expected 200 and ${answerLength}`))
        return
      }
      head = Buffer.alloc(0)
      bodyLeft = answerLength
      data = data.subarray(end + 4)
    }
    if (data.length > bodyLeft) {
      reject(new Error(`${data.length - bodyLeft} bytes behind the end of an answer`))
      return
    }
    keep?.(data)
    bodyLeft -= data.length
    if (bodyLeft === 0) sendNext()
  }

  const socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: { buffer: readBuffer, callback: (length, buffer) => (onRead(length, buffer), true) },
  })
  socket.on('connect', sendNext)
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('connection closed before the answer was complete')))
  return socket
}
