// What an application may expect of its framework, whichever it is: asked of each one behind a real nginx for each way
// to start it, behind HAProxy, and once over plain HTTP, so that an expectation that is wrong fails there.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { NodeProcess } from '../register/node-process'
import { type HAProxy, startHAProxy } from '../support/haproxy'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'
import { until } from '../support/wait'
import { haproxySections, Site, siteConfiguration } from './site'

export interface Framework {
  /** Name of its file in `children`. */
  readonly name: string
  /** How it tells that a client left. */
  readonly departure: readonly string[]
  /** Ways to start it besides those that all have. */
  readonly ways?: readonly string[]
  /** Serves `children` below `/files`. */
  readonly servesFiles?: boolean
  /** Compresses `/compressed`. */
  readonly compresses?: boolean
}

interface Way {
  readonly title: string
  /** The key of `ways` in the framework's file. */
  readonly way: string
  /** Arguments of node before the application. */
  readonly flags: readonly string[]
  readonly protocol: 'http' | 'fastcgi'
}

const REFERENCE: Way = { title: 'plain node:http, for comparison', way: 'own', flags: [], protocol: 'http' }
const WAYS: readonly Way[] = [
  { title: 'listen(app)', way: 'listen', flags: [], protocol: 'fastcgi' },
  { title: 'createServer()', way: 'createServer', flags: [], protocol: 'fastcgi' },
  { title: 'attach()', way: 'attach', flags: [], protocol: 'fastcgi' },
  ...['--import', '-r'].map((flag): Way => {
    return { title: `node ${flag} express-fastcgi/register`, way: 'own', flags: [flag, 'express-fastcgi/register'], protocol: 'fastcgi' }
  }),
]
const RUN = join(__dirname, 'children', 'run.mjs')

export function describeFramework(framework: Framework): void {
  describeWith('nginx', framework.name, () => {
    const folder = mkdtempSync(join(tmpdir(), 'fcgi-framework-'))
    const more = (framework.ways ?? []).map((way): Way => ({ title: way, way, flags: [], protocol: 'fastcgi' }))
    const ways = [REFERENCE, ...WAYS, ...more].map((way, index) => ({ ...way, index, socket: join(folder, `${index}.sock`) }))
    let nginx: Nginx

    beforeAll(async () => {
      nginx = await startNginx({
        ports: 2 * ways.length,
        http: (ports) =>
          ways.map((way, i) => siteConfiguration({ ...way, name: `app${i}`, port: ports[2 * i]!, securePort: ports[2 * i + 1]! })).join(''),
      })
    })

    afterAll(async () => {
      await nginx.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    describe.each(ways)('$title', ({ flags, way, index, socket, protocol }) => {
      const application = runAround([...flags, RUN, framework.name, way], flags.length === 0 ? { PORT: socket } : { FASTCGI_LISTEN: socket })
      const site = new Site(() => nginx.ports[2 * index]!)
      contract(framework, site)
      departure(framework, site)
      // A connection of plain HTTP that is kept alive would keep the process for as long as the framework's time-out.
      if (protocol === 'http') return
      client(site, new Site(() => nginx.ports[2 * index + 1]!))
      closing(site, application)
    })
  })

  describeWith('haproxy', `${framework.name} behind HAProxy, with several requests on one connection`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'fcgi-framework-'))
    const socket = join(folder, 's')
    runAround([RUN, framework.name, 'listen'], { PORT: socket })
    let haproxy: HAProxy

    beforeAll(async () => {
      haproxy = await startHAProxy({
        ports: 2,
        sections: ([port = 0, securePort = 0]) => haproxySections({ name: 'app', socket, protocol: 'fastcgi', port, securePort }),
      })
    })

    afterAll(async () => {
      await haproxy.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    const site = new Site(() => haproxy.ports[0]!)
    // HAProxy does not say that a client left before it has something to send it.
    contract(framework, site)
    client(site, new Site(() => haproxy.ports[1]!))
  })
}

/** Runs an application around the tests of a group. */
function runAround(args: readonly string[], env: Readonly<Record<string, string>>): () => NodeProcess {
  let child: NodeProcess
  beforeAll(async () => {
    child = new NodeProcess(args, { env })
    await child.line('ready')
  })
  afterAll(() => child.kill())
  return () => child
}

function contract(framework: Framework, site: Site): void {
  messages(site)
  bodies(site)
  if (framework.servesFiles === true) files(site)
  if (framework.compresses === true) compression(site)
}

function departure(framework: Framework, site: Site): void {
  it('a client that leaves is noticed', async () => {
    const begun = await site.begin('/hang')
    begun.leave()
    const seen = await until('the application to notice', async () => {
      const departures = (await site.json('/departures')) as string[]
      return departures.length >= framework.departure.length && departures
    })
    expect(seen).toEqual(framework.departure)
  })
}

function closing(site: Site, application: () => NodeProcess): void {
  it('closed, it answers the last request in full; then the process ends by itself, without a complaint', async () => {
    const begun = await site.begin('/stream')
    application().process.kill('SIGTERM')
    expect(await begun.whole()).toBe('first\nsecond\n')
    const child = application()
    expect([await child.exit(), child.stdout, child.stderr]).toEqual([0, 'ready\nclosing\nclosed\n', ''])
  })
}

function messages(site: Site): void {
  it('routes, with parameters, and below a prefix', async () => {
    expect(await site.ask('/hello')).toMatchObject({ status: 200, body: Buffer.from('hello') })
    expect(await site.json('/users/J%C3%B6rg%20B')).toEqual({ name: 'Jörg B' })
    expect(await site.json('/mounted/inside?a=1')).toEqual(['/mounted', expect.stringMatching(/^\/inside(\?a=1)?$/), '/mounted/inside?a=1'])
  })

  it('many at once, while one goes on, each with its own answer', async () => {
    const begun = await site.begin('/stream')
    const names = Array.from({ length: 40 }, (_, n) => `user${n}`)
    const users = names.map((name) => site.json(`/users/${name}`))
    const echoes = names.map((name) => site.post('/json', 'application/json', JSON.stringify({ name, text: name.repeat(5_000) })))
    expect(await Promise.all(users)).toEqual(names.map((name) => ({ name })))
    expect(await Promise.all(echoes)).toEqual(names.map((name) => ({ name, text: name.repeat(5_000) })))
    await site.ask('/release', { method: 'POST' })
    expect(await begun.whole()).toBe('first\nsecond\n')
  })

  it('query', async () => {
    expect(await site.json('/query?a=1&b=x%20y&c=%C3%BC&d=1%2B1')).toEqual({ a: '1', b: 'x y', c: 'ü', d: '1+1' })
  })

  it('cookies both ways, each on a line of its own', async () => {
    const { lines, body } = await site.ask('/cookies', { headers: { Cookie: 'x=1; y=2' } })
    expect(lines['set-cookie']?.map((line) => line.slice(0, 3))).toEqual(['a=1', 'b=2', 'c=3', 'd=4'])
    expect(lines['set-cookie']?.[1]).toMatch(/httponly/i)
    expect(JSON.parse(body.toString())).toEqual({ x: '1', y: '2' })
  })

  it('headers with several values', async () => {
    const { headers, body } = await site.ask('/multiple', { headers: { 'X-Several': ['one', 'two'] } })
    expect(headers['link']).toBe('</a>; rel=preload, </b>; rel=preload')
    expect(JSON.parse(body.toString())).toBe('one, two')
  })

  it('redirects', async () => {
    expect(await site.ask('/redirect/relative')).toMatchObject({ status: 302, headers: { location: '../hello' } })
    const host = { headers: { Host: 'app.example:8080' } }
    expect(await site.ask('/redirect/absolute', host)).toMatchObject({ status: 301, headers: { location: 'http://app.example:8080/hello' } })
  })

  it.each([['/throw', 'thrown'], ['/reject', 'rejected']])('an error of %s comes to the error handler', async (path, error) => {
    const { status, body } = await site.ask(path)
    expect([status, JSON.parse(body.toString())]).toEqual([500, { error }])
  })

  it('404', async () => {
    expect((await site.ask('/nothing')).status).toBe(404)
  })

  it('HEAD has the headers and no body', async () => {
    const get = await site.ask('/hello')
    const head = await site.ask('/hello', { method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, body: Buffer.alloc(0) })
    expect(head.headers['content-type']).toBe(get.headers['content-type'])
  })
}

function bodies(site: Site): void {
  it('JSON, a large one too', async () => {
    for (const value of [{ text: 'ü', list: [1, null] }, { large: 'x'.repeat(1_000_000) }]) {
      expect(await site.post('/json', 'application/json', JSON.stringify(value))).toEqual(value)
    }
  })

  it('JSON sent in chunks', async () => {
    const options = { method: 'POST', headers: { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' } }
    expect(await site.json('/json', options, '{"in":"chunks"}')).toEqual({ in: 'chunks' })
  })

  it('a form', async () => {
    expect(await site.post('/form', 'application/x-www-form-urlencoded', 'a=1&b=x+y&c=%C3%BC')).toEqual({ a: '1', b: 'x y', c: 'ü' })
  })

  it('a large upload arrives byte for byte', async () => {
    const upload = Buffer.concat(Array.from({ length: 300 }, (_, n) => Buffer.alloc(20_001, `part ${n} `)))
    expect(await site.post('/upload', 'application/octet-stream', upload)).toEqual({ length: upload.length, sha256: sha256(upload) })
  })

  it('a large download arrives byte for byte', async () => {
    const { body } = await site.ask('/download')
    const made = Buffer.concat(Array.from({ length: 128 }, (_, n) => Buffer.alloc(65_536, `piece ${n} `)))
    expect([body.length, sha256(body)]).toEqual([made.length, sha256(made)])
  })

  it('an answer is streamed: its first half is there before the second is made', async () => {
    const begun = await site.begin('/stream')
    expect(begun.text()).toBe('first\n')
    await site.ask('/release', { method: 'POST' })
    expect(await begun.whole()).toBe('first\nsecond\n')
  })
}

function client(site: Site, secureSite: Site): void {
  // No application here was told to trust a proxy, so the last two are what any client can claim.
  const headers = { Host: 'app.example:8080', 'X-Client': '203.0.113.7', 'X-Forwarded-For': '198.51.100.1', 'X-Forwarded-Host': 'other.example' }

  it("the client's address and the host are known, without any setting", async () => {
    expect(await site.json('/client', { headers: { ...headers, 'X-Forwarded-Proto': 'https' } })).toEqual({
      ip: '203.0.113.7', isSecure: false, protocol: 'http', hostname: 'app.example',
    })
  })

  it('an IPv6 client', async () => {
    expect(await site.json('/client', { headers: { ...headers, 'X-Client': '2001:db8::7' } })).toMatchObject({ ip: '2001:db8::7' })
  })

  it('https is known, without any setting', async () => {
    expect(await secureSite.json('/client', { headers })).toMatchObject({ isSecure: true, protocol: 'https' })
    expect(await secureSite.ask('/redirect/absolute', { headers })).toMatchObject({ headers: { location: 'https://app.example:8080/hello' } })
  })
}

function files(site: Site): void {
  it('files: whole, a range, and not modified', async () => {
    const whole = await site.ask('/files/common.mjs')
    expect(whole).toMatchObject({ status: 200, headers: { 'content-type': expect.stringContaining('javascript') as string } })
    const range = await site.ask('/files/common.mjs', { headers: { Range: 'bytes=3-9' } })
    expect(range).toMatchObject({ status: 206, headers: { 'content-range': `bytes 3-9/${whole.body.length}` }, body: whole.body.subarray(3, 10) })
    const { etag = '' } = whole.headers
    // Hono's files have no ETag.
    if (etag !== '') expect((await site.ask('/files/common.mjs', { headers: { 'If-None-Match': etag } })).status).toBe(304)
  })

  it('a file that is not there, and one above the folder', async () => {
    expect((await site.ask('/files/nothing.txt')).status).toBe(404)
    expect((await site.ask('/files/%2e%2e/contract.ts')).status).toBeGreaterThanOrEqual(400)
  })
}

function compression(site: Site): void {
  it('compression', async () => {
    const { headers, body } = await site.ask('/compressed', { headers: { 'Accept-Encoding': 'gzip' } })
    expect(headers).toMatchObject({ 'content-encoding': 'gzip' })
    expect(gunzipSync(body).toString()).toBe('compress me '.repeat(1000))
  })
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
