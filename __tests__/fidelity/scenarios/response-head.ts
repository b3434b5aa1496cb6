// The head of a response: made by node or by the application, in every form of writeHead, and what can be read of it.

import type http from 'node:http'
import { attempt } from '../attempt'
import type { Scenario } from '../scenario'

/** What an application can ask about the head of its response. */
function headState(res: http.ServerResponse): readonly unknown[] {
  return [res.headersSent, res.statusCode, res.statusMessage, res.getHeaders()]
}

type App = NonNullable<Scenario['app']>

/** One request for each way to write a head; the client returns all answers. */
function eachOf(name: string, ways: Readonly<Record<string, (res: http.ServerResponse) => unknown>>): Scenario {
  return {
    name,
    app(req, res, stage) {
      const way = decodeURIComponent(req.url?.slice(1) ?? '')
      const isDone = attempt(stage, way, () => ways[way]?.(res) === res)
      stage.note('state', ...headState(res))
      res.on('close', () => stage.signal(`close ${way}`))
      // A reason that was refused stays set, and would be refused again.
      if (!isDone && !res.headersSent) res.statusMessage = 'Mended'
      if (!res.writableEnded) res.end('body')
    },
    async client(client, stage) {
      const answers: unknown[] = []
      for (const way of Object.keys(ways)) {
        answers.push([way, await client.request({ path: `/${encodeURIComponent(way)}` })])
        await stage.seen(`close ${way}`)
      }
      return answers
    },
  }
}

/** Not in the types, and taken by node. */
const PAIRS: unknown = [['X-A', '1'], ['X-B', '2'], ['X-A', '3']]
const NO_VALUE: unknown = ['X-A', undefined]

const watched =
  (app: App): App =>
  (req, res, stage) => {
    stage.watch('req', req, ['end', 'close', 'error', 'aborted'])
    stage.watch('res', res, ['prefinish', 'finish', 'close', 'error', 'drain'])
    app(req, res, stage)
  }

const ADDS_DATE = 'a web server adds Date to a CGI response without one (RFC 9110 6.6.1)'

export const scenarios: readonly Scenario[] = [
  {
    name: 'response: an implicit head by end()',
    app: watched((_req, res, stage) => {
      stage.note('before', ...headState(res))
      stage.note('end', res.end('hello') === res)
      stage.note('after', ...headState(res))
    }),
  },
  {
    name: 'response: an implicit head by write()',
    app: watched((_req, res, stage) => {
      stage.note('write', res.write('hel'))
      stage.note('after', ...headState(res))
      stage.note('end', res.end('lo') === res)
    }),
  },
  {
    name: 'response: an implicit head by end() without a body',
    app: watched((_req, res, stage) => {
      stage.note('end', res.end() === res)
      stage.note('after', ...headState(res))
    }),
  },
  eachOf('response: the forms of writeHead', {
    'status only': (res) => res.writeHead(404),
    'status and message': (res) => res.writeHead(200, 'Very Well'),
    'status, undefined message': (res) => res.writeHead(200, undefined, { 'X-A': '1' }),
    'status and object': (res) => res.writeHead(201, { 'X-Number': 5, 'X-Text': 'five', 'X-List': ['1', '2'] }),
    'status, message and object': (res) => res.writeHead(202, 'Taken', { 'Content-Type': 'text/plain' }),
    'status and flat array': (res) => res.writeHead(200, ['X-A', '1', 'X-B', '2', 'X-A', '3']),
    'array of pairs': (res) => res.writeHead(200, PAIRS as string[]),
    'odd flat array': (res) => res.writeHead(200, ['X-A', '1', 'X-B']),
    'status as text': (res) => res.writeHead('203' as unknown as number),
    'own content-length': (res) => res.writeHead(200, { 'Content-Length': 4 }),
    'name with other case': (res) => res.writeHead(200, { 'x-LoWeR': 'a', 'X-Lower': 'b' }),
    'undefined value': (res) => res.writeHead(200, { 'X-A': undefined }),
    'null headers': (res) => res.writeHead(200, null as unknown as http.OutgoingHttpHeaders),
  }),
  eachOf('response: writeHead after setHeader merges', {
    object: (res) => res.setHeader('X-A', '1').setHeader('X-B', '2').writeHead(200, { 'x-a': 'other', 'X-C': '3' }),
    'flat array': (res) => res.setHeader('X-A', '1').writeHead(200, ['X-C', '3', 'x-a', 'other']),
    'flat array with repeats': (res) => res.setHeader('X-A', '1').writeHead(200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']),
    'statusMessage set before': (res) => Object.assign(res, { statusMessage: 'Mine' }).writeHead(200),
    'statusCode set before': (res) => Object.assign(res, { statusCode: 404 }).writeHead(200),
  }),
  eachOf('response: writeHead refuses', {
    'status 99': (res) => res.writeHead(99),
    'status 1000': (res) => res.writeHead(1000),
    'status NaN': (res) => res.writeHead(NaN),
    'status undefined': (res) => res.writeHead(undefined as unknown as number),
    'message with a line break': (res) => res.writeHead(200, 'split\r\nX-Evil: 1'),
    'message above latin1': (res) => res.writeHead(200, '\u{1f600}'),
    'name with a blank': (res) => res.writeHead(200, { 'X A': '1' }),
    'value with a line break': (res) => res.writeHead(200, { 'X-A': '1\r\nX-Evil: 1' }),
    'value above latin1': (res) => res.writeHead(200, { 'X-A': 'Ā' }),
    'value undefined in an array': (res) => res.writeHead(200, NO_VALUE as string[]),
  }),
  eachOf('response: after a refused writeHead another one is taken', {
    'wrong, then right': (res) => {
      try {
        res.writeHead(200, { 'X-A': '\n' })
      } catch {
        return res.writeHead(500, { 'X-B': '2' })
      }
      return undefined
    },
  }),
  {
    name: 'response: the head is sent once',
    app: watched((_req, res, stage) => {
      attempt(stage, 'first writeHead', () => res.writeHead(200, { 'X-A': '1' }) === res)
      attempt(stage, 'second writeHead', () => res.writeHead(404) === res)
      attempt(stage, 'setHeader', () => res.setHeader('X-B', '2') === res)
      attempt(stage, 'appendHeader', () => res.appendHeader('X-B', '2') === res)
      attempt(stage, 'setHeaders', () => res.setHeaders(new Map([['X-B', '2']])) === res)
      attempt(stage, 'removeHeader', () => res.removeHeader('X-A'))
      attempt(stage, 'getHeader', () => [res.getHeader('x-a'), res.hasHeader('x-a'), res.getHeaderNames()])
      attempt(stage, 'flushHeaders', () => res.flushHeaders())
      attempt(stage, 'statusCode', () => (res.statusCode = 404))
      res.end('body')
      attempt(stage, 'after end', () => res.setHeader('X-C', '3') === res)
      attempt(stage, 'writeHead after end', () => res.writeHead(200) === res)
    }),
  },
  {
    name: 'response: flushHeaders sends the head before there is a body',
    app: watched((_req, res, stage) => {
      res.setHeader('X-A', '1')
      attempt(stage, 'flushHeaders', () => res.flushHeaders())
      stage.note('state', ...headState(res))
      attempt(stage, 'again', () => res.flushHeaders())
      void stage.seen('client has the head').then(() => res.end('body'))
    }),
    async client(client, stage) {
      const connection = await client.open()
      connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      const { statusLine, values } = await connection.head()
      stage.note('client has the head')
      return [statusLine, values('x-a'), (await connection.chunkedBody()).toString()]
    },
  },
  eachOf('response: flushHeaders with a Content-Length, and before nothing', {
    'with length': (res) => {
      res.setHeader('Content-Length', 4)
      res.flushHeaders()
      return res
    },
    'then end without a body': (res) => {
      res.flushHeaders()
      return res.end()
    },
    'after writeHead': (res) => {
      res.writeHead(202).flushHeaders()
      return res
    },
  }),
  eachOf('response: statusCode and statusMessage', {
    'unknown code': (res) => Object.assign(res, { statusCode: 299 }),
    'code 599': (res) => Object.assign(res, { statusCode: 599 }),
    'code 999': (res) => Object.assign(res, { statusCode: 999 }),
    'code as text': (res) => Object.assign(res, { statusCode: '404' }),
    'own message': (res) => Object.assign(res, { statusMessage: 'As You Like It' }),
    'message of another code': (res) => Object.assign(res, { statusCode: 500, statusMessage: 'OK' }),
  }),
  eachOf('response: an invalid statusCode or statusMessage throws when the head is made', {
    'code 0': (res) => attemptEnd(Object.assign(res, { statusCode: 0 })),
    'code 99': (res) => attemptEnd(Object.assign(res, { statusCode: 99 })),
    'code 1000': (res) => attemptEnd(Object.assign(res, { statusCode: 1000 })),
    'message with a line break': (res) => attemptEnd(Object.assign(res, { statusMessage: 'a\nb' })),
  }),
  eachOf('response: sendDate and an own Date', {
    'sendDate true': (res) => Object.assign(res, { sendDate: true }),
    'own Date': (res) => res.setHeader('Date', 'Thu, 01 Jan 1970 00:00:00 GMT'),
    'own Date in writeHead': (res) => res.writeHead(200, { date: 'Thu, 01 Jan 1970 00:00:00 GMT' }),
    'sendDate false, own Date': (res) => Object.assign(res, { sendDate: false }).setHeader('Date', 'Thu, 01 Jan 1970 00:00:00 GMT'),
  }),
  {
    ...eachOf('response: no Date, by sendDate false and by removeHeader', {
      'sendDate false': (res) => Object.assign(res, { sendDate: false }),
      removeHeader: (res) => res.removeHeader('Date') ?? res,
    }),
    differs: { nginx: ADDS_DATE, haproxy: ADDS_DATE, gateway: ADDS_DATE },
  },
  {
    ...eachOf('response: an empty reason', {
      'in writeHead': (res) => res.writeHead(200, ''),
    }),
    differs: { gateway: 'the gateway says the usual reason where an application gives none' },
  },
  eachOf('response: bytes above 0x7f in the reason, before text and before bytes', {
    text: (res) => Object.assign(res, { statusMessage: 'caf\u00e9' }),
    bytes: (res) => Object.assign(res, { statusMessage: 'caf\u00e9' }).end(Buffer.from('bytes')),
  }),
  {
    name: 'response: a head above 4 KiB, one field of 20 KiB and a hundred fields',
    app: watched((_req, res, stage) => {
      for (let i = 0; i < 60; i++) res.setHeader(`X-Field-${i}`, 'v'.repeat(40))
      res.setHeader('X-Long', 'l'.repeat(20_000))
      res.end('body')
      stage.note('after', res.headersSent)
    }),
  },
]

/** Ends, and if that throws, makes the response one that can be ended; the error is thrown on. */
function attemptEnd(res: http.ServerResponse): unknown {
  try {
    return res.end('body')
  } catch (error) {
    res.statusCode = 500
    res.statusMessage = 'Mended'
    throw error
  }
}
