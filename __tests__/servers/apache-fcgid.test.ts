// Shared hosting: what `express-fastcgi config apache-fcgid` writes, under real mod_fcgid, in the document root and below /~jo/.
import { cpSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { apacheModule } from '../support/apache'
import { request, requestJson } from '../support/http-get'
import { describeWith } from '../support/need'
import { Control } from './conformance/control'
import { describeConformance, type Site } from './conformance/describe'
import { applicationFile } from './conformance/start'
import { deploy, type Hosting, setEnvironment, startHosting, writeApplication } from './hosting'
import { limitsUnder } from './limits/shared-hosting'

/** An ordinary Express application; it knows nothing of FastCGI. */
const EXPRESS = `
const app = require('express')()
app.get('/go', (req, res) => res.redirect(req.baseUrl + '/there'))
app.all('/{*rest}', async (req, res) => {
  const body = (await req.toArray()).join('')
  const { method, url, baseUrl, originalUrl, ip, headers: { authorization, host } } = req
  res.json({ method, url, baseUrl, originalUrl, ip, authorization, host, body, mode: process.env.NODE_ENV, folder: process.cwd() })
})
app.listen(process.env.PORT || 3000)
`

describeWith(['apache2', apacheModule('fcgid')], 'Apache with mod_fcgid', () => {
  describe.each([
    ['the document root', ''],
    ['/~user/app', '/~jo/app'],
  ])('%s', (_where, prefix) => {
    describeConformance({ limits: limitsUnder(prefix), mount: prefix, start: startConformance })
  })

  async function startConformance(mount: string): Promise<Site> {
    const host = await startHosting({ directives: 'FcgidMaxRequestLen 16777216\nFcgidMaxProcesses 4' })
    const control = await Control.listen()
    const root = mount === '' ? host.www : join(host.home, 'public_html', 'app')
    const project = join(host.home, 'conformance')
    writeApplication(project, { 'package.json': '{}' }, 'express')
    // With their times, which are in entity tags.
    for (const name of ['application.cjs', 'file.txt']) cpSync(join(dirname(applicationFile), name), join(project, name), { preserveTimestamps: true })
    deploy(root, join(project, 'application.cjs'))
    setEnvironment(root, { CONFORMANCE_CONTROL: control.path })
    // Its processes end with Apache.
    const application = { control, stop: () => Promise.resolve(control.close()) }
    return { port: host.port, application, stop: host.stop }
  }
})

describeWith(['apache2', apacheModule('fcgid')], 'an Express application at a host that has mod_fcgid', () => {
  let host: Hosting
  const stops: (() => Promise<void>)[] = []

  beforeAll(async () => {
    host = await startHosting()
    stops.push(host.stop)
  })
  afterAll(async () => {
    for (const stop of stops) await stop()
  })

  it('dispatch.fcgi can be executed by everybody, .htaccess by nobody', () => {
    const folder = join(host.home, 'public_html', 'rights')
    deploy(folder, '/srv/app.js')
    expect([statSync(join(folder, 'dispatch.fcgi')).mode & 0o777, statSync(join(folder, '.htaccess')).mode & 0o777]).toEqual([0o755, 0o644])
  })

  describe.each<[where: string, prefix: string, folder: () => string, options: string[]]>([
    ['the document root', '', () => host.www, []],
    ['a folder below /~jo/', '/~jo/app', () => join(host.home, 'public_html', 'app'), []],
    ['the same with --mount, for hosts that need RewriteBase', '/~jo/base', () => join(host.home, 'public_html', 'base'), ['--mount', '/~jo/base']],
  ])('%s', (_where, prefix, folder, options) => {
    const ask = (path: string, init = {}): Promise<Record<string, unknown>> => requestJson(host.port, prefix + path, init)

    beforeAll(() => {
      // Outside of what Apache serves, and with a name that nothing about it is quoted wrongly.
      const project = join(host.home, "Jo's app & more")
      writeApplication(project, { 'package.json': '{}', 'src/server.js': EXPRESS }, 'express')
      deploy(folder(), join(project, 'src', 'server.js'), ...options)
      for (const [name, text] of Object.entries({
        'style.css': 'static',
        'with blank.css': 'static',
        'page.html': 'static page',
        '.env': 'secret',
        'package.json': 'secret',
        'node_modules/a/index.js': 'secret',
        'dispatch.fcgi.bak': 'secret',
        '.well-known/security.txt': 'static',
        'folder/.git/config': 'secret',
      })) {
        mkdirSync(join(folder(), name, '..'), { recursive: true })
        writeFileSync(join(folder(), name), text)
      }
    })

    it.each(['/', '/a/b?x=1&y=2', '/a%20b/%C3%BC?q=%20', '/question%3Fmark', '//double//slash', '/folder/'])(
      '%s: the application sees its own part of the URL',
      async (path) => {
        expect(await ask(path)).toMatchObject({ method: 'GET', url: path, baseUrl: prefix, originalUrl: prefix + path, ip: '127.0.0.1', host: `127.0.0.1:${host.port}` })
      },
    )

    it('a redirect made from baseUrl leads to the application again', async () => {
      const { status, headers } = await request(host.port, `${prefix}/go`)
      expect([status, headers.location]).toEqual([302, `${prefix}/there`])
    })

    it('an upload arrives', async () => {
      expect(await ask('/form', { method: 'POST', body: 'a=1' })).toMatchObject({ method: 'POST', body: 'a=1' })
    })

    it('Authorization arrives', async () => {
      expect(await ask('/', { headers: { Authorization: 'Bearer token' } })).toMatchObject({ authorization: 'Bearer token' })
      expect((await ask('/'))['authorization']).toBeUndefined()
    })

    it('the environment is that of dispatch.fcgi, the working folder that of package.json', async () => {
      expect(await ask('/')).toMatchObject({ mode: 'production', folder: join(host.home, "Jo's app & more") })
    })

    it.each(['/style.css', '/style.css?v=/1', '/with%20blank.css', '/.well-known/security.txt'])('%s is served by Apache', async (path) => {
      expect(await request(host.port, prefix + path)).toMatchObject({ status: 200, text: 'static' })
    })

    it('Apache guesses no file for a path: with MultiViews /page would be page.html', async () => {
      expect(await ask('/page')).toMatchObject({ url: '/page' })
    })

    it.each(['/.env', '/package.json', '/node_modules/a/index.js', '/dispatch.fcgi.bak', '/folder/.git/config', '/.htaccess'])(
      '%s is for nobody to download',
      async (path) => {
        const { status, text } = await request(host.port, prefix + path)
        expect([status, text.includes('secret')]).toEqual([403, false])
      },
    )

    it('the script itself in a URL is where the application is mounted', async () => {
      expect(await ask('/dispatch.fcgi/a')).toMatchObject({ url: '/a', baseUrl: `${prefix}/dispatch.fcgi` })
    })
  })

  it('below /~jo/app the folder without its slash is redirected to that with it', async () => {
    const { status, headers } = await request(host.port, '/~jo/app')
    expect([status, headers.location]).toEqual([301, `http://127.0.0.1:${host.port}/~jo/app/`])
  })

  it('a slash in percent-encoding is a 404 of Apache, whose AllowEncodedSlashes is not for .htaccess', async () => {
    const { status, headers } = await request(host.port, '/a%2Fb')
    expect([status, headers['x-powered-by']]).toEqual([404, undefined])
  })

  it.each([
    ['an ES module', { 'package.json': '{"type":"module"}', 'server.js': "import http from 'node:http'\nhttp.createServer((req, res) => res.end('hello')).listen(3000)" }],
    ['CommonJS without a package.json', { 'server.js': "require('node:http').createServer((req, res) => res.end('hello')).listen(3000)" }],
  ])('an application in the document root itself, %s: no file of it is served, all is asked of the application', async (what, files) => {
    const name = what.replaceAll(' ', '-')
    const folder = join(host.home, 'public_html', name)
    writeApplication(folder, files)
    deploy(folder, join(folder, 'server.js'))
    for (const path of ['/', '/server.js', '/node_modules/express-fastcgi/package.json', '/page']) {
      expect(await request(host.port, `/~jo/${name}${path}`)).toMatchObject({ status: 200, text: 'hello' })
    }
  })

  it('a web server that reaches the folder by a link has the application at the same place', async () => {
    symlinkSync(join(host.home, 'public_html', 'app'), join(host.home, 'public_html', 'link'))
    expect(await requestJson(host.port, '/~jo/link/a')).toMatchObject({ url: '/a', baseUrl: '/~jo/link' })
  })

  describe('what the host has to allow', () => {
    const hello = { 'server.js': "require('node:http').createServer((req, res) => res.end('hello')).listen(3000)" }

    async function hostWith(allowOverride: string, options?: string): Promise<Hosting> {
      const other = await startHosting({ allowOverride, ...(options !== undefined && { options }) })
      stops.push(other.stop)
      writeApplication(join(other.home, 'app'), hello)
      deploy(other.www, join(other.home, 'app', 'server.js'))
      return other
    }

    it.each(['FileInfo Options=ExecCGI', 'All'])('AllowOverride %s is enough', async (allowOverride) => {
      expect(await request((await hostWith(allowOverride)).port, '/')).toMatchObject({ status: 200, text: 'hello' })
    })

    it('SymLinksIfOwnerMatch is as good as FollowSymLinks', async () => {
      expect(await request((await hostWith('FileInfo Options', 'SymLinksIfOwnerMatch')).port, '/')).toMatchObject({ status: 200, text: 'hello' })
    })

    it('AllowOverride FileInfo: the error log says which line to delete, and the rest works where ExecCGI is on', async () => {
      const other = await hostWith('FileInfo', 'FollowSymLinks ExecCGI')
      expect(await request(other.port, '/')).toMatchObject({ status: 500 })
      expect(other.apache.errorLog()).toContain('Options not allowed here')
      const file = join(other.www, '.htaccess')
      writeFileSync(file, readFileSync(file, 'utf8').replace(/^Options.*$/m, ''))
      expect(await request(other.port, '/')).toMatchObject({ status: 200, text: 'hello' })
    })

    it('AllowOverride FileInfo, and ExecCGI is off: only the host can help', async () => {
      const other = await hostWith('FileInfo')
      const file = join(other.www, '.htaccess')
      writeFileSync(file, readFileSync(file, 'utf8').replace(/^Options.*$/m, ''))
      expect(await request(other.port, '/')).toMatchObject({ status: 403 })
      expect(other.apache.errorLog()).toContain('does not have ExecCGI enabled')
    })

    it('AllowOverride None: .htaccess is not looked at, and nothing of the application is there', async () => {
      expect((await request((await hostWith('None')).port, '/a')).status).toBe(404)
    })
  })
})
