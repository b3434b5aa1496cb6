// Whether a body of ten times the length costs no more than ten times as much, in both directions, behind nginx.
import { HEADERS, requestBytes, streamed, uploaded } from '../cases.mjs'
import { fact } from '../fact.mjs'
import { compare } from '../measure.mjs'

const MEBI = 1_048_576
const SIZES = [MEBI, 4 * MEBI, 16 * MEBI]
/** By how much a MiB of the longest body may cost more than one of the shortest. */
const LINEAR = 1.1
const DIRECTIONS = { download: streamed, upload: uploaded }

export const size = {
  title: 'cost per MiB against the length of a body',
  async run(node, settings) {
    const facts = []
    for (const [direction, make] of Object.entries(DIRECTIONS)) {
      const costs = []
      for (const length of SIZES) costs.push(await costPerMebi(node, settings, make(length), length))
      const [ours, theirs] = [0, 1].map((index) => costs.at(-1)[index] / costs[0][index])
      const what = `${direction}: a MiB of ${SIZES.at(-1) / MEBI} MiB, to a MiB of 1 MiB`
      facts.push(fact({ what, unit: 'ratio', ours, other: theirs, otherName: 'node:http', atMost: LINEAR, details: costs }))
    }
    return facts
  },
}

async function costPerMebi(node, settings, exchange, length) {
  const site = { kept: true }
  const entrants = [
    { name: 'express-fastcgi', contender: 'express-fastcgi', site: { ...site, pass: 'fastcgi' } },
    { name: 'node:http', contender: 'node:http', site: { ...site, pass: 'proxy' } },
  ]
  // Few connections: 32 bodies of 16 MiB at once are another thing than long bodies.
  const chosen = { ...settings, seconds: 0.2, rounds: Math.min(settings.rounds, 3), connections: 4, warmUp: 100 }
  const request = requestBytes(exchange, HEADERS.bare)
  const results = await compare({ ...chosen, node: node.binary, handler: 'plain', entrants, baseline: 'node:http' }, { ...exchange, request })
  const failed = results.find(({ failure }) => failure !== undefined)
  if (failed !== undefined) throw new Error(`${failed.contender}: ${failed.failure}`)
  return results.map(({ cpuPerRequest }) => (cpuPerRequest * MEBI) / length)
}
