// The demo as a whole: what starts, what is printed, and that nothing of it is left behind.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import path from 'node:path'
import { pino } from 'pino'
import { WebSocket } from 'ws'
import { findNginx, startNginx } from '../../demo-app/nginx'
import { type Demo, start, type StartOptions } from '../../demo-app/start'
import { describeWith, findProgram } from '../support/need'
import { until } from '../support/wait'

const logger = pino({ level: 'silent' })
const script = path.join(__dirname, '..', '..', 'scripts', 'start.mjs')

describe.each<StartOptions['front']>(findProgram('nginx') === undefined ? ['gateway'] : ['gateway', 'nginx'])('start() with %s in front', (front) => {
  let demo: Demo | undefined
  afterEach(() => demo?.close())

  it('answers at its URL, through a socket in a folder of its own user', async () => {
    demo = await start({ port: 0, front, logger })
    const answer = await fetch(demo.url)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('FastCGI carried')
    expect(statSync(path.dirname(demo.socketPath)).mode & 0o777).toBe(0o700)
    expect(demo.configuration === undefined).toBe(front === 'gateway')
  })

  it('takes the next port when the one asked for is taken', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as { port: number }
    demo = await start({ port, front, logger })
    expect(demo.port).toBeGreaterThan(port)
    expect((await fetch(demo.url)).status).toBe(200)
    holder.close()
  })

  it('ends open event streams when it closes, and removes its folder', async () => {
    demo = await start({ port: 0, front, logger })
    const [stream] = (await once(get(`${demo.url}live/events`), 'response')) as [NodeJS.ReadableStream]
    await once(stream, 'data')
    stream.resume()
    await Promise.all([once(stream, 'end'), demo.close()])
    expect(existsSync(path.dirname(demo.socketPath))).toBe(false)
    await expect(fetch(demo.url)).rejects.toThrow()
  })
})

it.each(['answers the end of the connection', 'does not'])('an open WebSocket, whose client %s, does not hold the demo open', async (how) => {
  const demo = await start({ port: 0, front: 'gateway', logger })
  const socket = new WebSocket(`${demo.url.replace('http', 'ws')}echo/socket`)
  await once(socket, 'open')
  socket.send('hello')
  expect(String((await once(socket, 'message'))[0])).toBe('hello')
  if (how === 'does not') socket.pause()
  const closed = once(socket, 'close')
  await demo.close()
  socket.resume()
  await closed
})

/** What does not matter when nginx does not start. */
const unused = { probe: '/no/such/page', onFailure: () => undefined }

describeWith('nginx', 'nginx in front', () => {
  it('says what was wrong when it does not start', async () => {
    const demo = await start({ port: 0, front: 'gateway', logger })
    const write = jest.spyOn(process.stderr, 'write').mockReturnValue(true)
    try {
      const folder = path.join(path.dirname(demo.socketPath), 'nginx')
      // The gateway has this port already.
      const starting = startNginx({ ...unused, program: findNginx(), folder, socketPath: demo.socketPath, port: demo.port })
      await expect(starting).rejects.toThrow(/nginx did not start with .*nginx\.conf: .*Address already in use/s)
    } finally {
      write.mockRestore()
      await demo.close()
    }
  })
})

describe('without nginx', () => {
  it('--nginx says what to install', async () => {
    await expect(startNginx({ ...unused, program: undefined, folder: '/nowhere', socketPath: '/nowhere', port: 1 })).rejects.toThrow(
      /nginx is not installed.*apt-get install nginx-light/s,
    )
  })
})

describe('npm start', () => {
  const children: ChildProcess[] = []
  const run = (args: readonly string[], environment: Record<string, string> = {}): { child: ChildProcess; output: () => string; ended: Promise<number | null> } => {
    const child = spawn(process.execPath, [script, ...args], { env: { ...process.env, ...environment } })
    children.push(child)
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
    return { child, output: () => output, ended: once(child, 'close').then(([code]) => code as number | null) }
  }
  afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')))

  it.each([
    [['--help'], 0, '--nginx'],
    [['--verbose'], 2, 'unknown argument "--verbose"'],
    [['nginx'], 2, 'unknown argument "nginx"'],
    [['--nginx=yes'], 2, 'unknown argument "--nginx=yes"'],
    [['--port'], 2, '--port must be a port from 0 to 65535, not ""'],
    [['--port', '65536'], 2, '--port must be a port from 0 to 65535, not "65536"'],
    [['--port=http'], 2, '--port must be a port from 0 to 65535, not "http"'],
  ])('%j ends with %i', async (args, status, message) => {
    const { output, ended } = run(args)
    expect(await ended).toBe(status)
    expect(output()).toContain(message)
  })

  it('refuses a PORT that is none', async () => {
    const { output, ended } = run([], { PORT: 'http' })
    expect(await ended).toBe(2)
    expect(output()).toContain('PORT must be a port from 0 to 65535, not "http"')
  })

  it.each([
    ['SIGINT', [] as string[]],
    ['SIGTERM', findProgram('nginx') === undefined ? [] : ['--nginx']],
  ] as const)('runs until %s and leaves nothing behind', async (signal, args) => {
    const { child, output, ended } = run([...args, '--port', '0'])
    const url = await until('the URL of the demo', () => output().match(/http:\/\/127\.0\.0\.1:\d+\//)?.[0], 100_000)
    expect((await fetch(url)).status).toBe(200)
    const socketPath = output().match(/FastCGI on (\S+)/)?.[1] ?? ''
    expect(existsSync(socketPath)).toBe(true)
    child.kill(signal)
    expect(await ended).toBe(0)
    expect(existsSync(path.dirname(socketPath))).toBe(false)
  }, 120_000)
})
