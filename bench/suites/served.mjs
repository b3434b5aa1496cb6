// Whether a request costs more the more requests the process has served before. No web server between.
import { fact } from '../fact.mjs'
import { median, ratios } from '../statistics.mjs'
import { withApplications } from '../with-application.mjs'

const CONNECTIONS = 32
const WINDOWS = 12
const WINDOW_REQUESTS = 20_000
/** Windows of a third of the run differ by less than this where nothing grows. */
const FLAT = 1.1

export const served = {
  title: 'cost per request against the number of requests served before',
  run(node, { seconds }) {
    return withApplications(node, ['express-fastcgi', 'node:http'], async (entrants) => {
      const costs = entrants.map(() => [])
      for (const { load } of entrants) await load.open(CONNECTIONS)
      const requests = Math.round(WINDOW_REQUESTS * Math.min(1, 2 * seconds))
      // The first two are for the optimising compiler.
      for (let window = -2; window < WINDOWS; window++) {
        for (const [index, entrant] of entrants.entries()) {
          const cost = await costOf(entrant, requests)
          if (window >= 0) costs[index].push(cost)
        }
      }
      const third = WINDOWS / 3
      const [ours, theirs] = costs.map((windows) => median(ratios(windows.slice(-third), windows.slice(0, third))))
      const what = `cost after ${requests * (WINDOWS + 2)} requests, to that after ${requests * 2}`
      return [fact({ what, unit: 'ratio', ours, other: theirs, otherName: 'node:http', atMost: FLAT, details: costs })]
    })
  },
}

async function costOf({ application, load }, requests) {
  const before = await application.usage()
  await load.run(requests)
  return ((await application.usage()).cpuMicroseconds - before.cpuMicroseconds) / requests
}
