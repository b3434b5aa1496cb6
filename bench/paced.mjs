// Load at a fixed rate, whatever the answers take. A request is due at its time, and its latency counts from then: an
// application that stands still cannot make the figures look better by being asked less.
import { once } from 'node:events'
import { connect } from 'node:net'

const TICK_MS = 1

/**
 * @param settings `port`, `request` (bytes), `answer` (its body), `connections`, `perSecond`, `seconds`
 * @returns microseconds of every request
 */
export async function paced({ port, request, answer, connections, perSecond, seconds }) {
  const total = Math.round(perSecond * seconds)
  const latencies = []
  const free = []
  const dueTimes = []
  const sockets = Array.from({ length: connections }, () => connect({ port, host: '127.0.0.1', noDelay: true }))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  const start = performance.now()
  let scheduled = 0

  return new Promise((resolve, reject) => {
    const timer = setInterval(tick, TICK_MS)
    for (const socket of sockets) {
      free.push(socket)
      socket.on('error', finish).on('close', () => finish(new Error('connection closed')))
      socket.on('data', (piece) => {
        // A small answer arrives in one piece.
        if (!piece.includes(answer, piece.length - answer.length)) return finish(new Error('an answer that was not expected'))
        latencies.push(1_000 * (performance.now() - socket.due))
        free.push(socket)
        if (latencies.length === total) finish()
        else send()
      })
    }

    function tick() {
      const due = Math.min(total, ((performance.now() - start) / 1_000) * perSecond)
      for (; scheduled < due; scheduled++) dueTimes.push(start + (scheduled / perSecond) * 1_000)
      send()
    }

    function send() {
      while (dueTimes.length > 0 && free.length > 0) {
        const socket = free.pop()
        socket.due = dueTimes.shift()
        socket.write(request)
      }
    }

    function finish(error) {
      clearInterval(timer)
      for (const socket of sockets) socket.removeAllListeners('close').destroy()
      if (error === undefined) resolve(latencies)
      else reject(error)
    }
  })
}
