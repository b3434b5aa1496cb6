// docs/servers/*.md against the conformance set: the table of limits of a page names every exchange in which that web server
// gives another result than node:http, with the reason that the test has, and nothing else.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { exchanges } from '../servers/conformance/exchanges'
import { type Limit, type Limits } from '../servers/conformance/limits'
import { printed } from '../support/printed'
import { fenced, page, quoted, root, rows, section } from './page'

const servers = readdirSync(join(root, '__tests__/servers/limits')).map((file) => file.replace(/\.ts$/, ''))

describe.each(servers)('the limits of %s', (server) => {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const [limits] = Object.values(require(`../servers/limits/${server}`) as Record<string, Limits>)
  const all: Record<string, Limit> = { ...limits!.exchanges, ...limits!.everywhere }

  it('are in the table of its page, each with its reason', () => {
    const file = `docs/servers/${server}.md`
    expect([file, existsSync(join(root, file))]).toEqual([file, true])
    const told = rows(section(page(file), 'Limits')).flatMap(([names, , reason]) => quoted(names!).map((name) => [name, reason] as const))
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(Object.entries(all).map(([name, { because }]) => [name, because])))
  })

  it('are of exchanges that exist', () => {
    const names = new Set(exchanges.map(({ name }) => name))
    expect(Object.keys(limits!.exchanges).filter((name) => !names.has(name))).toEqual([])
  })
})

describe.each(Object.entries({ nginx: 'nginx', caddy: 'caddyfile', haproxy: 'haproxy', h2o: 'yaml' }))('the page of %s', (server, language) => {
  it('shows what the command prints', () => {
    const text = printed(server, { listen: '/run/express-fastcgi/app.sock', app: '/srv/my-app/server.js', node: '/usr/bin/node' })
    expect(fenced(page(`docs/servers/${server}.md`), language)[0]).toBe(text)
  })
})

describe('the table of what becomes of a client that goes away', () => {
  const table = rows(section(page('docs/servers/README.md'), 'Web servers')).filter((cells) => cells.length === 5)

  it.each(servers)('%s: is what the conformance set has', (server) => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const [limits] = Object.values(require(`../servers/limits/${server}`) as Record<string, Limits>)
    const [, ...told] = table.find(([name]) => name!.toLowerCase().replace(' ', '-') === server)!
    const noticed = ['client-leaves-during-upload', 'client-leaves-while-application-computes', 'client-leaves-while-answer-streams'].map((name) => !(name in limits!.exchanges))
    expect(told.slice(0, 3).map((cell) => cell.startsWith('noticed'))).toEqual(noticed)
  })
})
