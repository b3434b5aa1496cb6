// The Authorizer role (FCGI 6.3): what the application sees of the question, and what the web server gets of the answer.

import { once } from 'node:events'
import http from 'node:http'
import type { FastCGISocket } from 'express-fastcgi'
import { attach, cgiParams, createServer } from 'express-fastcgi'
import express from 'express'
import { AUTHORIZER, begin, BEGIN_REQUEST, params, type Pairs, parseRecords, RESPONDER, stdin } from '../support/fcgi-bytes'
import { readBin, recordedConnections } from '../support/fixtures'
import { connect, type RawResponse } from '../support/raw-client'
import { GET, POST, type Served, serve, stopAll } from '../support/serve'

afterEach(stopAll)

const never: http.RequestListener = () => {
  throw new Error('the Responder was called')
}

/** An application with an authorizer alone. */
const authorize = (authorizer: http.RequestListener): Promise<Served> => serve(never, { authorizer })

/** Asks as mod_authnz_fcgi does: without any STDIN, and with the connection closed afterwards. */
async function ask({ client }: Served, pairs: Pairs = GET): Promise<RawResponse> {
  const web = await client()
  web.send(begin(1, { role: AUTHORIZER }), params(1, pairs))
  const response = await web.response(1)
  expect(await web.closed).toBe('end')
  return response
}

/** What an application sees, asked with some variables. */
async function seen(pairs: Pairs): Promise<http.IncomingMessage> {
  let request: http.IncomingMessage | undefined
  const served = await authorize((req, res) => {
    request = req
    res.end()
  })
  await ask(served, pairs)
  if (request === undefined) throw new Error('the authorizer was not called')
  return request
}

const fieldsOf = ({ head }: RawResponse): string[] => head.fields.map(([name, value]) => `${name}: ${value}`)

describe('an Authorizer', () => {
  it('decides on a WebSocket as on any request: it is no upgrade itself', async () => {
    const served = await authorize((_req, res) => res.writeHead(403).end())
    served.server.on('upgrade', never)
    const response = await ask(served, { ...GET, HTTP_UPGRADE: 'websocket', HTTP_CONNECTION: 'Upgrade', HTTP_SEC_WEBSOCKET_KEY: 'dGhlIHNhbXBsZSBub25jZQ==' })
    expect(response.head.status).toBe(403)
  })

  it('grants access by 200', async () => {
    const response = await ask(await authorize((_req, res) => res.end()))
    expect(response.stdout.toString()).toBe('Status: 200 OK\r\n\r\n')
    expect(response.stdoutEnded).toBe(true)
    expect(response.end).toEqual({ appStatus: 0, protocolStatus: 0 })
  })

  it.each([401, 403, 404, 500, 302, 204, 201])('denies it by %i, whose head and body are sent as they are', async (status) => {
    const body = status === 204 ? '' : 'no'
    const response = await ask(
      await authorize((_req, res) => res.writeHead(status, { 'Content-Type': 'text/plain', 'X-Why': 'because', ETag: '"1"' }).end(body)),
    )
    expect(response.head.status).toBe(status)
    expect(response.head.headers.get('x-why')).toBe('because')
    expect(response.head.headers.get('etag')).toBe('"1"')
    expect(response.head.headers.get('content-type')).toBe('text/plain')
    expect(response.body.toString()).toBe(body)
  })

  it.each<[string, http.RequestListener]>([
    ['an answer', (_req, res) => res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end('who?')],
    ['one written on the socket', (req) => req.socket.end('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\n\r\nwho?')],
    ['one of our own', (req) => req.socket.end('HTTP/1.1 200 OK\r\n\r\n')],
  ])('says Status first, also of a denial: lighttpd drops the fields in front of it: %s', async (_what, authorizer) => {
    const served = await authorize(authorizer)
    served.server.on('requestError', () => undefined)
    const web = await served.client()
    web.send(begin(1, { role: AUTHORIZER }), params(1, GET))
    const { head } = await web.response(1)
    expect(head.status).toBeGreaterThan(400)
    expect(head.fields.length).toBeGreaterThan(1)
    expect(head.fields[0]?.[0]).toBe('Status')
  })

  it('names variables for the content request, in their own spelling', async () => {
    const response = await ask(
      await authorize((_req, res) => {
        res.setHeader('Variable-AUTH_METHOD', 'database lookup')
        res.setHeader('Variable-REMOTE_USER', 'J\xfcrgen')
        res.setHeader('variable-Mixed_Case-9', '')
        res.end()
      }),
    )
    expect(response.stdout.toString('latin1')).toBe(
      'Status: 200 OK\r\nVariable-AUTH_METHOD: database lookup\r\nVariable-REMOTE_USER: J\xfcrgen\r\nvariable-Mixed_Case-9: \r\n\r\n',
    )
  })

  it('sends no body with 200, and nothing of the head that is about it', async () => {
    const { client } = await authorize((_req, res) => {
      res.setHeader('Set-Cookie', ['a=1', 'b=2'])
      res.setHeader('Content-Security-Policy', "default-src 'self'")
      res.setHeader('Last-Modified', new Date(0).toUTCString())
      res.writeHead(200, { 'Content-Type': 'text/plain', ETag: '"x"', 'Content-Length': 9, 'Accept-Ranges': 'bytes' })
      res.write('come')
      setImmediate(() => res.end(' on in'))
    })
    const web = await client()
    web.send(begin(1, { role: AUTHORIZER, keep: true }), params(1, GET), stdin(1))
    const response = await web.response(1)
    expect(fieldsOf(response)).toEqual(['Status: 200 OK', 'Set-Cookie: a=1', 'Set-Cookie: b=2', "Content-Security-Policy: default-src 'self'"])
    expect(response.body).toHaveLength(0)
  })

  it('nor one that the application frames in chunks', async () => {
    const response = await ask(await authorize((_req, res) => res.writeHead(200, { 'Transfer-Encoding': 'chunked' }).end('granted')))
    expect(response.stdout.toString()).toBe('Status: 200 OK\r\n\r\n')
  })

  it('nor behind a web server that takes chunks', async () => {
    const served = await authorize((_req, res) => {
      res.write('a')
      res.end('b')
    })
    const response = await ask(served, { ...GET, SERVER_SOFTWARE: 'HAProxy 2.6.12' })
    expect(response.stdout.toString()).toBe('Status: 200 OK\r\n\r\n')
  })

  it('takes a body with 200 for sent: callbacks, back-pressure and events are those of any other', async () => {
    const log: string[] = []
    const served = await authorize((_req, res) => {
      const more = (): void => void res.on('finish', () => log.push('finish')).end('x', () => log.push('end'))
      if (res.write(Buffer.alloc(1_000_000), () => log.push('written'))) more()
      else res.on('drain', () => log.push('drain')).on('drain', more)
      res.on('close', () => log.push('close'))
    })
    expect((await ask(served)).body).toHaveLength(0)
    // Which of the two is first depends on the line of Node.
    expect([log.slice(0, 2), log.slice(2, 4).sort(), log.slice(4)]).toEqual([['drain', 'written'], ['end', 'finish'], ['close']])
  })

  it('can be asked again and again on a connection that is kept, beside Responders', async () => {
    const { client } = await serve((_req, res) => res.end('content'), { authorizer: (_req, res) => res.writeHead(403).end('denied') })
    const web = await client()
    for (const [id, role, body] of [[1, AUTHORIZER, 'denied'], [1, RESPONDER, 'content'], [2, AUTHORIZER, 'denied'], [1, RESPONDER, 'content']] as const) {
      web.send(begin(id, { role, keep: true }), params(id, GET), role === RESPONDER ? stdin(id) : Buffer.alloc(0))
      expect((await web.response(id)).body.toString()).toBe(body)
    }
    expect(web.closedHow).toBeUndefined()
  })
})

describe('what an authorizer sees', () => {
  it('the role, also of the other requests', async () => {
    const roles: unknown[] = []
    const handler: http.RequestListener = (req, res) => {
      roles.push((req.socket as FastCGISocket).role, (req.socket as FastCGISocket).data)
      res.end()
    }
    const served = await serve(handler, { authorizer: handler })
    await ask(served)
    const web = await served.client()
    web.send(begin(1), params(1, GET), stdin(1))
    await web.response(1)
    expect(roles).toEqual(['authorizer', undefined, 'responder', undefined])
  })

  it('the URL, though SCRIPT_NAME and PATH_INFO are missing', async () => {
    expect((await seen({ REQUEST_METHOD: 'GET', REQUEST_URI: '/a%2Fb?x=1&y=2', QUERY_STRING: 'x=1&y=2' })).url).toBe('/a%2Fb?x=1&y=2')
    expect((await seen({ REQUEST_METHOD: 'GET', SCRIPT_NAME: '/a', QUERY_STRING: 'x=1' })).url).toBe('/a?x=1')
  })

  it('nothing where there is no telling what is asked for: that is denied', async () => {
    const reports: Error[] = []
    const served = await authorize(never)
    served.server.on('requestError', (error: Error) => reports.push(error))
    const response = await ask(served, { REQUEST_METHOD: 'GET', QUERY_STRING: 'x=1', REQUEST_URI: '' })
    expect(response.head.status).toBe(400)
    expect(reports[0]).toMatchObject({ code: 'FCGI_ERR_BAD_REQUEST', message: expect.stringMatching(/REQUEST_URI is missing/) as string })
  })

  it('no body and no length, whatever the client is sending; without a wait for STDIN', async () => {
    const uploads: Pairs[] = [
      { ...POST, HTTP_CONTENT_LENGTH: '11', CONTENT_TYPE: 'application/json' },
      { ...POST, CONTENT_LENGTH: '11', CONTENT_TYPE: 'application/json' },
      { ...POST, CONTENT_TYPE: 'application/json' },
      { ...POST, HTTP_TRANSFER_ENCODING: 'chunked', CONTENT_TYPE: 'application/json' },
      { ...POST, CONTENT_LENGTH: '-1', CONTENT_TYPE: 'application/json' },
    ]
    for (const pairs of uploads) {
      let seen: unknown
      const app = express()
      app.use(express.json(), express.text({ type: '*/*' }))
      app.use((req, res) => {
        seen = { method: req.method, headers: req.headers, body: req.body as unknown }
        req.on('end', () => res.end()).resume()
      })
      expect((await ask(await authorize(app), pairs)).head.status).toBe(200)
      expect(seen).toEqual({ method: 'POST', headers: { 'content-type': 'application/json' }, body: undefined })
    }
  })

  it('every variable as it was sent in cgiParams()', async () => {
    let variables: unknown
    const pairs = { ...POST, CONTENT_LENGTH: '11', FCGI_ROLE: 'AUTHORIZER', REMOTE_USER: 'ada', HTTP_IF_NONE_MATCH: '*' }
    await ask(await authorize((req, res) => res.end(void (variables = { ...cgiParams(req) }))), pairs)
    expect(variables).toEqual(pairs)
  })

  it('no conditions: by them Express would answer 304, which denies', async () => {
    const app = express()
    app.use((_req, res) => void res.send('welcome'))
    const conditional = { ...GET, HTTP_IF_NONE_MATCH: '*', HTTP_IF_MODIFIED_SINCE: new Date().toUTCString(), HTTP_RANGE: 'bytes=0-1', HTTP_IF_RANGE: '"x"' }
    expect((await ask(await authorize(app), conditional)).head.status).toBe(200)
    expect((await seen(conditional)).headers).toEqual({})
  })

  it('Expect as a header, without the events of an upload', async () => {
    const served = await authorize((req, res) => res.writeHead(200, { 'X-Expect': String(req.headers.expect) }).end())
    served.server.on('checkContinue', never).on('checkExpectation', never)
    for (const expectation of ['100-continue', 'something-else']) {
      expect((await ask(served, { ...POST, HTTP_EXPECT: expectation })).head.headers.get('x-expect')).toBe(expectation)
    }
  })

  it('the mount prefix taken off, as a Responder does', async () => {
    let url: unknown
    const served = await serve(never, { authorizer: (req, res) => res.end(void (url = req.url)), mount: '/app' })
    await ask(served, { ...GET, REQUEST_URI: '/app/a?b' })
    expect(url).toBe('/a?b')
  })
})

describe('credentials from mod_authnz_fcgi', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text, 'latin1').toString('base64')}`

  it.each<[string, Pairs, string | undefined]>([
    ['become an Authorization field', { ...GET, REMOTE_USER: 'ada', REMOTE_PASSWD: 'secret', AUTH_TYPE: 'Basic' }, basic('ada:secret')],
    ['byte for byte', { ...GET, REMOTE_USER: '\xfcmit', REMOTE_PASSWD: 'p:\xe4\x01 ' }, basic('\xfcmit:p:\xe4\x01 ')],
    ['with an empty password', { ...GET, REMOTE_USER: 'ada', REMOTE_PASSWD: '' }, basic('ada:')],
    ['not where there is such a field', { ...GET, REMOTE_USER: 'ada', REMOTE_PASSWD: 'secret', HTTP_AUTHORIZATION: 'Bearer x' }, 'Bearer x'],
    ['nor one from a rewrite', { ...GET, REMOTE_USER: 'ada', REMOTE_PASSWD: 'secret', REDIRECT_HTTP_AUTHORIZATION: 'Bearer y' }, 'Bearer y'],
    ['not of a name with a colon, which would be another one', { ...GET, REMOTE_USER: 'ada:x', REMOTE_PASSWD: 'secret' }, undefined],
    ['not without a password: Apache authenticated the user already', { ...GET, REMOTE_USER: 'ada', AUTH_TYPE: 'Basic' }, undefined],
    ['not without a name', { ...GET, REMOTE_PASSWD: 'secret' }, undefined],
    ['not from headers of the same name', { ...GET, HTTP_REMOTE_USER: 'ada', HTTP_REMOTE_PASSWD: 'secret' }, undefined],
  ])('%s', async (_rule, pairs, expected) => {
    expect((await seen(pairs)).headers.authorization).toBe(expected)
  })

  it('are nothing to a Responder', async () => {
    const { client } = await serve((req, res) => res.end(String(req.headers.authorization)))
    const web = await client()
    web.send(begin(1), params(1, { ...GET, REMOTE_USER: 'ada', REMOTE_PASSWD: 'secret' }), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('undefined')
  })
})

describe('where the handler comes from', () => {
  it('the same Express application as for Responders, with prototypes of its own', async () => {
    const app = express()
    app.use((req, res) => void res.status((req.socket as unknown as FastCGISocket).role === 'authorizer' ? 403 : 200).send(`${req.hostname} ${String(req.secure)}`))
    const served = await serve(app, { authorizer: app })
    const pairs = { ...GET, HTTP_HOST: 'example.test', HTTPS: 'on' }
    const denied = await ask(served, pairs)
    expect([denied.head.status, denied.body.toString()]).toEqual([403, 'example.test true'])
    const web = await served.client()
    web.send(begin(1), params(1, pairs), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('example.test true')
  })

  it('another Express application, and neither sees the prototypes of the other', async () => {
    const [one, two] = [express(), express()]
    one.set('x', 'responder').use((req, res) => void res.send(String(req.app.get('x'))))
    two.set('x', 'authorizer').use((req, res) => void res.status(403).send(String(req.app.get('x'))))
    const served = await serve(one, { authorizer: two })
    for (let i = 0; i < 3; i++) {
      expect((await ask(served)).body.toString()).toBe('authorizer')
      const web = await served.client()
      web.send(begin(1), params(1, GET), stdin(1))
      expect((await web.response(1)).body.toString()).toBe('responder')
    }
  })

  it('attach() takes it as well', async () => {
    const server = attach(http.createServer(never), { authorizer: (_req, res) => res.writeHead(403).end('attached') })
    await once(server.listen(0), 'listening')
    const web = await connect(server.address())
    web.send(begin(1, { role: AUTHORIZER }), params(1, GET))
    expect((await web.response(1)).body.toString()).toBe('attached')
    await once(server.close(), 'close')
  })

  it('without one for Responders, these get UNKNOWN_ROLE instead of no answer at all', async () => {
    const server = createServer({ authorizer: (_req, res) => res.end() })
    await once(server.listen(0), 'listening')
    const web = await connect(server.address())
    for (const pairs of [GET, { ...POST, CONTENT_LENGTH: '1', HTTP_EXPECT: '100-continue' }]) {
      web.send(begin(1, { keep: true }), params(1, pairs), stdin(1, 'x'), stdin(1))
      const response = await web.response(1)
      expect(response.head.status).toBe(500)
      expect(response.end.protocolStatus).toBe(3)
    }
    web.destroy()
    await once(server.close(), 'close')
  })

  it.each([
    ['an Express router is one, other things are not', 'app'],
    ['as a Koa application', { callback: () => undefined }],
    ['null', null],
  ])('%s: anything but a function is refused by name', (_name, authorizer) => {
    expect(() => createServer({ authorizer: authorizer as never })).toThrow(/^option authorizer must be a request listener, a function \(req, res\)/)
    expect(() => createServer({ filter: authorizer as never })).toThrow(/^option filter must be a request listener/)
  })
})

describe('requests of real web servers, recorded', () => {
  const recordings = recordedConnections().filter(({ connection }) => connection.role === 'AUTHORIZER')

  it('are there of Apache and lighttpd', () => expect(recordings.length).toBeGreaterThan(10))

  it.each(recordings.map(({ variant, request, bin }) => [`${variant}/${bin}`, request, readBin(variant, bin)] as const))('%s', async (_name, _request, bytes) => {
    let seen: unknown
    const { client } = await authorize((req, res) => {
      const { REQUEST_METHOD, REQUEST_URI } = cgiParams(req)
      seen = { method: req.method === REQUEST_METHOD, url: req.url === REQUEST_URI, authorization: req.headers.authorization, length: req.headers['content-length'] }
      res.setHeader('Variable-AUTHZ', 'yes').end()
    })
    const web = await client()
    web.send(bytes)
    const id = parseRecords(bytes).find(({ type }) => type === BEGIN_REQUEST)?.id ?? 0
    expect((await web.response(id)).stdout.toString()).toBe('Status: 200 OK\r\nVariable-AUTHZ: yes\r\n\r\n')
    expect(seen).toMatchObject({ method: true, url: true, length: undefined })
    expect(await web.closed).toBe('end')
  })
})
