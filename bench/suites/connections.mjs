// What one processor serves with ever more connections, each of which asks as soon as it is answered. No web server between.
// Counted in processor time of the application: the load shares the machine and has as many connections to look after.
import { fact } from '../fact.mjs'
import { allowFiles } from '../file-limit.mjs'
import { median } from '../statistics.mjs'
import { withApplications } from '../with-application.mjs'

const CONNECTIONS = [1, 10, 100, 1_000, 10_000]
const WARM_UP_REQUESTS = 30_000
/** What a throughput may lose against the one with a single connection and still count as flat. */
const FLAT = 0.9

export const connections = {
  title: 'throughput from 1 to 10 000 connections',
  run(node, settings) {
    allowFiles(CONNECTIONS.at(-1))
    return withApplications(node, ['express-fastcgi', 'node:http'], async (entrants) => {
      for (const { load } of entrants) {
        await load.open(100)
        await load.run(WARM_UP_REQUESTS)
        load.close()
      }
      const figures = []
      for (const count of CONNECTIONS) figures.push(await withCount(entrants, count, settings))
      return figures.map(([ours, theirs], index) => {
        const atLeast = index === 0 ? undefined : FLAT * figures[0][0]
        return fact({ what: `throughput, number of connections: ${CONNECTIONS[index]}`, unit: 'requests/CPU s', ours, other: theirs, otherName: 'node:http', atLeast })
      })
    })
  },
}

// Opened anew in every round: 10 000 connections of two contenders at once are more than a process may usually have.
async function withCount(entrants, count, { rounds, seconds }) {
  const figures = entrants.map(() => [])
  const requests = Math.max(2 * count, Math.round(15_000 * seconds))
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    for (const [index, { load, application }] of entrants.entries()) {
      await load.open(count)
      // What a connection costs when it is new is not asked here.
      await load.run(count)
      const before = await application.usage()
      await load.run(requests)
      const { cpuMicroseconds } = await application.usage()
      figures[index].push((1e6 * requests) / (cpuMicroseconds - before.cpuMicroseconds))
      load.close()
    }
  }
  return figures.map(median)
}
