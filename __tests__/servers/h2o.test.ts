// The printed h2o.conf, in front of the conformance set.
import { startH2o } from '../support/h2o'
import { describeWith } from '../support/need'
import { describeConformance } from './conformance/describe'
import { startSite } from './conformance/site'
import { h2oLimits as limits } from './limits/h2o'

const start = (mount: string) =>
  startSite({ server: 'h2o', mount, start: (text, folder) => startH2o({ folder, configuration: text }) })

describeWith('h2o', 'h2o with the printed configuration', () => {
  describeConformance({ start, limits })
})
