// mod_proxy_fcgi: what `express-fastcgi config apache` prints, in Debian's own configuration.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { printedConfig } from '../support/cli'
import { startDebianApache } from '../support/debian-apache'
import { describeWith } from '../support/need'
import { freePorts } from '../support/ports'
import { sharedFolder } from '../support/web-server'
import { describeConformance, type Site } from './conformance/describe'
import { type Limits } from './conformance/limits'
import { Application } from './conformance/start'
import { limitsUnder } from './limits/apache'

interface Door {
  readonly listen: 'unix' | 'tcp'
  /** Changes the printed site; absent, it is used as it is. */
  readonly change?: (site: string, listen: string) => string
  readonly limits?: Limits['exchanges']
}

const doors: Readonly<Record<string, Door>> = {
  'a unix socket': { listen: 'unix' },
  'TCP': { listen: 'tcp' },
  'a unix socket by SetHandler': {
    listen: 'unix',
    change: (site, listen) =>
      site
        .replace(/^ *ProxyPass .*$/m, `<Proxy "unix:${listen}|fcgi://localhost/" enablereuse=on flushpackets=on>\n</Proxy>`)
        .replace('CGIPassAuth On', `$&\n        SetHandler "proxy:unix:${listen}|fcgi://localhost/"`),
    limits: { 'target-like-a-file-of-the-server': { because: 'Apache looks for a file, and these are nobody\'s', differs: { refused: 403 } } },
  },
}

describeWith('apache2', 'Apache with mod_proxy_fcgi', () => {
  async function start({ listen: kind, change = (text) => text }: Door, mount: string): Promise<Site> {
    const folder = sharedFolder('apache')
    mkdirSync(join(folder, 'www'))
    const listen = kind === 'unix' ? join(folder, 'app.sock') : `127.0.0.1:${(await freePorts(1))[0]!}`
    const application = await Application.start({ listen, mount })
    const apache = await startDebianApache({
      ports: 1,
      folder,
      site: ([port]) => change(printedConfig('apache', '--listen', listen, '--root', join(folder, 'www'), '--port', String(port), ...(mount === '' ? [] : ['--mount', mount])), listen),
    })
    return { port: apache.ports[0]!, application, stop: () => apache.stop() }
  }

  describe.each(Object.entries(doors))('%s', (_name, door) => {
    describeConformance({ limits: { ...limitsUnder(''), exchanges: { ...limitsUnder('').exchanges, ...door.limits } }, start: (mount) => start(door, mount) })
  })
  describeConformance({ limits: limitsUnder('/some/shop'), mount: '/some/shop', start: (mount) => start({ listen: 'unix' }, mount) })
})
