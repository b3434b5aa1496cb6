// Streams of node around a request: pipeline(), finished(), AbortSignal and iteration, when all goes well and when the client leaves.

import { once } from 'node:events'
import { addAbortSignal, finished, PassThrough, pipeline, Readable, Transform, Writable } from 'node:stream'
import { finished as finishedPromise, pipeline as pipelinePromise } from 'node:stream/promises'
import type { Client, Scenario, Stage } from '../scenario'
import { arrived, bytes, orNone } from './request-bodies'
import { HAPROXY_KEEPS_QUIET, reqState, resState } from './request-state'

const ALONE = 'to see the connection closed'

/** Sends the start of an upload and leaves at the signal. */
const uploading =
  (moment: string) =>
  async (client: Client, stage: Stage): Promise<void> => {
    const raw = await client.open()
    raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nContent-Length: 1000000\r\n\r\n`).write(bytes(5_000))
    await stage.seen(moment)
    raw.leave()
  }

/** Reads the start of an answer and leaves. */
const reading = async (client: Client): Promise<void> => {
  const raw = await client.open()
  raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
  await raw.head()
  await raw.bytes(10_000)
  raw.leave()
}

const waiting = async (client: Client, stage: Stage): Promise<void> => {
  const raw = await client.open()
  raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
  await stage.seen('waiting')
  raw.leave()
}

/** Never ends; stops when it is destroyed. */
const endless = (): Readable =>
  new Readable({
    read() {
      setImmediate(() => {
        if (!this.destroyed) this.push(Buffer.alloc(8_000))
      })
    },
  })

const sink = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() })

export const scenarios: readonly Scenario[] = [
  {
    name: 'lifecycle streams: pipeline(req, sink) that goes well',
    app(req, res, stage) {
      pipeline(req, sink(), (error) => {
        stage.note('pipeline', error, reqState(req))
        res.end('done')
      })
    },
    client: (client) => client.request({ method: 'POST', body: bytes(100_000) }),
  },
  {
    name: 'lifecycle streams: pipeline(req, sink) whose client leaves',
    app(req, res, stage) {
      stage.watch('res', res, ['close'])
      const target = sink()
      pipeline(req, target, (error) => stage.note('pipeline', error, target.destroyed))
      req.once('data', () => stage.signal('some'))
    },
    client: uploading('some'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['pipeline', 'res close'],
  },
  {
    name: 'lifecycle streams: pipeline(req, sink) whose sink fails',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      const failing = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) })
      pipeline(req, failing, (error) => {
        stage.note('pipeline', error, reqState(req), res.destroyed)
        if (!res.destroyed) res.end('failed')
      })
    },
    client: (client) => client.request({ method: 'POST', body: bytes(1_000_000) }).then(orNone),
    alone: ALONE,
    until: ['pipeline', 'req close', 'res close'],
  },
  {
    name: 'lifecycle streams: pipeline(source, res) that goes well',
    app(_req, res, stage) {
      stage.watch('res', res, ['finish', 'close', 'unpipe'])
      pipeline(Readable.from(['one', 'two', 'three']), res, (error) => stage.note('pipeline', error, resState(res)))
    },
    until: ['pipeline', 'res close'],
  },
  {
    name: 'lifecycle streams: pipeline(source, transform, res) whose client leaves',
    app(_req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      const source = endless()
      pipeline(source, new PassThrough(), res, (error) => stage.note('pipeline', error, source.destroyed, res.destroyed))
    },
    client: reading,
    alone: ALONE,
    until: ['pipeline', 'res close'],
  },
  {
    name: 'lifecycle streams: pipeline(source, res) whose source fails before anything was written',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['finish', 'close', 'error'])
      const failing = new Readable({ read() { this.destroy(new Error('not found')) } })
      pipeline(failing, res, (error) => stage.note('pipeline', error, res.destroyed, res.headersSent))
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['pipeline', 'req close', 'res close'],
  },
  {
    name: 'lifecycle streams: pipeline(source, res) whose source fails midway cuts the client off',
    app(_req, res, stage) {
      stage.watch('res', res, ['finish', 'close', 'error'])
      const source = new PassThrough()
      source.write('a piece')
      void stage.seen('received').then(() => source.destroy(new Error('read error')))
      pipeline(source, res, (error) => stage.note('pipeline', error, res.destroyed))
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await raw.head()
      await raw.upTo('a piece')
      stage.signal('received')
      return (await raw.rest()).toString('latin1').includes('0\r\n\r\n') ? 'whole' : 'cut'
    },
    alone: ALONE,
    until: ['pipeline', 'res close'],
  },
  {
    name: 'lifecycle streams: promises pipeline(req, transform, res)',
    app(req, res, stage) {
      const upper = new Transform({ transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString('latin1').toUpperCase()) })
      pipelinePromise(req, upper, res).then(
        () => stage.note('pipeline', req.complete, req.readableEnded, req.destroyed, resState(res)),
        (error: unknown) => stage.note('failed', error),
      )
    },
    client: (client) => client.request({ method: 'POST', body: 'abc'.repeat(10_000) }),
    until: ['pipeline'],
  },
  {
    name: 'lifecycle streams: pipeline over a generator',
    app(req, res, stage) {
      pipelinePromise(
        req,
        async function* (source: AsyncIterable<Buffer>) {
          let length = 0
          for await (const chunk of source) length += chunk.length
          yield `${length} bytes`
        },
        res,
      ).then(
        () => stage.note('pipeline'),
        (error: unknown) => stage.note('failed', error),
      )
    },
    client: (client) => client.request({ method: 'POST', body: bytes(300_000) }),
    until: ['pipeline'],
  },
  {
    name: 'lifecycle streams: finished(req) and finished(res) of a request that goes well',
    app(req, res, stage) {
      finished(req, (error) => stage.note('finished req', error))
      finished(res, (error) => stage.note('finished res', error))
      stage.watch('req', req, ['end', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      req.resume().on('end', () => res.end('answer'))
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: ['finished req', 'finished res', 'req close', 'res close'],
  },
  {
    name: 'lifecycle streams: finished(req) of a body nobody reads',
    app(req, res, stage) {
      finished(req, (error) => stage.note('finished req', error))
      finished(res, (error) => stage.note('finished res', error))
      void arrived(req).then(() => res.end('answer'))
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: ['finished req', 'finished res'],
  },
  {
    name: 'lifecycle streams: finished(req) and finished(res) when the client leaves',
    differs: { nginx: "the callback of res comes before the socket's", gateway: "the callback of res comes before the socket's" },
    app(req, res, stage) {
      finished(req, (error) => stage.note('finished req', error))
      finished(res, (error) => stage.note('finished res', error))
      finished(req.socket, (error) => stage.note('finished socket', error))
      stage.signal('waiting')
    },
    client: waiting,
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['finished req', 'finished res', 'finished socket'],
  },
  {
    name: 'lifecycle streams: finished(req) when the client leaves in the middle of its upload',
    app(req, res, stage) {
      finished(req, (error) => stage.note('finished req', error))
      finished(req, { writable: false }, (error) => stage.note('finished readable side', error))
      finished(res, (error) => stage.note('finished res', error))
      req.once('data', () => stage.signal('some'))
    },
    client: uploading('some'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['finished req', 'finished readable side', 'finished res'],
  },
  {
    name: 'lifecycle streams: finished() asked when all is over',
    app(req, res, stage) {
      res.end('answer')
      res.on('close', () => {
        setImmediate(() => {
          finished(req, (error) => stage.note('finished req', error))
          finished(res, (error) => stage.note('finished res', error))
        })
      })
    },
    until: ['finished req', 'finished res'],
  },
  {
    name: 'lifecycle streams: promises finished(res) of a response that is destroyed',
    app(_req, res, stage) {
      finishedPromise(res).then(
        () => stage.note('resolved'),
        (error: unknown) => stage.note('rejected', error),
      )
      res.destroy()
    },
    client: (client) => client.request().then(orNone),
    alone: ALONE,
    until: ['rejected'],
  },
  {
    name: 'lifecycle streams: once(req, end), once(res, finish) and once(res, close)',
    app(req, res, stage) {
      void (async () => {
        req.resume()
        stage.note('end', await once(req, 'end'))
        res.end('answer')
        await Promise.all([once(res, 'finish').then((args) => stage.note('finish', args)), once(res, 'close').then((args) => stage.note('close', args))])
        stage.note('all')
      })()
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: ['all'],
  },
  {
    name: "lifecycle streams: once(req, 'end') rejects when the client leaves",
    app(req, _res, stage) {
      req.resume()
      once(req, 'end').then(
        () => stage.note('never'),
        (error: unknown) => stage.note('rejected', error),
      )
      req.once('data', () => stage.signal('some'))
    },
    client: uploading('some'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['rejected'],
  },
  {
    name: 'lifecycle streams: once() given up by an AbortSignal',
    app(req, res, stage) {
      const controller = new AbortController()
      once(req, 'never', { signal: controller.signal }).catch((error: unknown) => {
        stage.note('aborted', error, req.destroyed)
        res.end('answer')
      })
      controller.abort()
    },
    client: (client) => client.request(),
    until: ['aborted'],
  },
  {
    name: 'lifecycle streams: addAbortSignal on req',
    app(req, res, stage) {
      stage.watch('req', req, ['aborted', 'error', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      const controller = new AbortController()
      addAbortSignal(controller.signal, req)
      req.once('data', () => {
        controller.abort()
        stage.note('aborted', reqState(req), res.destroyed)
      })
    },
    client: (client) => client.request({ method: 'POST', body: bytes(1_000_000) }).then(orNone),
    alone: ALONE,
    until: ['aborted', 'req close', 'res close'],
  },
  {
    name: 'lifecycle streams: pipeline with an AbortSignal',
    app(_req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      const controller = new AbortController()
      pipelinePromise(endless(), res, { signal: controller.signal }).catch((error: unknown) => stage.note('pipeline', error, res.destroyed))
      void stage.seen('received').then(() => controller.abort())
    },
    async client(client, stage) {
      const raw = await client.open()
      raw.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`)
      await raw.head()
      stage.signal('received')
      return (await raw.rest()).toString('latin1').includes('0\r\n\r\n') ? 'whole' : 'cut'
    },
    alone: ALONE,
    until: ['pipeline', 'res close'],
  },
  {
    name: 'lifecycle streams: a source piped into res is unpiped when the client leaves',
    app(req, res, stage) {
      const source = endless()
      stage.watch('res', res, ['pipe', 'unpipe', 'finish', 'close'])
      source.pipe(res)
      res.on('close', () => {
        stage.note('at close', source.destroyed, Reflect.get(req, 'aborted'))
        source.destroy()
      })
    },
    client: reading,
    alone: ALONE,
    until: ['res close', 'at close'],
  },
  {
    name: 'lifecycle streams: Readable.toWeb(req) rejects when the client leaves',
    app(req, res, stage) {
      stage.watch('res', res, ['close'])
      void (async () => {
        const reader = Readable.toWeb(req).getReader()
        try {
          while (!(await reader.read()).done) stage.signal('some')
          stage.note('never: it looks complete')
        } catch (error) {
          stage.note('rejected', error)
        }
      })()
    },
    client: uploading('some'),
    impossible: { haproxy: HAPROXY_KEEPS_QUIET },
    until: ['rejected', 'res close'],
  },
  {
    name: 'lifecycle streams: Writable.toWeb(res) as fetch handlers use it',
    app(_req, res, stage) {
      void (async () => {
        const writer = (Writable.toWeb(res) as WritableStream<Uint8Array>).getWriter()
        await writer.write(Buffer.from('one '))
        await writer.write(Buffer.from('two'))
        await writer.close()
        stage.note('closed', resState(res))
      })()
    },
    until: ['closed'],
  },
  {
    name: 'lifecycle streams: isErrored, isReadable, isDisturbed',
    app(req, res, stage) {
      const look = (moment: string): void => stage.note(moment, Readable.isDisturbed(req), (Readable as unknown as { isErrored?: (s: Readable) => boolean }).isErrored?.(req))
      look('new')
      req.once('data', () => look('data'))
      req.on('end', () => {
        look('end')
        res.end('ok')
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'x' }),
  },
]
