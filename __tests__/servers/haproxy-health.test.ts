// The health checks of the printed haproxy.cfg, with two applications behind it: one that fails in any way is taken out, and taken back.
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import type http from 'node:http'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { createServer } from 'express-fastcgi'
import { newFolder } from '../support/daemon'
import { type HAProxy, startHAProxyWith } from '../support/haproxy'
import { request } from '../support/http-get'
import { describeWith } from '../support/need'
import { printed } from '../support/printed'
import { until } from '../support/wait'
import { makeSocketFolder } from './conformance/site'

/** Column srv_op_state of `show servers state`. */
const STOPPED = '0'
const RUNNING = '2'

/** An application that does as it is told. */
class Told {
  private server: http.Server | undefined
  private readonly unanswered = new Set<http.ServerResponse>()
  /** How many it was asked. */
  checks = 0
  behaviour: 'well' | 'fails' | 'hangs' | 'not found' = 'well'

  constructor(
    private readonly name: string,
    readonly listen: string,
  ) {}

  async start(): Promise<void> {
    this.server = createServer(({ url }, res) => {
      if (url === '/') this.checks++
      if (this.behaviour === 'hangs') this.unanswered.add(res)
      else {
        res.statusCode = { 'well': 200, 'fails': 500, 'not found': 404 }[this.behaviour]
        res.end(this.name)
      }
    })
    await once(this.server.listen(this.listen), 'listening')
  }

  async stop(): Promise<void> {
    const { server } = this
    this.server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close().closeAllConnections()
    await closed
  }

  async recover(): Promise<void> {
    this.behaviour = 'well'
    for (const res of this.unanswered) res.end()
    this.unanswered.clear()
    if (this.server === undefined) await this.start()
  }
}

describeWith('haproxy', 'HAProxy with the printed configuration and two applications', () => {
  const folder = newFolder('haproxy')
  const first = new Told('first', join(folder, 'run', 'first.sock'))
  const second = new Told('second', join(folder, 'run', 'second.sock'))
  let haproxy: HAProxy

  beforeAll(async () => {
    mkdirSync(dirname(first.listen), { recursive: true })
    makeSocketFolder(printed('haproxy', { listen: first.listen }), first.listen)
    await Promise.all([first.start(), second.start()])
    haproxy = await startHAProxyWith(folder, (port) =>
      printed('haproxy', { listen: first.listen, port: String(port) })
        .replace('#server application-2 10.0.0.2:9000', `server application-2 unix@${second.listen}`)
        // Without it, it would be every two seconds.
        .replace(/ check$/gm, ' check inter 500ms'),
    )
    // It is there a moment after the ports are.
    await until('the socket of HAProxy', () => existsSync(join(folder, 'admin.sock')))
  })

  afterAll(async () => {
    await haproxy.stop()
    await Promise.all([first.stop(), second.stop()])
    rmSync(folder, { recursive: true, force: true })
  })

  /** What HAProxy thinks of its servers, by name. */
  async function states(): Promise<Record<string, string>> {
    const socket = net.connect(join(folder, 'admin.sock'))
    socket.end('show servers state example_org\n')
    const text = (await socket.toArray()).join('')
    const [, columns = [], ...rows] = text.trim().split('\n').map((line) => line.replace(/^# /, '').split(' '))
    return Object.fromEntries(rows.map((row) => [row[columns.indexOf('srv_name')], row[columns.indexOf('srv_op_state')]!]))
  }

  const stateIs = (state: string): Promise<unknown> => until(`application-1 in state ${state}`, async () => (await states())['application-1'] === state)

  async function answers(count: number): Promise<string[]> {
    const all = await Promise.all(Array.from({ length: count }, () => request(haproxy.ports[0]!, '/x')))
    return all.map(({ status, text }) => `${status} ${text}`)
  }

  it('both share the requests', async () => {
    expect(await states()).toEqual({ 'application-1': RUNNING, 'application-2': RUNNING })
    expect((await answers(10)).sort()).toEqual([...Array<string>(5).fill('200 first'), ...Array<string>(5).fill('200 second')])
  })

  it.each<[what: string, fail: () => unknown]>([
    ['stops', () => first.stop()],
    ['answers 500', () => (first.behaviour = 'fails')],
    ['hangs', () => (first.behaviour = 'hangs')],
  ])('one that %s is taken out, and taken back', async (_what, fail) => {
    await fail()
    await stateIs(STOPPED)
    expect(await answers(10)).toEqual(Array(10).fill('200 second'))
    await first.recover()
    await stateIs(RUNNING)
    expect(await answers(10)).toContain('200 first')
  })

  it('an application without a page at / is well: its 404 is an answer', async () => {
    first.behaviour = 'not found'
    const before = first.checks
    // Three would have taken it out.
    await until('five more checks', () => first.checks >= before + 5)
    expect(await states()).toMatchObject({ 'application-1': RUNNING })
  })
})
