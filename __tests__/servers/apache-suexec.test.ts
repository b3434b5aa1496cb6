// Shared hosting as most hosts have it: suEXEC, by which mod_fcgid runs what belongs to a user as that user. It knows its users from
// /etc/passwd and its folders from a file of root's, so Apache has its own of these here, in a mount namespace.
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apacheModule } from '../support/apache'
import { request, requestJson } from '../support/http-get'
import { describeUnless, findProgram } from '../support/need'
import { until } from '../support/wait'
import { deploy, type Hosting, startHosting, writeApplication } from './hosting'

const SUEXEC = '/usr/lib/apache2/suexec-custom'
/** Nobody's on this machine; above the least that suEXEC takes, which is 100. */
const JO = 54_321

/** Tells whom it runs as and by which environment, or what it was asked. */
const EXPRESS = `
const app = require('express')()
app.get('/who', (req, res) => {
  const { env, pid } = process
  res.json({ pid, user: process.getuid(), group: process.getgid(), groups: process.getgroups(), env: Object.keys(env).sort(), path: env.PATH })
})
app.get('/go', (req, res) => res.redirect(req.baseUrl + '/there'))
app.all('/{*rest}', async (req, res) => {
  const body = (await req.toArray()).join('')
  const { method, url, baseUrl, ip, headers: { authorization } } = req
  res.json({ method, url, baseUrl, ip, authorization, body })
})
app.listen(3000)
`

const missing = ['apache2', apacheModule('fcgid'), apacheModule('suexec'), SUEXEC, 'unshare'].filter((name) => findProgram(name) === undefined)
const isRoot = process.getuid?.() === 0
const absence = missing.length > 0 ? `${missing.join(' and ')} not installed` : !isRoot && 'suEXEC takes an Apache that root has started'

describeUnless(absence, 'Apache with mod_fcgid and suEXEC', () => {
  let host: Hosting
  let suexecLog: string
  const log = (): string => readFileSync(suexecLog, 'utf8')

  beforeAll(async () => {
    host = await startHosting({
      modules: ['suexec'],
      // A process that has had nothing to do for a second is ended.
      directives: 'SuexecUserGroup jo jo\nFcgidIdleTimeout 1',
      under: withUserAndSuexec,
    })
  })
  afterAll(() => host.stop())

  /** Gives `jo` an account, and allows suEXEC what is in the document root and in public_html. */
  function withUserAndSuexec(folder: string): readonly string[] {
    const own = join(folder, 'etc')
    mkdirSync(join(own, 'log'), { recursive: true })
    suexecLog = join(own, 'log', 'suexec.log')
    const files = {
      '/etc/passwd': `${readFileSync('/etc/passwd', 'utf8')}jo:x:${JO}:${JO}::${folder}/home/jo:/bin/sh\n`,
      '/etc/group': `${readFileSync('/etc/group', 'utf8')}jo:x:${JO}:\n`,
      '/etc/apache2/suexec/www-data': `${folder}/www\npublic_html\n`,
    }
    const mounts = Object.entries(files).map(([path, text], index) => {
      writeFileSync(join(own, String(index)), text)
      return `mount --bind '${own}/${index}' ${path}`
    })
    // Where suEXEC writes its log is compiled in.
    mounts.push(`mount --bind '${own}/log' /var/log/apache2`)
    return ['unshare', '--mount', 'sh', '-c', `${mounts.join(' && ')} && exec "$@"`, 'sh']
  }

  /** As `jo` leaves it: files of `jo`, made under a umask that lets the group write. */
  function deployAsJo(folder: string, project: string): void {
    writeApplication(project, { 'package.json': '{}', 'server.js': EXPRESS }, 'express')
    const umask = process.umask(0o002)
    try {
      deploy(folder, join(project, 'server.js'))
    } finally {
      process.umask(umask)
    }
    for (const path of [folder, host.home]) giveToJo(path)
  }

  describe.each<[where: string, prefix: string, folder: () => string]>([
    ['the document root', '', () => host.www],
    ['a folder below /~jo/', '/~jo/app', () => join(host.home, 'public_html', 'app')],
  ])('%s', (_where, prefix, folder) => {
    const ask = (path: string, init = {}): Promise<Record<string, unknown>> => requestJson(host.port, prefix + path, init)
    const who = () => requestJson<{ pid: number }>(host.port, `${prefix}/who`)

    beforeAll(() => deployAsJo(folder(), join(host.home, 'app')))

    it('the application runs as the user, by an environment that suEXEC has cleaned', async () => {
      expect(await who()).toMatchObject({
        user: JO,
        group: JO,
        groups: [JO],
        path: '/usr/local/bin:/usr/bin:/bin',
        env: ['FASTCGI_LISTEN', 'FASTCGI_SCRIPT', 'NODE_ENV', 'OLDPWD', 'PATH', 'PWD'],
      })
    })

    it('the application sees its own part of the URL, bodies and Authorization', async () => {
      const seen = await ask('/a%20b/%C3%BC?q=%20', { method: 'POST', body: 'a=1', headers: { authorization: 'Bearer token' } })
      expect(seen).toEqual({ method: 'POST', url: '/a%20b/%C3%BC?q=%20', baseUrl: prefix, ip: '127.0.0.1', authorization: 'Bearer token', body: 'a=1' })
    })

    it('a redirect made from baseUrl leads to the application again', async () => {
      expect((await request(host.port, `${prefix}/go`)).headers.location).toBe(`${prefix}/there`)
    })

    it('mod_fcgid may end it, and the next request starts another', async () => {
      const { pid } = await who()
      await until('the idle process to end', () => !isRunning(pid))
      expect((await who()).pid).not.toBe(pid)
    })

    it.each<[what: string, said: RegExp, spoil: (folder: string) => void]>([
      ['a folder that its group may write to', /directory is writable by others/, (path) => chmodSync(path, 0o775)],
      ['a script that its group may write to', /file is writable by others/, (path) => chmodSync(join(path, 'dispatch.fcgi'), 0o775)],
      ['a script of another owner', /mismatch with directory .* or program/, (path) => chownSync(join(path, 'dispatch.fcgi'), 0, 0)],
    ])('%s is a 500, and the logs have the words of the documentation', async (_what, said, spoil) => {
      const { pid } = await who()
      spoil(folder())
      // As its user ends it after a change; suEXEC is asked for new ones only.
      if (isRunning(pid)) process.kill(pid)
      await until('the process to end', () => !isRunning(pid))
      const before = log().length
      expect((await request(host.port, `${prefix}/who`)).status).toBe(500)
      expect(log().slice(before)).toMatch(said)
      expect(host.apache.errorLog()).toContain('suexec policy violation: see suexec log for more details')
      chmodSync(folder(), 0o755)
      chmodSync(join(folder(), 'dispatch.fcgi'), 0o755)
      giveToJo(folder())
      expect(await who()).toMatchObject({ user: JO })
    })
  })
})

function giveToJo(path: string): void {
  chownSync(path, JO, JO)
  if (!lstatSync(path).isDirectory()) return
  for (const name of readdirSync(path)) giveToJo(join(path, name))
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
