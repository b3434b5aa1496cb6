// npm run bench: the same handler behind the same nginx, served by us, by node:http and by node-fastcgi. See docs/performance.md.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { CASES, HEADERS, requestBytes } from '../bench/cases.mjs'
import { compare } from '../bench/measure.mjs'
import { requireNginx } from '../bench/nginx.mjs'
import { readOptions } from '../bench/options.mjs'
import { surroundings, writeDocs, writeJson } from '../bench/report.mjs'
import { installPeers, nodeBinary } from '../bench/runtimes.mjs'
import { table } from '../bench/table.mjs'

// An exit, unlike a signal, takes nginx along.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

try {
  await main(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = 1
}

async function main(options) {
  requireNginx()
  if (options.contenders.includes('node-fastcgi')) installPeers()
  if (options.build) execFileSync(process.execPath, [fileURLToPath(new URL('build.mjs', import.meta.url))], { stdio: 'inherit' })
  const nodes = options.node.map(nodeBinary).map((binary) => ({ binary, version: version(binary) }))

  const results = []
  for (const node of nodes) {
    for (const handler of options.handlers) {
      for (const name of options.cases) {
        process.stderr.write(`Node ${node.version}, ${handler}, ${name} ...\n`)
        const exchange = { ...CASES[name], request: requestBytes(CASES[name], HEADERS[options.headers]) }
        const compared = await compare({ ...options, node: node.binary, handler }, exchange)
        results.push(...compared.map((result) => ({ node: node.version, handler, case: name, ...result })))
      }
    }
  }

  const settings = { ...options, versions: nodes.map((node) => node.version) }
  const report = { surroundings: surroundings(), settings, results }
  const markdown = table(results)
  process.stdout.write(`\n${markdown}\n\n${writeJson(report)}\n`)
  if (options.docs) writeDocs(report, markdown)
  if (results.some((result) => result.failure !== undefined && result.contender !== 'node-fastcgi')) process.exitCode = 1
}

function version(binary) {
  return execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim().slice(1)
}
