// The printed site for nginx, in front of the conformance set.
import { describeWith } from '../support/need'
import { startNginx } from '../support/nginx'
import { describeConformance } from './conformance/describe'
import { startSite } from './conformance/site'
import { nginxLimits as limits } from './limits/nginx'

const start = (mount: string) =>
  startSite({ server: 'nginx', mount, start: (text, folder) => startNginx({ folder, ports: 1, user: 'www-data', http: ([port]) => text(port!) }) })

describeWith('nginx', 'nginx with the printed configuration', () => {
  describeConformance({ start, limits })
})
