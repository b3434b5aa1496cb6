// Files: serve-static and the send below it, and serve-index. The folder is made for the test; its dates are set, not read off a clock.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import type http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import send from 'send'
import serveIndex from 'serve-index'
import serveStatic from 'serve-static'
import { pattern } from '../servers/app'
import { deferred, until } from '../support/wait'
import { describeRoutes } from './routes'

const DIGITS = '0123456789'
const LARGE = pattern(6 * 1_048_576)
/** More than all the buffers between a file and a client that does not read. */
const HUGE_SIZE = 512 * 1_048_576
const MODIFIED = 'Tue, 15 Nov 1994 12:45:26 GMT'
const LATER = 'Tue, 15 Nov 1994 12:45:27 GMT'
const EARLIER = 'Tue, 15 Nov 1994 12:45:25 GMT'

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-static-'))
  mkdirSync(join(folder, 'root', 'sub folder'), { recursive: true })
  const files = {
    '../secret.txt': 'outside',
    'digits.txt': DIGITS,
    'empty.txt': '',
    'page.html': '<p>page</p>',
    'é è.txt': 'accents',
    '.hidden': 'hidden',
    'sub folder/index.html': '<p>index</p>',
    'large.bin': LARGE,
    'huge.bin': '',
  }
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, 'root', name)
    writeFileSync(file, content)
    if (name === 'huge.bin') truncateSync(file, HUGE_SIZE)
    const modified = Date.parse(MODIFIED) / 1_000
    utimesSync(file, modified, modified)
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describeRoutes('serve-static', (route) => {
  function serving(options: Parameters<typeof serveStatic>[1] = {}) {
    const app = route.app()
    // Mounted, since nginx by itself refuses a path that leaves the root.
    app.use('/mount', serveStatic(join(folder, 'root'), options))
    app.use(serveStatic(join(folder, 'root'), options))
    app.use((req, res) => res.status(404).send(`next ${req.method} ${req.url}`))
    return app
  }

  it('a file, with all its fields', async () => {
    serving({ maxAge: '1h', immutable: true })
    const answer = await route.ask('/digits.txt')
    expect([answer.status, answer.text]).toEqual([200, DIGITS])
    expect(answer.headers).toMatchObject({
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=3600, immutable',
      'content-length': '10',
      'content-type': 'text/plain; charset=utf-8',
      etag: expect.stringMatching(/^W\/"a-[0-9a-f]+"$/) as string,
      'last-modified': MODIFIED,
    })
  })

  it.each([
    ['HEAD has the fields and no body', 'HEAD', '/digits.txt', 200, '10', ''],
    ['a name that has to be encoded', 'GET', '/%C3%A9%20%C3%A8.txt', 200, '7', 'accents'],
    ['an empty file', 'GET', '/empty.txt', 200, '0', ''],
    ['the index of a folder', 'GET', '/sub%20folder/', 200, '12', '<p>index</p>'],
    ['a query is not part of the name', 'GET', '/digits.txt?x=/../y', 200, '10', DIGITS],
    ['an extension is added', 'GET', '/page', 200, '11', '<p>page</p>'],
  ])('%s', async (_rule, method, path, status, length, text) => {
    serving({ extensions: ['html'] })
    const answer = await route.ask(path, { method })
    expect([answer.status, answer.headers['content-length'], answer.text, answer.complete]).toEqual([status, length, text, true])
  })

  it.each([
    ['no such file', 'GET', '/nothing.txt'],
    ['a dotfile', 'GET', '/.hidden'],
    ['another method', 'POST', '/digits.txt'],
    ['a file below a file', 'GET', '/digits.txt/x'],
    ['a path out of the folder', 'GET', '/mount/../secret.txt'],
    ['a path out of the folder, its dots encoded', 'GET', '/mount/%2e%2e/secret.txt'],
    ['a path out of the folder, its slash encoded', 'GET', '/mount/..%2fsecret.txt'],
    ['a path that cannot be decoded', 'GET', '/%FF.txt'],
  ])('falls through to the next: %s', async (_what, method, path) => {
    serving()
    const client = await route.raw()
    client.write(`${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    const { statusLine } = await client.head()
    expect([statusLine, (await client.rest()).toString()]).toEqual(['HTTP/1.1 404 Not Found', `next ${method} ${path}`])
  })

  it.each([
    ['/nothing.txt', 404],
    ['/mount/..%2fsecret.txt', 403],
    ['/.hidden', 403],
  ])('without falling through, %s is an error', async (path, status) => {
    serving({ fallthrough: false, dotfiles: 'deny' })
    expect((await route.ask(path)).status).toBe(status)
  })

  it('a method other than GET and HEAD is then 405, with what is allowed', async () => {
    serving({ fallthrough: false })
    const answer = await route.ask('/digits.txt', { method: 'DELETE' })
    expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD'])
  })

  it('dotfiles when allowed', async () => {
    serving({ dotfiles: 'allow' })
    expect((await route.ask('/.hidden')).text).toBe('hidden')
  })

  it('a folder without its slash is a redirect, to the place where the folder is mounted', async () => {
    const app = route.app()
    app.use('/mount', serveStatic(join(folder, 'root')))
    const answer = await route.ask('/mount/sub%20folder?q=1')
    expect([answer.status, answer.headers.location]).toEqual([301, '/mount/sub%20folder/?q=1'])
  })

  describe('conditions', () => {
    it.each([
      ['If-None-Match that matches', (etag: string) => ({ 'If-None-Match': etag }), 304],
      ['If-None-Match that matches among others', (etag: string) => ({ 'If-None-Match': `"a", ${etag}` }), 304],
      ['If-None-Match: *', () => ({ 'If-None-Match': '*' }), 304],
      ['If-None-Match of another', () => ({ 'If-None-Match': '"a"' }), 200],
      ['If-Modified-Since, not modified', () => ({ 'If-Modified-Since': MODIFIED }), 304],
      ['If-Modified-Since, modified', () => ({ 'If-Modified-Since': EARLIER }), 200],
      ['If-None-Match goes before If-Modified-Since', () => ({ 'If-None-Match': '"a"', 'If-Modified-Since': LATER }), 200],
      ['Cache-Control: no-cache', (etag: string) => ({ 'If-None-Match': etag, 'Cache-Control': 'no-cache' }), 200],
      ['If-Match of another', () => ({ 'If-Match': '"a"' }), 412],
      ['If-Match: *', () => ({ 'If-Match': '*' }), 200],
      ['If-Unmodified-Since, modified', () => ({ 'If-Unmodified-Since': EARLIER }), 412],
      ['If-Unmodified-Since, not modified', () => ({ 'If-Unmodified-Since': MODIFIED }), 200],
    ])('%s', async (_what, headers, status) => {
      serving()
      const etag = (await route.ask('/digits.txt', { method: 'HEAD' })).headers.etag!
      for (const method of ['GET', 'HEAD']) {
        const answer = await route.ask('/digits.txt', { method, headers: headers(etag) })
        expect([answer.status, answer.complete]).toEqual([status, true])
        if (status === 304) expect([answer.headers.etag, answer.text, answer.headers['content-type']]).toEqual([etag, '', undefined])
        if (status === 200) expect(answer.text).toBe(method === 'GET' ? DIGITS : '')
      }
    })
  })

  describe('ranges', () => {
    it.each([
      ['bytes=2-4', 206, 'bytes 2-4/10', '234'],
      ['bytes=7-', 206, 'bytes 7-9/10', '789'],
      ['bytes=-2', 206, 'bytes 8-9/10', '89'],
      ['bytes=0-0', 206, 'bytes 0-0/10', '0'],
      ['bytes=5-500', 206, 'bytes 5-9/10', '56789'],
      ['bytes=1-2,3-4', 206, 'bytes 1-4/10', '1234'],
      ['bytes=1-2,7-8', 200, undefined, DIGITS],
      ['bytes=10-20', 416, 'bytes */10', undefined],
      ['bytes=x-y', 200, undefined, DIGITS],
      ['letters=1-2', 200, undefined, DIGITS],
    ])('%s', async (range, status, contentRange, text) => {
      serving()
      const answer = await route.ask('/digits.txt', { headers: { Range: range } })
      expect([answer.status, answer.headers['content-range']]).toEqual([status, contentRange])
      if (text !== undefined) expect([answer.headers['content-length'], answer.text]).toEqual([String(text.length), text])
    })

    it('HEAD of a range has its length and no body', async () => {
      serving()
      const answer = await route.ask('/digits.txt', { method: 'HEAD', headers: { Range: 'bytes=2-4' } })
      expect([answer.status, answer.headers['content-length'], answer.text]).toEqual([206, '3', ''])
    })

    it.each([
      ['the date it has', { 'If-Range': MODIFIED }, 206],
      ['an earlier date', { 'If-Range': EARLIER }, 200],
      ['another entity tag', { 'If-Range': '"a"' }, 200],
    ])('If-Range with %s', async (_what, headers, status) => {
      serving()
      expect((await route.ask('/digits.txt', { headers: { Range: 'bytes=2-4', ...headers } })).status).toBe(status)
    })

    it('a range is off when told', async () => {
      serving({ acceptRanges: false })
      const answer = await route.ask('/digits.txt', { headers: { Range: 'bytes=2-4' } })
      expect([answer.status, answer.headers['accept-ranges'], answer.text]).toEqual([200, undefined, DIGITS])
    })

    it('the middle of a large file', async () => {
      serving()
      const answer = await route.ask('/large.bin', { headers: { Range: 'bytes=1000000-4999999' } })
      expect([answer.status, sha256(answer.body)]).toEqual([206, sha256(LARGE.subarray(1_000_000, 5_000_000))])
    })
  })

  it('a large file arrives whole, several times at once', async () => {
    serving()
    const answers = await Promise.all([route.ask('/large.bin'), route.unbuffered.ask('/large.bin'), route.ask('/large.bin')])
    for (const { headers, body, complete } of answers) {
      expect([headers['content-length'], complete, sha256(body)]).toEqual([String(LARGE.length), true, sha256(LARGE)])
    }
  })

  it('setHeaders gets the response, the path and the status of the file', async () => {
    serving({
      setHeaders: (res, path, stat: { size: number }) => {
        res.setHeader('X-Path', path.slice(folder.length))
        res.setHeader('X-Size', stat.size)
      },
    })
    expect((await route.ask('/digits.txt')).headers).toMatchObject({ 'x-path': '/root/digits.txt', 'x-size': '10' })
  })

  it('a client that leaves midway frees the file', async () => {
    serving()
    const client = await route.unbuffered.raw()
    client.write('GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.head()
    expect(openFiles()).toContain(join(folder, 'root', 'huge.bin'))
    client.leave()
    await until('the file to be closed', () => !openFiles().includes(join(folder, 'root', 'huge.bin')))
  })
})

/** What this process has open. Linux only, as the web servers of these tests are. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(join('/proc/self/fd', descriptor))
    } catch {
      return ''
    }
  })
}

describeRoutes('send', (route) => {
  it('tells its events and sends what it is told to', async () => {
    const log: string[] = []
    route.use((req, res) => {
      send(req, req.url!, { root: join(folder, 'root'), start: 2, end: 5 })
        .on('file', (path: string) => log.push(`file ${path.slice(folder.length)}`))
        .on('headers', (headed: http.ServerResponse) => {
          log.push('headers')
          headed.setHeader('X-A', 'a')
        })
        .on('stream', () => log.push('stream'))
        .on('end', () => log.push('end'))
        .pipe(res)
    })
    const answer = await route.ask('/digits.txt')
    expect([answer.status, answer.headers['x-a'], answer.headers['content-length'], answer.text]).toEqual([200, 'a', '4', '2345'])
    expect(log).toEqual(['file /root/digits.txt', 'headers', 'stream', 'end'])
  })

  it.each([
    ['/nothing', 404, 'Not Found'],
    ['/..%2fsecret.txt', 403, 'Forbidden'],
    ['/%00', 400, 'Bad Request'],
    ['/%E0%A4%A', 400, 'Bad Request'],
  ])('%s is answered by itself', async (path, status, reason) => {
    const client = await route.raw()
    route.use((req, res) => {
      // nginx refuses some of these, so the application is told of them in another way.
      send(req, decodeURIComponent(req.headers['x-path'] as string), { root: join(folder, 'root') }).pipe(res)
    })
    client.write(`GET / HTTP/1.1\r\nHost: a\r\nX-Path: ${encodeURIComponent(path)}\r\nConnection: close\r\n\r\n`)
    const { statusLine, values } = await client.head()
    expect([statusLine, values('content-security-policy')]).toEqual([`HTTP/1.1 ${status} ${reason}`, ["default-src 'none'"]])
    expect((await client.rest()).toString()).toContain(`<pre>${reason}</pre>`)
  })

  it("Express's sendFile and download call back when the file is sent, or the client has left", async () => {
    const sent = deferred<unknown>()
    const cut = deferred<NodeJS.ErrnoException | undefined>()
    const app = route.app()
    app.get('/file', (_req, res) => res.download(join(folder, 'root', 'digits.txt'), 'naïve "name".txt', (error) => sent.resolve(error)))
    app.get('/huge', (_req, res) => res.sendFile(join(folder, 'root', 'huge.bin'), (error) => cut.resolve(error)))
    const answer = await route.ask('/file')
    const names = [`filename="na?ve \\"name\\".txt"`, `filename*=UTF-8''na%C3%AFve%20%22name%22.txt`]
    expect(answer.headers['content-disposition']).toBe(`attachment; ${names.join('; ')}`)
    expect([answer.text, await sent.promise]).toEqual([DIGITS, undefined])
    const client = await route.unbuffered.raw()
    client.write('GET /huge HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.head()
    client.leave()
    expect((await cut.promise)?.code).toBe('ECONNABORTED')
  })
})

describeRoutes('serve-index', (route) => {
  it('lists a folder as JSON, text and HTML', async () => {
    const app = route.app()
    app.use('/files', serveIndex(join(folder, 'root'), { icons: true }))
    const list = async (path: string, accept: string) => route.ask(path, { headers: { Accept: accept } })
    const json = await list('/files/', 'application/json')
    expect([json.status, json.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    const names = JSON.parse(json.text) as string[]
    expect(names.sort()).toEqual(['digits.txt', 'empty.txt', 'huge.bin', 'large.bin', 'page.html', 'sub folder', 'é è.txt'])
    expect((await list('/files/sub%20folder/', 'text/plain')).text).toBe('index.html\n')
    const html = await list('/files/', 'text/html')
    expect(html.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(html.text).toContain('href="/files/%C3%A9%20%C3%A8.txt"')
    expect((await list('/files/', 'image/png')).status).toBe(406)
  })

  it.each([
    ['GET', '/digits.txt', 404],
    ['GET', '/mount/..%2f', 403],
    ['POST', '/', 405],
    ['OPTIONS', '/', 200],
  ])('%s %s: %d', async (method, path, status) => {
    const app = route.app()
    app.use('/mount', serveIndex(join(folder, 'root')))
    app.use(serveIndex(join(folder, 'root')))
    const answer = await route.ask(path, { method })
    expect(answer.status).toBe(status)
    if (method !== 'GET') expect(answer.headers.allow).toBe('GET, HEAD, OPTIONS')
  })
})
