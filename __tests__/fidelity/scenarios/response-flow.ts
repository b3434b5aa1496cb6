// Back-pressure and buffers: cork, drain, what is in the way and how much of it, and large bodies to the last byte.

import { createHash } from 'node:crypto'
import type http from 'node:http'
import { attempt } from '../attempt'
import type { Scenario } from '../scenario'

type App = NonNullable<Scenario['app']>

function flow(name: string, app: App, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `response flow: ${name}`,
    app(req, res, stage) {
      stage.watch('res', res, ['prefinish', 'finish', 'close', 'error'])
      app(req, res, stage)
    },
    ...more,
  }
}

/** The states of a writable that an application can read. */
function state(res: http.ServerResponse): Record<string, unknown> {
  const { writable, writableEnded, writableFinished, writableCorked, writableNeedDrain, destroyed, closed, errored, headersSent } = res
  const { finished } = res as unknown as Record<string, unknown>
  return { writable, writableEnded, writableFinished, writableCorked, writableNeedDrain, destroyed, closed, errored, finished, headersSent }
}

const BEHIND_THE_END =
  'node 22 and 24 send what was written while corked behind the last chunk, where no client looks for it; here it arrives, as in node 20 and 26'

const HELD = 'the head has left when node 22 and 24 ask whether to hold what is written while corked, so the callback of write() comes behind finish'

const MEBIBYTE = 1024 * 1024

/** Bytes that no two equally long pieces have the same of. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2654435761) >>> 0, at)
  return bytes
}

/** The client's part for large bodies: their length and digest say enough. */
const digested: NonNullable<Scenario['client']> = async (client) => {
  const { body, ...rest } = await client.request()
  return { ...rest, length: body.length, digest: createHash('sha256').update(body, 'latin1').digest('hex') }
}

/** Says so when the client has the head, and reads on when it is told to. */
const waitingClient: NonNullable<Scenario['client']> = async (client, stage) => {
  const { body, complete } = await client.request()
  stage.signal('client has all')
  return [body.length, complete]
}

export const scenarios: readonly Scenario[] = [
  flow('the states from the start to the end', (_req, res, stage) => {
    stage.note('start', state(res))
    res.write('a')
    stage.note('after write', state(res))
    res.on('prefinish', () => stage.note('in prefinish', state(res)))
    res.on('finish', () => stage.note('in finish', state(res)))
    res.on('close', () => stage.note('in close', state(res)))
    setImmediate(() => {
      stage.note('later', state(res))
      res.end()
      stage.note('after end', { ...state(res), writableFinished: 'see request state' })
    })
  }),
  flow('writableHighWaterMark, writableLength and writableObjectMode', (_req, res, stage) => {
    stage.note('start', res.writableHighWaterMark, res.writableLength, res.writableObjectMode)
    res.flushHeaders()
    setImmediate(() => {
      stage.note('flushed', res.writableHighWaterMark, res.writableLength)
      res.end('body')
    })
    res.on('close', () => stage.note('closed', res.writableHighWaterMark, res.writableLength))
  }),
  flow('option highWaterMark', (_req, res, stage) => {
    stage.note('start', res.writableHighWaterMark, res.socket?.writableHighWaterMark)
    stage.note('write', res.write('x'.repeat(2_000)))
    res.once('drain', () => {
      stage.note('drain')
      res.end()
    })
  }, { options: { highWaterMark: 1_000 } }),
  flow('cork and uncork', (_req, res, stage) => {
    attempt(stage, 'cork', () => res.cork())
    stage.note('corked', res.writableCorked, res.headersSent)
    attempt(stage, 'write', () => res.write('a'))
    attempt(stage, 'write', () => res.write('b', () => stage.note('callback b')))
    res.cork()
    stage.note('corked', res.writableCorked, res.headersSent)
    res.uncork()
    stage.note('still corked', res.writableCorked)
    res.uncork()
    stage.note('uncorked', res.writableCorked)
    res.end('c')
  }, { until: ['res close', 'callback b'] }),
  flow('corked for a turn, and ended corked', (_req, res, stage) => {
    res.cork()
    res.write('a', () => stage.note('callback a'))
    setImmediate(() => {
      stage.note('later', res.writableCorked)
      res.write('b', () => stage.note('callback b'))
      res.end('c', () => stage.note('callback c'))
      stage.note('ended', res.writableCorked)
    })
  }, {
    // In node 22 and 24 the callback of b may not come either.
    until: ['res close', 'callback a', 'callback c'],
    differs: { nginx: BEHIND_THE_END, haproxy: BEHIND_THE_END, gateway: BEHIND_THE_END },
    differsIn: [22, 24],
  }),
  flow('corked, written once and ended', (_req, res, stage) => {
    res.cork()
    stage.note('write', res.write('a', () => stage.note('callback')))
    res.end()
  }, { until: ['res close', 'callback'], differs: { haproxy: HELD }, differsIn: [22, 24] }),
  flow('corked before the client left off: what is held goes out at uncork', (_req, res, stage) => {
    res.flushHeaders()
    res.cork()
    res.write('held')
    setImmediate(() => {
      res.uncork()
      void stage.seen('client has it').then(() => res.end())
    })
  }, {
    async client(client, stage) {
      const connection = await client.open()
      connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await connection.head()
      const piece = await connection.upTo('held')
      stage.signal('client has it')
      return piece.trim()
    },
  }),
  flow('what write returns for small and large pieces', (_req, res, stage) => {
    stage.note('small', res.write('x'), res.writableNeedDrain)
    stage.note('large', res.write('x'.repeat(MEBIBYTE)), res.writableNeedDrain)
    stage.note('small again', res.write('x'), res.writableNeedDrain)
    res.once('drain', () => {
      stage.note('drain', res.writableNeedDrain, res.writableLength)
      res.end('end')
    })
  }, { client: waitingClient }),
  flow('drain once, though many writes said false', (_req, res, stage) => {
    res.on('drain', () => {
      stage.note('drain')
      if (!res.writableEnded) res.end()
    })
    for (let i = 0; i < 4; i++) stage.note('write', res.write(Buffer.alloc(300_000, i)))
  }, { client: waitingClient }),
  flow('no drain after end', (_req, res, stage) => {
    res.on('drain', () => stage.note('drain'))
    stage.note('write', res.write('x'.repeat(MEBIBYTE)))
    res.end()
    stage.note('ended', res.writableNeedDrain)
  }, { client: waitingClient }),
  flow('a throw in a drain listener', (_req, res, stage) => {
    res.write('x'.repeat(MEBIBYTE))
    res.once('drain', () => {
      setImmediate(() => res.end('end'))
      stage.note('drain')
      throw new Error('in drain')
    })
  }, { client: waitingClient }),
  flow('eight mebibytes in one end()', (_req, res, stage) => {
    res.end(pattern(8 * MEBIBYTE), () => stage.note('end callback'))
  }, { client: digested, until: ['res close', 'end callback'] }),
  flow('eight mebibytes in one text', (_req, res) => {
    res.end('0123456789abcdef'.repeat(MEBIBYTE / 2))
  }, { client: digested }),
  flow('eight mebibytes in pieces that wait for drain', (_req, res, stage) => {
    const bytes = pattern(8 * MEBIBYTE)
    let drains = 0
    let at = 0
    const more = (): void => {
      while (at < bytes.length) {
        const piece = bytes.subarray(at, (at += 70_001))
        if (res.write(piece)) continue
        res.once('drain', () => {
          drains++
          more()
        })
        return
      }
      stage.note('drained', drains > 0)
      res.end()
    }
    more()
  }, { client: digested }),
  flow('ten thousand pieces of one byte, at once', (_req, res, stage) => {
    let callbacks = 0
    for (let i = 0; i < 10_000; i++) res.write(String.fromCharCode(97 + (i % 26)), () => callbacks++)
    res.end(() => stage.note('callbacks', callbacks))
  }, { client: digested, until: ['res close', 'callbacks'] }),
  flow('pieces that the client must see before the next is written', (_req, res, stage) => {
    void (async () => {
      for (const piece of ['one;', 'two;', 'three;']) {
        res.write(piece)
        await stage.seen(`client has ${piece}`)
      }
      res.end()
    })()
  }, {
    async client(client, stage) {
      const connection = await client.open()
      connection.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await connection.head()
      for (const piece of ['one;', 'two;', 'three;']) {
        await connection.upTo(piece)
        stage.note(`client has ${piece}`)
      }
      return (await connection.upTo('0\r\n\r\n')).trim()
    },
  }),
]
