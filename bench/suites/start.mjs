// What `import 'express-fastcgi'` takes in a fresh process, node:http included, which it needs.
import { execFileSync } from 'node:child_process'
import { fact } from '../fact.mjs'
import { ROOT } from '../places.mjs'
import { median } from '../statistics.mjs'

const STARTS = 15
const AT_MOST_MS = 15

export const start = {
  title: "start-up of import 'express-fastcgi'",
  run(node) {
    const times = { 'express-fastcgi': [], 'node:http': [] }
    for (let count = 0; count < STARTS; count++) {
      for (const name of Object.keys(times)) times[name].push(importMs(node, name))
    }
    const [ours, theirs] = Object.values(times).map(median)
    const what = "import 'express-fastcgi'"
    return [fact({ what, unit: 'ms', ours, other: theirs, otherName: "import 'node:http'", atMost: AT_MOST_MS, details: times })]
  },
}

function importMs(node, name) {
  const code = `const before = performance.now(); await import('${name}'); console.log(performance.now() - before)`
  return Number(execFileSync(node.binary, ['--input-type=module', '--eval', code], { cwd: ROOT, encoding: 'utf8' }))
}
