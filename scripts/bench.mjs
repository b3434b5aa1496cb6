// npm run bench: the same handler behind the same web server, served by us, by node:http and by others. See docs/performance.md.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { CONTENDERS } from '../bench/contenders.mjs'
import { factsTable } from '../bench/facts-table.mjs'
import { readOptions } from '../bench/options.mjs'
import { ROOT } from '../bench/places.mjs'
import { hasProgram, providePrograms } from '../bench/programs.mjs'
import { surroundings, writeDocs, writeJson } from '../bench/report.mjs'
import { JUDGED_LINE } from '../bench/rows.mjs'
import { rowsTable } from '../bench/rows-table.mjs'
import { buildGo, installNodeFastcgi, nodeRuntime } from '../bench/runtimes.mjs'
import { SUITES } from '../bench/suites/index.mjs'

/** Those that take part on every Node. */
const ON_EVERY_NODE = ['express-fastcgi', 'node:http']

// An exit, unlike a signal, takes nginx along.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

try {
  await main(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = 1
}

async function main(options) {
  const { contenders, rows } = provide(options)
  if (options.build) execFileSync(process.execPath, [join(ROOT, 'scripts', 'build.mjs')], { stdio: 'inherit' })
  const nodes = options.node.map(nodeRuntime)
  const full = nodes.find(({ major }) => major === JUDGED_LINE) ?? nodes[0]

  const results = []
  const facts = []
  for (const node of nodes) {
    const here = node === full ? contenders : contenders.filter((name) => ON_EVERY_NODE.includes(name))
    for (const suite of options.suites) {
      if (suite !== 'rows') process.stderr.write(`Node ${node.version}, ${SUITES[suite].title} ...\n`)
      const found = await SUITES[suite].run(node, { ...options, rows, contenders: here })
      if (suite === 'rows') results.push(...found)
      else facts.push(...found.map((one) => ({ node: node.version, suite, ...one })))
    }
  }

  const settings = { ...options, versions: nodes.map((node) => node.version) }
  const report = { surroundings: surroundings(), settings, results, facts }
  const tables = [results.length > 0 ? rowsTable(results) : '', facts.length > 0 ? factsTable(facts) : '']
  const markdown = tables.filter((part) => part !== '').join('\n\n')
  process.stdout.write(`\n${markdown}\n\n${writeJson(report)}\n`)
  if (options.docs) writeDocs(report, markdown)
  // That a figure is too high is no failure of the bench; that we or node:http did not answer is.
  if (results.some(({ failure, contender }) => failure !== undefined && ON_EVERY_NODE.includes(contender))) process.exitCode = 1
}

/** Installs what the chosen rows and contenders need; returns those that can be had. */
function provide({ contenders, rows, suites }) {
  const wanted = suites.includes('rows') ? contenders : []
  const haproxy = suites.includes('rows') && rows.includes('multiplexed') ? ['haproxy'] : []
  providePrograms(['nginx', ...haproxy, ...wanted.flatMap((name) => CONTENDERS[name].needs ?? [])])
  const able = contenders.filter((name) => CONTENDERS[name].needs === undefined || hasProgram(CONTENDERS[name].needs))
  if (wanted.includes('node-fastcgi')) installNodeFastcgi()
  if (wanted.includes('go') && able.includes('go')) buildGo()
  return { contenders: able, rows: rows.filter((row) => row !== 'multiplexed' || hasProgram('haproxy')) }
}
