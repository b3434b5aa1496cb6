// Where figures go: bench/results (not kept in git), and on request docs/ (JSON, chart, and the page between its two markers).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { chart } from './chart.mjs'
import { ROOT } from './places.mjs'
import { programVersions } from './programs.mjs'

const START = '<!-- figures: written by npm run bench -- --docs -->'
const END = '<!-- end of figures -->'

/** What the figures depend on besides the code. */
export function surroundings() {
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${release()}`,
    programs: programVersions(['nginx', 'haproxy', 'go', 'php-cgi']),
  }
}

/** @returns the file written */
export function writeJson(report) {
  const folder = join(ROOT, 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`)
  writeFileSync(file, json(report))
  return file
}

/** @param markdown the tables of `report` */
export function writeDocs(report, markdown) {
  const docs = join(ROOT, 'docs')
  const page = join(docs, 'performance.md')
  const text = readFileSync(page, 'utf8')
  const [from, to] = [text.indexOf(START), text.indexOf(END)]
  if (from === -1 || to < from) throw new Error(`docs/performance.md has lost its markers "${START}" and "${END}"`)
  const figures = `${conditions(report)}\n\n![Cost against node:http, row by row](performance.svg)\n\n${markdown}`
  writeFileSync(page, `${text.slice(0, from)}${START}\n\n${figures}\n\n${text.slice(to)}`)
  writeFileSync(join(docs, 'performance.svg'), chart(report))
  // Single rounds are for whoever took them.
  const results = report.results.map(({ rounds: _rounds, ...result }) => result)
  writeFileSync(join(docs, 'performance.json'), json({ ...report, results }))
}

/** When, where and how the figures of a report were taken. */
export function conditions({ surroundings: { date, processor, memory, system, programs }, settings }) {
  const { rounds, connections, headers, versions } = settings
  return [
    `Taken ${date} UTC on ${processor}, ${memory}, ${system}; Node ${versions.join(', ')}; ${programs.join(', ')}.`,
    `Medians of ${rounds} rounds, ${connections} connections, ${headers} request headers.`,
  ].join('\n')
}

const json = (report) => `${JSON.stringify(report, null, 2)}\n`
