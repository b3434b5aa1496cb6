// The printed haproxy.cfg, in front of the conformance set.
import { startHAProxyWith } from '../support/haproxy'
import { describeWith } from '../support/need'
import { describeConformance } from './conformance/describe'
import { startSite } from './conformance/site'
import { haproxyLimits as limits } from './limits/haproxy'

const start = (mount: string) => startSite({ server: 'haproxy', mount, start: (text, folder) => startHAProxyWith(folder, text) })

describeWith('haproxy', 'HAProxy with the printed configuration', () => {
  describeConformance({ start, limits })
})
