// The printed configurations where they are not the plainest: paths with everything in them that a configuration language
// could take for its own, TCP, a path prefix, and files that the web server sends by itself.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startCaddy } from '../support/caddy'
import { type Daemon, newFolder } from '../support/daemon'
import { startH2o } from '../support/h2o'
import { startHAProxyWith } from '../support/haproxy'
import { describeWith } from '../support/need'
import { startNginx } from '../support/nginx'
import { freePorts } from '../support/ports'
import { describeConformance } from './conformance/describe'
import { mountExchanges } from './conformance/exchanges'
import { Via } from './conformance/exchange'
import { type Limits } from './conformance/limits'
import { startSite, type StartedSite } from './conformance/site'
import { caddyLimits } from './limits/caddy'
import { h2oLimits } from './limits/h2o'
import { haproxyLimits } from './limits/haproxy'
import { nginxLimits } from './limits/nginx'

interface Server {
  readonly limits: Limits
  /** Characters that its language has no way to write. */
  readonly cannotWrite: RegExp
  readonly servesFiles: boolean
  start(text: (port: number) => string, folder: string): Promise<Daemon>
}

const servers: Readonly<Record<string, Server>> = {
  nginx: {
    limits: nginxLimits,
    cannotWrite: /(?!)/g,
    servesFiles: true,
    start: (text, folder) => startNginx({ folder, ports: 1, user: 'www-data', http: ([port]) => text(port!) }),
  },
  caddy: { limits: caddyLimits, cannotWrite: /[{}:]/g, servesFiles: true, start: (text, folder) => startCaddy({ folder, caddyfile: text }) },
  haproxy: { limits: haproxyLimits, cannotWrite: /\$/g, servesFiles: false, start: (text, folder) => startHAProxyWith(folder, text) },
  h2o: { limits: h2oLimits, cannotWrite: /(?!)/g, servesFiles: false, start: (text, folder) => startH2o({ folder, configuration: text }) },
}

const folders: string[] = []

/** A folder besides that of the site, removed in the end. */
function folderOf(server: string): string {
  const folder = newFolder(server)
  folders.push(folder)
  return folder
}

afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

const ODD = `o'd d" \\#;é{x}*%,$a|~:`

describe.each(Object.entries(servers))('%s', (server, { limits, cannotWrite, servesFiles, start }) => {
  const odd = ODD.replace(cannotWrite, '')

  describeWith(server, 'with the printed configuration', () => {
    describeConformance({
      title: 'a socket whose path is odd',
      limits,
      only: ['target-query', 'form', 'text'],
      start: (mount) => startSite({ server, mount, listen: join(folderOf(server), odd, `${odd}.sock`), start }),
    })

    describeConformance({
      title: 'TCP, and a path prefix',
      limits: mounted(limits),
      mount: '/sub/site-1',
      // To h2o an absolute target is the name of a path that it does not have.
      only: mountExchanges.filter((name) => server !== 'h2o' || name !== 'target-absolute'),
      start: async (mount) => startSite({ server, mount, listen: `127.0.0.1:${(await freePorts(1))[0]!}`, start }),
    })

    if (servesFiles) describe.each(['', '/sub/site-1'])('--root, under "%s"', (mount) => filesOf(server, mount, odd, start))
  })
})

function filesOf(server: string, mount: string, odd: string, start: Server['start']): void {
  // nginx has no way to write a dollar where variables are, and Caddy takes the root for a pattern.
  const name = server === 'nginx' ? odd.replace('$', '') : odd.replace(/[\\[\]*?]/g, '')
  let site: StartedSite
  let via: Via

  beforeAll(async () => {
    const root = join(folderOf(server), name)
    mkdirSync(join(root, mount, 'folder'), { recursive: true })
    mkdirSync(join(root, mount, '.git'), { recursive: true })
    for (const file of ['style.css', '.env', '.git/config', 'folder/index.html', 'index.html', 'a b.txt']) writeFileSync(join(root, mount, file), 'from the file')
    site = await startSite({ server, mount, options: { root }, start })
    via = new Via(site.port, mount, site.application.control, false)
  })

  afterAll(async () => {
    via.leave()
    await site.stop()
    await site.application.stop()
  })

  const isFile = async (target: string, method = 'GET'): Promise<boolean | number> => {
    const { body, status } = await via.ask({ target, method })
    return status === 200 ? body.toString() === 'from the file' : status
  }

  it('a file is sent by the web server', async () => {
    expect([await isFile('/style.css'), await isFile('/style.css?v=1'), await isFile('/a%20b.txt'), await isFile('/folder/index.html')]).toEqual([true, true, true, true])
  })

  it('everything else is the application', async () => {
    expect([await isFile('/'), await isFile('/folder/'), await isFile('/folder'), await isFile('/text'), await isFile('/missing.css')]).toEqual([false, false, false, false, false])
  })

  it('a name that begins with a dot is no file', async () => {
    for (const target of ['/.env', '/.git/config', '/%2eenv', '/folder/../.env']) expect([target, await isFile(target)]).not.toEqual([target, true])
  })

  it('nothing outside of the folder is sent', async () => {
    for (const target of ['/../../../../etc/hostname', '/..%2f..%2f..%2fetc/passwd', '/folder/..%5c..%5cetc/passwd']) {
      const { body } = await via.ask({ target })
      expect(body.toString()).not.toContain('root:')
    }
  })
}

/** The limits as they show under the path prefix. */
function mounted(limits: Limits): Limits {
  const prefixed = (value: unknown): unknown => (typeof value === 'string' && value.startsWith('/') ? `/sub/site-1${value}` : value)
  const exchanges = Object.entries(limits.exchanges).map(([name, limit]) => {
    const differs = Object.entries(limit.differs).map(([key, value]) => [key, key === 'seen.originalUrl' ? prefixed(value) : value])
    return [name, { ...limit, differs: Object.fromEntries(differs) as Record<string, unknown> }]
  })
  return { ...limits, exchanges: Object.fromEntries(exchanges) as Limits['exchanges'] }
}

