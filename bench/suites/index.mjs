// What the bench can measure. Each suite has a title and `run(node, settings)`, which returns a list: of comparisons in
// the suite "rows" (see ../rows-table.mjs), of facts in all others (see ../fact.mjs).
import { connections } from './connections.mjs'
import { latency } from './latency.mjs'
import { memory } from './memory.mjs'
import { rows } from './rows.mjs'
import { served } from './served.mjs'
import { size } from './size.mjs'
import { start } from './start.mjs'

export const SUITES = { rows, memory, connections, served, size, latency, start }
