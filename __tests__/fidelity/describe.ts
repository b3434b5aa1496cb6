// Makes tests of scenarios: each is run on every route of ours and on what that route is compared with.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describeWith } from '../support/need'
import { BASES, type OurRoute, startWays, TITLES, type WayName, type Ways } from './routes'
import { run, type Seen } from './run'
import type { Scenario } from './scenario'

const FOLDER = join(__dirname, 'scenarios')
const NODE_MAJOR = Number(process.versions.node.split('.')[0])
const OUR_ROUTES = Object.keys(BASES) as OurRoute[]

/** The names of all scenario files without `.ts`, sorted. */
export function scenarioFiles(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length))
    .sort()
}

/** What a scenario file exports as `scenarios`. */
export function loadScenarios(file: string): readonly Scenario[] {
  const { scenarios } = jest.requireActual<{ scenarios?: readonly Scenario[] }>(join(FOLDER, `${file}.ts`))
  if (scenarios === undefined) throw new Error(`scenarios/${file}.ts exports no "scenarios"`)
  return scenarios
}

/** Tests of all scenario files whose names begin so. FIDELITY in the environment, a part of a file's name, runs fewer. */
export function describeScenarios(prefix: string): void {
  const files = scenarioFiles().filter((file) => file.startsWith(prefix) && file.includes(process.env['FIDELITY'] ?? ''))
  if (files.length === 0) {
    it.todo(`${prefix}: no scenarios here`)
    return
  }
  describeWith(['nginx', 'haproxy'], `fidelity: ${prefix}`, () => {
    let ways: Ways
    beforeAll(async () => {
      ways = await startWays()
    })
    afterAll(() => ways.stop())
    for (const file of files) describe(file, () => loadScenarios(file).forEach((scenario) => describeScenario(scenario, () => ways)))
  })
}

function describeScenario(scenario: Scenario, ways: () => Ways): void {
  describe(scenario.name, () => {
    for (const route of OUR_ROUTES.filter((name) => scenario.impossible?.[name] === undefined)) {
      const isDifferent = scenario.differs?.[route] !== undefined && (scenario.differsIn?.includes(NODE_MAJOR) ?? true)
      it(`${route} ${isDifferent ? 'differs from' : 'is as'} ${TITLES[baseOf(scenario, route)]}`, async () => {
        expectAsAgreed(await runBoth(scenario, route, ways()), isDifferent)
      })
    }
  })
}

/** @throws jest's diff; also when what is said to differ does not: an exception that is no longer needed must go */
export function expectAsAgreed({ base, ours }: { base: Seen; ours: Seen }, isDifferent: boolean): void {
  if (isDifferent) expect(ours).not.toStrictEqual(base)
  else expect(ours).toStrictEqual(base)
}

function baseOf(scenario: Scenario, route: OurRoute): WayName {
  return (route === 'gateway' ? scenario.gatewayBase : undefined) ?? BASES[route]
}

/** One after the other, so that neither changes the timing of the other. */
export async function runBoth(scenario: Scenario, route: OurRoute, ways: Ways, limitMs?: number): Promise<{ base: Seen; ours: Seen }> {
  const base = await run(scenario, ways.way(baseOf(scenario, route)), limitMs)
  return { base, ours: await run(scenario, ways.way(route), limitMs) }
}
