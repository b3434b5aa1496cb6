// The process contract of IIS with Windows' own node: the application is started as IIS starts it, and asked over its pipe. This
// is Wine and a host program of ours; no IIS was ever near it.

import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { deployment } from '../../lib/cli/config/deployment'
import { iis } from '../../lib/cli/config/iis'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { describeUnless } from '../support/need'
import { type RawResponse } from '../support/raw-client'
import { find, readXml } from '../support/xml'
import { absenceOfWindows, type End, endWindows, Hosted, nodeOnWindows, prepareWindows, windowsPath } from './windows'

const register = windowsPath(resolve(__dirname, '../../dist/register.js'))
const app = windowsPath(join(__dirname, 'app.cjs'))
const MIB = 1_048_576
/** Wine makes its prefix. */
const PREPARATION_MS = 300_000

describeUnless(absenceOfWindows(), "IIS's process contract, with node.exe under Wine", () => {
  const folder = mkdtempSync(join(tmpdir(), 'fcgi-iis-'))
  const log = join(folder, 'app.log')
  const hosted: Hosted[] = []

  beforeAll(prepareWindows, PREPARATION_MS)
  afterEach(async () => {
    for (const one of hosted.splice(0)) await one.stop()
    rmSync(log, { force: true })
  })
  afterAll(() => {
    endWindows()
    rmSync(folder, { recursive: true })
  })

  async function start({ end, args = '' }: { end?: End; args?: string } = {}): Promise<Hosted> {
    const command = `"${nodeOnWindows}" -r "${register}" "${app}" ${args}`
    const one = await Hosted.start(command, { ...(end && { end }), env: { PORT: '3000', FASTCGI_LOG: windowsPath(log) } })
    hosted.push(one)
    return one
  }

  /** As IIS asks: the connection is kept, and there is one request at a time. */
  async function ask({ web }: Hosted, method: string, path: string, body = Buffer.alloc(0)): Promise<RawResponse> {
    const variables = {
      REQUEST_METHOD: method,
      REQUEST_URI: path,
      SERVER_SOFTWARE: 'Microsoft-IIS/10.0',
      CONTENT_LENGTH: String(body.length),
      HTTPS: 'on',
      SERVER_PORT_SECURE: '1',
      HTTP_HOST: 'example.org',
      LOCAL_ADDR: '192.0.2.1',
      REMOTE_ADDR: '192.0.2.7',
    }
    web.send(begin(1, { keep: true }), params(1, variables), body.length > 0 ? stdin(1, body) : Buffer.alloc(0), stdin(1))
    return web.response(1)
  }

  it.each<End>(['server', 'client'])('an Express application on the %s end of the pipe, until that closes', async (end) => {
    const one = await start({ end })
    expect((await ask(one, 'GET', '/?q=1')).body.toString()).toBe('win32 GET /?q=1')
    one.web.halfClose()
    expect(await one.exitCode()).toBe(0)
    expect(readFileSync(log, 'utf8')).toMatch(/^listening on \\\\\.\\pipe\\IISFCGI-\S+ true\nclosed\n$/)
  })

  it('200 requests on one pipe', async () => {
    const one = await start()
    for (let i = 0; i < 200; i++) expect((await ask(one, 'GET', `/?${i}`)).body.toString()).toBe(`win32 GET /?${i}`)
  })

  it('an upload and a download of 1 MiB', async () => {
    const one = await start()
    const body = Buffer.alloc(MIB, '0123456789')
    const upload = await ask(one, 'POST', '/upload', body)
    expect(JSON.parse(upload.body.toString())).toEqual({ length: String(MIB), sha256: createHash('sha256').update(body).digest('hex') })
    const download = await ask(one, 'GET', `/download/${MIB}`)
    expect(download.head.headers.get('content-length')).toBe(String(MIB))
    expect(download.body.equals(Buffer.alloc(MIB, 'abc'))).toBe(true)
  })

  it('an error is a 500, and its stack is in FASTCGI_LOG', async () => {
    const one = await start()
    expect((await ask(one, 'GET', '/error')).head.status).toBe(500)
    expect((await ask(one, 'GET', '/')).head.status).toBe(200)
    expect(readFileSync(log, 'utf8')).toContain('Error: broken on purpose\n    at ')
  })

  it('who asked, and how', async () => {
    const one = await start()
    expect(JSON.parse((await ask(one, 'GET', '/client')).body.toString())).toEqual({ ip: '192.0.2.7', protocol: 'https', host: 'example.org', local: '192.0.2.1' })
  })

  it('as `express-fastcgi config iis` has it started, from a folder with a blank and an umlaut', async () => {
    const site = join(folder, 'B\u00fcro 1')
    mkdirSync(join(site, 'logs'), { recursive: true })
    mkdirSync(join(site, 'node_modules'))
    symlinkSync(resolve(__dirname, '../..'), join(site, 'node_modules', 'express-fastcgi'))
    writeFileSync(join(site, 'server.js'), `require(${JSON.stringify(app)})`)
    const options = { listen: '9000', mount: '/', name: 'example.org', port: '80', node: nodeOnWindows, app: windowsPath(join(site, 'server.js')) }
    const [config, commands] = iis.files(deployment(options))
    const { scriptProcessor = '' } = find(readXml(config?.text ?? ''), 'system.webServer', 'handlers', 'add').attributes
    const [program = '', args = ''] = scriptProcessor.split('|')
    const [, logFile = ''] = /name='FASTCGI_LOG',value='([^']*)'/.exec(commands?.text ?? '') ?? []
    // IIS names the program by its path, and has the arguments behind it.
    const one = await Hosted.start(`"${program}" ${args}`, { env: { FASTCGI_LOG: logFile } })
    hosted.push(one)
    expect((await ask(one, 'GET', '/configured')).head.status).toBe(404)
    expect((await ask(one, 'GET', '/')).body.toString()).toBe('win32 GET /')
    expect(readFileSync(join(site, 'logs', 'example.org.log'), 'utf8')).toContain('listening on')
  })

  it('the pipe closes in the middle of a request, and the application has a timer', async () => {
    const one = await start({ args: '--busy' })
    await ask(one, 'GET', '/')
    one.web.send(begin(1, { keep: true }), params(1, { REQUEST_METHOD: 'POST', REQUEST_URI: '/upload', CONTENT_LENGTH: '100' }), stdin(1, 'half'))
    one.web.destroy()
    expect(await one.exitCode()).toBe(0)
    expect(readFileSync(log, 'utf8')).toContain('closed\n')
  })
})
