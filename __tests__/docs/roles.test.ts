// docs/roles.md does what it says: its applications run, behind lighttpd and Apache with its own configurations.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { apacheModule, startApache } from '../support/apache'
import { startLighttpd } from '../support/lighttpd'
import { describeWith } from '../support/need'
import { freePorts } from '../support/ports'
import { sharedFolder, type WebServer } from '../support/web-server'
import { fenced, page, root } from './page'

const roles = page('docs/roles.md')
const [, guard = '', filter = ''] = fenced(roles, 'js')

/** Somebody's folder, with what `npm install` puts there. */
function consumer(): string {
  if (!existsSync(join(root, 'dist', 'index.js'))) throw new Error('dist is missing: run npm run build')
  const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-roles-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules', 'express-fastcgi'))
  symlinkSync(dirname(require.resolve('express/package.json')), join(folder, 'node_modules', 'express'))
  return folder
}

describe('the authorizer of docs/roles.md', () => {
  let folder: string
  let www: string
  let app: ChildProcess
  let port: number

  beforeAll(async () => {
    folder = consumer()
    www = sharedFolder('www')
    mkdirSync(join(www, 'files'))
    writeFileSync(join(www, 'files', 'file.txt'), 'a file\n')
    writeFileSync(join(www, 'app.node'), '')
    ;[port = 0] = await freePorts(1)
    writeFileSync(join(folder, 'app.mjs'), guard.replace('9000', String(port)))
    app = spawn(process.execPath, ['app.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    await Promise.race([once(app.stdout!, 'data'), once(app, 'exit').then(() => Promise.reject(new Error('the example ended before it listened')))])
  })

  afterAll(async () => {
    if (app.exitCode === null && app.signalCode === null) {
      const exit = once(app, 'exit')
      app.kill()
      await exit
    }
    for (const path of [folder, www]) rmSync(path, { recursive: true, force: true })
  })

  /** A block of the page, with its ports and its paths moved to ours. */
  function configuration(language: string, webPort: number | undefined): string {
    const [block = '', ...more] = fenced(roles, language)
    expect(more).toEqual([])
    return block.replaceAll('9000', String(port)).replaceAll('8080', String(webPort)).replaceAll('/srv/www', www)
  }

  /** What the page shows of curl. */
  async function expectShown(server: WebServer): Promise<void> {
    const [shown = ''] = fenced(roles, 'console')
    const commands = [...shown.matchAll(/^\$ curl (?:-H '([^:]+): ([^']+)' )?http:\/\/localhost:8080(\S+)\n(.*\n)/gm)]
    expect(commands).toHaveLength(3)
    for (const [, name, value, path, output] of commands) {
      const answer = await fetch(`http://127.0.0.1:${server.ports[0] ?? 0}${path}`, { headers: name === undefined ? {} : { [name]: value! } })
      expect(await answer.text()).toBe(output)
      if (name === undefined) expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    }
    expect((await fetch(`http://127.0.0.1:${server.ports[0] ?? 0}/files/file.txt`)).status).toBe(401)
  }

  describeWith('lighttpd', 'behind lighttpd', () => {
    it('answers as the page shows', async () => {
      // One more port, which the block does not name: lighttpd has one of its own in any case.
      const [webPort] = await freePorts(1)
      const lighttpd = await startLighttpd({
        ports: 1,
        modules: [],
        configuration: () => `server.document-root := "${www}"\n${configuration('lighttpd', webPort)}`,
      })
      try {
        await expectShown({ ...lighttpd, ports: [webPort!] })
      } finally {
        await lighttpd.stop()
      }
    })
  })

  describeWith(['apache2', apacheModule('authnz_fcgi')], 'behind Apache', () => {
    it('answers as the page shows', async () => {
      const apache = await startApache({
        ports: 1,
        modules: ['authz_user', 'proxy', 'proxy_fcgi', 'authnz_fcgi'],
        configuration: ([webPort]) => `${configuration('apache', webPort)}\n<Directory ${www}>\nRequire all granted\n</Directory>`,
      })
      try {
        await expectShown(apache)
      } finally {
        await apache.stop()
      }
    })
  })
})

it('the filter of docs/roles.md', () => {
  const folder = consumer()
  try {
    writeFileSync(join(folder, 'filter.mjs'), filter.replaceAll('/tmp/filter.sock', join(folder, 'filter.sock')))
    const { status, stdout, stderr } = spawnSync(process.execPath, ['filter.mjs'], { cwd: folder, encoding: 'utf8', timeout: 20_000 })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n[^]*Status: 200 OK\r\n\r\nWHAT THE FILE HAS\n$/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
