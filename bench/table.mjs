// Results as a Markdown table that also reads well in a terminal.

const COLUMNS = ['Node', 'handler', 'case', 'served by', 'CPU µs/request', 'to node:http', 'requests/s', 'peak MiB']
const isNumber = (column) => column >= 4

/** @param results what `compare` returned, each with `node`, `handler` and `case` added */
export function table(results) {
  const rows = [COLUMNS, ...results.map(cells)]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const padded = (cell, column) => (isNumber(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))
  const line = (row) => `| ${row.map(padded).join(' | ')} |`
  const rules = widths.map((width, column) => (isNumber(column) ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2)))
  return [line(rows[0]), `|${rules.join('|')}|`, ...rows.slice(1).map(line), ...notes(results)].join('\n')
}

function cells(result) {
  const where = [result.node, result.handler, result.case, result.contender]
  if (result.failure !== undefined) return [...where, 'failed', '', '', '']
  return [
    ...where,
    result.cpuPerRequest.toFixed(result.cpuPerRequest < 1_000 ? 1 : 0),
    result.ratio?.toFixed(2) ?? '',
    result.requestsPerSecond.toFixed(0),
    (result.peakMemory / 1_048_576).toFixed(0),
  ]
}

function notes(results) {
  const wheres = new Map()
  for (const result of results) {
    const note = noteOn(result)
    if (note !== undefined) wheres.set(note, [...(wheres.get(note) ?? []), `${result.node} ${result.handler} ${result.case}`])
  }
  return wheres.size === 0 ? [] : ['', ...[...wheres].map(([note, where]) => `- ${note} (${where.join(', ')})`)]
}

function noteOn({ contender, failure, connectionsKept }) {
  if (failure !== undefined) return `${contender} failed: ${failure}`
  return connectionsKept ? undefined : `${contender} did not keep its connections`
}
