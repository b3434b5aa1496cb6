// Files that real web servers send for an application: each answer is compared with that of node:http, where the application sends the
// file. What may differ is named here, and in docs/sendfile.md.

import { once } from 'node:events'
import { close, createReadStream, mkdirSync, open, read, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import compression from 'compression'
import cors from 'cors'
import { createServer, sendfile, type SendfileOptions } from 'express-fastcgi'
import express from 'express'
import Fastify from 'fastify'
import helmet from 'helmet'
import Koa from 'koa'
import { page, section } from '../docs/page'
import { apacheModule, startApache } from '../support/apache'
import { onPort, startLighttpd } from '../support/lighttpd'
import { describeWith } from '../support/need'
import { startNginx } from '../support/nginx'
import { until } from '../support/wait'
import { sharedFolder } from '../support/web-server'

const BIG = 150_000
const ODD_NAMES = ['p%41q.bin', 'q?x=1#h.bin', 'sp ace+plus.bin', 'ümläut 日本.bin', "st*r'&;$(x).bin", 'two..dots.bin', 'back\\slash.bin', 'semi;colon,.bin', '%2e%2e%2foutside.bin']
/** lighttpd would look for another name. */
const CONTROL_NAMES = ['new\nline.bin', 'car\rriage.bin', 'tab\t.bin', 'del\x7f.bin']

const folder = sharedFolder('sendfile')
const files = join(folder, 'files')
const cleanUp: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
afterAll(async () => {
  for (const step of cleanUp.reverse()) await step()
})

/** Apache takes a file that changed within the last minute for one that may change again within the second. */
function write(name: string, bytes: Buffer | string): void {
  writeFileSync(join(files, name), bytes)
  utimesSync(join(files, name), 1_600_000_000, 1_600_000_000)
}

function content(seed: string, length = BIG): Buffer {
  return Buffer.from(seed.repeat(Math.ceil(length / seed.length))).subarray(0, length)
}

beforeAll(() => {
  for (const name of ['', 'sub', '.dot', 'top', '../outside', '../files-beside']) mkdirSync(join(files, name), { recursive: true })
  write('big.bin', content('0123456789'))
  write('page.html', content('<p>page'))
  write('sub/index.html', content('<p>index'))
  write('small.txt', 'small')
  write('empty.txt', '')
  write('.dot/file.bin', content('dot'))
  write('.hidden.bin', content('hidden'))
  for (const name of [...ODD_NAMES, ...CONTROL_NAMES]) write(name, content(name))
  write('../outside/secret.bin', content('secret'))
  write('../files-beside/near.bin', content('near'))
  symlinkSync('big.bin', join(files, 'link.bin'))
  symlinkSync('sub', join(files, 'linked-sub'))
  symlinkSync('../outside/secret.bin', join(files, 'link-out.bin'))
  symlinkSync('../outside', join(files, 'out'))
  symlinkSync('nowhere', join(files, 'dangling.bin'))
})

/** How the last file was sent: the web server's header, or undefined. */
let told: string | undefined
const lastTold = (): string | undefined => told

type Framework = typeof express

// eslint-disable-next-line @typescript-eslint/no-require-imports -- it has no types of its own
const express4 = require('express-4') as Framework

function createApp(create: Framework, options: SendfileOptions | undefined): http.RequestListener {
  const app = create()
  app.use((_req, res, next) => {
    told = undefined
    res.on('finish', () => {
      told = ['X-Accel-Redirect', 'X-Sendfile', 'X-LIGHTTPD-send-file'].map((name) => res.getHeader(name) as string | undefined).find((value) => value !== undefined)
    })
    next()
  })
  if (options !== undefined) app.use(sendfile(options))
  app.use('/static', express.static(files))
  app.use('/dotfiles', express.static(files, { dotfiles: 'allow', etag: false, lastModified: false, maxAge: '1h' }))
  app.use('/no-ranges', express.static(files, { acceptRanges: false }))
  app.use('/outside', express.static(join(folder, 'outside')))
  app.use('/beside', express.static(join(folder, 'files-beside')))
  app.get('/file', (_req, res, next) => res.set('X-Custom', 'own').vary('Origin').cookie('a', '1').cookie('b', '2').sendFile(join(files, 'big.bin'), next))
  app.get('/download', (_req, res, next) => {
    res.download(join(files, 'page.html'), 'ünï "quoted".html', (error) => (error ? next(error) : void (downloads = 'called back')))
  })
  app.get('/slice', (_req, res) => res.sendFile(join(files, 'big.bin'), { start: 5, end: 149_000 } as object))
  app.get('/not-found-page', (_req, res) => res.status(404).sendFile(join(files, 'page.html')))
  app.post('/file', (_req, res) => res.sendFile(join(files, 'big.bin')))
  app.get('/unknown-header', (_req, res) => res.set('X-Unknown', 'x').sendFile(join(files, 'big.bin')))
  const piped = (res: http.ServerResponse): http.ServerResponse => res.setHeader('Content-Type', 'application/x-piped')
  app.get('/piped', (_req, res) => void createReadStream(join(files, 'big.bin')).pipe(piped(res)))
  app.get('/piped-by-pipeline', (_req, res) => {
    pipeline(createReadStream(join(files, 'big.bin')), piped(res).setHeader('Content-Length', BIG), (error) => (downloads = `pipeline: ${String(error)}`))
  })
  app.get('/piped-when-open', (_req, res) => {
    const file = createReadStream(join(files, 'big.bin'))
    file.on('open', () => file.pipe(piped(res)))
  })
  app.get('/piped-without-type', (_req, res) => void createReadStream(join(files, 'big.bin')).pipe(res))
  const part = (res: http.ServerResponse, start: number, end: number): void => {
    piped(res).setHeader('Content-Range', `bytes ${start}-${end}/${BIG}`).setHeader('Content-Length', end - start + 1).statusCode = 206
    createReadStream(join(files, 'big.bin'), { start, end }).pipe(res)
  }
  app.get('/part', (_req, res) => part(res, 0, 99_999))
  app.get('/other-fs', (_req, res) => {
    const masked = (fd: number, buffer: Buffer, at: number, length: number, position: number | null, done: (error: Error | null, count: number, buffer: Buffer) => void): void =>
      read(fd, buffer, at, length, position, (error, count) => done(error, count, buffer.fill('*', at, at + count)))
    createReadStream(join(files, 'big.bin'), { fs: { open, close, read: masked } }).pipe(piped(res))
  })
  app.get('/own-push', (_req, res) => {
    const file = createReadStream(join(files, 'big.bin'))
    const { push } = file
    file.push = (chunk: Buffer | null) => push.call(file, chunk && chunk.fill('*'))
    file.pipe(piped(res))
  })
  app.get('/piped-and-more', (_req, res) => {
    const first = createReadStream(join(files, 'big.bin'))
    first.pipe(piped(res), { end: false })
    first.on('end', () => res.end('and more'))
  })
  return app
}

let downloads = ''

interface Answer {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: string
}

async function ask(port: number, path: string, headers: http.OutgoingHttpHeaders = {}, method = 'GET'): Promise<Answer> {
  const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false }).end()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const body = Buffer.concat(await response.toArray()).toString('latin1')
  const kept = Object.entries(response.headers).filter(([name]) => !['date', 'server', 'connection', 'keep-alive', 'x-powered-by'].includes(name))
  return { status: response.statusCode ?? 0, headers: Object.fromEntries(kept), body }
}

async function listen(listener: http.RequestListener): Promise<number> {
  const server = http.createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp.push(() => server.close())
  return (server.address() as AddressInfo).port
}

async function serve(name: string, listener: http.RequestListener): Promise<string> {
  const path = join(folder, `${name}.sock`)
  const server = createServer(listener)
  await once(server.listen({ path, mode: 0o666 }), 'listening')
  cleanUp.push(() => server.close().closeAllConnections())
  return path
}

const WARNING =
  'nginx would drop the header x-unknown, so the application sends the file itself. Put "add_header x-unknown $upstream_http_x_unknown;" ' +
  "into the internal location, and 'x-unknown' into the option headers of sendfile()"

const encoded = (name: string): string => `/${encodeURIComponent(name)}`

interface Subject {
  /** Of the web server. */
  readonly port: number
  /** Of the same web server before an application that sends its files itself. */
  readonly base: number
  /** Of node:http with that application. */
  readonly plain: number
  /** The web server decodes what it is told. */
  readonly decodes: boolean
  /** Beginning of what the web server is told of a file. */
  readonly prefix: string
}

function itSends(subject: () => Subject): void {
  /**
   * The answer is the same as without sendfile(): as that of node:http where the web server sends the file, as that behind the same web
   * server where the application does. Returns what the web server was told.
   */
  async function same(path: string, headers?: http.OutgoingHttpHeaders, method?: string): Promise<string | undefined> {
    const { port, base, plain } = subject()
    told = undefined
    const answer = await ask(port, path, headers, method)
    const by = lastTold()
    expect(answer).toEqual(await ask(by === undefined ? base : plain, path, headers, method))
    return by
  }

  it('a large file', async () => {
    expect(await same('/static/big.bin')).toBe(`${subject().prefix}/big.bin`)
    expect(await same('/static/page.html')).toBe(`${subject().prefix}/page.html`)
  })

  it('also for the index of a folder, a symbolic link within the root, and a dotfile where the application allows it', async () => {
    expect(await same('/static/sub/')).toBe(`${subject().prefix}/sub/index.html`)
    expect(await same('/static/link.bin')).toBe(`${subject().prefix}/big.bin`)
    expect(await same('/static/linked-sub/')).toBe(`${subject().prefix}/sub/index.html`)
  })

  it.each([
    ['/static/small.txt'],
    ['/static/empty.txt'],
    ['/static/none.bin'],
    ['/static/sub'],
    ['/static/.hidden.bin'],
    ['/static/.dot/file.bin'],
    ['/static/../outside/secret.bin'],
    ['/static/%2e%2e/outside/secret.bin'],
    ['/static/big.bin%00.html'],
    ['/static/dangling.bin'],
    ['/static/link-out.bin'],
    ['/static/out/secret.bin'],
    ['/outside/secret.bin'],
    ['/beside/near.bin'],
    ['/slice'],
    ['/not-found-page'],
    ['/piped-without-type'],
    ['/piped-and-more'],
    ['/part'],
    ['/other-fs'],
    ['/own-push'],
  ])('%s is the application\'s', async (path) => {
    expect(await same(path)).toBeUndefined()
  })

  it.each(CONTROL_NAMES)('a name with control characters is the application\'s: %j', async (name) => {
    expect(await same(`/static${encoded(name)}`)).toBeUndefined()
  })

  it.each(ODD_NAMES)('an odd name arrives, or is the application\'s: %j', async (name) => {
    const { decodes, prefix } = subject()
    const by = await same(`/static${encoded(name)}`)
    if (decodes || /^[\w.~-]+$/.test(name)) expect(decodeURIComponent(by!)).toBe(`${prefix}/${name}`)
    else expect(by).toBeUndefined()
  })

  describe('ranges and conditions', () => {
    let etag = ''
    let modified = ''
    beforeAll(async () => {
      const { headers } = await ask(subject().plain, '/static/big.bin')
      etag = headers['etag'] as string
      modified = headers['last-modified'] as string
    })

    it.each(['bytes=0-9', 'bytes=100-', 'bytes=-5', 'bytes=0-', 'bytes=149999-', 'bytes=0-999999', 'bytes=149999-149999'])('the web server cuts out %s', async (range) => {
      expect(await same('/static/big.bin', { Range: range })).toBe(`${subject().prefix}/big.bin`)
    })

    it.each(['bytes=0-1,5-6', 'bytes=5-1', 'bytes=150000-', 'lines=1-2', 'bytes=', 'bytes=x-y', 'nonsense'])('%s is the application\'s', async (range) => {
      expect(await same('/static/big.bin', { Range: range })).toBeUndefined()
    })

    it('less than was asked for is the application\'s', async () => {
      for (const range of ['bytes=0-', 'bytes=0-100000', 'bytes=50000-', 'bytes=-100000', 'bytes=0-99999,5-6']) {
        expect(await same('/part', { Range: range })).toBeUndefined()
      }
      expect((await ask(subject().port, '/part', { Range: 'bytes=0-99999' })).body.length).toBe(100_000)
      expect(told).toBe(`${subject().prefix}/big.bin`)
    })

    it('If-Range', async () => {
      for (const ifRange of [etag, '"other"', 'W/"other"', 'Mon, 01 Jan 2001 00:00:00 GMT']) await same('/static/big.bin', { Range: 'bytes=0-9', 'If-Range': ifRange })
      expect(await same('/static/big.bin', { Range: 'bytes=0-9', 'If-Range': modified })).toBeDefined()
    })

    it('If-None-Match, If-Modified-Since, Cache-Control', async () => {
      expect(await same('/static/big.bin', { 'If-None-Match': etag })).toBeUndefined()
      expect(await same('/static/big.bin', { 'If-None-Match': '*' })).toBeUndefined()
      expect(await same('/static/big.bin', { 'If-Modified-Since': modified })).toBeUndefined()
      expect(await same('/static/big.bin', { 'If-None-Match': etag, 'Cache-Control': 'no-cache' })).toBeUndefined()
      expect(await same('/static/big.bin', { 'If-None-Match': '"other"' })).toBeDefined()
      expect(await same('/static/big.bin', { 'If-None-Match': '"other"', 'If-Modified-Since': modified })).toBeDefined()
      expect(await same('/static/big.bin', { 'If-None-Match': 'nonsense', Range: 'bytes=1-2' })).toBeDefined()
      expect(await same('/static/big.bin', { 'If-Modified-Since': 'Mon, 01 Jan 2001 00:00:00 GMT' })).toBeDefined()
      expect(await same('/static/big.bin', { 'Cache-Control': 'no-cache' })).toBeDefined()
    })

    it('If-Match, If-Unmodified-Since', async () => {
      for (const headers of [{ 'If-Match': etag }, { 'If-Match': '"other"' }, { 'If-Match': '*' }, { 'If-Unmodified-Since': modified }, { 'If-Unmodified-Since': 'Mon, 01 Jan 2001 00:00:00 GMT' }]) {
        expect(await same('/static/big.bin', headers)).toBeUndefined()
      }
    })

    it('without ranges of the application\'s', async () => {
      expect(await same('/no-ranges/big.bin', { Range: 'bytes=0-9' })).toBeUndefined()
    })
  })

  it('HEAD is answered by the application, POST too', async () => {
    expect(await same('/static/big.bin', {}, 'HEAD')).toBeUndefined()
    expect(await same('/file', {}, 'POST')).toBeUndefined()
  })

  it('res.sendFile() with headers of its own', async () => {
    expect(await same('/file')).toBe(`${subject().prefix}/big.bin`)
    expect(await same('/file', { Range: 'bytes=10-19' })).toBe(`${subject().prefix}/big.bin`)
  })

  it('res.download(), and its callback without an error', async () => {
    downloads = ''
    expect(await same('/download')).toBe(`${subject().prefix}/page.html`)
    expect(downloads).toBe('called back')
  })

  it('a client that follows its cache: what the web server says of the file is what the application knows it by', async () => {
    const { headers } = await ask(subject().port, '/static/big.bin')
    expect(await same('/static/big.bin', { 'If-None-Match': headers['etag'] as string })).toBeUndefined()
    expect(await same('/static/big.bin', { 'If-Modified-Since': headers['last-modified'] as string })).toBeUndefined()
  })

  it('a hundred at once', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(subject().port, '/static/big.bin', { Range: 'bytes=0-99999' })))
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.length}`))).toEqual(new Set(['206 100000']))
  })
}

/** What other ways of streaming a file come to; not compared in every header. */
function itSendsStreams(subject: () => Subject): void {
  it.each(['/piped', '/piped-by-pipeline', '/piped-when-open'])('%s', async (path) => {
    downloads = ''
    const { status, headers, body } = await ask(subject().port, path)
    expect([status, headers['content-type'], headers['content-length'], body.length]).toEqual([200, 'application/x-piped', String(BIG), BIG])
    expect(told).toBe(`${subject().prefix}/big.bin`)
    if (path === '/piped-by-pipeline') await until('the callback of pipeline()', () => downloads === 'pipeline: undefined')
  })
}

const frameworks = [
  ['Express 5', express],
  ['Express 4', express4],
] as const

describe.each(frameworks)('%s', (framework, create) => {
  let plain = 0
  let own = ''
  beforeAll(async () => {
    plain = await listen(createApp(create, undefined))
    own = await serve(`own-${framework.replace(' ', '')}`, createApp(create, undefined))
  })

  describeWith('nginx', 'nginx', () => {
    let subject: Subject
    beforeAll(async () => {
      const headers = ['ETag', 'Vary', 'X-Custom']
      const path = await serve(`nginx-${framework.replace(' ', '')}`, createApp(create, { header: 'X-Accel-Redirect', roots: { [files]: '/protected/' }, headers }))
      const nginx = await startNginx({
        ports: 2,
        http: ([port, base]) => `
  server { listen 127.0.0.1:${base}; location / { include fastcgi_params; fastcgi_pass unix:${own}; } }
  server {
    listen 127.0.0.1:${port};
    location / { include fastcgi_params; fastcgi_pass unix:${path}; }
    location /protected/ {
      internal;
      alias ${files}/;
      etag off;
      ${headers.map((name) => `add_header ${name} $upstream_http_${name.toLowerCase().replace('-', '_')};`).join(' ')}
    }
  }`,
      })
      cleanUp.push(() => nginx.stop())
      subject = { port: nginx.ports[0]!, base: nginx.ports[1]!, plain, decodes: true, prefix: '/protected' }
    })

    itSends(() => subject)
    itSendsStreams(() => subject)

    it('a header that would be lost keeps the file with the application, which says so once', async () => {
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
      try {
        for (let i = 0; i < 2; i++) expect((await ask(subject.port, '/unknown-header')).headers['x-unknown']).toBe('x')
        expect(told).toBeUndefined()
        expect(warn.mock.calls).toEqual([[WARNING, { type: 'FastCGIWarning', code: 'FCGI_WARN_SENDFILE' }]])
      } finally {
        warn.mockRestore()
      }
    })

    it('the internal location is not for clients', async () => {
      expect((await ask(subject.port, '/protected/big.bin')).status).toBe(404)
    })
  })

  describeWith('lighttpd', 'lighttpd', () => {
    describe.each(['X-Sendfile', 'X-LIGHTTPD-send-file'] as const)('%s', (header) => {
      let subject: Subject
      beforeAll(async () => {
        const path = await serve(`lighttpd-${framework.replace(' ', '')}-${header}`, createApp(create, { header, roots: [files] }))
        const lighttpd = await startLighttpd({
          ports: 2,
          modules: ['mod_fastcgi'],
          configuration: ([port, base]) => `
${onPort(base, `fastcgi.server = ( "/" => (( "socket" => "${own}", "check-local" => "disable", "fix-root-scriptname" => "enable" )) )`)}
${onPort(port, `fastcgi.server = ( "/" => (( "socket" => "${path}", "check-local" => "disable", "fix-root-scriptname" => "enable",
  "x-sendfile" => "enable", "x-sendfile-docroot" => ( "${files}" ) )) )`)}`,
        })
        cleanUp.push(() => lighttpd.stop())
        subject = { port: lighttpd.ports[0]!, base: lighttpd.ports[1]!, plain, decodes: true, prefix: files }
      })

      itSends(() => subject)
      itSendsStreams(() => subject)
    })
  })

  describeWith(['apache2', apacheModule('xsendfile')], 'Apache with mod_xsendfile', () => {
    let subject: Subject
    beforeAll(async () => {
      const path = await serve(`apache-${framework.replace(' ', '')}`, createApp(create, { header: 'X-Sendfile', roots: [files] }))
      const apache = await startApache({
        ports: 2,
        modules: ['proxy', 'proxy_fcgi', 'xsendfile'],
        configuration: ([port, base]) => `
<VirtualHost 127.0.0.1:${base}>
  ProxyPass "/" "unix:${own}|fcgi://own/"
</VirtualHost>
<VirtualHost 127.0.0.1:${port}>
  ProxyPass "/" "unix:${path}|fcgi://sends/"
  XSendFile on
  XSendFilePath ${files}
</VirtualHost>`,
      })
      cleanUp.push(() => apache.stop())
      subject = { port: apache.ports[0]!, base: apache.ports[1]!, plain, decodes: false, prefix: files }
    })

    itSends(() => subject)
    itSendsStreams(() => subject)
  })
})

describeWith('nginx', 'the configuration in docs/sendfile.md for helmet and cors', () => {
  it('hands on every header that they set', async () => {
    const text = section(page('docs/sendfile.md'), 'nginx')
    const headers = [...text.slice(text.indexOf('const headers')).matchAll(/'([\w-]+)'/g)].map(([, name]) => name!)
    const location = text.slice(text.lastIndexOf('location /protected/')).split('\n}\n')[0]!.replaceAll('/srv/app/files', files)
    expect([...location.matchAll(/add_header (\S+) /g)].map(([, name]) => name)).toEqual(headers)
    const create = (options?: SendfileOptions): http.RequestListener => {
      const app = express().use(helmet(), cors({ origin: 'https://example.org', credentials: true, exposedHeaders: ['ETag'] }))
      if (options !== undefined) app.use(sendfile(options))
      return app.use((_req, res, next) => (res.on('finish', () => (told = res.getHeader('X-Accel-Redirect') as string)), next()), express.static(files))
    }
    const plain = await listen(create())
    const path = await serve('docs', create({ header: 'X-Accel-Redirect', roots: { [files]: '/protected' }, headers }))
    const nginx = await startNginx({
      ports: 1,
      http: ([port]) => `server { listen 127.0.0.1:${port}; location / { include fastcgi_params; fastcgi_pass unix:${path}; } ${location} } }`,
    })
    try {
      for (const range of [{}, { Range: 'bytes=1-5' }]) {
        expect(await ask(nginx.ports[0]!, '/big.bin', range)).toEqual(await ask(plain, '/big.bin', range))
      }
      await ask(nginx.ports[0]!, '/big.bin')
      expect(told).toBe('/protected/big.bin')
    } finally {
      await nginx.stop()
    }
  })
})

describe('beside other ways', () => {
  it('by plain HTTP the application sends everything itself', async () => {
    const app = createApp(express, { header: 'X-Accel-Redirect', roots: { [files]: '/protected' }, headers: ['ETag'] })
    const path = join(folder, 'auto.sock')
    const server = createServer({ protocol: 'auto' }, app)
    await once(server.listen(path), 'listening')
    cleanUp.push(() => server.close().closeAllConnections())
    const request = http.get({ socketPath: path, path: '/static/big.bin', agent: false })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    expect(Buffer.concat(await response.toArray()).equals(content('0123456789'))).toBe(true)
    expect(told).toBeUndefined()
  })

  describeWith('nginx', 'behind nginx', () => {
    const ways: [string, () => Promise<http.RequestListener>][] = [
      [
        'compression, in front',
        () => Promise.resolve(express().use(compression()).use(sendfile(nginxOptions)).use(express.static(files)) as unknown as http.RequestListener),
      ],
      [
        'compression, behind',
        () => Promise.resolve(express().use(sendfile(nginxOptions)).use(compression()).use(express.static(files)) as unknown as http.RequestListener),
      ],
      [
        'Koa',
        () => {
          const offload = sendfile(nginxOptions)
          const app = new Koa()
          app.use((ctx, next) => {
            offload(ctx.req, ctx.res, () => undefined)
            return next()
          })
          app.use((ctx) => {
            ctx.type = 'html'
            // It streams by pipeline(), whose end nobody can know. koa-send and koa-static say the length as well.
            ctx.length = BIG
            ctx.body = createReadStream(join(files, 'page.html'))
          })
          return Promise.resolve(app.callback())
        },
      ],
      [
        'Fastify',
        async () => {
          const offload = sendfile(nginxOptions)
          let listener: http.RequestListener | undefined
          const app = Fastify({ serverFactory: (handler) => http.createServer((listener = handler as http.RequestListener)) })
          app.addHook('onRequest', (request, reply, done) => offload(request.raw, reply.raw, done))
          app.get('/page.html', (_request, reply) => reply.type('text/html; charset=utf-8').send(createReadStream(join(files, 'page.html'))))
          await app.ready()
          cleanUp.push(() => app.close())
          return listener!
        },
      ],
    ]
    const nginxOptions: SendfileOptions = { header: 'X-Accel-Redirect', roots: { [files]: '/protected' }, headers: ['ETag'] }

    beforeAll(() => {
      nginxOptions.roots = { [files]: '/protected' }
    })

    it.each(ways)('%s', async (name, create) => {
      const inner = await create()
      let header: unknown
      const path = await serve(name.replace(/\W/g, ''), (req, res) => {
        res.on('finish', () => (header = res.getHeader('X-Accel-Redirect')))
        inner(req, res)
      })
      const nginx = await startNginx({
        ports: 1,
        http: ([port]) => `
  server {
    listen 127.0.0.1:${port};
    location / { include fastcgi_params; fastcgi_pass unix:${path}; }
    location /protected/ { internal; alias ${files}/; etag off; add_header ETag $upstream_http_etag; }
  }`,
      })
      try {
        const { status, headers, body } = await ask(nginx.ports[0]!, '/page.html', { 'Accept-Encoding': 'gzip' })
        expect([status, body.length, headers['content-encoding'], headers['content-type']]).toEqual([200, BIG, undefined, 'text/html; charset=utf-8'])
        expect(header).toBe('/protected/page.html')
      } finally {
        await nginx.stop()
      }
    })
  })
})
