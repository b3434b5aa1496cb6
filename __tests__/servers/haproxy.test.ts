// The printed haproxy.cfg, in front of the conformance set; and requests that really share connections.
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import type http from 'node:http'
import { join } from 'node:path'
import { createServer } from 'express-fastcgi'
import { newFolder } from '../support/daemon'
import { type HAProxy, startHAProxyWith } from '../support/haproxy'
import { describeWith } from '../support/need'
import { printed } from '../support/printed'
import { deferred } from '../support/wait'
import { describeConformance } from './conformance/describe'
import { makeSocketFolder, startSite } from './conformance/site'
import { haproxyLimits as limits } from './limits/haproxy'
import { RawHttp } from '../support/http-raw'
import { requestBytes, readAnswer } from './conformance/client'

const start = (mount: string) => startSite({ server: 'haproxy', mount, start: (text, folder) => startHAProxyWith(folder, text) })

describeWith('haproxy', 'HAProxy with the printed configuration', () => {
  describeConformance({ start, limits })
})

describeWith('haproxy', 'HAProxy with the printed configuration, seen from the application', () => {
  const AT_ONCE = 64
  const folder = newFolder('haproxy')
  const listen = join(folder, 'run', 'app.sock')
  const waiting: http.ServerResponse[] = []
  const checked = deferred<http.IncomingMessage>()
  let connections = 0
  let haproxy: HAProxy

  const server = createServer((req, res) => {
    if (req.url === '/') {
      checked.resolve(req)
      res.end('well')
    } else if (req.url === '/waits') {
      waiting.push(res)
    } else {
      req.pipe(res)
    }
  })
  server.on('connection', () => connections++)

  beforeAll(async () => {
    makeSocketFolder(printed('haproxy', { listen }), listen)
    await once(server.listen(listen), 'listening')
    haproxy = await startHAProxyWith(folder, (port) => printed('haproxy', { listen, port: String(port) }))
  })

  afterAll(async () => {
    await haproxy.stop()
    server.close().closeAllConnections()
    rmSync(folder, { recursive: true, force: true })
  })

  async function ask(target: string, body?: string): Promise<string> {
    const client = await RawHttp.connect(haproxy.ports[0]!)
    const method = body === undefined ? 'GET' : 'POST'
    client.write(requestBytes({ target, method, ...(body !== undefined && { body }) }, ''))
    const answer = await readAnswer(client, method)
    return `${answer.status} ${answer.body.toString()}`
  }

  async function wait(number: number): Promise<void> {
    while (waiting.length < number) await once(server, 'request')
  }

  it('a health check is a GET of / as HTTP/1.0 without a Host', async () => {
    const { method, url, httpVersion, headers } = await checked.promise
    expect({ method, url, httpVersion, host: headers.host }).toEqual({ method: 'GET', url: '/', httpVersion: '1.0', host: undefined })
  })

  it('64 requests one after another, all waiting, share few connections, but no more than max-reqs allows', async () => {
    const before = connections
    const answers: Promise<string>[] = []
    for (let index = 0; index < AT_ONCE; index++) {
      answers.push(ask('/waits'))
      await wait(index + 1)
    }
    const used = connections - before
    for (const res of waiting.splice(0)) res.end()
    expect(await Promise.all(answers)).toEqual(Array.from({ length: AT_ONCE }, () => '200 '))
    // 16 on each: 4. A thread of HAProxy shares with itself alone, and health checks have connections of their own. As each connection has brought
    // a request before the next one comes, HAProxy knows what the application answers to GET_VALUES: no limit that goes before max-reqs.
    expect(used).toBeGreaterThanOrEqual(4)
    expect(used).toBeLessThanOrEqual(20)
  })

  it('64 requests at once share few connections', async () => {
    const before = connections
    const answers = Array.from({ length: AT_ONCE }, () => ask('/waits'))
    await wait(AT_ONCE)
    const used = connections - before
    waiting.splice(0).forEach((res, index) => res.end(String(index)))
    const seen = (await Promise.all(answers)).sort()
    expect(seen).toEqual(Array.from({ length: AT_ONCE }, (_, index) => `200 ${index}`).sort())
    expect(used).toBeLessThanOrEqual(20)
  })

  it('bodies that share a connection stay apart', async () => {
    const bodies = Array.from({ length: 40 }, (_, index) => String(index % 10).repeat(20_000 + index))
    expect(await Promise.all(bodies.map((body) => ask('/echo', body)))).toEqual(bodies.map((body) => `200 ${body}`))
  })
})
