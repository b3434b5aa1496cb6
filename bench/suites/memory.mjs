// Memory of a kept connection that waits for its next request, and of a request that waits for its answer.
import { fact } from '../fact.mjs'
import { allowFiles } from '../file-limit.mjs'
import { median } from '../statistics.mjs'
import { withApplications } from '../with-application.mjs'

const IDLE_CONNECTIONS = 10_000
const REQUESTS_IN_FLIGHT = 2_000
const WARM_UP = { connections: 200, requests: 10_000 }
const MEASUREMENTS = 3
// The young generation grows under load by more than is measured here, so it is not allowed to.
const FLAGS = ['--expose-gc', '--min-semi-space-size=1', '--max-semi-space-size=1']

export const memory = {
  title: 'memory of an idle kept connection and of a request in flight',
  async run(node) {
    allowFiles(IDLE_CONNECTIONS)
    const idle = { 'express-fastcgi': [], 'net.Socket': [], 'node:http': [] }
    const inFlight = { 'express-fastcgi': [], 'node:http': [] }
    for (let measurement = 0; measurement < MEASUREMENTS; measurement++) {
      for (const name of Object.keys(idle)) idle[name].push(await bytesPerConnection(node, name))
      for (const name of Object.keys(inFlight)) inFlight[name].push(await bytesPerRequest(node, name))
    }
    const ours = median(idle['express-fastcgi'])
    const bare = median(idle['net.Socket'])
    return [
      fact({ what: 'idle kept connection', unit: 'MiB/10 000', ours: mebi(ours), other: mebi(bare), otherName: 'a bare net.Socket', details: idle }),
      fact({ what: 'idle kept connection, beyond a bare net.Socket', unit: 'bytes', ours: ours - bare, other: median(idle['node:http']) - bare, otherName: 'node:http', atMost: 2_048 }),
      request(inFlight),
    ]
  },
}

function request(inFlight) {
  const [ours, theirs] = [median(inFlight['express-fastcgi']), median(inFlight['node:http'])]
  return fact({ what: 'request in flight, beyond its idle connection', unit: 'bytes', ours, other: theirs, otherName: 'node:http', atMost: theirs, details: inFlight })
}

function bytesPerConnection(node, name) {
  return measured(node, name, async ({ application, load }) => {
    const before = await application.memory()
    await load.open(IDLE_CONNECTIONS)
    await load.run(IDLE_CONNECTIONS)
    return ((await application.memory()).rss - before.rss) / IDLE_CONNECTIONS
  })
}

function bytesPerRequest(node, name) {
  return measured(node, name, async ({ application, load }) => {
    await load.open(REQUESTS_IN_FLIGHT)
    await load.run(REQUESTS_IN_FLIGHT)
    const before = await application.memory()
    load.hold()
    for (;;) {
      const after = await application.memory()
      if (after.held === REQUESTS_IN_FLIGHT) return (after.rss - before.rss) / REQUESTS_IN_FLIGHT
    }
  })
}

function measured(node, name, action) {
  return withApplications(node, [name], async ([entrant]) => {
    await entrant.load.open(WARM_UP.connections)
    await entrant.load.run(WARM_UP.requests)
    entrant.load.close()
    return action(entrant)
  }, FLAGS)
}

const mebi = (bytes) => (bytes * 10_000) / 1_048_576
