// docs/compatibility.md against the fidelity tests: every row is backed by a test, and every known difference has a row.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadScenarios, scenarioFiles } from '../fidelity/describe'
import { page, root, rows, section } from './page'

const text = page('docs/compatibility.md')
const scenarios = scenarioFiles().flatMap((file) => [...loadScenarios(file)])
const inBackquotes = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
const reasonsOf = (name: string): string[] => Object.values(scenarios.find((scenario) => scenario.name === name)?.differs ?? {})

it.each(rows(section(text, 'The same')).map(([what, tests]) => [what!, inBackquotes(tests!)] as const))('same: %s', (_what, files) => {
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) expect([file, existsSync(join(root, file))]).toEqual([file, true])
})

const named = rows(section(text, 'Different')).flatMap((cells) => inBackquotes(cells.at(-1)!))

it.each(named)('different: %s', (name) => expect(reasonsOf(name).length).toBeGreaterThan(0))

it('every difference that a scenario allows is in the table', () => {
  const told = new Set(named.flatMap(reasonsOf))
  const untold = scenarios.filter(({ differs }) => Object.values(differs ?? {}).some((reason) => !told.has(reason)))
  expect(untold.map(({ name }) => name)).toEqual([])
})
