// The life of a process under real mod_fcgid: every way it is ended, and every way it can fail to begin, with what the error log says.
import { chmodSync, cpSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apacheModule } from '../support/apache'
import { request } from '../support/http-get'
import { describeWith } from '../support/need'
import { until } from '../support/wait'
import { deploy, type Hosting, setEnvironment, startHosting, writeApplication } from './hosting'

/** Says in the error log when it is to close. /waits says there that it has begun, and answers when the file `go` is there; everything else is answered at once. */
const WAITS = `
const { existsSync } = require('node:fs')
const server = require('node:http').createServer((req, res) => {
  if (req.url !== '/waits') return res.end(String(process.pid))
  console.log('request begun in ' + process.pid)
  const timer = setInterval(() => {
    if (!existsSync('go')) return
    clearInterval(timer)
    res.end('finished by ' + process.pid)
  }, 10)
}).listen(process.env.PORT || 3000)
const { close } = server
server.close = (...args) => {
  console.log('closing ' + process.pid)
  return close.apply(server, args)
}
`

const modules = ['apache2', apacheModule('fcgid')]

describeWith(modules, 'mod_fcgid ends a process', () => {
  const hosts: Hosting[] = []
  afterAll(async () => {
    for (const host of hosts) await host.stop()
  })

  async function hosting(directives: string): Promise<Hosting & { go(): void; ask(path: string): Promise<string> }> {
    const host = await startHosting({ directives })
    hosts.push(host)
    const project = join(host.home, 'app')
    writeApplication(project, { 'package.json': '{}', 'server.js': WAITS })
    deploy(host.www, join(project, 'server.js'))
    const ask = async (path: string): Promise<string> => {
      const { status, text } = await request(host.port, path)
      return status === 200 ? text : `${status}`
    }
    return { ...host, go: () => writeFileSync(join(project, 'go'), ''), ask }
  }
  const logged = (host: Hosting, text: string | RegExp): Promise<unknown> =>
    until(`the error log to have ${String(text)}`, () => (typeof text === 'string' ? host.apache.errorLog().includes(text) : text.test(host.apache.errorLog())))
  /** The process that has begun a request. */
  const begun = async (host: Hosting): Promise<number> => {
    await logged(host, /request begun in \d+\n/)
    return Number(/request begun in (\d+)/.exec(host.apache.errorLog())?.[1])
  }
  const closing = (host: Hosting, pid: number): Promise<unknown> => logged(host, `closing ${pid}`)

  it('at a graceful restart, which spares no busy one: its request is answered first', async () => {
    const host = await hosting('')
    const answer = host.ask('/waits')
    const pid = await begun(host)
    process.kill(host.apache.pid, 'SIGUSR1')
    await closing(host, pid)
    host.go()
    expect(await answer).toBe(`finished by ${pid}`)
    await logged(host, `dispatch.fcgi(${pid}) exit(shutting down), terminated by calling exit(), return code: 0`)
    // And the next request has a process of the new Apache.
    expect(Number(await host.ask('/'))).not.toBe(pid)
  })

  it('past FcgidBusyTimeout: a request that is answered within two seconds more is not lost', async () => {
    const host = await hosting('FcgidBusyTimeout 1')
    const answer = host.ask('/waits')
    const pid = await begun(host)
    await closing(host, pid)
    host.go()
    expect(await answer).toBe(`finished by ${pid}`)
    await logged(host, `dispatch.fcgi(${pid}) exit(busy timeout), terminated by calling exit(), return code: 0`)
  })

  it('and kills it when it is not', async () => {
    const host = await hosting('FcgidBusyTimeout 1')
    const answer = host.ask('/waits')
    const pid = await begun(host)
    expect(await answer).toBe('500')
    await logged(host, `dispatch.fcgi(${pid}) exit(busy timeout), get stop signal 9`)
  })

  it.each([
    ['idle for FcgidIdleTimeout', 'FcgidIdleTimeout 1', 'idle timeout'],
    ['after FcgidMaxRequestsPerProcess', 'FcgidMaxRequestsPerProcess 1', 'lifetime expired'],
  ])('%s: at once, and the next request has a new one', async (_when, directive, reason) => {
    const host = await hosting(directive)
    const pid = Number(await host.ask('/'))
    await logged(host, `dispatch.fcgi(${pid}) exit(${reason}), terminated by calling exit(), return code: 0`)
    expect(Number(await host.ask('/'))).not.toBe(pid)
  })

  it('that gets SIGTERM from its user, as after an upload of new files: the next request has a new one', async () => {
    const host = await hosting('')
    const pid = Number(await host.ask('/'))
    process.kill(pid, 'SIGTERM')
    // mod_fcgid, its parent, has not looked after it yet.
    await until('the process to end', () => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))
    expect(Number(await host.ask('/'))).not.toBe(pid)
  })

  it('not when dispatch.fcgi is touched, but a new file in its place has a process of its own', async () => {
    const host = await hosting('')
    const pid = Number(await host.ask('/'))
    const file = join(host.www, 'dispatch.fcgi')
    utimesSync(file, new Date(), new Date(Date.now() + 5_000))
    expect(Number(await host.ask('/'))).toBe(pid)
    cpSync(file, `${file}.new`)
    renameSync(`${file}.new`, file)
    expect(Number(await host.ask('/'))).not.toBe(pid)
  })
})

describeWith(modules, 'an application that does not start under mod_fcgid: the client gets a 500, and the error log says why', () => {
  let host: Hosting
  let project: string

  beforeAll(async () => {
    host = await startHosting({ directives: 'FcgidIOTimeout 3' })
    project = join(host.home, 'app')
    writeApplication(project, {
      'package.json': '{}',
      'server.js': WAITS,
      'throws.js': "throw new Error('no database')",
      'missing.js': "require('not-installed')",
      'syntax.js': 'const = 3',
      'no-listen.js': "console.log('I am a script')",
      'exits.js': 'process.exit(7)',
      'later.js': "setTimeout(() => { throw new Error('a little later') }, 50)",
    })
  })
  afterAll(() => host.stop())

  const script = (): string => join(host.www, 'dispatch.fcgi')
  const change = (from: string | RegExp, to: string): void => writeFileSync(script(), readFileSync(script(), 'utf8').replace(from, to))
  const nobody = 'so nobody answers the web server'

  it.each<[what: string, app: string, prepare: () => void, log: string[]]>([
    ['an exception', 'throws.js', () => undefined, [`/throws.js ended with exit status 1 before it called listen(), ${nobody}`, 'Error: no database']],
    ['an exception a little later', 'later.js', () => undefined, [`/later.js ended with exit status 1 before it called listen(), ${nobody}`, 'a little later']],
    ['process.exit()', 'exits.js', () => undefined, [`/exits.js ended with exit status 7 before it called listen(), ${nobody}`]],
    ['a module that is not installed', 'missing.js', () => undefined, ["Cannot find module 'not-installed'"]],
    ['a syntax error', 'syntax.js', () => undefined, ['syntax.js:1\nconst = 3\n', 'SyntaxError']],
    ['listen() is never called', 'no-listen.js', () => undefined, [`/no-listen.js ended without calling listen(), ${nobody}`]],
    ['the application is not there', 'nowhere.js', () => undefined, ['/www/dispatch.fcgi: this user cannot read ', 'correct the line that begins with app=']],
    ['the node program is not there', 'server.js', () => change(/^node=.*$/m, 'node=/opt/no/node'), ['/www/dispatch.fcgi: /opt/no/node is no program that this user may run; correct the line that begins with node=']],
    ['the folder is not there', 'server.js', () => change(/^folder=.*$/m, 'folder=/nowhere'), ['/www/dispatch.fcgi: this user cannot enter /nowhere; correct the line that begins with folder=']],
    ['express-fastcgi is not installed', 'server.js', () => change('express-fastcgi/register', 'express-fastcgi-is-missing/register'), ["Cannot find package 'express-fastcgi-is-missing' imported from"]],
    // The shell never runs, and nobody but mod_fcgid can say anything.
    ['no right to execute', 'server.js', () => chmodSync(script(), 0o644), ['End of script output before headers: dispatch.fcgi', 'terminated by calling exit(), return code: 255']],
    ['line ends of Windows', 'server.js', () => change(/\n/g, '\r\n'), ['End of script output before headers: dispatch.fcgi', 'terminated by calling exit(), return code: 255']],
    ['no #! line', 'server.js', () => change(/^#!.*\n/, ''), ['End of script output before headers: dispatch.fcgi', 'terminated by calling exit(), return code: 255']],
    // Without register the application listens on a port, and nobody on the socket.
    ['a process that listens on a port', 'server.js', () => change(' --import express-fastcgi/register', ''), ['mod_fcgid: read data timeout in 3 seconds']],
  ])('%s', async (_what, app, prepare, log) => {
    rmSync(script(), { force: true })
    deploy(host.www, join(project, app))
    setEnvironment(host.www, { PORT: '0' })
    prepare()
    const before = host.apache.errorLog().length
    expect((await request(host.port, '/')).status).toBe(500)
    for (const text of log) await until(`the error log to have ${text}`, () => host.apache.errorLog().slice(before).includes(text))
  })

  it('once it is put right the next request is answered, without Apache being asked', async () => {
    deploy(host.www, join(project, 'server.js'))
    expect((await request(host.port, '/')).status).toBe(200)
  })
})
