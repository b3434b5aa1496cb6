// The prototypes of an Express application are those of its messages from the start; all others get node's own, and on Node 20,
// where it would cost more than it saves, that one does too.

import express from 'express'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { IncomingMessage, ServerResponse, type RequestListener, type ServerOptions } from 'node:http'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { GET, serve, stopAll } from '../support/serve'

afterEach(stopAll)

const CHANNEL = 'http.server.request.start'

interface Seen {
  readonly request: unknown
  readonly response: unknown
  readonly body: string
}

const IS_MADE_SO = Number(process.versions.v8.split('.')[0]) >= 12

/** By identity: a comparison by jest would call every getter of theirs. */
function expectPrototypes(seen: Seen, request: unknown, response: unknown, body = SERVED): void {
  expect([seen.request === request, seen.response === response, seen.body]).toEqual([true, true, body])
}

/** The prototypes of the messages of one request before any listener of the application got them. */
async function seenOf(listener: RequestListener, options: ServerOptions = {}, beside?: RequestListener): Promise<Seen> {
  const prototypes: unknown[] = []
  const note = (message: unknown): void => {
    const { request, response } = message as { request: object; response: object }
    prototypes.push(Object.getPrototypeOf(request), Object.getPrototypeOf(response))
  }
  subscribe(CHANNEL, note)
  try {
    const { server, client } = await serve(listener, options)
    if (beside !== undefined) server.on('request', beside)
    const web = await client()
    web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
    const { body } = await web.response(1)
    return { request: prototypes[0], response: prototypes[1], body: body.toString() }
  } finally {
    unsubscribe(CHANNEL, note)
  }
}

function application(): express.Express {
  const app = express()
  app.use((req, res) => {
    const isOwn = Object.getPrototypeOf(req) === app.request && Object.getPrototypeOf(res) === app.response
    res.send(`${isOwn} ${req instanceof IncomingMessage} ${res instanceof ServerResponse} ${req.protocol} ${typeof req.get}`)
  })
  return app
}

const SERVED = 'true true true http function'

it('messages for an Express application have its prototypes', async () => {
  const app = application()
  expectPrototypes(await seenOf(app as RequestListener), IS_MADE_SO ? app.request : IncomingMessage.prototype, IS_MADE_SO ? app.response : ServerResponse.prototype)
})

it('prototypes that the application exchanges count from the next request on', async () => {
  const app = application()
  await seenOf(app as RequestListener)
  app.request = Object.create(app.request) as typeof app.request
  expectPrototypes(await seenOf(app as RequestListener), IS_MADE_SO ? app.request : IncomingMessage.prototype, IS_MADE_SO ? app.response : ServerResponse.prototype)
})

it('an application behind another function gets node\'s, and sets its own', async () => {
  const app = application() as RequestListener
  expectPrototypes(await seenOf((req, res) => app(req, res)), IncomingMessage.prototype, ServerResponse.prototype)
})

it('so does one beside another listener', async () => {
  expectPrototypes(await seenOf(application() as RequestListener, {}, () => undefined), IncomingMessage.prototype, ServerResponse.prototype)
})

it('classes of the server\'s own are not passed by', async () => {
  class Request extends IncomingMessage {}
  class Response extends ServerResponse {}
  const options = { IncomingMessage: Request, ServerResponse: Response } as unknown as ServerOptions
  expectPrototypes(await seenOf(application() as RequestListener, options), Request.prototype, Response.prototype)
})

it('a function that only looks like one gets node\'s', async () => {
  const listener: RequestListener = (_req, res) => res.end('ok')
  expectPrototypes(await seenOf(Object.assign(listener, { handle: () => undefined, request: {}, response: {} })), IncomingMessage.prototype, ServerResponse.prototype, 'ok')
})
