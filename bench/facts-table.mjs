// The results of all suites but "rows" as a table. Pure.
import { figure, table, verdict } from './table.mjs'

const COLUMNS = ['Node', 'what', 'unit', '>express-fastcgi', '>beside it', 'that is', '>bound', 'met']

export function factsTable(facts) {
  return table(COLUMNS, facts.map(cells))
}

function cells({ node, what, unit, ours, other, otherName, atMost, atLeast, met }) {
  const bound = [atMost === undefined ? '' : `≤ ${figure(atMost)}`, atLeast === undefined ? '' : `≥ ${figure(atLeast)}`]
  return [node, what, unit, figure(ours), figure(other), otherName ?? '', bound.join(' ').trim(), verdict(met)]
}
