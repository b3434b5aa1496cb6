// A subscriber of a diagnostics channel that throws: its error is the process's, and nothing of the request's.

import { fork } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describeWith } from '../support/need'
import { until } from '../support/wait'
import { ask, startWays, type WayName, type Ways } from './ways'

describeWith('nginx', 'a subscriber that throws', () => {
  let ways: Ways
  beforeAll(async () => {
    ways = await startWays()
  })
  afterAll(() => ways.stop())

  /** What an application tells of one request, sorted: the error is reported a tick later than the rest. */
  async function told(way: WayName, path: string): Promise<string[]> {
    const child = fork(join(__dirname, 'children', 'throwing-subscriber.cjs'), [way, ways.socket(way)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const said: string[] = []
    child.on('message', (message) => said.push(message as string))
    try {
      await until('the child to listen', () => said.includes('listening'))
      // Twice: the first must not have harmed the connection, nor the subscriptions.
      for (const time of [1, 2]) {
        expect(await ask(ways.port(way), path)).toMatchObject({ status: 200, body: 'ok' })
        await until('the error', () => said.filter((what) => what.startsWith('uncaught')).length === time)
        await until('the last message', () => said.filter((what) => what.startsWith('second subscriber of response.finish')).length === time)
      }
      return said.sort()
    } finally {
      child.kill('SIGKILL')
      rmSync(ways.socket(way), { force: true })
    }
  }

  const hasCreated = Number(process.versions.node.split('.')[0]) >= 22

  it.each(hasCreated ? ['request.start', 'response.created', 'response.finish'] : ['request.start', 'response.finish'])('of %s', async (name) => {
    const base = await told('http', `/${name}`)
    expect(base.filter((what) => what.startsWith('uncaught'))).toEqual(Array(2).fill(`uncaught: thrown at ${name}`))
    expect(base.filter((what) => what.startsWith('second'))).toHaveLength(hasCreated ? 6 : 4)
    expect(await told('fastcgi', `/${name}`)).toEqual(base)
  })
})
