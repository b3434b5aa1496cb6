// The command line of the bench.
import { parseArgs } from 'node:util'
import { CASES, HEADERS } from './cases.mjs'
import { CONTENDERS } from './contenders.mjs'
import { HANDLERS } from './handlers.mjs'

const HELP = `npm run bench -- [options]

  --node LIST         major versions of Node, fetched from npm when absent       20,22,24,26
  --handlers LIST     ${Object.keys(HANDLERS).join(', ').padEnd(58)} all
  --cases LIST        ${Object.keys(CASES).join(', ').padEnd(58)} all
  --contenders LIST   ${Object.keys(CONTENDERS).join(', ').padEnd(58)} all
  --rounds N          rounds of each contender, in turn; medians are shown       7
  --seconds N         length of one round, turned into a fixed number of requests  0.5
  --connections N     kept connections to nginx, and so from nginx               32
  --headers KIND      request headers: ${Object.keys(HEADERS).join(' or ').padEnd(41)} browser
  --docs              write the table into docs/performance.md too
  --no-build          measure dist/ as it is
`

/** @throws {Error} with a message for the user */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      node: { type: 'string', default: '20,22,24,26' },
      handlers: { type: 'string', default: Object.keys(HANDLERS).join() },
      cases: { type: 'string', default: Object.keys(CASES).join() },
      contenders: { type: 'string', default: Object.keys(CONTENDERS).join() },
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
    node: values.node.split(',').map((major) => number('node', major)),
    handlers: names('handlers', values.handlers, HANDLERS),
    cases: names('cases', values.cases, CASES),
    contenders: names('contenders', values.contenders, CONTENDERS),
    rounds: number('rounds', values.rounds),
    seconds: number('seconds', values.seconds),
    connections: number('connections', values.connections),
    headers: names('headers', values.headers, HEADERS)[0],
    docs: values.docs,
    build: !values['no-build'],
  }
}

function names(option, list, known) {
  const chosen = list.split(',')
  const stranger = chosen.find((name) => !Object.hasOwn(known, name))
  if (stranger !== undefined) throw new Error(`--${option}: "${stranger}" is none of ${Object.keys(known).join(', ')}`)
  return chosen
}

function number(option, text) {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${option}: "${text}" is not a number above 0`)
  return value
}
