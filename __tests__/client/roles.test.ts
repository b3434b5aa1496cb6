// The client asks a server of ours in every role: the one test in which both ends are this package.

import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import type { IncomingMessage, RequestListener } from 'node:http'
import { cgiParams, type FastCGISocket } from 'express-fastcgi'
import { type Client, createClient, Role } from 'express-fastcgi/client'
import { GET, POST, serve, stopAll } from '../support/serve'

let client: Client
afterEach(async () => {
  await client.close()
  await stopAll()
})

const fileOf = (req: IncomingMessage): Readable => (req.socket as FastCGISocket).data!

/** A server whose handlers answer what they were, and a client of it. */
async function connect(options: { authorizer?: RequestListener; filter?: RequestListener }): Promise<void> {
  const { path } = await serve((_req, res) => res.end('responder'), options)
  client = createClient(path)
}

it('an Authorizer: the status is the answer, and variables are fields', async () => {
  await connect({
    authorizer: (req, res) => {
      if (req.headers.authorization !== undefined) res.setHeader('Variable-AUTH_METHOD', 'token').end('welcome')
      else res.writeHead(401).end('who are you?')
    },
  })
  const ask = (fields: object): Promise<string> => text(client.request({ role: Role.AUTHORIZER, params: { ...POST, HTTP_CONTENT_LENGTH: '9', ...fields } }).stdout)
  expect(await ask({ HTTP_AUTHORIZATION: 'Bearer x' })).toBe('Status: 200 OK\r\nVariable-AUTH_METHOD: token\r\n\r\n')
  expect(await ask({})).toMatch(/^Status: 401 Unauthorized\r\n[^]*\r\n\r\nwho are you\?$/)
  expect(await text(client.request({ params: GET }).stdout)).toMatch(/\r\n\r\nresponder$/)
})

describe('a Filter', () => {
  const seen: unknown[] = []
  beforeEach(() => (seen.length = 0))

  const filter: RequestListener = (req, res) => {
    const { FCGI_DATA_LENGTH, FCGI_DATA_LAST_MOD } = cgiParams(req)
    seen.push(FCGI_DATA_LENGTH, FCGI_DATA_LAST_MOD)
    void Promise.all([text(req), text(fileOf(req))]).then(([body, file]) => res.end(`${body}|${file.toUpperCase()}`))
  }

  it('gets the body and the file, and is told what there is to be known of it', async () => {
    await connect({ filter })
    const request = client.request({ role: Role.FILTER, params: { ...POST, CONTENT_LENGTH: '4' }, body: 'body', data: 'f\xefle', dataLastModified: new Date(1_999) })
    expect(await text(request.stdout)).toMatch(/\r\n\r\nbody\|F\xcfLE$/)
    expect(seen).toEqual(['5', '1'])
  })

  it.each<[string, object, [string | undefined, string | undefined]]>([
    ['nothing of a stream', { data: Readable.from(['file']) }, [undefined, undefined]],
    ['the length of a stream, where the caller knows it', { data: Readable.from(['file']), dataLength: 4 }, ['4', undefined]],
    ['the length of bytes', { data: Buffer.from('file') }, ['4', undefined]],
    ['that there is none', {}, ['0', undefined]],
    ['what the params say, before anything else', { data: 'file', dataLastModified: new Date(0), params: { ...GET, FCGI_DATA_LENGTH: '4', FCGI_DATA_LAST_MOD: '7' } }, ['4', '7']],
  ])('is told %s', async (_what, options, expected) => {
    await connect({ filter })
    const request = client.request({ role: Role.FILTER, params: GET, ...options })
    expect(await text(request.stdout)).toMatch(/\r\n\r\n\|(?:FILE)?$/)
    expect(seen).toEqual(expected)
  })

  it('of a file larger than any buffer reads it as it comes, over a connection that is used again', async () => {
    await connect({ filter: (req, res) => void buffer(fileOf(req)).then((content) => res.end(String(content.length))) })
    const pieces = 400
    for (let round = 0; round < 2; round++) {
      const data = Readable.from(Array.from({ length: pieces }, () => Buffer.alloc(50_000)))
      const request = client.request({ role: Role.FILTER, params: GET, data, dataLength: pieces * 50_000 })
      expect(await text(request.stdout)).toMatch(new RegExp(`\r\n\r\n${pieces * 50_000}$`))
      await request.ended
    }
  })

  it('may answer without a look at the file', async () => {
    await connect({ filter: (_req, res) => res.writeHead(304).end() })
    const request = client.request({ role: Role.FILTER, params: GET, data: Buffer.alloc(20_000_000) })
    expect(await text(request.stdout)).toMatch(/Status: 304 Not Modified/)
    expect(await request.ended).toEqual({ appStatus: 0, protocolStatus: 0 })
  })
})

it('a role without a handler is refused with the reason', async () => {
  await connect({})
  for (const role of [Role.AUTHORIZER, Role.FILTER] as const) {
    const request = client.request({ role, params: GET })
    expect(await text(request.stdout)).toContain(`no handler for role ${role}`)
    expect(await request.ended).toEqual({ appStatus: 1, protocolStatus: 3 })
  }
})
