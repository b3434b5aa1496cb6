// The measured process: one contender with one handler on one unix socket. Says 'listening', then answers 'usage' with
// the processor time it has used so far, until the parent goes away.
//
// node application.mjs CONTENDER HANDLER SOCKET, with an IPC channel
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { CONTENDERS } from './contenders.mjs'
import { HANDLERS } from './handlers.mjs'

const [contender, handler, path] = process.argv.slice(2)
let connections = 0
// Counts below every contender's own code, so that a connection which is not kept is seen whoever closed it.
subscribe('net.server.socket', () => { connections++ })

process.on('disconnect', () => process.exit())
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ cpuMicroseconds: user + system, connections })
})

const server = await CONTENDERS[contender].listen(HANDLERS[handler].make(), path)
if (!server.listening) await once(server, 'listening')
process.send('listening')
