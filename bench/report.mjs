// Where figures go: bench/results (not kept in git), and on request docs/performance.md between its two markers.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nginxVersion } from './nginx.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const START = '<!-- figures: written by npm run bench -- --docs -->'
const END = '<!-- end of figures -->'

/** What the figures depend on besides the code. */
export function surroundings() {
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${release()}`,
    nginx: nginxVersion(),
  }
}

/** @returns the file written */
export function writeJson(report) {
  const folder = join(root, 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`)
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
  return file
}

export function writeDocs(report, markdown) {
  const file = join(root, 'docs', 'performance.md')
  const text = readFileSync(file, 'utf8')
  const [from, to] = [text.indexOf(START), text.indexOf(END)]
  if (from === -1 || to < from) throw new Error(`docs/performance.md has lost its markers "${START}" and "${END}"`)
  const { date, processor, memory, system, nginx } = report.surroundings
  const { rounds, connections, headers, versions } = report.settings
  const facts = [
    `Taken ${date} UTC on ${processor}, ${memory}, ${system}, ${nginx}; Node ${versions.join(', ')}.`,
    `Medians of ${rounds} rounds, ${connections} connections, ${headers} request headers.`,
  ]
  writeFileSync(file, `${text.slice(0, from)}${START}\n\n${facts.join('\n')}\n\n${markdown}\n\n${text.slice(to)}`)
}
