// The command line of the bench.
import { parseArgs } from 'node:util'
import { HEADERS } from './cases.mjs'
import { LISTED } from './contenders.mjs'
import { ROWS } from './rows.mjs'
import { SUITES } from './suites/index.mjs'

const listed = (values) => values.reduce((lines, value) => {
  const joined = `${lines.at(-1)}${lines.at(-1) === '' ? '' : ','}${value}`
  return joined.length > 56 ? [...lines, value] : [...lines.slice(0, -1), joined]
}, ['']).join('\n                      ')

const HELP = `npm run bench -- [options]

  --suite LIST        what to measure, all of it unless told:
${Object.entries(SUITES).map(([name, { title }]) => `                      ${name.padEnd(12)} ${title}`).join('\n')}
  --node LIST         major versions of Node, fetched from npm when absent; 20,22,24,26
  --rows LIST         rows of the suite "rows"; all of
                      ${listed(Object.keys(ROWS))}
  --contenders LIST   who takes part in the rows; all of
                      ${listed(LISTED)}
                      Only the first two on each Node, the others on 24 (or the first of --node).
  --rounds N          rounds of each contender, in turn; medians are shown; 7
  --seconds N         length of one round, turned into a fixed number of requests; 0.5
  --connections N     kept connections to nginx, and so from nginx; 32
  --headers KIND      request headers, ${Object.keys(HEADERS).join(' or ')}; browser
  --docs              write docs/performance.json, docs/performance.svg and the figures of docs/performance.md
  --no-build          measure dist/ as it is
  --help
`

/** @throws {Error} with a message for the user */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      suite: { type: 'string', default: Object.keys(SUITES).join() },
      node: { type: 'string', default: '20,22,24,26' },
      rows: { type: 'string', default: Object.keys(ROWS).join() },
      contenders: { type: 'string', default: LISTED.join() },
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '0.5' },
      connections: { type: 'string', default: '32' },
      headers: { type: 'string', default: 'browser' },
      docs: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    process.exit()
  }
  return {
    suites: names('suite', values.suite, Object.keys(SUITES)),
    node: values.node.split(',').map((major) => number('node', major)),
    rows: names('rows', values.rows, Object.keys(ROWS)),
    contenders: names('contenders', values.contenders, LISTED),
    rounds: number('rounds', values.rounds),
    seconds: number('seconds', values.seconds),
    connections: number('connections', values.connections),
    headers: names('headers', values.headers, Object.keys(HEADERS))[0],
    docs: values.docs,
    build: !values['no-build'],
  }
}

function names(option, list, known) {
  const chosen = list.split(',')
  const stranger = chosen.find((name) => !known.includes(name))
  if (stranger !== undefined) throw new Error(`--${option}: "${stranger}" is none of ${known.join(', ')}`)
  return chosen
}

function number(option, text) {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${option}: "${text}" is not a number above 0`)
  return value
}
