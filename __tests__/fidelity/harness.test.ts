// That the harness of the fidelity tests finds what it is there to find: a harness that is always content proves nothing.

import { Server } from 'express-fastcgi'
import { readdirSync } from 'node:fs'
import { describeWith } from '../support/need'
import { expectAsAgreed, loadScenarios, runBoth, scenarioFiles } from './describe'
import { BASES, type OurRoute, startWays, type Ways } from './routes'
import { run } from './run'
import type { Scenario } from './scenario'

const ROUTES = Object.keys(BASES) as OurRoute[]
const all = scenarioFiles().flatMap((file) => loadScenarios(file))

describe('the list of scenarios', () => {
  it('has at least 150', () => {
    expect(all.length).toBeGreaterThanOrEqual(150)
  })

  it('has no name twice', () => {
    const names = all.map(({ name }) => name)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })

  it('is run: every file belongs to the one test file that its name begins with', () => {
    const groups = readdirSync(__dirname)
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => name.slice(0, -'.test.ts'.length))
    for (const file of scenarioFiles()) expect([file, groups.filter((group) => file.startsWith(group)).length]).toEqual([file, 1])
  })
})

describeWith(['nginx', 'haproxy'], 'the harness', () => {
  let ways: Ways
  beforeAll(async () => {
    ways = await startWays()
  })
  afterAll(() => ways.stop())

  /** The same on both, but for what `odd` does on ours. */
  const except = (odd: NonNullable<Scenario['app']>): Scenario => {
    let isOurs = false
    return {
      name: 'a server that is not quite the same',
      setup: (server) => {
        isOurs = server instanceof Server
      },
      app(req, res, stage) {
        stage.watch('res', res, ['finish', 'close'])
        if (isOurs) odd(req, res, stage)
        if (!res.writableEnded) res.end('body')
      },
    }
  }

  describe.each(ROUTES)('on the route %s', (route) => {
    it.each<[string, NonNullable<Scenario['app']>]>([
      ['another field', (_req, res) => res.setHeader('X-Odd', '1')],
      ['another body', (_req, res) => res.end('bodY')],
      ['another note', (_req, _res, stage) => stage.note('odd')],
      ['another order', (_req, res, stage) => res.prependListener('close', () => stage.note('res close'))],
      ['an exception', (_req, res) => {
        res.end('body')
        throw new Error('odd')
      }],
      ['a late event', (_req, res, stage) => res.on('close', () => setImmediate(() => setImmediate(() => stage.note('late'))))],
    ])('finds %s', async (_what, odd) => {
      const seen = await runBoth(except(odd), route, ways)
      expect(() => expectAsAgreed(seen, false)).toThrow()
      expect(() => expectAsAgreed(seen, true)).not.toThrow()
    })

    it('finds an exception that is not needed any more', async () => {
      const seen = await runBoth(except(() => undefined), route, ways)
      expect(() => expectAsAgreed(seen, false)).not.toThrow()
      expect(() => expectAsAgreed(seen, true)).toThrow()
    })

    it('says what was noted when a scenario hangs', async () => {
      const hanging = run({ name: 'never answers', app: (_req, _res, stage) => stage.note('so far', 1) }, ways.way(route), 300)
      await expect(hanging).rejects.toThrow(new RegExp(`"never answers" on ${route} is not over.*"so far",\\s+1`, 's'))
    })

    it('finds a server that does not close', async () => {
      let release: () => unknown = () => undefined
      const scenario: Scenario = {
        name: 'holds on',
        setup: (server) => {
          release = server.close.bind(server)
          server.close = () => server
        },
        app: (_req, res) => res.end(),
      }
      await expect(run(scenario, ways.way(route), 300)).rejects.toThrow('the server of "holds on"')
      release()
    })
  })

  it('multiplexes: while one request waits, the next arrives on the same connection', async () => {
    const scenario: Scenario = {
      name: 'two at a time',
      app(req, res, stage) {
        stage.note(String(req.url))
        if (req.url === '/first') void stage.seen('second is over').then(() => res.end('first'))
        else res.end('second', () => stage.note('second is over'))
      },
      async client(client, stage) {
        const first = client.request({ path: '/first' })
        await stage.seen('/first')
        const second = await client.request({ path: '/second' })
        return [second.body, (await first).body]
      },
    }
    // `run` throws when there was more than one connection; with the request of the harness there were three on it.
    expect(await run(scenario, ways.way('haproxy'))).toEqual({ notes: ['/first', '/second', 'second is over'], answer: ['second', 'first'] })
  })

  it('says when a scenario that should share a connection does not', async () => {
    const scenario: Scenario = {
      name: 'closes the connection',
      setup: (server) => server.on('request', () => server.closeAllConnections()),
    }
    await expect(run(scenario, ways.way('haproxy'))).rejects.toThrow('did not share one connection')
  })
})
