// The ends of a response: destroyed at each moment, failing listeners, and what else tells that it is over.

import type http from 'node:http'
import { finished } from 'node:stream'
import { finished as finishedPromise } from 'node:stream/promises'
import { attempt } from '../attempt'
import type { Client, Scenario, Stage } from '../scenario'

type App = NonNullable<Scenario['app']>

const NO_CUT = 'a response that is destroyed midway cannot be cut beside others'

const NEXT_TICK = 'what the handler throws surfaces a tick later, since the records behind its request are others\''

function ends(name: string, app: App, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `response end: ${name}`,
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'end', 'close', 'error'])
      stage.watch('res', res, ['prefinish', 'finish', 'close', 'error'])
      app(req, res, stage)
    },
    ...more,
  }
}

function state(res: http.ServerResponse): readonly unknown[] {
  return [res.destroyed, res.writableEnded, res.writableFinished, res.errored, res.closed, res.headersSent, res.writable]
}

/** Web servers say 502 in different words, and cut an answer at different places. */
async function outcome(client: Client): Promise<readonly unknown[]> {
  const { status, complete } = await client.request()
  return [status, complete]
}

/** Says when it has the head and the text, so that the answer is not cut before; then whether anything else came. */
function cutAfter(text: string): NonNullable<Scenario['client']> {
  return async (client, stage) => {
    const connection = await client.open()
    connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
    const { statusLine } = await connection.head()
    await connection.upTo(text)
    stage.signal('client has it')
    return [statusLine, (await connection.rest()).toString().trim()]
  }
}

/** An application that destroys its response, with an error or without; the error must be seen in the same places. */
function destroyed(
  name: string,
  app: (res: http.ServerResponse, destroy: () => void, stage: Stage) => void,
  client: NonNullable<Scenario['client']> = outcome,
): Scenario[] {
  return [false, true].map((withError) =>
    ends(`destroy() ${name}, ${withError ? 'with an error' : 'without an error'}`, (_req, res, stage) => {
      app(res, () => {
        attempt(stage, 'destroy', () => (withError ? res.destroy(new Error('given up')) : res.destroy()) === res)
        stage.note('state', ...state(res))
        attempt(stage, 'again', () => res.destroy(new Error('second')) === res)
      }, stage)
      res.on('close', () => stage.note('in close', ...state(res)))
    }, { client, alone: NO_CUT, gatewayBase: 'http' }),
  )
}

/** What is still called on a response that was destroyed. */
function afterDestroy(name: string, before: (res: http.ServerResponse) => unknown, client = outcome): Scenario {
  return ends(`calls after destroy() ${name}`, (_req, res, stage) => {
    before(res)
    setImmediate(() => {
      res.destroy()
      attempt(stage, 'setHeader', () => res.setHeader('X-A', '1') === res)
      attempt(stage, 'write', () => res.write('more', (error) => stage.note('write callback', error)))
      attempt(stage, 'end', () => res.end(() => stage.note('end callback')) === res)
      stage.note('state', ...state(res))
    })
  }, { client, alone: NO_CUT, gatewayBase: 'http' })
}

export const scenarios: readonly Scenario[] = [
  ...destroyed('at once', (_res, destroy) => destroy()),
  ...destroyed('a turn later', (_res, destroy) => void setImmediate(destroy)),
  ...destroyed('after setHeader', (res, destroy) => {
    res.setHeader('X-A', '1')
    destroy()
  }),
  ...destroyed('after writeHead', (res, destroy) => {
    res.writeHead(200, { 'X-A': '1' })
    destroy()
  }),
  ...destroyed('after flushHeaders, with a length', (res, destroy, stage) => {
    res.setHeader('Content-Length', 10)
    res.flushHeaders()
    void stage.seen('client has it').then(destroy)
  }, cutAfter('')),
  ...destroyed('right after write(), with a length', (res, destroy) => {
    res.setHeader('Content-Length', 10)
    res.write('some')
    destroy()
  }),
  ...destroyed('amid a body with a length', (res, destroy, stage) => {
    res.setHeader('Content-Length', 10)
    res.write('some')
    void stage.seen('client has it').then(destroy)
  }, cutAfter('some')),
  ...destroyed('amid a body without a length', (res, destroy, stage) => {
    res.write('some')
    void stage.seen('client has it').then(destroy)
  }, cutAfter('some')),
  ...destroyed('right after end()', (res, destroy) => {
    res.end('body')
    destroy()
  }),
  ...destroyed('in finish', (res, destroy) => {
    res.on('finish', destroy)
    res.end('body')
  }),
  ...destroyed('in the callback of end()', (res, destroy) => {
    res.end('body', destroy)
  }),
  ...destroyed('in close', (res, destroy) => {
    res.on('close', destroy)
    res.end('body')
  }),
  afterDestroy('of a response without a head', () => undefined),
  // How much of it the client sees is a matter of time, and not asked here.
  afterDestroy('amid a body', (res) => res.setHeader('Content-Length', 10).write('some'), async (client) => [(await outcome(client))[1]]),
  afterDestroy('of a response that has ended', (res) => res.end('body')),
  ends('a throw in the listener of the request, and nothing answered', () => {
    throw new Error('in the listener')
  }, { until: ['uncaughtException'], client: async (client, stage) => {
    const connection = await client.open()
    connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
    await stage.seen('uncaughtException')
  } }),
  ends('a throw after end()', (req, res) => {
    // node's parser stops at the throw, and its request never ends; what is asked here is whether the answer does.
    for (const event of ['end', 'close']) req.removeAllListeners(event)
    res.end('body')
    throw new Error('after end')
  }, { differs: { nginx: NEXT_TICK, haproxy: NEXT_TICK, gateway: NEXT_TICK } }),
  ends('a throw in a finish listener', (_req, res, stage) => {
    res.on('finish', () => {
      throw new Error('in finish')
    })
    res.on('finish', () => stage.note('second finish listener'))
    res.end('body', () => stage.note('end callback'))
  }),
  ends('a throw in a close listener', (_req, res) => {
    res.prependListener('close', () => {
      throw new Error('in close')
    })
    res.end('body')
  }, { until: ['uncaughtException'] }),
  ends('a throw in a prefinish listener', (_req, res, stage) => {
    res.on('prefinish', () => {
      throw new Error('in prefinish')
    })
    attempt(stage, 'end', () => res.end('body') === res)
  }, { until: ['end throws'], client: async (client) => (await client.request()).status }),
  ends('stream.finished of the response, ended', (_req, res, stage) => {
    finished(res, (error) => stage.note('finished', error, ...state(res)))
    res.end('body')
  }, { until: ['res close', 'finished'] }),
  ends('stream.finished as a promise, ended', (_req, res, stage) => {
    finishedPromise(res).then(
      () => stage.note('resolved', ...state(res)),
      (error: unknown) => stage.note('rejected', error),
    )
    res.write('bo')
    setImmediate(() => res.end('dy'))
  }, { until: ['res close', 'resolved'] }),
  ends('stream.finished of a response that is destroyed', (_req, res, stage) => {
    finished(res, (error) => stage.note('finished', error))
    res.setHeader('Content-Length', 10)
    res.write('some')
    void stage.seen('client has it').then(() => res.destroy())
  }, { until: ['res close', 'finished'], client: cutAfter('some'), alone: NO_CUT }),
  ends('stream.finished when it is all over', (_req, res, stage) => {
    res.on('close', () => setImmediate(() => finished(res, (error) => stage.note('finished', error))))
    res.end('body')
  }, { until: ['finished'] }),
  ends('listeners that are added in finish and close', (_req, res, stage) => {
    res.on('finish', () => res.on('close', () => stage.note('close, listened to since finish')))
    res.on('finish', () => res.once('finish', () => stage.note('never')))
    res.end('body')
  }),
  ends('emit("error") by the application', (_req, res, stage) => {
    attempt(stage, 'emit', () => res.emit('error', new Error('made up')))
    stage.note('state', ...state(res))
    res.end('body')
  }),
]
