import { addressTarget, isLoopback, listenCall, type ListenEnvironment } from '../../lib/server/listen-target'

const NOWHERE: ListenEnvironment = { env: {}, pid: 4711, isSocket: () => false, isListener: () => false, pipeOfIIS: () => undefined }
const done = (): void => undefined

describe('the arguments of listen(), as of net.Server.listen', () => {
  it.each<[form: string, args: unknown[], kind: string, options: object]>([
    ['a port', [9000], 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['a port of 0: any that is free', [0], 'tcp', { port: 0, host: '127.0.0.1' }],
    ['a port as text, as from an environment variable', ['9000'], 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['port and host', [9000, '0.0.0.0'], 'tcp', { port: 9000, host: '0.0.0.0' }],
    ['port and an empty host', [9000, ''], 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['port and backlog', [9000, 5], 'tcp', { port: 9000, host: '127.0.0.1', backlog: 5 }],
    ['port, host and backlog', [9000, '::1', 5], 'tcp', { port: 9000, host: '::1', backlog: 5 }],
    ['port, nothing and backlog', [9000, undefined, 5], 'tcp', { port: 9000, host: '127.0.0.1', backlog: 5 }],
    ['a path', ['/run/app.sock'], 'unix', { path: '/run/app.sock' }],
    ['a relative path', ['app.sock'], 'unix', { path: 'app.sock' }],
    ['path and backlog', ['/run/app.sock', 5], 'unix', { path: '/run/app.sock', backlog: 5 }],
    ['options with a port', [{ port: 9000 }], 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['options with a port as text', [{ port: '9000', host: '::' }], 'tcp', { port: 9000, host: '::' }],
    ['options with a path', [{ path: '/run/app.sock', mode: 0o666, owner: 'a', group: 7 }], 'unix', { path: '/run/app.sock', mode: 0o666, owner: 'a', group: 7 }],
    ['options with a path and a port: the path', [{ path: '/run/app.sock', port: 1 }], 'unix', { path: '/run/app.sock' }],
    ['options with a file descriptor', [{ fd: 3, backlog: 5 }], 'fd', { fd: 3, backlog: 5 }],
    ['file descriptor 0', [{ fd: 0 }], 'fd', { fd: 0 }],
    ["node's other options are handed on", [{ port: 1, exclusive: true, ipv6Only: true, reusePort: true }], 'tcp', { port: 1, host: '127.0.0.1', exclusive: true, ipv6Only: true, reusePort: true }],
  ])('%s', (_form, args, kind, options) => {
    for (const given of [args, [...args, done]]) expect(listenCall(given, NOWHERE)).toMatchObject({ kind, options })
  })

  it.each<[what: string, first: unknown]>([
    ['a handle', { _handle: {} }],
    ['a raw handle, which has an fd too', { fd: 7, getsockname: () => 0 }],
    ['a port above 65535', 65_536],
    ['a negative port', -1],
    ['a broken port', 1.5],
    ['no number', Number.NaN],
    ['a port as text above 65535', '99999'],
    ['an empty text', ''],
    ['blanks', ' '],
    ['a boolean', true],
    ['a port in options that is none', { port: 'http' }],
    ['an empty port in options', { port: '' }],
    ['a negative file descriptor', { fd: -1 }],
    ['an empty path in options', { path: '' }],
  ])('%s is handed on to node as it is, which takes or refuses it', (_what, first) => {
    expect(listenCall([first, 5, done], NOWHERE)).toEqual({ kind: 'other', args: [first, 5] })
  })

  it.each<[what: string, mode: unknown]>([
    ['no number', '660'],
    ['more than rights', 0o1777],
    ['negative', -1],
  ])('a mode that is %s is refused at once', (_what, mode) => {
    expect(() => listenCall([{ path: '/a', mode }], NOWHERE)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION', message: expect.stringMatching(/0o660, not/) as string }))
  })
})

describe('listen() without an address', () => {
  const at = (environment: Partial<ListenEnvironment>, args: unknown[] = []): unknown => listenCall(args, { ...NOWHERE, isSocket: () => true, ...environment })
  const fds = (...sockets: number[]) => (fd: number): boolean => sockets.includes(fd)
  const systemd = { LISTEN_FDS: '1', LISTEN_PID: '4711' }

  it('FASTCGI_LISTEN comes first', () => {
    expect(at({ env: { FASTCGI_LISTEN: '9001', ...systemd }, isListener: fds(0, 3) })).toMatchObject({ kind: 'tcp', options: { port: 9001 } })
  })

  it('then the socket systemd passed as fd 3', () => {
    expect(at({ env: systemd, isListener: fds(0, 3) })).toEqual({ kind: 'fd', options: { fd: 3 } })
    expect(at({ env: { ...systemd, LISTEN_FDS: '2' } })).toEqual({ kind: 'fd', options: { fd: 3 } })
  })

  it.each([
    ['is for another process, such as our parent', { LISTEN_FDS: '1', LISTEN_PID: '4712' }],
    ['is without a process', { LISTEN_FDS: '1' }],
    ['is zero', { LISTEN_FDS: '0', LISTEN_PID: '4711' }],
    ['is nonsense', { LISTEN_FDS: 'x', LISTEN_PID: '4711' }],
    ['is empty', { LISTEN_FDS: '', LISTEN_PID: '4711' }],
  ])('LISTEN_FDS that %s is not ours', (_what, env) => {
    expect(at({ env, isListener: fds(0) })).toEqual({ kind: 'fd', options: { fd: 0 } })
  })

  describe('then the pipe of IIS on fd 0', () => {
    const name = '\\\\.\\pipe\\IISFCGI-1'
    const pipe = { kind: 'pipe', options: { fd: 0, path: name } }
    const iis: Partial<ListenEnvironment> = { pipeOfIIS: () => name, isSocket: () => false }

    it('which is no socket', () => expect(at(iis)).toEqual(pipe))
    it('after systemd', () => expect(at({ ...iis, isSocket: () => true, env: systemd })).toEqual({ kind: 'fd', options: { fd: 3 } }))
    it('after FASTCGI_LISTEN', () => expect(at({ ...iis, env: { FASTCGI_LISTEN: '9001' } })).toMatchObject({ kind: 'tcp' }))
    it('by number', () => {
      expect(at({ ...iis, env: { FASTCGI_LISTEN: 'fd:0' } })).toEqual(pipe)
      expect(at(iis, [{ fd: 0 }])).toEqual(pipe)
      expect(at(iis, [{ fd: 3 }])).toEqual({ kind: 'fd', options: { fd: 3 } })
    })
    it('not in the place of an address', () => expect(at(iis, [9000])).toMatchObject({ kind: 'tcp', options: { port: 9000 } }))
  })

  it('then a listening socket on fd 0 (FCGI 2.2)', () => expect(at({ isListener: fds(0) })).toEqual({ kind: 'fd', options: { fd: 0 } }))

  it('an empty FASTCGI_LISTEN is as good as none', () => {
    expect(at({ env: { FASTCGI_LISTEN: '' }, isListener: fds(0) })).toEqual({ kind: 'fd', options: { fd: 0 } })
  })

  it.each([[[undefined]], [[null]], [[]], [[done]], [[undefined, done]], [[{ port: undefined }]]])('%j asks the environment', (args) => {
    expect(at({ isListener: fds(0) }, args)).toEqual({ kind: 'fd', options: { fd: 0 } })
  })

  it('what was passed and is no socket is refused', () => {
    expect(() => at({ env: systemd, isSocket: () => false })).toThrow(expect.objectContaining({ code: 'FCGI_ERR_NOT_A_LISTENER' }))
  })

  it('else it says what was looked for and what to do', () => {
    expect(() => at({})).toThrow(expect.objectContaining({ code: 'FCGI_ERR_NO_LISTEN_ADDRESS', name: 'FastCGIError' }))
    for (const part of ['FASTCGI_LISTEN', 'systemd', 'LISTEN_FDS', '_FCGI_X_PIPE_', 'standard input', 'spawn-fcgi', "listen('/run/my-app.sock')"]) expect(() => at({})).toThrow(part)
  })
})

describe('FASTCGI_LISTEN', () => {
  it.each([
    ['/run/app.sock', 'unix', { path: '/run/app.sock' }],
    ['unix:/run/app.sock', 'unix', { path: '/run/app.sock' }],
    ['unix:app.sock', 'unix', { path: 'app.sock' }],
    ['./app.sock', 'unix', { path: './app.sock' }],
    ['\\\\.\\pipe\\app', 'unix', { path: '\\\\.\\pipe\\app' }],
    ['9000', 'tcp', { port: 9000, host: '127.0.0.1' }],
    [':9000', 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['127.0.0.1:9000', 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['0.0.0.0:9000', 'tcp', { port: 9000, host: '0.0.0.0' }],
    ['localhost:9000', 'tcp', { port: 9000, host: 'localhost' }],
    ['[::1]:9000', 'tcp', { port: 9000, host: '::1' }],
    ['tcp:127.0.0.1:9000', 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['tcp://127.0.0.1:9000', 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['tcp:9000', 'tcp', { port: 9000, host: '127.0.0.1' }],
    ['fd:0', 'fd', { fd: 0 }],
    ['fd:3', 'fd', { fd: 3 }],
  ])('%s', (address, kind, options) => {
    expect(addressTarget(address)).toEqual({ kind, options })
  })

  it.each(['app.sock', 'localhost', '127.0.0.1', '::1:9000', '127.0.0.1:', '127.0.0.1:http', '127.0.0.1:65536', '-1', 'fd:', 'fd:x', 'unix:', 'http://127.0.0.1:9000', '9000 '])(
    '%j is refused by name',
    (address) => expect(() => addressTarget(address)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION' })),
  )
})

describe('only this machine reaches', () => {
  it.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1', '::ffff:127.0.0.1'])('%s', (host) => expect(isLoopback(host)).toBe(true))
  it.each(['0.0.0.0', '::', '192.0.2.1', '128.0.0.1', 'example.test', '127.example.test', '2001:db8::1', ''])('not %j', (host) => expect(isLoopback(host)).toBe(false))
})
