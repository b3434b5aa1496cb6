// sendfile(): which streams are handed over, what the web server is told, and that it is never told of a file outside of the roots.
// What real web servers make of it is in __tests__/servers/sendfile.test.ts.

import { execFileSync } from 'node:child_process'
import { chmodSync, createReadStream, mkdirSync, mkdtempSync, openSync, readdirSync, realpathSync, ReadStream, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type * as http from 'node:http'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { sendfile, type SendfileOptions } from 'express-fastcgi'
import { Random } from '../protocol/random'
import { begin, params, stdin } from '../support/fcgi-bytes'
import type { RawResponse } from '../support/raw-client'
import { GET, serve, stopAll } from '../support/serve'
import { deferred, until } from '../support/wait'

const NGINX = { SERVER_SOFTWARE: 'nginx/1.22.1' }
const LIGHTTPD = { SERVER_SOFTWARE: 'lighttpd/1.4.69' }
const CONTENT = 'the content of the file'

let folder = ''
let root = ''
let warn: jest.SpyInstance

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'fcgi-sendfile-')))
  root = join(folder, 'root')
  mkdirSync(join(root, 'inner'), { recursive: true })
  mkdirSync(join(folder, 'outside'))
  for (const file of ['root/file', 'root/other', 'root/inner/file', 'outside/file', 'root-beside']) writeFileSync(join(folder, file), CONTENT)
  warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
})
afterEach(async () => {
  warn.mockRestore()
  await stopAll()
  rmSync(folder, { recursive: true })
})

const warnings = (): string[] => warn.mock.calls.map(([message]: [string]) => message)
const accel = (more: Partial<SendfileOptions> = {}): SendfileOptions => ({ header: 'X-Accel-Redirect', roots: { [root]: '/protected' }, minSize: 0, ...more })

/** The answer to a request whose handler runs behind the middleware. */
async function ask(options: SendfileOptions, handler: http.RequestListener, variables: Record<string, string> = NGINX): Promise<RawResponse> {
  const middleware = sendfile(options)
  const { client } = await serve((req, res) => {
    res.setHeader('Content-Type', 'application/x-file')
    middleware(req, res, () => handler(req, res))
  })
  const web = await client()
  web.send(begin(1), params(1, { ...GET, ...variables }), stdin(1))
  return web.response(1)
}

/** What the web server was told of a file that was piped. The body is empty then, and the file otherwise. */
async function told(options: SendfileOptions, path: string, variables?: Record<string, string>): Promise<string | undefined> {
  const { head, body } = await ask(options, (_req, res) => void createReadStream(path).pipe(res), variables)
  const value = head.headers.get(options.header.toLowerCase())
  expect(body.toString()).toBe(value === undefined ? CONTENT : '')
  return value
}

describe('what the web server is told', () => {
  it('the URI of the internal location, or the path', async () => {
    expect(await told(accel(), join(root, 'file'))).toBe('/protected/file')
    expect(await told({ header: 'X-Sendfile', roots: [root], minSize: 0 }, join(root, 'inner/file'), LIGHTTPD)).toBe(join(root, 'inner/file'))
    expect(await told({ header: 'X-LIGHTTPD-send-file', roots: [root], minSize: 0 }, join(root, 'file'), LIGHTTPD)).toBe(join(root, 'file'))
  })

  it('the path as the web server sees it, where that is another', async () => {
    expect(await told({ header: 'X-Sendfile', roots: { [root]: '/srv/its own' }, minSize: 0 }, join(root, 'file'), LIGHTTPD)).toBe('/srv/its%20own/file')
  })

  it('of several roots, by the innermost', async () => {
    const roots = { [root]: '/protected', [join(root, 'inner')]: '/deeper/', [join(folder, 'outside')]: '/' }
    expect(await told(accel({ roots }), join(root, 'inner/file'))).toBe('/deeper/file')
    expect(await told(accel({ roots }), join(root, 'file'))).toBe('/protected/file')
    expect(await told(accel({ roots }), join(folder, 'outside/file'))).toBe('/file')
  })

  it('in the words of the root, which may be a symbolic link and change', async () => {
    const current = join(folder, 'current')
    symlinkSync(root, current)
    const options = { header: 'X-Sendfile', roots: [current], minSize: 0 } as const
    expect(await told(options, join(current, 'file'), LIGHTTPD)).toBe(join(current, 'file'))
    expect(await told(options, join(root, 'file'), LIGHTTPD)).toBe(join(current, 'file'))
    symlinkSync('outside', join(folder, 'next'))
    const middleware = accel({ roots: { [current]: '/protected' } })
    const handler = sendfile(middleware)
    renameSync(join(folder, 'next'), current)
    const { client } = await serve((req, res) => {
      res.setHeader('Content-Type', 'text/plain')
      handler(req, res, () => void createReadStream(join(folder, req.url!)).pipe(res))
    })
    const web = await client()
    for (const [id, url, value] of [[1, '/outside/file', '/protected/file'], [2, '/root/file', undefined]] as const) {
      web.send(begin(id, { keep: true }), params(id, { ...GET, ...NGINX, REQUEST_URI: url }), stdin(id))
      expect((await web.response(id)).head.headers.get('x-accel-redirect')).toBe(value)
    }
  })

  it('a relative path is that of the process', async () => {
    expect(await told(accel({ roots: { [relative(process.cwd(), root)]: '/protected' } }), relative(process.cwd(), join(root, 'file')))).toBe('/protected/file')
  })

  it('Apache gets only names that need no encoding: it decodes nothing', async () => {
    const apache = { SERVER_SOFTWARE: 'Apache/2.4.71 (Debian)' }
    const options = { header: 'X-Sendfile', roots: [root], minSize: 0 } as const
    writeFileSync(join(root, 'a b'), CONTENT)
    expect(await told(options, join(root, 'file'), apache)).toBe(join(root, 'file'))
    expect(await told(options, join(root, 'a b'), apache)).toBeUndefined()
    expect(await told(options, join(root, 'a b'), LIGHTTPD)).toBe(join(root, 'a%20b'))
  })
})

describe('never a file outside of the roots', () => {
  it.each([
    ['a neighbour', () => join(folder, 'outside/file')],
    ['one whose name begins like the root', () => join(folder, 'root-beside')],
    ['one by dots', () => `${root}/../outside/file`],
    ['one by a symbolic link', () => join(root, 'link')],
    ['one by a linked folder', () => join(root, 'linked/file')],
    ['one by a link to a link', () => join(root, 'twice')],
    ['one by dots behind a linked folder', () => `${root}/linked/../outside/file`],
  ])('%s', async (_what, path) => {
    symlinkSync('../outside/file', join(root, 'link'))
    symlinkSync('../outside', join(root, 'linked'))
    symlinkSync('link', join(root, 'twice'))
    expect(await told(accel(), path())).toBeUndefined()
  })

  it('a link within the root is told as what it links to', async () => {
    symlinkSync('inner/file', join(root, 'link'))
    expect(await told(accel(), join(root, 'link'))).toBe('/protected/inner/file')
  })

  it('random paths through random names and links: what is told is the file itself, or nothing', async () => {
    const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    const random = new Random(seed)
    const names = ['a', '..', '.', '%2e%2e', 'l', 'b c', '%2F', 'é', '?', '#', '&', '+', ';', '\\', "'"]
    const pick = (): string => random.pick(names)
    const folders = [root]
    for (let i = 0; i < 60; i++) {
      const parent = random.pick(folders)
      const name = pick()
      if (name === '.' || name === '..') continue
      try {
        if (name === 'l') symlinkSync(random.pick([root, folder, '..', '../..', join(folder, 'outside')]), join(parent, 'l'))
        else {
          mkdirSync(join(parent, name))
          folders.push(join(parent, name))
        }
      } catch {
        // It is there already.
      }
    }
    for (const one of folders) writeFileSync(join(one, 'file'), CONTENT)
    const middleware = sendfile(accel())
    let path = ''
    const { client } = await serve((req, res) => {
      res.setHeader('Content-Type', 'text/plain')
      middleware(req, res, () => createReadStream(path).on('error', () => res.end('none')).pipe(res))
    })
    const web = await client()
    let count = 0
    for (let i = 1; i <= 400; i++) {
      path = [root, ...Array.from({ length: random.below(5) }, pick), 'file'].join('/')
      web.send(begin(i, { keep: true }), params(i, { ...GET, ...NGINX }), stdin(i))
      const { head, body } = await web.response(i)
      const uri = head.headers.get('x-accel-redirect')
      if (uri === undefined) {
        expect([CONTENT, 'none']).toContain(body.toString())
        continue
      }
      count++
      expect([seed, uri]).toEqual([seed, expect.stringMatching(/^\/protected(?:\/(?!\.{1,2}(?:\/|$))(?:[\w.~-]|%[0-9A-F]{2})+)+$/)])
      const meant = join(root, ...uri.split('/').slice(2).map(decodeURIComponent))
      expect([seed, realpathSync(meant)]).toEqual([seed, meant])
      expect([seed, realpathSync(path)]).toEqual([seed, meant])
    }
    expect(count).toBeGreaterThan(10)
  })
})

describe('what is no whole file of the disk is the application\'s', () => {
  /** The body that arrives, when nothing was told. */
  async function own(handler: (res: http.ServerResponse) => void, options = accel()): Promise<string> {
    const { head, body } = await ask(options, (_req, res) => handler(res))
    expect(head.headers.get('x-accel-redirect')).toBeUndefined()
    return body.toString()
  }

  it('a part of one', async () => {
    expect(await own((res) => void createReadStream(join(root, 'file'), { start: 4 }).pipe(res))).toBe(CONTENT.slice(4))
    expect(await own((res) => void createReadStream(join(root, 'file'), { end: 4 }).pipe(res))).toBe(CONTENT.slice(0, 5))
  })

  it('one behind which more may come', async () => {
    const body = await own((res) => {
      const first = createReadStream(join(root, 'file'))
      first.pipe(res, { end: false })
      first.on('end', () => createReadStream(join(root, 'other')).pipe(res))
    })
    expect(body).toBe(CONTENT + CONTENT)
  })

  it('one behind which more came', async () => {
    expect(
      await own((res) => {
        res.write('before, ')
        createReadStream(join(root, 'file')).pipe(res)
      }),
    ).toBe(`before, ${CONTENT}`)
  })

  it('one that is not as long as the response', async () => {
    const { head } = await ask(accel(), (_req, res) => {
      const file = createReadStream(join(root, 'file'), { end: 9 })
      file.pipe(res.setHeader('Content-Length', CONTENT.length), { end: false })
      file.on('end', () => res.end(CONTENT.slice(10)))
    })
    expect(head.headers.get('x-accel-redirect')).toBeUndefined()
  })

  it('one that somebody else reads too, or has begun to read', async () => {
    let read = ''
    const listened = await own((res) => {
      const file = createReadStream(join(root, 'file'))
      file.on('data', (chunk) => (read += chunk.toString()))
      file.pipe(res)
    })
    expect([listened, read]).toEqual([CONTENT, CONTENT])
    const begun = await own((res) => {
      const file = createReadStream(join(root, 'file'))
      file.once('readable', () => {
        file.read(4)
        file.pipe(res)
      })
    })
    expect(begun).toBe(CONTENT.slice(4))
  })

  it('one of a class that may read something else', async () => {
    class Shouting extends ReadStream {
      override _read(): void {
        this.push('SHOUTED')
        this.push(null)
      }
    }
    expect(await own((res) => void Reflect.construct(ReadStream, [join(root, 'file')], Shouting).pipe(res))).toBe('SHOUTED')
  })

  it('one that is read as text', async () => {
    expect(await own((res) => void createReadStream(join(root, 'file'), 'hex').pipe(res))).toBe(Buffer.from(CONTENT).toString('hex'))
  })

  it('one of a file that is open: its path says nothing', async () => {
    writeFileSync(join(folder, 'outside/file'), 'the other one')
    expect(await own((res) => void createReadStream(join(root, 'file'), { fd: openSync(join(folder, 'outside/file'), 'r') }).pipe(res))).toBe('the other one')
    const handle = await open(join(folder, 'outside/file'))
    expect(await own((res) => void handle.createReadStream().pipe(res))).toBe('the other one')
  })

  it('one that is another file now than when it was opened', async () => {
    writeFileSync(join(folder, 'newer'), 'newer')
    const body = await own((res) => {
      const file = createReadStream(join(root, 'file'))
      file.on('open', () => {
        renameSync(join(folder, 'newer'), join(root, 'file'))
        file.pipe(res)
      })
    })
    expect(body).toBe(CONTENT)
  })

  it('a folder, a named pipe, and what is not there', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')])
    const failing = (path: string) => (res: http.ServerResponse) => void createReadStream(path).on('error', ({ message }) => res.end(message.slice(0, 6))).pipe(res)
    expect(await own(failing(root))).toBe('EISDIR')
    expect(await own(failing(join(root, 'none')))).toBe('ENOENT')
    const feed = async (): Promise<void> => {
      const writer = await open(join(root, 'pipe'), 'w')
      await writer.writeFile('through the pipe')
      await writer.close()
    }
    const fed = own((res) => {
      createReadStream(join(root, 'pipe')).pipe(res)
      // Not before: whoever opened it to look at it would wait for ever.
      void feed()
    })
    expect(await fed).toBe('through the pipe')
  })

  it('a file that this process may not read', async () => {
    chmodSync(folder, 0o755)
    chmodSync(join(root, 'file'), 0o000)
    // Root may read everything.
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(await own((res) => void createReadStream(join(root, 'file')).on('error', ({ message }) => res.end(message.slice(0, 6))).pipe(res))).toBe('EACCES')
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

  it('a name that is no text, or has control characters', async () => {
    const names = [Buffer.from('inv\xff', 'latin1'), Buffer.from('line\nbreak')]
    for (const name of names) {
      const path = Buffer.concat([Buffer.from(`${root}/`), name])
      writeFileSync(path, CONTENT)
      expect(await own((res) => void createReadStream(path).pipe(res))).toBe(CONTENT)
    }
    symlinkSync(Buffer.concat([Buffer.from(`${root}/`), names[0]!]), join(root, 'link'))
    // What its name becomes as text.
    writeFileSync(join(root, 'inv\ufffd'), 'another file')
    expect(await own((res) => void createReadStream(join(root, 'link')).pipe(res))).toBe(CONTENT)
    expect(await own((res) => void createReadStream(join(root, 'line\nbreak')).pipe(res))).toBe(CONTENT)
  })

  it('one below minSize', async () => {
    expect(await own((res) => void createReadStream(join(root, 'file')).pipe(res), accel({ minSize: CONTENT.length + 1 }))).toBe(CONTENT)
    expect(await told(accel({ minSize: CONTENT.length }), join(root, 'file'))).toBe('/protected/file')
  })

  it('one without a Content-Type, which the web server would guess', async () => {
    expect(
      await own((res) => {
        res.removeHeader('Content-Type')
        createReadStream(join(root, 'file')).pipe(res)
      }),
    ).toBe(CONTENT)
  })

  it('one that the application tells the web server of by itself', async () => {
    const { head } = await ask(accel(), (_req, res) => void createReadStream(join(root, 'file')).pipe(res.setHeader('X-Accel-Redirect', '/own')))
    expect(head.headers.get('x-accel-redirect')).toBe('/own')
    expect(warnings()).toEqual([])
  })
})

describe('a file that is handed over', () => {
  it('is not read, and its stream ends and closes as ever', async () => {
    const events: string[] = []
    let file: ReadStream | undefined
    await ask(accel(), (_req, res) => {
      file = createReadStream(join(root, 'file'))
      for (const event of ['open', 'end', 'close', 'error']) file.on(event, () => events.push(event))
      file.pipe(res)
    })
    await until('the end of the stream', () => events.includes('close'))
    expect(events.sort()).toEqual(['close', 'end', 'open'])
    expect(file!.bytesRead).toBe(0)
  })

  it('leaves no file open', async () => {
    const openFiles = (): number => readdirSync('/proc/self/fd').length
    const middleware = sendfile(accel())
    const { client } = await serve((req, res) => {
      res.setHeader('Content-Type', 'text/plain')
      middleware(req, res, () => void createReadStream(join(root, 'file')).pipe(res))
    })
    const web = await client()
    const before = openFiles()
    for (let id = 1; id <= 200; id++) web.send(begin(id, { keep: true }), params(id, { ...GET, ...NGINX }), stdin(id))
    for (let id = 1; id <= 200; id++) expect((await web.response(id)).body).toHaveLength(0)
    await until('every file to be closed', () => openFiles() <= before)
  })

  it('may be gone before its stream has opened it: that ends no process', async () => {
    const closed = deferred()
    const { head } = await ask(accel(), (_req, res) => {
      createReadStream(join(root, 'file')).on('close', () => closed.resolve()).pipe(res)
      rmSync(join(root, 'file'))
    })
    expect(head.headers.get('x-accel-redirect')).toBe('/protected/file')
    await closed.promise
  })

  it('of a client that leaves at once does no harm', async () => {
    const { client } = await serve((req, res) => {
      sendfile(accel())(req, res, () => {
        createReadStream(join(root, 'file')).pipe(res.setHeader('Content-Type', 'text/plain'))
        res.destroy()
      })
    })
    const web = await client()
    web.send(begin(1), params(1, { ...GET, ...NGINX }), stdin(1))
    await web.closed
  })

  it('a header that is set when the head is printed is lost with nginx, which is said once', async () => {
    const late: http.RequestListener = (_req, res) => {
      const { writeHead } = res
      res.writeHead = function (this: http.ServerResponse, ...args: never[]) {
        this.setHeader('X-Late', '1')
        return Reflect.apply(writeHead, this, args) as http.ServerResponse
      }
      createReadStream(join(root, 'file')).pipe(res)
    }
    const { head } = await ask(accel(), late)
    expect(head.headers.get('x-accel-redirect')).toBe('/protected/file')
    expect(warnings()).toEqual([expect.stringContaining('nginx dropped the header x-late, which was set after the file was handed over')])
    await ask(accel({ headers: ['X-Late'] }), late)
    expect(warnings()).toHaveLength(1)
  })

  it('nginx keeps what it keeps; anything else must be among the headers that its location hands on, once', async () => {
    const withHeaders = (headers: http.OutgoingHttpHeaders, options = accel()): Promise<RawResponse> =>
      ask(options, (_req, res) => {
        for (const [name, value] of Object.entries(headers)) res.setHeader(name, value!)
        createReadStream(join(root, 'file')).pipe(res)
      })
    const isTold = async (...args: Parameters<typeof withHeaders>): Promise<boolean> => (await withHeaders(...args)).head.headers.has('x-accel-redirect')
    const kept = { 'Content-Disposition': 'attachment', 'Cache-Control': 'no-store', Expires: '0', 'Set-Cookie': ['a=1', 'b=2'], 'X-Powered-By': 'Express', 'X-Accel-Limit-Rate': '1000' }
    expect(await isTold(kept)).toBe(true)
    expect(await isTold({ Vary: 'Accept-Encoding', ETag: '"x"' })).toBe(true)
    for (const headers of [{ Vary: 'Origin' }, { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' }, { 'Content-Language': 'de' }, { 'Last-Modified': 'Mon, 01 Jan 2001 00:00:00 GMT' }]) {
      expect(await isTold(headers)).toBe(false)
      expect(await isTold(headers, accel({ headers: Object.keys(headers) }))).toBe(true)
    }
    expect(await isTold({ 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' }, accel({ headers: ['Content-Encoding'] }))).toBe(false)
    expect(await isTold({ Link: ['</a>', '</b>'] }, accel({ headers: ['link'] }))).toBe(false)
  })
})

describe('a web server that does not understand it', () => {
  it.each([
    ['X-Accel-Redirect', 'lighttpd/1.4.69'],
    ['X-Accel-Redirect', 'Apache/2.4.71'],
    ['X-Accel-Redirect', 'Caddy/2.6.2'],
    ['X-Accel-Redirect', ''],
    ['X-Sendfile', 'nginx/1.22.1'],
    ['X-Sendfile', 'Caddy/2.6.2'],
    ['X-LIGHTTPD-send-file', 'Apache/2.4.71'],
  ] as const)('%s, %j: the application sends the file, and says so', async (header, software) => {
    const roots = header === 'X-Accel-Redirect' ? { [root]: '/protected' } : [root]
    expect(await told({ header, roots, minSize: 0 }, join(root, 'file'), { SERVER_SOFTWARE: software })).toBeUndefined()
    expect(warnings()).toEqual([
      `${software === '' ? 'no SERVER_SOFTWARE' : `SERVER_SOFTWARE ${software}`}: sendfile() does not know it to understand ${header}, so the application sends its files itself`,
    ])
  })
})

describe('options', () => {
  it.each([
    [() => undefined, "option header of sendfile() must be 'X-Accel-Redirect' or 'X-Sendfile' or 'X-LIGHTTPD-send-file', not undefined"],
    [() => ({ header: 'X-Accel', roots: [root] }), 'option header of sendfile() must be'],
    [() => ({ header: 'toString', roots: [root] }), 'option header of sendfile() must be'],
    [() => ({ header: 'X-Sendfile' }), 'option roots of sendfile() must be an object or a list of folders'],
    [() => ({ header: 'X-Sendfile', roots: root }), 'option roots of sendfile() must be an object or a list of folders'],
    [() => ({ header: 'X-Sendfile', roots: [] }), 'option roots of sendfile() names no folder'],
    [() => ({ header: 'X-Sendfile', roots: [1] }), 'option roots of sendfile()'],
    [() => ({ header: 'X-Sendfile', roots: ['/'] }), 'option roots of sendfile() must not have /: that is every file there is'],
    [() => ({ header: 'X-Sendfile', roots: [join(root, 'none')] }), 'none is no folder'],
    [() => ({ header: 'X-Sendfile', roots: [join(root, 'file')] }), 'file is no folder'],
    [() => ({ header: 'X-Sendfile', roots: { [root]: 'a\nb' } }), 'to a folder of the web server'],
    [() => ({ header: 'X-Accel-Redirect', roots: [root] }), "option roots of sendfile() must be an object for X-Accel-Redirect, such as { '/srv/files': '/protected' }"],
    ...['protected', '', '/a?b', '/a#b', '/a b', '/../a', '/a/..', '/a/./b', '//a', '/%41', '@named', 7].map(
      (target): [() => unknown, string] => [() => ({ header: 'X-Accel-Redirect', roots: { [root]: target } }), "to the path of a location such as '/protected'"],
    ),
    [() => ({ header: 'X-Sendfile', roots: [root], minSize: -1 }), 'option minSize of sendfile() must be a whole number of bytes, not -1'],
    [() => ({ header: 'X-Sendfile', roots: [root], headers: 'Vary' }), 'option headers of sendfile() must be a list of header names'],
    [() => ({ header: 'X-Sendfile', roots: [root], headers: ['a b'] }), 'option headers of sendfile() must be a list of header names'],
    [() => ({ header: 'X-Sendfile', roots: [root], size: 1 }), 'unknown option size of sendfile(); known are header, roots, minSize, headers'],
  ])('%#: refused', (options, message) => {
    expect(() => sendfile(options() as SendfileOptions)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION', message: expect.stringContaining(message) as string }) as Error)
  })
})
