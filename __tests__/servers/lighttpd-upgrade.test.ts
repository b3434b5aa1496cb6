// A real lighttpd of 1.4.74 or later: what its configuration has to do with upgrades. What goes over them: __tests__/websockets.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server } from 'express-fastcgi'
import WebSocket, { WebSocketServer } from 'ws'
import { describeWithNewerLighttpd, type NewerLighttpd, startNewerLighttpd } from '../support/newer-lighttpd'
import { until } from '../support/wait'

describeWithNewerLighttpd('upgrades behind lighttpd', () => {
  let folder: string
  let server: Server
  let wss: WebSocketServer
  let lighttpd: NewerLighttpd | undefined
  const reports: unknown[] = []
  const running = (): NewerLighttpd => {
    if (lighttpd === undefined) throw new Error('lighttpd did not start')
    return lighttpd
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fcgi-lighttpd-'))
    server = createServer((req, res) => res.end(`an ordinary answer, ${req.headers.upgrade ?? 'no upgrade'}`))
    server.on('requestError', (error) => reports.push(error))
    wss = new WebSocketServer({ server })
    wss.on('connection', (ws) => ws.on('message', (data: Buffer) => ws.send(data.toString())))
    await once(server.listen(join(folder, 'app')), 'listening')
    lighttpd = await startNewerLighttpd(join(folder, 'app'))
  })
  afterAll(async () => {
    await lighttpd?.stop()
    for (const ws of wss.clients) ws.terminate()
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
    rmSync(folder, { recursive: true, force: true })
  })

  async function ask(port: number): Promise<[number | undefined, string]> {
    const client = new WebSocket(`ws://127.0.0.1:${port}/`)
    client.on('error', () => undefined)
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, http.IncomingMessage]
    let text = ''
    for await (const chunk of response) text += String(chunk)
    return [response.statusCode, text]
  }

  it('without "upgrade" => "enable" lighttpd takes the field away: an ordinary request, and nothing to report', async () => {
    expect(await ask(running().portWithout)).toEqual([200, 'an ordinary answer, no upgrade'])
    expect(reports).toEqual([])
  })

  it('with a server.tag that does not say lighttpd', async () => {
    const client = new WebSocket(`ws://127.0.0.1:${running().portUntagged}/`)
    await once(client, 'open')
    client.send('hello')
    const [data] = (await once(client, 'message')) as [Buffer]
    expect(String(data)).toBe('hello')
    client.close()
    await once(client, 'close')
  })

  it('whoever ends it, lighttpd has nothing to complain about', async () => {
    for (const end of [(ws: WebSocket) => ws.close(), (ws: WebSocket) => ws.terminate()]) {
      for (const side of ['client', 'application']) {
        const connected = once(wss, 'connection') as Promise<[WebSocket]>
        const client = new WebSocket(`ws://127.0.0.1:${running().port}/`)
        await once(client, 'open')
        const [ofServer] = await connected
        const both = Promise.all([once(client, 'close'), once(ofServer, 'close')])
        end(side === 'client' ? client : ofServer)
        await both
      }
    }
    await until('the server to know', () => wss.clients.size === 0)
    expect(running().errorLog()).not.toMatch(/error|unexpected|terminating/)
  })

  it('an application that gives no answer: the client gets one, and lighttpd does not take it for a crash', async () => {
    const listeners = server.listeners('upgrade') as ((...args: unknown[]) => void)[]
    server.removeAllListeners('upgrade').on('upgrade', (_req, socket) => socket.destroy())
    expect((await ask(running().port))[0]).toBe(500)
    server.removeAllListeners('upgrade')
    for (const listener of listeners) server.on('upgrade', listener)
    expect(running().errorLog()).not.toMatch(/error|unexpected|terminating/)
  })
})
