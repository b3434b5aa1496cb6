// The package as npm would publish it, used the ways its users will: installed from the tarball, imported and required,
// type-checked by their compilers. Nothing here reads lib/.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { run, succeed } from './run'

const root = resolve(__dirname, '../..')
const entries = ['express-fastcgi', 'express-fastcgi/client', 'express-fastcgi/gateway', 'express-fastcgi/protocol']
/** A preload: it has no names. */
const preload = 'express-fastcgi/register'

const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-package-'))
let tarball: string
let packed: string[]

beforeAll(async () => {
  await succeed(process.execPath, ['--input-type=module', '-e', "(await import('./scripts/setup.mjs')).build()"], root)
  // The build has been done, and once more here would pull dist/ from under other tests.
  const answer = await succeed('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root)
  const [description] = JSON.parse(answer) as [{ filename: string; files: { path: string }[] }]
  tarball = join(folder, description.filename)
  packed = description.files.map((file) => file.path).sort()

  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }')
  await succeed('npm', ['install', tarball, '--offline', '--no-audit', '--no-fund'], folder)
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('what is in the tarball', () => {
  it('the types of every file of lib/, the entry points, what these share, and the papers; nothing else', () => {
    const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const types = sources.map((name) => `dist/${name.replace(/\.ts$/, '.d.ts')}`)
    const modules = ['index', 'client/index', 'gateway/index', 'protocol/index', 'register'].flatMap((entry) =>
      ['.js', '.mjs', '.node.mjs', '.d.mts'].map((end) => `dist/${entry}${end}`),
    )
    const parts = ['errors', 'cgi', 'cgi/web-server', 'protocol/codec', 'client/client', 'cli/main', ...['server', 'application', 'roles', 'sendfile-offload', 'upgrade'].map((name) => `server/${name}`)]
    const shared = parts.map((name) => `dist/${name}.js`)
    expect(packed).toEqual([...types, ...modules, ...shared, 'CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'].sort())
  })

  it('no dependency comes along but that of the command', () => {
    expect(readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual(['commander', 'express-fastcgi'])
  })

  it('the entry points are the documented ones', () => {
    const { exports } = JSON.parse(readFileSync(join(folder, 'node_modules/express-fastcgi/package.json'), 'utf8')) as { exports: object }
    const documented = [...entries, preload].map((name) => name.replace('express-fastcgi', '.'))
    expect(Object.keys(exports).sort()).toEqual([...documented, './package.json'].sort())
  })

  it.each(['express-fastcgi/dist/index.js', 'express-fastcgi/server', 'express-fastcgi/lib/index'])('%s is not an entry point', async (name) => {
    const { output } = await run(process.execPath, ['-e', `require('${name}')`], folder)
    expect(output).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })
})

describe.each(entries)('import and require of %s', (name) => {
  it('give the same names and the very same objects: there is one copy of the state', async () => {
    const file = join(folder, 'both.mjs')
    writeFileSync(
      file,
      `import { createRequire } from 'node:module'
       const imported = await import('${name}')
       const required = createRequire(import.meta.url)('${name}')
       const names = Object.keys(required).sort()
       console.log(JSON.stringify({
         required: names,
         imported: Object.keys(imported).sort(),
         different: names.filter((name) => imported[name] !== required[name]),
       }))`,
    )
    const seen = JSON.parse(await succeed(process.execPath, [file], folder)) as Record<'required' | 'imported' | 'different', string[]>
    expect(seen.required.length).toBeGreaterThan(0)
    expect(seen.imported).toEqual(seen.required)
    expect(seen.different).toEqual([])
  })
})

describe('what a process loads that imports the main entry point', () => {
  // The loader of ES modules is running by then, and node:http is there: any server needs both.
  async function loadedBy(program: string): Promise<unknown> {
    const file = join(folder, 'loaded.mjs')
    writeFileSync(join(folder, 'empty.mjs'), 'import.meta.url')
    writeFileSync(
      file,
      `import http from 'node:http'
       import { createRequire } from 'node:module'
       await import('./empty.mjs')
       const before = new Set(process.moduleLoadList);
       ${program}
       const modules = process.moduleLoadList.filter((name) => !before.has(name))
       const files = Object.keys(createRequire(import.meta.url).cache).map((path) => path.replace(/.*dist./, ''))
       console.log(JSON.stringify({ files: files.sort(), modules }))`,
    )
    return JSON.parse(await succeed(process.execPath, [file], folder))
  }

  it('three files, and no module of node besides those of node:http', async () => {
    const files = ['errors.js', 'index.js', 'server/server.js']
    expect(await loadedBy("await import('express-fastcgi')")).toEqual({ files, modules: [] })
  })

  it('what serves requests comes with the first server', async () => {
    const { files } = (await loadedBy("(await import('express-fastcgi')).createServer()")) as { files: string[] }
    expect(files).toContain('server/application.js')
  })
})

it.each([
  ['--import', 'mjs', "import http from 'node:http'"],
  ['--import', 'cjs', "const http = require('node:http')"],
  ['-r', 'mjs', "import http from 'node:http'"],
  ['-r', 'cjs', "const http = require('node:http')"],
])(`node %s ${preload} app.%s: where it listens is FASTCGI_LISTEN`, async (flag, extension, importHttp) => {
  const app = join(folder, `app.${extension}`)
  const socket = join(folder, 'app.sock')
  writeFileSync(app, `${importHttp}\nconst server = http.createServer().listen(3000, () => { console.log(server.address()); server.close() })`)
  expect(await succeed('/usr/bin/env', [`FASTCGI_LISTEN=${socket}`, process.execPath, flag, preload, app], folder)).toBe(`${socket}\n`)
})

describe.each([
  ['mjs', "import express from 'express'; import { createServer, sendfile } from 'express-fastcgi'; import { createClient } from 'express-fastcgi/client'"],
  ['cjs', "const express = require('express'); const { createServer, sendfile } = require('express-fastcgi'); const { createClient } = require('express-fastcgi/client')"],
])('sendfile() in an app.%s', (extension, imports) => {
  it('hands over the files of express.static, and refuses what cannot be at once', async () => {
    const app = join(folder, `sendfile.${extension}`)
    const files = join(folder, 'files')
    mkdirSync(files, { recursive: true })
    writeFileSync(join(files, 'large.bin'), Buffer.alloc(100_000))
    writeFileSync(
      app,
      `${imports.replace(/'express'/, JSON.stringify(join(root, 'node_modules/express/index.js')))}
       const [files, socket] = process.argv.slice(2)
       try { sendfile({ header: 'X-Sendfile', roots: [] }) } catch ({ code }) { console.log(code) }
       const app = express()
       app.use(sendfile({ header: 'X-Accel-Redirect', roots: { [files]: '/protected' }, headers: ['ETag', 'Vary'] }), express.static(files))
       const server = createServer(app).listen(socket, async () => {
         const client = createClient(socket)
         const params = { REQUEST_METHOD: 'GET', REQUEST_URI: '/large.bin', SERVER_PROTOCOL: 'HTTP/1.1', SERVER_SOFTWARE: 'nginx/1.22.1' }
         client.request({ params }).stdout.setEncoding('latin1').toArray().then(async (pieces) => {
           const answer = pieces.join('')
           console.log(/^X-Accel-Redirect: .*$/im.exec(answer)?.[0], answer.slice(answer.indexOf('\\r\\n\\r\\n') + 4).length)
           await client.close()
           server.close()
         })
       })`,
    )
    expect(await succeed(process.execPath, [app, files, join(folder, 'app.sock')], folder)).toBe('FCGI_ERR_OPTION\nX-Accel-Redirect: /protected/large.bin 0\n')
  })
})

it('the main entry point has the names of the README', async () => {
  const program = "import { attach, cgiParams, createServer, listen, Server } from 'express-fastcgi'; console.log(typeof attach, " +
    'typeof cgiParams, typeof createServer, typeof listen, createServer(() => undefined) instanceof Server)'
  expect(await succeed(process.execPath, ['--input-type=module', '-e', program], folder)).toBe('function function function function true\n')
})

describe('types', () => {
  // Each line with "expect-error" fails the compilation unless the types refuse it: types that are `any` do not pass.
  const consumer = `
    import http from 'node:http'
    import { attach, cgiParams, createServer, listen, Server } from 'express-fastcgi'
    import * as client from 'express-fastcgi/client'
    import * as gateway from 'express-fastcgi/gateway'
    import * as protocol from 'express-fastcgi/protocol'
    import 'express-fastcgi/register'

    const server: Server = createServer((req, res) => {
      const address: string | undefined = cgiParams(req).REMOTE_ADDR
      res.end(address)
    })
    const asNode: http.Server = server
    const listening: http.Server = listen((req, res) => { res.end(req.url) }, '/run/app.sock')
    attach(http.createServer())
    export const all = [asNode, listening, client, gateway, protocol]
    // @ts-expect-error a port number is not a request listener
    listen(9000)
    // @ts-expect-error no such export
    client.noSuchName
    // @ts-expect-error no such export
    gateway.noSuchName
    // @ts-expect-error no such export
    protocol.noSuchName
  `
  const strict = ['--noEmit', '--strict', '--lib', 'es2023', '--exactOptionalPropertyTypes', '--types', 'node', '--target', 'es2022', '--esModuleInterop']

  beforeAll(() => {
    // What every TypeScript user of node has. Reached through links, so that the consumer's folder stays its own.
    const nodeTypes = dirname(require.resolve('@types/node/package.json'))
    const undici = dirname(require.resolve('undici-types/package.json'))
    for (const [name, target] of [['@types', dirname(nodeTypes)], ['undici-types', undici]] as const) {
      symlinkSync(target, join(folder, 'node_modules', name))
    }
  })

  it.each([
    // Without skipLibCheck our own .d.ts files are checked too. Once is enough, node's are checked with them.
    ['import, module node16', 'consumer.mts', ['--module', 'node16']],
    ['require, module node16', 'consumer.cts', ['--module', 'node16', '--skipLibCheck']],
    ['import, module nodenext', 'consumer.mts', ['--module', 'nodenext', '--skipLibCheck']],
    ['a bundler', 'consumer.mts', ['--module', 'esnext', '--moduleResolution', 'bundler', '--skipLibCheck']],
    ['node 10, by typesVersions', 'consumer.ts', ['--module', 'commonjs', '--moduleResolution', 'node10', '--skipLibCheck']],
  ])('are right for %s', async (_how, file, options) => {
    writeFileSync(join(folder, file), consumer)
    const tsc = require.resolve('typescript/bin/tsc')
    const { output } = await run(process.execPath, [tsc, ...strict, ...options, file], folder)
    expect(output).toBe('')
  })
})

describe('the judges of packages', () => {
  it('publint has nothing to say', async () => {
    const { status, output } = await run(process.execPath, [bin('publint'), 'run', tarball, '--strict'], root)
    expect([status, output]).toEqual([0, expect.stringContaining('All good!')])
  })

  it('arethetypeswrong finds nothing wrong, with any module resolution', async () => {
    const { status, output } = await run(process.execPath, [bin('@arethetypeswrong/cli'), tarball, '--format', 'ascii', '--no-emoji'], root)
    expect([status, output]).toEqual([0, expect.stringContaining('No problems found')])
  })
})

// The file behind a package's command; `require` would not reach it past the package's exports.
function bin(name: string): string {
  const place = join(root, 'node_modules', name)
  const description = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as { bin: string | Record<string, string> }
  const file = typeof description.bin === 'string' ? description.bin : Object.values(description.bin)[0]
  return join(place, file ?? '')
}
