// The printed Caddyfile, in front of the conformance set.
import { startCaddy } from '../support/caddy'
import { describeWith } from '../support/need'
import { describeConformance } from './conformance/describe'
import { startSite } from './conformance/site'
import { caddyLimits as limits } from './limits/caddy'

const start = (mount: string) =>
  startSite({ server: 'caddy', mount, start: (text, folder) => startCaddy({ folder, caddyfile: text }) })

describeWith('caddy', 'Caddy with the printed configuration', () => {
  describeConformance({ start, limits })
})
