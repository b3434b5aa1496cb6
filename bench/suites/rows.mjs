// Processor time per request, behind a web server, against node:http: the table of ../rows.mjs.
import { CASES, HEADERS, requestBytes } from '../cases.mjs'
import { CONTENDERS } from '../contenders.mjs'
import { compare } from '../measure.mjs'
import { ROWS, boundOf, entrantsOf } from '../rows.mjs'

export const rows = {
  title: 'processor time per request, in every row and against every contender',
  async run(node, settings) {
    const results = []
    for (const name of settings.rows) results.push(...(await row(name, node, settings)))
    return results
  },
}

async function row(name, node, settings) {
  const { title, handler, exchange, via, connections = settings.connections } = ROWS[name]
  process.stderr.write(`Node ${node.version}, ${title} ...\n`)
  const field = entrantsOf(name, settings.contenders, CONTENDERS)
  const compared = await compare(
    { ...settings, ...field, node: node.binary, handler, connections, haproxy: via === 'haproxy' },
    { ...CASES[exchange], request: requestBytes(CASES[exchange], HEADERS[settings.headers]) },
  )
  return compared.map((result, index) => {
    const ours = field.entrants[index].contender === 'express-fastcgi' && result.contender !== field.baseline
    const about = { node: node.version, row: name, title, via }
    if (!ours) return { ...about, ...result }
    const atMost = boundOf(name, node.major)
    return { ...about, ...result, atMost, met: result.ratio <= atMost }
  })
}
