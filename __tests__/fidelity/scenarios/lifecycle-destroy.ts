// req, res and socket destroyed or ended by the application, at each moment: what is told, and what the client gets.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client, Scenario, Stage } from '../scenario'
import { orNone } from './request-bodies'
import { reqState, resState, socketState } from './request-state'

/** Beside other requests the connection cannot be closed; what the client sees then is a documented limit. */
const ALONE = 'to see the connection closed'

const UNIX = 'a unix socket cannot be reset, and node throws'

type Action = (req: IncomingMessage, res: ServerResponse) => unknown

const actions: Record<string, Action> = {
  'req.destroy()': (req) => req.destroy() === req,
  'req.destroy(error)': (req) => req.destroy(new Error('given up')) === req,
  'res.destroy()': (_req, res) => res.destroy() === res,
  'res.destroy(error)': (_req, res) => res.destroy(new Error('given up')) === res,
  'socket.destroy()': (req) => req.socket.destroy() === req.socket,
  'socket.destroy(error)': (req) => req.socket.destroy(new Error('given up')) === req.socket,
  'socket.end()': (req) => req.socket.end() === req.socket,
  'socket.destroySoon()': (req) => req.socket.destroySoon(),
  'socket.resetAndDestroy()': (req) => req.socket.resetAndDestroy() === req.socket,
}

interface Moment {
  readonly name: string
  /** Runs `act` at that moment. */
  readonly app: (res: ServerResponse, act: () => void, stage: Stage) => void
  readonly client: (client: Client, stage: Stage) => Promise<unknown>
  /** Actions whose outcome is a race between what was sent and its end, on node:http too. */
  readonly without?: readonly string[]
}

const onceReceived = async (client: Client, stage: Stage, text: string): Promise<unknown> => {
  const raw = await client.open()
  raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
  const { statusLine } = await raw.head()
  await raw.upTo(text)
  stage.signal('received')
  const rest = (await raw.rest()).toString('latin1')
  return [statusLine, rest.includes('0\r\n\r\n') ? 'whole' : 'cut']
}

const moments: readonly Moment[] = [
  {
    name: 'before the head',
    app: (_res, act) => act(),
    client: (client) => client.request().then(orNone),
  },
  {
    name: 'before the head, with headers set, a turn of the loop later',
    app(res, act) {
      res.setHeader('x-set', '1')
      res.statusCode = 201
      setImmediate(act)
    },
    client: (client) => client.request().then(orNone),
  },
  {
    name: 'after the head',
    app(res, act, stage) {
      res.flushHeaders()
      void stage.seen('received').then(act)
    },
    client: (client, stage) => onceReceived(client, stage, ''),
  },
  {
    name: 'in the middle of the body',
    app(res, act, stage) {
      res.write('a piece')
      void stage.seen('received').then(act)
    },
    client: (client, stage) => onceReceived(client, stage, 'a piece'),
  },
  {
    name: 'right after end()',
    app(res, act) {
      res.end('answer')
      act()
    },
    client: (client) => client.request().then(({ status, body, complete }) => [status, body, complete]),
    // A reset destroys what the web server has not read yet.
    without: ['socket.resetAndDestroy()'],
  },
  {
    name: 'in finish',
    app(res, act) {
      res.on('finish', act)
      res.end('answer')
    },
    client: (client) => client.request().then(({ status, body, complete }) => [status, body, complete]),
    without: ['socket.resetAndDestroy()'],
  },
]

function destroying(action: string, act: Action, moment: Moment): Scenario {
  // By then res has let go of the socket, which serves the next request on node:http.
  const endsSocket = moment.name !== 'in finish' || !action.startsWith('res.')
  return {
    name: `lifecycle destroy: ${action} ${moment.name}`,
    app(req, res, stage) {
      const { socket } = req
      stage.watch('req', req, ['aborted', 'end', 'error', 'close'])
      stage.watch('res', res, ['finish', 'error', 'close'])
      if (endsSocket) stage.watch('socket', socket, ['error', 'close'])
      moment.app(
        res,
        () => {
          stage.note('returned', act(req, res))
          stage.note('state', reqState(req), resState(res), socketState(socket))
        },
        stage,
      )
      res.on('close', () => stage.note('at close', reqState(req), resState(res)))
    },
    client: moment.client,
    alone: ALONE,
    ...(action === 'socket.resetAndDestroy()' ? { impossible: { nginx: UNIX, haproxy: UNIX } } : {}),
    until: ['returned', 'req close', 'res close', ...(endsSocket ? ['socket close'] : [])],
  }
}

export const scenarios: readonly Scenario[] = [
  ...moments.flatMap((moment) =>
    Object.entries(actions)
      .filter(([name]) => moment.without?.includes(name) !== true)
      .map(([name, act]) => destroying(name, act, moment)),
  ),

  ...['res.destroy()', 'socket.destroy(error)', 'socket.end()'].map((action): Scenario => ({
    name: `lifecycle destroy: ${action} in the middle of the body, beside other requests`,
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'error', 'close'])
      res.write('a piece')
      res.write('another', () => setImmediate(() => stage.note('returned', actions[action]?.(req, res))))
    },
    client: (client) => client.request().then(({ status, body, complete }) => [status, body, complete]),
    until: ['returned', 'res close'],
    differs: { haproxy: 'beside other requests a response that was given up looks complete: to close the connection would cut theirs' },
  })),

  {
    name: 'lifecycle destroy: an error nobody listens for on req stays quiet',
    app(req, res, stage) {
      res.on('close', () => stage.note('close', req.errored, res.errored))
      req.destroy(new Error('given up'))
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['close'],
  },
  {
    name: 'lifecycle destroy: an error nobody listens for on res stays quiet',
    app(req, res, stage) {
      res.on('close', () => stage.note('close', req.errored, res.errored))
      res.destroy(new Error('given up'))
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['close'],
  },
  {
    name: 'lifecycle destroy: an error nobody listens for on the socket stays quiet',
    app(req, res, stage) {
      res.on('close', () => stage.note('close', req.errored, res.errored))
      req.socket.destroy(new Error('given up'))
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['close'],
  },
  {
    name: "lifecycle destroy: an error given to a socket reaches 'clientError' of the server",
    setup(server, stage) {
      server.on('clientError', (error, socket) => {
        stage.note('clientError', error, socket.destroyed, socket.writable)
        socket.destroy()
      })
    },
    app(req, res, stage) {
      stage.watch('res', res, ['close'])
      req.socket.destroy(new Error('given up'))
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['res close', 'clientError'],
  },
  {
    name: 'lifecycle destroy: writing after res.destroy()',
    app(_req, res, stage) {
      stage.watch('res', res, ['finish', 'error', 'close'])
      res.destroy()
      stage.note('write', res.write('late', (error) => stage.note('write callback', error)))
      stage.note('end', res.end('late', () => stage.note('end callback')) === res, resState(res))
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['write callback', 'res close'],
  },
  {
    name: 'lifecycle destroy: writing after socket.destroy()',
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'error', 'close'])
      req.socket.destroy()
      stage.note('write', res.write('late', (error) => stage.note('write callback', error)))
      stage.note('end', res.end('late', () => stage.note('end callback')) === res, resState(res))
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['end', 'res close'],
  },
  {
    name: 'lifecycle destroy: writing before and after socket.destroy(), in one tick',
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'error', 'close'])
      stage.note('before', res.write('before', (error) => stage.note('callback of before', error)))
      req.socket.destroy()
      stage.note('after', res.write('after', (error) => stage.note('callback of after', error)), resState(res))
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['res close'],
  },
  ...[true, false].map(
    (isLengthKnown): Scenario => ({
      name: `lifecycle destroy: writing after socket.destroy(), ${isLengthKnown ? 'of an announced length' : 'of any length'}, after the head`,
      app(req, res, stage) {
        stage.watch('res', res, ['finish', 'error', 'close', 'drain'])
        if (isLengthKnown) res.setHeader('Content-Length', 100)
        res.flushHeaders()
        void stage.seen('received').then(() => {
          req.socket.destroy()
          stage.note('small', res.write('small', (error) => stage.note('callback of small', error)), resState(res))
          stage.note('large', res.write(Buffer.alloc(100_000), (error) => stage.note('callback of large', error)), res.writableNeedDrain)
          process.nextTick(() => {
            stage.note('later', res.write('later', (error) => stage.note('callback of later', error)))
            stage.note('end', res.end('last', () => stage.note('callback of end')) === res, resState(res))
          })
        })
      },
      client: (client, stage) => onceReceived(client, stage, ''),
      alone: ALONE,
      until: ['end', 'res close'],
    }),
  ),
  {
    name: 'lifecycle destroy: writing to the socket itself after it was destroyed',
    app(req, res, stage) {
      const { socket } = req
      res.on('close', () => stage.note('close'))
      socket.on('error', (error) => stage.note('socket error', error))
      socket.destroy()
      stage.note('write', socket.write('late', (error) => stage.note('write callback', error)))
      socket.end('later', () => stage.note('end callback'))
      stage.note('again', socket.destroy() === socket, socket.destroyed)
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['write callback', 'close'],
  },
  {
    name: 'lifecycle destroy: twice, with different errors, the first counts',
    app(req, res, stage) {
      stage.watch('req', req, ['error', 'close'])
      stage.watch('res', res, ['close', 'error'])
      req.destroy(new Error('first'))
      req.destroy(new Error('second'))
      res.destroy(new Error('third'))
      stage.note('errored', req.errored, res.errored)
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['req close', 'res close'],
  },
  {
    // What the client gets is not compared: a web server that reads a head together with the end may drop it.
    name: 'lifecycle destroy: req.destroy() of a large upload that is being read, with an answer already sent',
    app(req, res, stage) {
      stage.watch('res', res, ['finish', 'error', 'close'])
      stage.watch('req', req, ['aborted', 'end', 'error', 'close'])
      req.once('data', () => {
        res.write('begun')
        req.destroy(new Error('enough'))
        stage.note('state', reqState(req), resState(res))
      })
    },
    client: (client) => client.request({ method: 'POST', body: Buffer.alloc(1_000_000) }).then(() => 'over'),
    alone: ALONE,
    until: ['req close', 'res close'],
  },
  {
    name: 'lifecycle destroy: the socket, in the tick after the first write: the client gets what was written',
    app(_req, res, stage) {
      res.on('close', () => stage.note('res close'))
      res.write('the first piece')
      process.nextTick(() => res.socket?.destroy())
    },
    alone: ALONE,
    until: ['res close'],
  },
  {
    name: 'lifecycle destroy: the response, at once after the first write',
    app(_req, res, stage) {
      res.on('close', () => stage.note('res close'))
      res.write('the first piece')
      res.destroy()
    },
    // A web server's 502, each in its own words.
    client: async (client) => (await client.request()).status,
    alone: ALONE,
    gatewayBase: 'http',
    until: ['res close'],
  },
]
