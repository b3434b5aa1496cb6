// The printed h2o.conf, in front of the conformance set; and what only h2o does.
import { startH2o } from '../support/h2o'
import { describeWith } from '../support/need'
import { type Fields } from './conformance/client'
import { describeConformance } from './conformance/describe'
import { Via } from './conformance/exchange'
import { startSite, type StartedSite } from './conformance/site'
import { h2oLimits as limits } from './limits/h2o'

const start = (mount: string) =>
  startSite({ server: 'h2o', mount, start: (text, folder) => startH2o({ folder, configuration: text }) })

describeWith('h2o', 'h2o with the printed configuration', () => {
  describeConformance({ start, limits })
})

describeWith('h2o', 'params of more than one record, which h2o cuts in the middle of a pair', () => {
  let site: StartedSite
  let via: Via

  beforeAll(async () => {
    site = await start('')
    via = new Via(site.port, '', site.application.control, false)
  })

  afterAll(async () => {
    via.leave()
    await site.stop()
    await site.application.stop()
  })

  it.each([60, 66, 80])('%d fields of 1200 bytes, and two of one name', async (count) => {
    const long: Fields = Array.from({ length: count }, (_, index) => [`X-Long-${index}`, `${index} `.repeat(400).slice(0, 1199) + '.'] as const)
    const answer = await via.ask({ target: '/fields', fields: [...long, ['X-Two', '1'], ['X-Two', '2']] })
    const { headers } = JSON.parse(answer.body.toString()) as { headers: Record<string, string> }
    expect(long.filter(([name, value]) => headers[name.toLowerCase()] !== value)).toEqual([])
    expect(headers['x-two']).toBe('1, 2')
  })
})
