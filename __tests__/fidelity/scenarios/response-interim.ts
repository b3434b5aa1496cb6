// Interim responses (1xx) and trailers: CGI has no place for them, so what counts is what the application sees of its calls.

import { attempt } from '../attempt'
import type { Answer, Scenario } from '../scenario'

type App = NonNullable<Scenario['app']>

const NO_INTERIM = 'interim responses cannot cross CGI'
const NO_TRAILERS = 'trailers of a response cannot cross CGI, but HAProxy hands them on; nginx passes no more than the Trailer field of node:http'
const NOT_JUDGED = 'a Trailer field that cannot be right is no error where it cannot cross CGI'

/** All that node:http stands behind passes interim answers on; where they are not the point, the answer is compared without. */
async function withoutInterim(answer: Promise<Answer>): Promise<Answer> {
  return { ...(await answer), interim: [] }
}

function interim(name: string, app: App, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `response interim: ${name}`,
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'close', 'error', 'drain'])
      app(req, res, stage)
    },
    client: (client) => withoutInterim(client.request()),
    ...more,
  }
}

export const scenarios: readonly Scenario[] = [
  interim('the client of writeProcessing and writeEarlyHints', (_req, res) => {
    res.writeProcessing()
    res.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' })
    res.end('body')
  }, { client: (client) => client.request(), differs: { nginx: NO_INTERIM, haproxy: NO_INTERIM, gateway: NO_INTERIM } }),
  interim('writeContinue, with and without a callback', (_req, res, stage) => {
    attempt(stage, 'writeContinue', () => res.writeContinue())
    attempt(stage, 'with a callback', () => res.writeContinue(() => stage.note('callback')))
    stage.note('state', res.headersSent)
    res.end('body')
  }, { until: ['res close', 'callback'] }),
  interim('writeProcessing, with and without a callback', (_req, res, stage) => {
    attempt(stage, 'writeProcessing', () => res.writeProcessing())
    attempt(stage, 'with a callback', () => (res.writeProcessing).call(res, () => stage.note('callback')))
    stage.note('state', res.headersSent)
    res.end('body')
  }, { until: ['res close', 'callback'] }),
  interim('writeEarlyHints, with a callback', (_req, res, stage) => {
    attempt(stage, 'one', () => res.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' }, () => stage.note('callback')))
    attempt(stage, 'several', () => res.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'], 'x-trace': 'abc' }))
    attempt(stage, 'empty', () => res.writeEarlyHints({ link: [] }))
    stage.note('state', res.headersSent, res.getHeaderNames())
    res.end('body')
  }, { until: ['res close', 'callback'] }),
  interim('writeEarlyHints refuses', (_req, res, stage) => {
    for (const hints of [undefined, null, 5, 'link', {}, { link: 5 }, { link: 'no link' }, { link: ['</a>', 5] }]) {
      attempt(stage, 'writeEarlyHints', () => res.writeEarlyHints(hints as unknown as Record<string, string>))
    }
    stage.note('state', res.headersSent)
    res.end('body')
  }),
  interim('the order of their callbacks and of the answer', (_req, res, stage) => {
    res.writeProcessing()
    res.writeContinue(() => stage.note('continue callback'))
    res.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => stage.note('hints callback'))
    res.write('bo', () => stage.note('write callback'))
    res.end('dy', () => stage.note('end callback'))
  }, { until: ['res close', 'continue callback', 'hints callback', 'write callback', 'end callback'] }),
  interim('interim calls a turn before the answer', (_req, res, stage) => {
    res.writeProcessing()
    res.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => stage.note('hints callback'))
    setImmediate(() => setImmediate(() => res.end('body')))
  }, { until: ['res close', 'hints callback'] }),
  interim('writeContinue after the answer', (_req, res, stage) => {
    res.end('body')
    res.on('close', () => {
      attempt(stage, 'writeContinue', () => res.writeContinue())
      attempt(stage, 'writeProcessing', () => res.writeProcessing())
      stage.note('over')
    })
  }, { until: ['over'] }),
  interim('a final status of 1xx throws or is refused by nobody', (_req, res, stage) => {
    attempt(stage, 'writeHead 99', () => res.writeHead(99) === res)
    res.end('body')
  }),
  interim('the client of trailers', (_req, res) => {
    res.writeHead(200, { Trailer: 'X-Sum' })
    res.write('body')
    res.addTrailers({ 'X-Sum': '1' })
    res.end()
  }, { client: (client) => client.request(), differs: { nginx: NO_TRAILERS, gateway: NO_TRAILERS } }),
  interim('trailers that nobody announced, some repeated, turns behind the body', (_req, res) => {
    res.write('body')
    setImmediate(() => {
      res.addTrailers([['X-One', '1'], ['X-List', 'a'], ['X-List', 'b']])
      setImmediate(() => res.end())
    })
  }, { client: (client) => client.request(), differs: { gateway: NO_TRAILERS } }),
  interim('trailers of an answer to HEAD', (_req, res) => {
    res.write('body')
    res.addTrailers({ 'X-Sum': '1' })
    res.end()
  }, { client: (client) => client.request({ method: 'HEAD' }) }),
  interim('Trailer beside a Content-Length', (_req, res, stage) => {
    attempt(stage, 'writeHead', () => res.writeHead(200, { Trailer: 'X-Sum', 'Content-Length': 4 }) === res)
    stage.note('state', res.headersSent)
    if (!res.headersSent) res.removeHeader('Trailer')
    attempt(stage, 'end', () => res.end('body') === res)
  }, {
    client: async (client) => (await client.request()).body,
    differs: { nginx: NOT_JUDGED, gateway: NOT_JUDGED },
  }),
  interim('addTrailers, in both forms, and what it refuses', (_req, res, stage) => {
    attempt(stage, 'Trailer', () => res.setHeader('Trailer', 'X-Sum') === res)
    attempt(stage, 'write', () => res.write('body'))
    attempt(stage, 'object', () => res.addTrailers({ 'X-Sum': '1', 'X-List': ['2', '3'] }))
    attempt(stage, 'pairs', () => res.addTrailers([['X-Other', '4']]))
    attempt(stage, 'name', () => res.addTrailers({ 'X Sum': '1' }))
    attempt(stage, 'value', () => res.addTrailers({ 'X-Sum': 'a\nb' }))
    stage.note('head', res.getHeader('trailer'), res.hasHeader('trailer'))
    res.end()
  }, { client: async (client) => (await client.request()).body }),
  interim('Trailer beside a body that could have a Content-Length', (_req, res, stage) => {
    res.setHeader('Trailer', 'X-Sum')
    attempt(stage, 'end', () => res.end('body') === res)
    stage.note('state', res.headersSent, res.writableEnded)
  }, { client: async (client) => (await client.request()).body }),
]
