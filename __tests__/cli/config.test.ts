// The command `express-fastcgi config` as a process: what it prints, what it writes, how it ends.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { configCommand } from '../../lib/cli/config/command'
import { configurations } from '../../lib/cli/config/configurations'
import { printed, printedFile } from '../support/printed'

const root = resolve(__dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-config-'))
const names = configurations.map(({ server }) => server)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function config(...args: string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), 'config', ...args], { encoding: 'utf8', cwd: folder })
  return { status, stdout, stderr }
}

it('--help lists every server there is a configuration for', () => {
  const { status, stdout } = config('--help')
  expect(status).toBe(0)
  expect([...stdout.split('Servers:\n')[1]!.matchAll(/^ {2}(\S+) +\S/gm)].map(([, name]) => name)).toEqual(names)
})

it.each(['nginx', 'caddy', 'haproxy', 'h2o'])('%s: what is printed is what the tests with real servers start from', (server) => {
  const options = { listen: '127.0.0.1:9000', mount: '/shop', name: 'www.example.net', port: '8080', app: '/srv/app.js', node: '/usr/bin/node' }
  const { status, stdout, stderr } = config(server, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]))
  expect([status, stderr, stdout]).toEqual([0, '', printed(server, options)])
})

it('the first line of what is printed says where it belongs', () => {
  const places = { nginx: '/etc/nginx/conf.d/example.org.conf', caddy: '/etc/caddy/Caddyfile', haproxy: '/etc/haproxy/haproxy.cfg', h2o: '/etc/h2o/h2o.conf' }
  for (const [server, place] of Object.entries(places)) expect(config(server).stdout.split('\n')[0]).toContain(`# ${place}: `)
})

it('the comment says how to start the application, as a shell takes it', () => {
  const { stdout } = config('nginx', '--listen', "/run/it's/a b.sock", '--app', "it's app/main.js", '--node', '/usr/bin/node')
  const command = /^# +(cd .*)$/m.exec(stdout)![1]!
  const words = spawnSync('sh', ['-c', `set -- ${command.replace(' && ', ' ').replace('FASTCGI_LISTEN=', '')}; printf '%s\\n' "$@"`], { encoding: 'utf8' })
  expect(words.stdout.trim().split('\n')).toEqual([
    'cd',
    `${folder}/it's app`,
    "/run/it's/a b.sock",
    '/usr/bin/node',
    '--import',
    'express-fastcgi/register',
    `${folder}/it's app/main.js`,
  ])
})

it.each([
  ['what this command refuses', ['iis7']],
  ['what the command line itself refuses', []],
])('%s: the status is 2, nothing is printed, and what is said is no stack', (_what, args) => {
  const { status, stdout, stderr } = config(...args)
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).not.toMatch(/^ +at /m)
})

describe('the command that lets the web server connect to the socket', () => {
  const text = (listen: string, app = '/srv/app/server.js'): string => printed('caddy', { listen, app })
  const command = (...of: [listen: string, app?: string]): string | undefined => /^# +(sudo (?!systemctl).*)$/m.exec(text(...of))?.[1]

  it.each(['/run/shop/app.sock', '/tmp/shop/app.sock', '/home/jo/shop/app.sock', '/var/run/shop/app.sock'])('%s: makes its folder', (listen) => {
    expect(command(listen)).toBe(`sudo install -d -o "$USER" -g caddy -m 2750 ${dirname(listen)}`)
  })

  it.each(['/run/app.sock', '/tmp/app.sock', '/var/tmp/app.sock', '/var/run/app.sock', '/dev/shm/app.sock', '/home/jo/app.sock', '/run/user/1000/app.sock', '/app.sock'])(
    '%s: leaves the folder alone, which has other things in it',
    (listen) => expect(command(listen)).toBe(`sudo chgrp caddy ${listen}`),
  )

  it('leaves the folder of the application alone', () => {
    expect(command('/srv/app/app.sock', '/srv/app/src/server.js')).toBe('sudo chgrp caddy /srv/app/app.sock')
  })

  it('says of /tmp that the web server may have one of its own', () => {
    expect([text('/tmp/shop/app.sock'), text('/var/tmp/app.sock')].every((said) => said.includes('(PrivateTmp)'))).toBe(true)
    expect(text('/run/shop/app.sock')).not.toContain('(PrivateTmp)')
  })
})

it('--node may be a name, which is looked for in the PATH', () => {
  const { PATH } = process.env
  const { stdout } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), 'config', 'caddy', '--node', 'node'], { encoding: 'utf8', env: { PATH: `${dirname(process.execPath)}:${PATH}` } })
  expect(stdout).toContain(` ${process.execPath} --import express-fastcgi/register `)
})

describe('what cannot be is refused in words that name it', () => {
  it.each([
    ['an unknown server', ['iis7'], /no configuration for "iis7"; there is one for nginx, /],
    ['no server', [], /missing required argument 'server'/],
    ['an unknown option', ['nginx', '--lisen', '9000'], /unknown option '--lisen'/],
    ['an address that is none', ['nginx', '--listen', 'app.sock'], /--listen app\.sock is no address: use /],
    ['an empty address', ['nginx', '--listen', ''], /--listen .*is no address/],
    ['a port that cannot be', ['nginx', '--listen', '127.0.0.1:70000'], /--listen: a port is a number from 1 to 65535, not "70000"/],
    ['a socket path that is too long', ['nginx', '--listen', `/run/${'x'.repeat(110)}`], /at most 107 bytes/],
    ['a folder as socket', ['nginx', '--listen', '/run/'], /no slash at its end/],
    ['a line break in a path', ['nginx', '--listen', '/run/a\n}'], /--listen: a path with control characters/],
    ['a line break of YAML in a path', ['h2o', '--listen', '/run/a\u2028b'], /--listen: a path with control characters/],
    ['port 0 of the web server', ['nginx', '--port', '0'], /--port: a port is/],
    ['a port that is no number', ['nginx', '--port', '80;'], /--port: a port is .* not "80;"/],
    ['a name with a blank', ['nginx', '--name', 'a b'], /--name "a b" is no host name/],
    ['a name with a path', ['nginx', '--name', '../x'], /--name "..\/x" is no host name/],
    ['a mount without a slash', ['nginx', '--mount', 'shop'], /--mount "shop" is no path prefix/],
    ['a mount with a blank', ['nginx', '--mount', '/a b'], /--mount "\/a b" is no path prefix/],
    ['a mount with dots', ['nginx', '--mount', '/a/../b'], /is no path prefix/],
    ['the source of the application as static files', ['nginx', '--root', '/srv/app', '--app', '/srv/app/server.js'], /everybody could read its source/],
    ['the whole machine as static files', ['caddy', '--root', '/'], /everybody could read its source/],
    ['a dollar in a root of nginx', ['nginx', '--root', '/srv/a$b'], /--root "\/srv\/a\$b": a configuration for nginx has no way to write "\$"/],
    ['a brace in a path of Caddy', ['caddy', '--listen', '/run/{x}'], /--listen .* for Caddy has no way to write "\{"/],
    ['a colon in a path of Caddy', ['caddy', '--listen', '/run/a:b'], /for Caddy has no way to write ":"/],
    ['a pattern in a root of Caddy', ['caddy', '--root', '/srv/a*'], /for Caddy has no way to write "\*"/],
    ['a dollar in a path of HAProxy', ['haproxy', '--listen', '/run/a$b'], /for HAProxy has no way to write "\$"/],
    ['an empty path', ['caddy', '--app', ''], /--app is empty/],
    ['a program that is not there', ['caddy', '--node', 'no-such-node'], /--node no-such-node: there is no program of that name in the PATH/],
    ['a file that the configuration has not', ['nginx', '--file', 'x.conf'], /--file x\.conf: this configuration has example\.org\.conf/],
  ])('%s', async (_what, args, message) => {
    // Not each in a process of its own, which takes its time.
    const command = configCommand().exitOverride().configureOutput({ writeErr: () => undefined })
    await expect(command.parseAsync(args, { from: 'user' })).rejects.toThrow(message)
  })
})

describe('the source of the application is not handed out where a link hides that it is in the folder', () => {
  const home = join(folder, 'home')
  const app = join(home, 'public_html', 'app', 'server.js')
  const link = join(home, 'www')

  beforeAll(() => {
    mkdirSync(dirname(app), { recursive: true })
    writeFileSync(join(dirname(app), 'package.json'), '{}')
    symlinkSync('public_html', link)
  })

  it.each(['nginx', 'caddy'])('%s refuses', (server) => {
    expect(() => printed(server, { root: link, app })).toThrow('everybody could read its source')
    expect(() => printed(server, { root: dirname(dirname(app)), app: join(link, 'app', 'not there yet.js') })).toThrow('everybody could read its source')
  })

  it('the .htaccess of shared hosting has Apache serve no file', () => {
    expect(printedFile('apache-fcgid', '.htaccess', { root: link, app })).toContain('Apache serves no file at all')
    expect(printedFile('apache-fcgid', '.htaccess', { root: join(link, 'static'), app })).not.toContain('Apache serves no file at all')
  })
})

describe('standard output that takes nothing', () => {
  const options = { cwd: folder, encoding: 'utf8' } as const
  const program = join(root, 'dist/cli/main.js')

  it('a reader that leaves is no error', () => {
    const { status, stderr } = spawnSync('sh', ['-c', '"$@" | head -c 1 >/dev/null; "$@" | true', 'sh', process.execPath, program, 'config', 'nginx'], options)
    expect([status, stderr]).toEqual([0, ''])
  })

  it('a full disk is told in one line', () => {
    const full = openSync('/dev/full', 'w')
    try {
      const { status, stderr } = spawnSync(process.execPath, [program, 'config', 'nginx'], { ...options, stdio: ['ignore', full, 'pipe'] })
      expect([status, stderr]).toEqual([2, expect.stringMatching(/^express-fastcgi: standard output: ENOSPC.*\n$/)])
    } finally {
      closeSync(full)
    }
  })
})

describe('--output', () => {
  const target = join(folder, 'new', 'folder')
  const file = join(target, 'example.org.conf')

  it('writes the files, and says where they belong', () => {
    const { status, stdout } = config('nginx', '--output', target)
    expect([status, stdout]).toEqual([0, `${file} belongs to /etc/nginx/conf.d/example.org.conf\n`])
    expect(readFileSync(file, 'utf8')).toBe(config('nginx').stdout)
    expect(statSync(file).mode & 0o777).toBe(0o644)
  })

  it('makes no folder that its group may write to, whatever the umask: suEXEC would refuse it', () => {
    const shared = join(folder, 'umask')
    const umask = process.umask(0o002)
    config('apache-fcgid', '--output', shared)
    process.umask(umask)
    expect([statSync(shared).mode & 0o777, statSync(join(shared, 'dispatch.fcgi')).mode & 0o777]).toEqual([0o755, 0o755])
  })

  it('leaves a file that exists alone', () => {
    writeFileSync(file, 'mine')
    const { status, stderr } = config('nginx', '--output', target)
    expect([status, stderr]).toEqual([2, `express-fastcgi: ${file} exists already; --force replaces it\n`])
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })

  it('replaces it with --force', () => {
    expect(config('nginx', '--output', target, '--force').status).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(config('nginx').stdout)
  })

  it('says what is in the way', () => {
    const { status, stdout, stderr } = config('nginx', '--output', join(file, 'below'))
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^express-fastcgi: --output .*: (?:ENOTDIR|EEXIST)/)
    expect(readdirSync(target)).toEqual(['example.org.conf'])
  })

  const onLinux = process.platform === 'linux' ? it : it.skip
  onLinux('says so of a folder that cannot be made, though the one above is there', () => {
    const { status, stderr } = config('nginx', '--output', '/proc/express-fastcgi')
    expect([status, stderr]).toEqual([2, expect.stringMatching(/^express-fastcgi: --output \/proc.*ENOENT/)])
  })
})

it('--file prints one file alone', () => {
  expect(config('nginx', '--file', 'example.org.conf')).toEqual(config('nginx'))
})
