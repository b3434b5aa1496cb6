// An Express application as an authorizer of real Apache: mod_authnz_fcgi in its three ways, and mod_fcgid, which starts it. In front of
// files, and of content that another Express application serves through mod_proxy_fcgi.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer, type Server } from 'express-fastcgi'
import { apacheModule, startApache } from '../support/apache'
import { describeWith } from '../support/need'
import { sharedFolder, type WebServer } from '../support/web-server'
import { type Asked, basic, createAuthorizer, createContent, PASSWORD, type Told } from './authorizer-app'

/** Files in a folder that Apache's workers can read, and an application that serves content and is asked about it. */
class Site {
  readonly folder = sharedFolder('authorizer')
  readonly authorizer = createAuthorizer()
  private readonly server: Server = createServer({ authorizer: this.authorizer.app }, createContent())
  private apache: WebServer | undefined

  /** Of the application: mod_authnz_fcgi knows TCP alone. */
  get address(): string {
    return `fcgi://127.0.0.1:${(this.server.address() as AddressInfo).port}/`
  }

  async start(modules: readonly string[], locations: readonly string[], providers = ''): Promise<void> {
    mkdirSync(join(this.folder, 'www', 'files'), { recursive: true })
    writeFileSync(join(this.folder, 'www', 'files', 'file.txt'), 'a file')
    const host = (port: number, location: string): string => `<VirtualHost *:${port}>
      <Location "/">
        ${location}
      </Location>
      ProxyPass "/files" "!"
      ProxyPass "/" "${this.address}"
    </VirtualHost>`
    this.apache = await startApache({
      ports: locations.length,
      folder: this.folder,
      modules: ['authz_user', 'proxy', 'proxy_fcgi', ...modules],
      configuration: (ports) => `DocumentRoot ${this.folder}/www\n${providers}\n${ports.map((port, i) => host(port, locations[i] ?? '')).join('\n')}`,
    })
  }

  async listen(): Promise<void> {
    await once(this.server.listen(0), 'listening')
  }

  get(door: number, path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.apache?.ports[door] ?? 0}${path}`, { redirect: 'manual', ...init })
  }

  async stop(): Promise<void> {
    await this.apache?.stop()
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
    rmSync(this.folder, { recursive: true, force: true })
  }
}

describeWith(['apache2', apacheModule('authnz_fcgi')], 'an Express application as an authorizer of mod_authnz_fcgi', () => {
  let site: Site
  let asked: Asked[]
  /** One exchange for both questions; two; and any field of the client's instead of a password that Apache asks for. */
  const [both, split, check] = [0, 1, 2]
  const withPassword = { headers: basic('ada', PASSWORD) }

  beforeAll(async () => {
    site = new Site()
    asked = site.authorizer.asked
    await site.listen()
    await site.start(
      ['auth_basic', 'authnz_fcgi'],
      [
        'AuthType Basic\nAuthName app\nAuthBasicProvider AppBoth\nRequire AppBoth',
        'AuthType Basic\nAuthName app\nAuthBasicProvider AppAuthn\nRequire AppAuthz',
        'AuthType None\nCGIPassAuth On\nAuthnzFcgiCheckAuthnProvider AppAuthn Authoritative On RequireBasicAuth Off UserExpr "%{reqenv:REMOTE_USER}"\nRequire valid-user',
      ],
      ['authn AppAuthn', 'authz AppAuthz', 'authnz AppBoth'].map((provider) => `AuthnzFcgiDefineProvider ${provider} ${site.address}`).join('\n'),
    )
  })
  afterAll(() => site.stop())
  beforeEach(() => (asked.length = 0))

  it.each([['in one exchange', both], ['with a provider for names', split]])('checks passwords by passport, unchanged: %s', async (_way, door) => {
    const path = '/files/file.txt?a=b'
    // Two of them would be asked: the second question has no password, and says grant.
    const question = door === split ? '/files/file.txt?auth=grant' : path
    expect((await site.get(door, path)).status).toBe(401)
    expect(asked).toEqual([])
    expect((await site.get(door, path, { headers: basic('ada', 'guess') })).status).toBe(401)
    expect(await (await site.get(door, question, withPassword)).text()).toBe('a file')
    expect(asked.at(-1)).toMatchObject({ method: 'GET', url: question, user: 'ada' })
  })

  it('two providers are two questions: who it is, and whether that one may', async () => {
    await site.get(split, '/files/file.txt?auth=grant', withPassword)
    expect(asked.map(({ apacheRole }) => apacheRole)).toEqual(['AUTHENTICATOR', 'AUTHORIZER'])
  })

  it.each([['one exchange', both, 'ada'], ['two', split, 'ada'], ['a check', check, 'from-app']])('names variables for the content: %s', async (_way, door, user) => {
    for (const method of ['GET', 'POST']) {
      const body = method === 'GET' ? {} : { body: 'x'.repeat(100_000) }
      const headers = { ...withPassword.headers, 'Content-Type': 'text/plain' }
      const answer = await site.get(door, '/a/b?auth=grant', { method, headers, ...body })
      expect((await answer.json()) as Told).toEqual({ method, url: '/a/b?auth=grant', note: 'granted by Express', user, body: body.body ?? '' })
      expect(asked.at(-1)).toMatchObject({ method, url: '/a/b?auth=grant', body: undefined })
    }
  })

  it('gives the client fields of a grant that are not about its body', async () => {
    const { headers } = await site.get(check, '/files/file.txt?auth=grant')
    expect(headers.get('set-cookie')).toBe('seen=1; Path=/')
    // Those of the file; Express said others.
    expect([headers.get('content-type'), headers.get('content-length'), headers.get('accept-ranges')]).toEqual(['text/plain', '6', 'bytes'])
    expect(headers.get('etag')).toMatch(/^(?:W\/)?"6-[0-9a-f]+"$/)
  })

  it('a client that has the content already is answered 304 by Apache, not by Express', async () => {
    const first = await site.get(check, '/files/file.txt?auth=grant')
    const again = await site.get(check, '/files/file.txt?auth=grant', { headers: { 'If-None-Match': first.headers.get('etag') ?? '' } })
    expect([first.status, again.status]).toEqual([200, 304])
    expect((await site.get(check, '/files/file.txt?auth=forbid', { headers: { 'If-None-Match': '*' } })).status).toBe(403)
  })

  it('denies access with its own answer, as a check', async () => {
    const forbidden = await site.get(check, '/files/file.txt?auth=forbid')
    expect([forbidden.status, await forbidden.text(), forbidden.headers.get('x-why')]).toEqual([403, 'forbidden by Express', 'because'])
    const redirected = await site.get(check, '/?auth=redirect')
    expect([redirected.status, redirected.headers.get('location')]).toEqual([302, 'https://login.example.test/?next=%2F'])
    const challenged = await site.get(check, '/files/file.txt')
    expect([challenged.status, challenged.headers.get('www-authenticate'), await challenged.text()]).toEqual([401, 'Basic realm="Express"', 'Unauthorized'])
    expect(await (await site.get(check, '/files/file.txt', withPassword)).text()).toBe('a file')
  })

  it("denies it with Apache's 401 otherwise, which has the fields of the answer", async () => {
    for (const door of [both, split]) {
      const forbidden = await site.get(door, '/files/file.txt?auth=forbid', withPassword)
      expect([forbidden.status, forbidden.headers.get('x-why'), forbidden.headers.get('www-authenticate')]).toEqual([401, 'because', 'Basic realm="app"'])
    }
  })

  it.each([both, split, check].flatMap((door) => ['destroy', 'begin', 'throw', 'end-socket'].map((how) => [how, door] as const)))(
    'access is denied when it fails: %s (%i)',
    async (how, door) => {
      const answer = await site.get(door, `/files/file.txt?auth=${how}`, withPassword)
      expect(answer.status).toBe(500)
      expect(await answer.text()).not.toContain('a file')
    },
  )
})

describeWith(['apache2', apacheModule('fcgid')], 'an authorizer that mod_fcgid starts', () => {
  let site: Site

  /** node where www-data may run it: nvm and the like have it in a home folder. */
  function node(): string {
    const isRunnable = process.getuid?.() !== 0 || spawnSync(process.execPath, ['--version'], { uid: 33, gid: 33, cwd: '/' }).status === 0
    if (isRunnable) return process.execPath
    const copy = join(site.folder, 'node')
    copyFileSync(process.execPath, copy)
    chmodSync(copy, 0o755)
    return copy
  }

  beforeAll(async () => {
    site = new Site()
    const script = join(site.folder, 'authorizer.cjs')
    const dist = join(__dirname, '..', '..', 'dist')
    if (!existsSync(join(dist, 'index.js'))) throw new Error('dist is missing: run npm run build')
    cpSync(dist, join(site.folder, 'dist'), { recursive: true })
    writeFileSync(script, `#!${node()}\n${readFileSync(join(__dirname, 'children', 'authorizer.cjs'), 'utf8')}`, { mode: 0o755 })
    await site.listen()
    await site.start(
      ['auth_basic', 'fcgid'],
      [
        `FcgidAccessChecker ${script}\nFcgidAccessCheckerAuthoritative On`,
        `AuthType Basic\nAuthName app\nAuthBasicAuthoritative Off\nFcgidAuthenticator ${script}\nFcgidAuthenticatorAuthoritative On\nRequire valid-user`,
        `AuthType Basic\nAuthName app\nAuthBasicAuthoritative Off\nFcgidAuthenticator ${script}\nFcgidAuthorizer ${script}\nFcgidAuthorizerAuthoritative On\nRequire valid-user`,
      ],
    )
  })
  afterAll(() => site.stop())

  const askedBy = (answer: Response): unknown => JSON.parse(`[${answer.headers.get('x-asked') ?? ''}]`)

  it('as an AccessChecker: asked about every request, without a password', async () => {
    const granted = await site.get(0, '/files/file.txt?a', { headers: basic('ada', 'secret') })
    expect([granted.status, await granted.text()]).toEqual([200, 'a file'])
    expect(askedBy(granted)).toEqual([{ role: 'ACCESS_CHECKER', method: 'GET', url: '/files/file.txt?a' }])
    const content = await site.get(0, '/a/b', { method: 'POST', body: 'body', headers: { 'Content-Type': 'text/plain' } })
    expect((await content.json()) as Told).toMatchObject({ method: 'POST', note: 'ACCESS_CHECKER', body: 'body' })
    expect((await site.get(0, '/files/file.txt?forbid')).status).toBe(401)
  })

  it('as an Authenticator: has name and password, which make an Authorization field', async () => {
    expect((await site.get(1, '/files/file.txt')).status).toBe(401)
    expect((await site.get(1, '/files/file.txt', { headers: basic('ada', 'guess') })).status).toBe(401)
    const granted = await site.get(1, '/a', { headers: basic('ada', 'secret') })
    expect((await granted.json()) as Told).toMatchObject({ note: 'AUTHENTICATOR', user: 'ada' })
    expect(askedBy(granted)).toEqual([{ role: 'AUTHENTICATOR', method: 'GET', url: '/a', user: 'ada' }])
  })

  it('as an Authorizer behind that: asked again, with the name alone', async () => {
    const granted = await site.get(2, '/files/file.txt', { headers: basic('ada', 'secret') })
    expect([granted.status, await granted.text()]).toEqual([200, 'a file'])
    expect(askedBy(granted)).toEqual([
      { role: 'AUTHENTICATOR', method: 'GET', url: '/files/file.txt', user: 'ada' },
      { role: 'AUTHORIZER', method: 'GET', url: '/files/file.txt', user: 'ada' },
    ])
  })

  it('variables are seen by the client as well, which mod_authnz_fcgi and lighttpd do not do', async () => {
    expect((await site.get(0, '/files/file.txt')).headers.get('variable-auth_note')).toBe('ACCESS_CHECKER')
  })
})
