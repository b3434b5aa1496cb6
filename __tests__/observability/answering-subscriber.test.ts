// A response that is written to before it has a socket: by a subscriber of 'http.server.request.start', which node publishes
// then, or by the constructor of a class of the application's own.

import diagnostics from 'node:diagnostics_channel'
import http from 'node:http'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { GET, serve, stopAll } from '../support/serve'

afterEach(stopAll)

async function ask(handler: http.RequestListener, options: http.ServerOptions = {}): Promise<{ status: number; body: string }> {
  const { client } = await serve(handler, options)
  const web = await client()
  web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
  const { head, body } = await web.response(1)
  return { status: head.status, body: body.toString() }
}

async function subscribed(subscriber: (response: http.ServerResponse) => void, handler: http.RequestListener): Promise<{ status: number; body: string }> {
  const listener = (message: unknown): void => subscriber((message as { response: http.ServerResponse }).response)
  diagnostics.subscribe('http.server.request.start', listener)
  try {
    return await ask(handler)
  } finally {
    diagnostics.unsubscribe('http.server.request.start', listener)
  }
}

it('the answer of a subscriber leaves', async () => {
  const answer = await subscribed(
    (response) => {
      response.statusCode = 403
      response.end('blocked')
    },
    (_req, res) => {
      if (!res.writableEnded) res.end('by the application')
    },
  )
  expect(answer).toEqual({ status: 403, body: 'blocked' })
})

it('an answer of a subscriber without a body leaves', async () => {
  expect(await subscribed((response) => response.writeHead(204).end(), () => undefined)).toEqual({ status: 204, body: '' })
})

it('what a subscriber writes comes before what the application does', async () => {
  expect(await subscribed((response) => response.write('first, '), (_req, res) => res.end('second'))).toEqual({ status: 200, body: 'first, second' })
})

it('an informational head of a subscriber is no answer', async () => {
  expect(await subscribed((response) => response.writeContinue(), (_req, res) => res.end('answer'))).toEqual({ status: 200, body: 'answer' })
})

it('what a constructor writes comes first', async () => {
  class Early extends http.ServerResponse {
    constructor(req: http.IncomingMessage) {
      super(req)
      this.write('first, ')
    }
  }
  expect(await ask((_req, res) => res.end('second'), { ServerResponse: Early as unknown as typeof http.ServerResponse })).toEqual({ status: 200, body: 'first, second' })
})
