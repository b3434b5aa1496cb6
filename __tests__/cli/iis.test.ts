// `express-fastcgi config iis`. There is no IIS here to check the files with: they are well-formed, say what was asked, and say the
// same. That an application starts by them, under Wine, is in __tests__/iis.

import { deployment, type DeploymentOptions } from '../../lib/cli/config/deployment'
import { iis } from '../../lib/cli/config/iis'
import { find, readXml } from '../support/xml'

const DEFAULTS: DeploymentOptions = { listen: '/run/app.sock', mount: '/', name: 'example.org', port: '80', app: 'server.js', node: process.execPath }

function made(options: Partial<DeploymentOptions> = {}): { handler: Readonly<Record<string, string>>; commands: string; config: string } {
  const [config, commands] = iis.files(deployment({ ...DEFAULTS, ...options }))
  if (config === undefined || commands === undefined) throw new Error('two files')
  return { handler: find(readXml(config.text), 'system.webServer', 'handlers', 'add').attributes, commands: commands.text, config: config.text }
}

/** Program and arguments as a FastCGI command of appcmd has them, of every such command. */
function pools(commands: string): string[] {
  return [...commands.matchAll(/\[fullPath='([^']*)',arguments='([^']*)'/g)].map(([, program = '', args = '']) => `${program}|${args.replaceAll('\\"', '"')}`)
}

describe('config iis', () => {
  it('starts the application in C:\\inetpub when no path of Windows is given', () => {
    const { handler, commands } = made()
    expect(handler).toMatchObject({
      path: '*',
      verb: '*',
      modules: 'FastCgiModule',
      resourceType: 'Unspecified',
      responseBufferLimit: '0',
      scriptProcessor: 'C:\\Program Files\\nodejs\\node.exe|-r C:\\inetpub\\example.org\\node_modules\\express-fastcgi\\dist\\register.js C:\\inetpub\\example.org\\server.js',
    })
    expect(commands).toContain('add site /name:"example.org" /bindings:http/*:80:example.org /physicalPath:"C:\\inetpub\\example.org"\r\n')
  })

  it.each<[what: string, options: Partial<DeploymentOptions>]>([
    ['blanks', { app: 'D:\\My Sites\\the app\\main.js', node: 'C:\\Program Files (x86)\\node\\node.exe', root: 'D:\\My Sites\\www' }],
    ['umlauts', { app: 'D:\\Bücher\\größe 1\\日本.js', root: 'D:\\Bücher' }],
    ['a network path', { app: '\\\\files\\apps\\a b\\server.js' }],
    ['slashes', { app: 'D:/apps/a b/server.js' }],
    ['what is special elsewhere', { app: 'D:\\a;b,c=d$e~f#g@h!i{j}k[l]\\server.js' }],
  ])('both files name the same process pool: %s', (_what, options) => {
    const { handler, commands } = made(options)
    const app = (options.app ?? '').replaceAll('/', '\\')
    const folder = app.slice(0, app.lastIndexOf('\\'))
    const quote = /\s/.test(app) ? '"' : ''
    const scriptProcessor = `${options.node ?? 'C:\\Program Files\\nodejs\\node.exe'}|-r ${quote}${folder}\\node_modules\\express-fastcgi\\dist\\register.js${quote} ${quote}${app}${quote}`
    expect(handler['scriptProcessor']).toBe(scriptProcessor)
    // The pool itself, two of its variables, and how it is removed.
    expect(pools(commands)).toEqual([scriptProcessor, scriptProcessor, scriptProcessor, scriptProcessor])
    expect(commands).toContain(`mkdir "${folder}\\logs"`)
  })

  it('sets what IIS presets badly', () => {
    const { commands } = made()
    for (const setting of ["instanceMaxRequests='10000000'", "requestTimeout='300'", "activityTimeout='300'", "stderrMode='IgnoreAndReturn200'", "protocol='NamedPipe'"]) {
      expect(commands).toContain(setting)
    }
    expect(commands).toContain("environmentVariables.[name='FASTCGI_LOG',value='C:\\inetpub\\example.org\\logs\\example.org.log']")
  })

  it('with --mount it is an application of a site', () => {
    const { commands } = made({ mount: '/shop' })
    expect(commands).toContain('add app /site.name:"example.org" /path:/shop /physicalPath:"C:\\inetpub\\example.org\\shop" /applicationPool:"example.org"\r\n')
    expect(commands).not.toContain('add site')
  })

  it('port and name', () => expect(made({ port: '8080', name: 'a.example' }).commands).toContain('/bindings:http/*:8080:a.example'))

  it('an international host name, whose hyphens would end a comment', () => {
    expect(made({ name: 'xn--bcher-kva.example', mount: '/a--b' }).handler['scriptProcessor']).toContain('\\xn--bcher-kva.example\\a--b\\')
  })

  it('what is commented out is well-formed as well', () => {
    const { config } = made()
    const sections = [...config.matchAll(/<!--[^<]*(<(?:rewrite|location)[^]*?)-->/g)].map(([, section = '']) => readXml(section))
    expect(sections.map(({ name }) => name)).toEqual(['rewrite', 'location'])
    expect(find(sections[1]!, 'system.webServer', 'handlers', 'remove').attributes).toEqual({ name: 'express-fastcgi' })
  })

  it('lines of the commands end as Windows wants them', () => expect(made().commands.replaceAll('\r\n', '')).not.toContain('\n'))

  it.each<[what: string, options: Partial<DeploymentOptions>, message: string]>([
    ['a path of another system', { app: '/srv/app/server.js' }, '--app /srv/app/server.js is no path of Windows such as C:\\inetpub\\example.org\\server.js'],
    ['a folder of another system', { root: '/srv/www' }, '--root /srv/www is no path'],
    ['an apostrophe', { app: "C:\\O'Brien\\server.js" }, "--app C:\\O'Brien\\server.js: IIS's commands cannot be given a path with '"],
    ['a quote', { root: 'C:\\a"b' }, 'a path with "'],
    ['a pipe', { node: 'C:\\a|b\\node.exe' }, 'a path with |'],
    ['a variable of cmd.exe', { app: 'C:\\%TEMP%\\server.js' }, 'a path with %'],
    ['an ampersand', { app: 'C:\\R & D\\server.js' }, 'a path with &'],
  ])('refuses %s', (_what, options, message) => {
    expect(() => made(options)).toThrow(expect.objectContaining({ name: 'UsageError', message: expect.stringContaining(message) as string }))
  })
})
