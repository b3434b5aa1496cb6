// An Express application as an authorizer of real lighttpd ("mode" => "authorizer"), in front of files and of content that another Express
// application serves.
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type http from 'node:http'
import { join } from 'node:path'
import { createServer, type Server } from 'express-fastcgi'
import { onPort, startLighttpd } from '../support/lighttpd'
import { describeWith } from '../support/need'
import { deferred } from '../support/wait'
import { sharedFolder, type WebServer } from '../support/web-server'
import { basic, createAuthorizer, createContent, PASSWORD, type Told } from './authorizer-app'

describeWith('lighttpd', 'an Express application as an authorizer of lighttpd', () => {
  const { app, asked } = createAuthorizer()
  let folder: string
  const servers: Server[] = []
  let lighttpd: WebServer
  const held: http.ServerResponse[] = []
  let holding = deferred()

  /** Serves on a unix socket, and says how fastcgi.server names it. */
  async function listen(name: string, server: Server): Promise<string> {
    const path = join(folder, `${name}.sock`)
    servers.push(server)
    await once(server.listen(path), 'listening')
    return `"socket" => "${path}"`
  }

  beforeAll(async () => {
    folder = sharedFolder('authorizer')
    mkdirSync(join(folder, 'www'))
    writeFileSync(join(folder, 'www', 'file.txt'), 'a file')
    // Behind an authorizer lighttpd looks for files again: this is the one it finds for everything that is the application's.
    writeFileSync(join(folder, 'www', 'app.node'), '')
    const application = await listen('app', createServer({ authorizer: app }, createContent()))
    const responder = await listen('responder', createServer(createContent()))
    const hold: http.RequestListener = (_req, res) => {
      held.push(res)
      holding.resolve()
    }
    const overloaded = await listen('overloaded', createServer({ authorizer: hold, maxRequests: 1 }, createContent()))
    const authorizedBy = (socket: string): string =>
      `fastcgi.server = ( "/" => (( ${socket}, "mode" => "authorizer", "check-local" => "disable", "docroot" => "${folder}/www" )) )`
    lighttpd = await startLighttpd({
      ports: 5,
      modules: ['mod_rewrite', 'mod_fastcgi'],
      configuration: ([files, content, none, full, gone]) =>
        [
          `server.document-root := "${folder}/www"\n`,
          onPort(files, authorizedBy(application)),
          onPort(
            content,
            `url.rewrite-once = ( "^(/[^?]*)(\\?.*)?$" => "/app.node$1$2" )
            fastcgi.server = (
              "/" => (( ${application}, "mode" => "authorizer", "check-local" => "disable", "docroot" => "${folder}/www" )),
              ".node" => (( ${application} ))
            )`,
          ),
          onPort(none, authorizedBy(responder)),
          onPort(full, authorizedBy(overloaded)),
          onPort(gone, authorizedBy(`"socket" => "${folder}/nobody.sock"`)),
        ].join(''),
    })
  })

  afterAll(async () => {
    await lighttpd.stop()
    for (const server of servers) {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    }
    rmSync(folder, { recursive: true, force: true })
  })

  beforeEach(() => (asked.length = 0))

  const get = (door: 0 | 1 | 2 | 3 | 4, path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${lighttpd.ports[door]}${path}`, { redirect: 'manual', ...init })

  it('grants access to a file', async () => {
    const answer = await get(0, '/file.txt?auth=grant')
    expect([answer.status, await answer.text(), answer.headers.get('set-cookie')]).toEqual([200, 'a file', null])
    expect(asked).toEqual([{ method: 'GET', url: '/file.txt?auth=grant', body: undefined, apacheRole: undefined, user: undefined }])
  })

  it('and by a password, which passport checks as anywhere', async () => {
    expect((await get(0, '/file.txt')).status).toBe(401)
    expect((await get(0, '/file.txt', { headers: basic('ada', 'guess') })).status).toBe(401)
    expect(await (await get(0, '/file.txt', { headers: basic('ada', PASSWORD) })).text()).toBe('a file')
  })

  it('denies it with its own answer: status, fields and body', async () => {
    const forbidden = await get(0, '/file.txt?auth=forbid')
    expect([forbidden.status, await forbidden.text()]).toEqual([403, 'forbidden by Express'])
    expect(Object.fromEntries(forbidden.headers)).toMatchObject({ 'x-why': 'because', 'content-type': 'text/html; charset=utf-8', 'set-cookie': 'seen=1; Path=/' })
    const redirected = await get(0, '/file.txt?auth=redirect')
    expect([redirected.status, redirected.headers.get('location')]).toEqual([302, 'https://login.example.test/?next=%2F'])
    const challenged = await get(0, '/file.txt')
    expect([challenged.status, challenged.headers.get('www-authenticate'), await challenged.text()]).toEqual([401, 'Basic realm="Express"', 'Unauthorized'])
  })

  it.each(['GET', 'POST', 'PUT', 'DELETE'])('names variables for the content, which gets its %s and its body', async (method) => {
    const body = method === 'GET' ? {} : { body: 'x'.repeat(100_000), headers: { 'Content-Type': 'text/plain' } }
    const answer = await get(1, '/a/b?auth=grant', { method, ...body })
    expect(answer.status).toBe(200)
    expect((await answer.json()) as Told).toEqual({ method, url: '/a/b?auth=grant', note: 'granted by Express', user: 'from-app', body: body.body ?? '' })
    expect(asked).toEqual([{ method, url: '/a/b?auth=grant', body: undefined, apacheRole: undefined, user: undefined }])
  })

  it('is asked about an upload before it is complete, and its refusal is the answer', async () => {
    const answer = await get(1, '/?auth=forbid', { method: 'POST', body: '{"a":', headers: { 'Content-Type': 'application/json' } })
    expect([answer.status, await answer.text()]).toEqual([403, 'forbidden by Express'])
    expect(asked[0]?.body).toBeUndefined()
  })

  it('a client cannot name variables', async () => {
    const answer = await get(1, '/?auth=grant', { headers: { AUTH_NOTE: 'x', 'Variable-AUTH_NOTE': 'x', 'Remote-User': 'root' } })
    expect((await answer.json()) as Told).toMatchObject({ note: 'granted by Express', user: 'from-app' })
  })

  it.each(['destroy', 'begin', 'throw', 'end-socket'])('access is denied when it fails: %s', async (how) => {
    for (const path of [`/file.txt?auth=${how}`, '/file.txt?auth=grant']) {
      const answer = await get(0, path)
      expect([path.endsWith('grant'), answer.status]).toEqual([answer.status === 200, path.endsWith('grant') ? 200 : 500])
      expect(await answer.text()).toMatch(answer.status === 200 ? /^a file$/ : /Error/i)
    }
  })

  it('access is denied when the application has no authorizer', async () => {
    const answer = await get(2, '/file.txt?auth=grant')
    expect([answer.status, await answer.text()]).toEqual([500, 'this application has no handler for role 2\n'])
  })

  it('access is denied by overload', async () => {
    holding = deferred()
    const first = get(3, '/file.txt')
    await holding.promise
    const second = await get(3, '/file.txt')
    expect([second.status, await second.text()]).toEqual([503, 'the application is overloaded\n'])
    held[0]?.end()
    expect(await (await first).text()).toBe('a file')
  })

  it('access is denied when the application is closing with the question unanswered, and when it is not there', async () => {
    holding = deferred()
    const question = get(3, '/file.txt')
    await holding.promise
    servers[2]?.closeAllConnections()
    expect((await question).status).toBe(500)
    expect((await get(4, '/file.txt')).status).toBe(503)
  })
})
