// What write() and end() take, return and refuse, and the order of their callbacks.

import { attempt } from '../attempt'
import type { Scenario } from '../scenario'

type App = NonNullable<Scenario['app']>

function body(name: string, app: App, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `response body: ${name}`,
    app(req, res, stage) {
      stage.watch('res', res, ['prefinish', 'finish', 'close', 'error', 'drain'])
      app(req, res, stage)
    },
    ...more,
  }
}

const ENCODINGS: readonly [text: string, encoding: BufferEncoding][] = [
  ['caf\u00e9\u20ac', 'utf8'],
  ['caf\u00e9', 'latin1'],
  ['caf\u00e9', 'binary'],
  ['636166', 'hex'],
  ['Y2Fm6Q==', 'base64'],
  ['Y2Fm6Q', 'base64url'],
  ['caf\u00e9', 'utf16le'],
  ['caf\u00e9', 'ascii'],
]
const NO_CHUNKS: readonly unknown[] = [undefined, null, 5, true, {}, [], Symbol('chunk'), new Date(0), new ArrayBuffer(2), new Uint16Array(2)]

export const scenarios: readonly Scenario[] = [
  body('write in every encoding', (_req, res, stage) => {
    for (const [text, encoding] of ENCODINGS) attempt(stage, encoding, () => res.write(text, encoding))
    res.end()
  }),
  body('end in every encoding', (req, res, stage) => {
    const [text, encoding] = ENCODINGS[Number(req.url?.slice(1))] ?? ['', 'utf8']
    attempt(stage, encoding, () => res.end(text, encoding) === res)
  }, {
    async client(client) {
      const answers: unknown[] = []
      for (const index of ENCODINGS.keys()) answers.push(await client.request({ path: `/${index}` }))
      return answers
    },
    until: ENCODINGS.map(() => 'res close'),
  }),
  body('an encoding that is none', (_req, res, stage) => {
    res.setHeader('Content-Length', 4)
    attempt(stage, 'write', () => res.write('text', 'no such' as BufferEncoding))
    res.destroy()
  }, { client: async (client) => (await client.request()).complete, alone: 'a response that is destroyed midway cannot be cut beside others', gatewayBase: 'http' }),
  body('Buffers and Uint8Arrays', (_req, res, stage) => {
    attempt(stage, 'Buffer', () => res.write(Buffer.from('buffer ')))
    attempt(stage, 'Uint8Array', () => res.write(new Uint8Array([97, 114, 114, 97, 121, 32])))
    attempt(stage, 'part of a larger one', () => res.write(Buffer.from('not this, part').subarray(10)))
    attempt(stage, 'with an encoding', () => res.write(Buffer.from(' raw'), 'base64'))
    res.end(new Uint8Array([33]))
  }),
  body('empty chunks', (_req, res, stage) => {
    attempt(stage, 'empty text', () => res.write(''))
    stage.note('head', res.headersSent)
    attempt(stage, 'empty buffer', () => res.write(Buffer.alloc(0), () => stage.note('callback of an empty buffer')))
    res.write('', () => stage.note('callback of an empty text'))
    res.end('')
  }),
  body('chunks that write refuses', (_req, res, stage) => {
    for (const chunk of NO_CHUNKS) attempt(stage, 'write', () => res.write(chunk))
    stage.note('state', res.headersSent, res.writableEnded, res.destroyed)
    res.end('mended')
  }),
  body('chunks that end refuses', (_req, res, stage) => {
    for (const chunk of NO_CHUNKS.filter((value) => value !== undefined && value !== null)) {
      attempt(stage, 'end', () => res.end(chunk as string) === res)
    }
    stage.note('state', res.headersSent, res.writableEnded, res.destroyed)
    res.end('mended')
  }),
  body('end(undefined) and end(null) end', (req, res, stage) => {
    attempt(stage, 'end', () => (req.url === '/null' ? res.end(null) : res.end(undefined)) === res)
  }, {
    client: async (client) => [await client.request({ path: '/null' }), await client.request({ path: '/undefined' })],
    until: ['res close', 'res close'],
  }),
  body('the forms of end with a callback', (req, res, stage) => {
    const done = (): void => stage.note(`callback ${String(req.url)}`)
    if (req.url === '/callback') res.end(done)
    if (req.url === '/data') res.end('data', done)
    if (req.url === '/encoding') res.end('64617461', 'hex', done)
    if (req.url === '/null') res.end(null, done)
  }, {
    async client(client) {
      const answers: unknown[] = []
      for (const path of ['/callback', '/data', '/encoding', '/null']) answers.push(await client.request({ path }))
      return answers
    },
    until: ['res close', 'res close', 'res close', 'res close', 'callback /callback', 'callback /data', 'callback /encoding', 'callback /null'],
  }),
  body('end twice, with and without data and callback', (_req, res, stage) => {
    res.end('once', () => stage.note('first callback'))
    attempt(stage, 'again', () => res.end() === res)
    attempt(stage, 'with a callback', () => res.end((error?: Error) => stage.note('second callback', error)) === res)
    attempt(stage, 'with data', () => res.end('more', (error?: Error) => stage.note('third callback', error)) === res)
    res.on('close', () => {
      attempt(stage, 'after close', () => res.end((error?: Error) => stage.note('last callback', error)) === res)
    })
  }, { until: ['res close', 'last callback'] }),
  body('write after end', (_req, res, stage) => {
    res.end('body')
    attempt(stage, 'write', () => res.write('more', (error) => stage.note('callback', error)))
    stage.note('state', res.writableEnded, res.errored, res.destroyed)
  }, { until: ['res close', 'callback'] }),
  body('write after close', (_req, res, stage) => {
    res.end('body')
    res.on('close', () => {
      attempt(stage, 'write', () => res.write('more', (error) => stage.note('callback', error)))
      stage.note('state', res.writableEnded, res.errored, res.destroyed)
    })
  }, { until: ['res close', 'callback'] }),
  body('write after end without a listener for errors', (_req, res, stage) => {
    res.removeAllListeners('error')
    res.end('body')
    attempt(stage, 'write', () => res.write('more'))
  }),
  body('callbacks of write and end, in order', (_req, res, stage) => {
    res.write('1', () => stage.note('callback 1'))
    res.write('2', 'utf8', () => stage.note('callback 2'))
    process.nextTick(() => stage.note('next tick'))
    res.write('3', (error) => stage.note('callback 3', error))
    res.end('4', () => stage.note('callback 4'))
    stage.note('returned')
  }, { until: ['res close', 'callback 4'] }),
  body('callbacks of writes a turn apart', (_req, res, stage) => {
    res.write('1', () => {
      stage.note('callback 1')
      res.write('2', () => {
        stage.note('callback 2')
        res.end('3', () => stage.note('callback 3'))
      })
    })
  }, { until: ['res close', 'callback 3'] }),
  body('a callback of write that throws', (_req, res, stage) => {
    res.write('1', () => {
      stage.note('callback 1')
      throw new Error('in the callback of write')
    })
    void stage.seen('uncaughtException').then(() => res.end('2', () => stage.note('callback 2')))
  }, { until: ['res close', 'callback 2'] }),
  // From node 24 on 'finish' and 'close' are lost by it.
  body('a callback of end that throws', (_req, res, stage) => {
    res.end('body', () => {
      stage.note('callback')
      throw new Error('in the callback of end')
    })
  }, { until: ['uncaughtException'] }),
  body('writes that are interleaved with a head of its own', (_req, res, stage) => {
    attempt(stage, 'writeHead', () => res.writeHead(201, { 'X-A': '1' }) === res)
    attempt(stage, 'write', () => res.write('a'))
    setImmediate(() => {
      attempt(stage, 'write', () => res.write('b'))
      setImmediate(() => res.end('c'))
    })
  }),
]
