// The results of the suite "rows" as a table, and under it what has to be said about single contenders. Pure.
import { figure, table, verdict } from './table.mjs'

const COLUMNS = ['Node', 'row', 'served by', '>CPU µs/request', '>ratio', '>middle half', '>at most', 'met', '>requests/s', '>peak MiB']

export function rowsTable(results) {
  return [table(COLUMNS, results.map(cells)), ...notes(results)].join('\n')
}

function cells(result) {
  const where = [result.node, result.title, result.contender]
  if (result.failure !== undefined) return [...where, 'failed', '', '', result.atMost?.toFixed(2) ?? '', verdict(result.met), '', '']
  const { spread } = result
  return [
    ...where,
    figure(result.cpuPerRequest),
    result.ratio?.toFixed(2) ?? '',
    spread === undefined ? '' : `${spread.from.toFixed(2)}-${spread.to.toFixed(2)}`,
    result.atMost?.toFixed(2) ?? '',
    verdict(result.met),
    result.requestsPerSecond.toFixed(0),
    (result.peakMemory / 1_048_576).toFixed(0),
  ]
}

function notes(results) {
  const wheres = new Map()
  for (const result of results) {
    const note = noteOn(result)
    if (note !== undefined) wheres.set(note, [...(wheres.get(note) ?? []), `${result.node} ${result.row}`])
  }
  return wheres.size === 0 ? [] : ['', ...[...wheres].map(([note, where]) => `- ${note} (${where.join(', ')})`)]
}

function noteOn({ contender, failure, via, connections, connectionsKept }) {
  if (failure !== undefined) return `${contender} failed: ${failure}`
  if (via === 'haproxy') return `${contender}: ${connections} connections`
  if (via === 'kept') return connectionsKept ? undefined : `${contender} did not keep its connections`
  return connectionsKept && connections !== undefined ? `${contender} kept its connections though it should not` : undefined
}
