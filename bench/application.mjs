// The measured process: one contender with one handler on unix sockets and TCP ports. Says 'listening', then answers every
// message with its figures so far, until the parent goes away.
//
// node [--expose-gc] application.mjs CONTENDER HANDLER SOCKET..., with an IPC channel
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { CONTENDERS } from './contenders.mjs'
import { HANDLERS, held } from './handlers.mjs'

const [contender, handler, ...paths] = process.argv.slice(2)
let connections = 0
// Counts below every contender's own code, so that a connection which is not kept is seen whoever closed it.
subscribe('net.server.socket', () => { connections++ })

const answers = {
  usage() {
    const { user, system } = process.cpuUsage()
    return { cpuMicroseconds: user + system, connections }
  },
  memory() {
    // Twice: what the first run finalises, the second one frees.
    globalThis.gc()
    globalThis.gc()
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rss, heap: heapUsed + external, held: held.length }
  },
}

process.on('disconnect', () => process.exit())
process.on('message', (question) => process.send(answers[question]()))

const listener = HANDLERS[handler].make()
for (const path of paths) {
  const server = await CONTENDERS[contender].listen(listener, path)
  if (!server.listening) await once(server, 'listening')
}
process.send('listening')
