// npm run bench:quick: what the working tree costs against the last commit, in under a minute. See docs/performance.md.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CASES, HEADERS, requestBytes } from '../bench/cases.mjs'
import { buildLastCommit } from '../bench/last-commit.mjs'
import { compare } from '../bench/measure.mjs'
import { ROOT } from '../bench/places.mjs'
import { providePrograms } from '../bench/programs.mjs'
import { ROWS } from '../bench/rows.mjs'
import { nodeRuntime } from '../bench/runtimes.mjs'
import { quantile, ratios } from '../bench/statistics.mjs'
import { figure, table } from '../bench/table.mjs'

const DEFAULT_ROWS = ['small', 'express-small', 'express-json', 'download', 'upload', 'new-connection']
const HELP = `npm run bench:quick -- [options]

  --node N        major version of Node; 24
  --rows LIST     of ${Object.keys(ROWS).filter(behindNginx).join(', ')};
                  ${DEFAULT_ROWS.join()}
  --rounds N      9
  --seconds N     length of one round; 0.12
  --help
`
const BASELINE = 'last commit'
const COLUMNS = ['row', '>working tree µs', '>last commit µs', '>ratio', '>middle half', '>all', '']

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: '24' },
    rows: { type: 'string', default: DEFAULT_ROWS.join() },
    rounds: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '0.12' },
    help: { type: 'boolean', default: false },
  },
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

if (values.help) process.stdout.write(HELP)
else await main()

async function main() {
  providePrograms(['nginx'])
  const node = nodeRuntime(Number(values.node))
  execFileSync(process.execPath, [join(ROOT, 'scripts', 'build.mjs')], { stdio: 'inherit' })
  const commit = buildLastCommit()
  const lines = []
  for (const row of values.rows.split(',')) lines.push(await line(row, node))
  process.stdout.write(`\nNode ${node.version}, working tree against ${commit}\n\n${table(COLUMNS, lines)}\n`)
}

async function line(row, node) {
  if (!behindNginx(row)) throw new Error(`--rows: "${row}" is none of ${Object.keys(ROWS).filter(behindNginx).join(', ')}`)
  const { title, handler, exchange, via } = ROWS[row]
  process.stderr.write(`${title} ...\n`)
  const site = { pass: 'fastcgi', kept: via === 'kept' }
  const entrants = [
    { name: 'working tree', contender: 'express-fastcgi', site },
    { name: BASELINE, contender: 'last commit', site },
  ]
  const length = { rounds: Number(values.rounds), seconds: Number(values.seconds), warmUp: 8_000 }
  const settings = { ...length, node: node.binary, handler, connections: 32, entrants, baseline: BASELINE }
  const request = requestBytes(CASES[exchange], HEADERS.browser)
  const [now, before] = await compare(settings, { ...CASES[exchange], request })
  const failure = now.failure ?? before.failure
  if (failure !== undefined) throw new Error(`${title}: ${failure}`)
  const all = ratios(...[now, before].map(({ rounds }) => rounds.map(({ cpuPerRequest }) => cpuPerRequest)))
  return [
    title,
    figure(now.cpuPerRequest),
    figure(before.cpuPerRequest),
    now.ratio.toFixed(3),
    range(now.spread.from, now.spread.to),
    range(Math.min(...all), Math.max(...all)),
    saying(all),
  ]
}

// Of nine rounds eight must agree: by chance they do so in one comparison of twenty-five.
function saying(all) {
  if (quantile(all, 7 / 8) < 1) return 'cheaper'
  return quantile(all, 1 / 8) > 1 ? 'dearer' : 'no difference seen'
}

function range(from, to) {
  return `${from.toFixed(2)}-${to.toFixed(2)}`
}

function behindNginx(row) {
  return ROWS[row] !== undefined && ROWS[row].via !== 'haproxy'
}
