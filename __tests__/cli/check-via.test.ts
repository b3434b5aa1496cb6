// `express-fastcgi check --via URL`: through real nginx, well configured and badly, and through things that are no web server of ours.
import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo } from 'node:net'
import express from 'express'
import { createServer, type Server } from 'express-fastcgi'
import { checkVia, type ViaOptions } from '../../lib/cli/check/via'
import { type Finding } from '../../lib/cli/check/finding'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'
import { command } from './command'

const TOKEN = 'a-token-of-this-test'
const check = (url: string, changes: Partial<ViaOptions> = {}): Promise<Finding[]> =>
  checkVia({ url: new URL(url), token: TOKEN, insecure: false, bodyBytes: 2_097_152, timeoutMs: 10_000, ...changes })
const verdicts = (findings: readonly Finding[]): Record<string, string> => Object.fromEntries(findings.map(({ step, verdict }) => [step, verdict]))
const ALL_WELL = {
  'site': 'ok', 'url': 'ok', 'params': 'ok', 'host': 'ok', 'scheme': 'ok', 'authorization': 'ok', 'underscores': 'ok', 'client': 'ok',
  'odd path': 'ok', 'encoded slash': 'ok', 'upload': 'ok', 'large upload': 'ok', 'streaming': 'ok',
}

describeWith('nginx', 'check --via, through nginx', () => {
  let server: Server
  let mounted: Server
  let nginx: Nginx
  const seen: string[] = []

  beforeAll(async () => {
    const app = express()
    app.use((req, res) => {
      seen.push(req.url)
      res.send('the application')
    })
    server = createServer({ checkToken: TOKEN }, app)
    mounted = createServer({ checkToken: TOKEN, mount: '/shop' }, app)
    for (const one of [server, mounted]) await once(one.listen(0, '127.0.0.1'), 'listening')
    const portOf = (one: Server): number => (one.address() as AddressInfo).port
    const pass = `include fastcgi_params; fastcgi_pass 127.0.0.1:${portOf(server)};`
    const locations = [
      `location / { fastcgi_param HTTP_HOST $http_host; ${pass} fastcgi_buffering off; fastcgi_request_buffering off; }
       location /shop/ { fastcgi_param HTTP_HOST $http_host; include fastcgi_params; fastcgi_pass 127.0.0.1:${portOf(mounted)}; fastcgi_buffering off; }`,
      `client_max_body_size 1m; underscores_in_headers on; location / { ${pass} fastcgi_param HTTP_AUTHORIZATION ''; }`,
      `location / { fastcgi_pass 127.0.0.1:${portOf(server)}; }
       location /stripped/ { rewrite ^/stripped(/.*)$ $1 break; include fastcgi_params; fastcgi_param REQUEST_URI $uri$is_args$args; fastcgi_pass 127.0.0.1:${portOf(server)}; }
       location /login/ { return 401; }
       location /http/ { proxy_pass http://127.0.0.1:${portOf(server)}; }
       location /moved/ { return 301 /; }
       location /ended/ { return 500; }
       location /gone/ { include fastcgi_params; fastcgi_pass 127.0.0.1:1; }`,
    ]
    nginx = await startNginx({
      ports: locations.length,
      http: (ports) => locations.map((text, index) => `server { listen 127.0.0.1:${ports[index]!}; ${text} }`).join('\n'),
    })
  })

  afterAll(async () => {
    await nginx.stop()
    for (const one of [server, mounted]) {
      one.close().closeAllConnections()
      await once(one, 'close')
    }
  })

  const site = (index: number, path = '/'): string => `http://127.0.0.1:${nginx.ports[index]!}${path}`

  it('a good configuration passes every step, and the application sees nothing of it', async () => {
    seen.length = 0
    expect(verdicts(await check(site(0)))).toEqual(ALL_WELL)
    expect(seen).toEqual([])
  })

  it('so does a mount that the application takes off', async () => {
    expect(verdicts(await check(site(0, '/shop/')))).toEqual(ALL_WELL)
  })

  it('a bad one is told what to change: host, underscores, authorization, body limit, buffering', async () => {
    const findings = await check(site(1))
    expect(verdicts(findings)).toEqual({
      ...ALL_WELL, 'host': 'warn', 'underscores': 'warn', 'authorization': 'warn', 'large upload': 'warn', 'streaming': 'note',
    })
    const changes = findings.map(({ change }) => change).join('\n')
    for (const directive of ['HTTP_HOST $http_host', 'underscores_in_headers off', 'HTTP_AUTHORIZATION', 'client_max_body_size', 'fastcgi_buffering off']) {
      expect(changes).toContain(directive)
    }
  })

  it.each([
    ['a missing include fastcgi_params', '/', 'answers 400', 'include fastcgi_params'],
    ['HTTP in place of FastCGI', '/http/', 'speaks HTTP to it, and it speaks FastCGI', 'fastcgi_pass in place of proxy_pass'],
    ['a login', '/login/', 'answers 401', 'login'],
    ['a redirect', '/moved/', 'answers 301', 'give that URL'],
    ['what is answered for a process that ended', '/ended/', 'answers 500', 'a process that the web server starts has ended'],
    ['an application that is not there', '/gone/', 'answers 502', 'check ADDRESS --as'],
  ])('%s', async (_what, path, text, change) => {
    const findings = await check(site(2, path))
    expect(findings).toMatchObject([{ step: 'site', verdict: 'fail', text: expect.stringContaining(text), change: expect.stringContaining(change) }])
  })

  it('a prefix that the web server takes off', async () => {
    const findings = await check(site(2, '/stripped/'))
    expect(verdicts(findings)).toMatchObject({ site: 'ok', url: 'warn' })
    expect(findings.find(({ step }) => step === 'url')!.text).toContain('takes the prefix off')
  })

  it('a wrong token gets the answer of the application', async () => {
    seen.length = 0
    expect(await check(site(0), { token: 'another-token-of-this-test' })).toMatchObject([{ step: 'site', verdict: 'fail', change: expect.stringContaining('FASTCGI_CHECK_TOKEN') }])
    expect(seen).toEqual(['/?express-fastcgi-check=1'])
  })

  it('by the command, with the token in its environment', async () => {
    const { status, stdout } = await command(['check', '--via', site(1), '--quiet'], { FASTCGI_CHECK_TOKEN: TOKEN })
    expect(status).toBe(0)
    expect(stdout).toContain('warn  host')
    expect(stdout).not.toContain(TOKEN)
  })
})

describe('check --via, without a web server', () => {
  it('nobody there', async () => {
    expect(await check('http://127.0.0.1:1/')).toMatchObject([{ step: 'site', verdict: 'fail', text: expect.stringContaining('ECONNREFUSED') }])
  })

  it('a site that never answers', async () => {
    const silent = http.createServer(() => undefined).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const findings = await check(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/`, { timeoutMs: 100 })
    silent.close().closeAllConnections()
    expect(findings).toMatchObject([{ step: 'site', verdict: 'fail', text: expect.stringContaining('100 ms') }])
  })
})
