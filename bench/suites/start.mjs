// What it takes a fresh process to load the package, node:http included, which it needs.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { fact } from '../fact.mjs'
import { median } from '../statistics.mjs'

const script = fileURLToPath(new URL('../start-process.mjs', import.meta.url))
const STARTS = 25
const AT_MOST_MS = 15
const WAYS = {
  nothing: ['nothing'],
  import: ['import', 'express-fastcgi'],
  require: ['require', 'express-fastcgi'],
  // Not import: what an ES module could import of it includes WebSocket, for which node loads a whole HTTP client.
  http: ['require', 'node:http'],
}

export const start = {
  title: 'start-up: the package loaded in a fresh process',
  run(node) {
    const rounds = Array.from({ length: STARTS }, () => round(node))
    const of = (way, what) => rounds.map((times) => times[way][what])
    const inside = (way) => ({ median: median(of(way, 'inside')), least: Math.min(...of(way, 'inside')) })
    const beyond = (way) => ({
      median: median(rounds.map((times) => times[way].whole - times.nothing.whole)),
      least: Math.min(...of(way, 'whole')) - Math.min(...of('nothing', 'whole')),
    })
    return [
      ...facts("import 'express-fastcgi'", inside('import'), inside('http'), rounds),
      ...facts("require('express-fastcgi')", inside('require'), inside('http')),
      ...facts("a process that imports it, beyond one that doesn't", beyond('import'), beyond('http')),
    ]
  },
}

function facts(what, ours, theirs, details) {
  const otherName = "require('node:http')"
  return [
    fact({ what, unit: 'ms, median', ours: ours.median, other: theirs.median, otherName, atMost: AT_MOST_MS, details }),
    // What else the machine does can only add to a time, so this one says what the loading itself takes.
    fact({ what, unit: 'ms, least', ours: ours.least, other: theirs.least, otherName, atMost: AT_MOST_MS }),
  ]
}

/** Each way once, one after the other: `inside` is the loading itself, `whole` the process. */
function round(node) {
  return Object.fromEntries(
    Object.entries(WAYS).map(([way, words]) => {
      const before = performance.now()
      const inside = Number(execFileSync(node.binary, [script, ...words], { encoding: 'utf8' }))
      return [way, { inside, whole: performance.now() - before }]
    }),
  )
}
