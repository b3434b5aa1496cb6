// How long a request takes at half of what node:http can serve, behind nginx; the same rate for both.
import { CASES, HEADERS, requestBytes } from '../cases.mjs'
import { fact } from '../fact.mjs'
import { prepare, withEntrants } from '../measure.mjs'
import { paced } from '../paced.mjs'
import { median, quantile } from '../statistics.mjs'

export const latency = {
  title: 'median and p99 latency at half load',
  run(node, settings) {
    const entrants = [
      { name: 'express-fastcgi', contender: 'express-fastcgi', site: { kept: true, pass: 'fastcgi' } },
      { name: 'node:http', contender: 'node:http', site: { kept: true, pass: 'proxy' } },
    ]
    const exchange = { ...CASES.small, request: requestBytes(CASES.small, HEADERS[settings.headers]) }
    return withEntrants({ node: node.binary, handler: 'plain', entrants }, async (running) => {
      for (const entrant of running) await prepare(entrant, settings, exchange)
      const perSecond = 0.5 * Math.min(...running.map(({ requests }) => requests / settings.seconds))
      const rounds = running.map(() => [])
      for (let round = 0; round < settings.rounds; round++) {
        for (const [index, { port }] of running.entries()) {
          const { connections, seconds } = settings
          rounds[index].push(await paced({ port, ...exchange, connections, perSecond, seconds: 2 * seconds }))
        }
      }
      return [0.5, 0.99].map((share) => {
        const [ours, theirs] = rounds.map((of) => median(of.map((times) => quantile(times, share))))
        const what = `p${100 * share} latency at ${perSecond.toFixed(0)} requests/s`
        return fact({ what, unit: 'µs', ours, other: theirs, otherName: 'node:http', atMost: share === 0.99 ? theirs : undefined })
      })
    })
  },
}
