// Streams into a response: pipe, pipeline, iterables, files, compression, and what the response emits about it.

import { createReadStream, readFileSync } from 'node:fs'
import { PassThrough, pipeline, Readable, Transform } from 'node:stream'
import { pipeline as pipelinePromise } from 'node:stream/promises'
import { createGzip, gunzipSync } from 'node:zlib'
import { attempt } from '../attempt'
import type { Scenario } from '../scenario'

type App = NonNullable<Scenario['app']>

const NO_CUT = 'a response that is destroyed midway cannot be cut beside others'

function streams(name: string, app: App, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `response streams: ${name}`,
    app(req, res, stage) {
      stage.watch('res', res, ['pipe', 'unpipe', 'prefinish', 'finish', 'close', 'error'])
      app(req, res, stage)
    },
    ...more,
  }
}

/** Some text over several turns. */
async function* lines(count: number): AsyncGenerator<string> {
  for (let i = 0; i < count; i++) {
    await new Promise(setImmediate)
    yield `line ${i}\n`
  }
}

async function* failing(): AsyncGenerator<string> {
  yield 'before '
  await new Promise(setImmediate)
  throw new Error('the source failed')
}

/** Web servers say 502 in different words. */
const status: NonNullable<Scenario['client']> = async (client) => (await client.request()).status

export const scenarios: readonly Scenario[] = [
  streams('pipe of a readable', (_req, res, stage) => {
    const source = Readable.from(['one ', 'two ', 'three'])
    stage.watch('source', source, ['end', 'close', 'error', 'pause', 'resume'])
    attempt(stage, 'pipe returns the response', () => source.pipe(res) === res)
  }),
  streams('pipe without ending', (_req, res, stage) => {
    const source = Readable.from(['one ', 'two '])
    source.pipe(res, { end: false })
    source.on('end', () => {
      stage.note('ended', res.writableEnded)
      res.end('three')
    })
  }),
  streams('unpipe and go on by hand', (_req, res, stage) => {
    const source = new PassThrough()
    source.pipe(res)
    source.once('data', () => {
      source.unpipe(res)
      stage.note('unpiped', res.writableEnded)
      res.end('by hand')
    })
    source.write('piped ')
  }),
  streams('a piped source that fails leaves the response open', (_req, res, stage) => {
    const source = Readable.from(failing())
    source.on('error', (error) => {
      stage.note('source error', error)
      stage.note('state', res.writableEnded, res.destroyed)
      res.end('after')
    })
    source.pipe(res)
  }),
  streams('a response that ends while it is piped to', (_req, res, stage) => {
    const source = new PassThrough()
    stage.watch('source', source, ['end', 'close', 'error'])
    source.pipe(res)
    source.write('piped ')
    setImmediate(() => {
      res.end('ended')
      setImmediate(() => source.end('too late'))
    })
  }, { until: ['res close'] }),
  streams('pipeline with a callback', (_req, res, stage) => {
    pipeline(Readable.from(['one ', 'two']), res, (error) => stage.note('pipeline callback', error, res.writableFinished))
  }, { until: ['res close', 'pipeline callback'] }),
  streams('pipeline through a transform', (_req, res, stage) => {
    const upper = new Transform({ transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString().toUpperCase()) })
    pipeline(Readable.from(lines(3)), upper, res, (error) => stage.note('pipeline callback', error))
  }, { until: ['res close', 'pipeline callback'] }),
  streams('pipeline as a promise, from a generator', (_req, res, stage) => {
    pipelinePromise(lines(3), res).then(
      () => stage.note('resolved', res.writableFinished),
      (error: unknown) => stage.note('rejected', error),
    )
  }, { until: ['res close', 'resolved'] }),
  streams('pipeline without end', (_req, res, stage) => {
    pipelinePromise(lines(2), res, { end: false }).then(
      () => {
        stage.note('resolved', res.writableEnded)
        res.end('by hand')
      },
      (error: unknown) => stage.note('rejected', error),
    )
  }, { until: ['res close', 'resolved'] }),
  streams('pipeline of a source that fails amid the body', (_req, res, stage) => {
    pipeline(Readable.from(failing()), res, (error) => stage.note('pipeline callback', error, res.destroyed))
  }, { until: ['res close', 'pipeline callback'], client: async (client) => (await client.request()).complete, alone: NO_CUT }),
  streams('pipeline of a source that fails before the body', (_req, res, stage) => {
    const source = new Readable({ read: () => undefined })
    pipeline(source, res, (error) => stage.note('pipeline callback', error, res.destroyed, res.headersSent))
    source.destroy(new Error('failed at once'))
  }, { until: ['res close', 'pipeline callback'], client: status, alone: NO_CUT, gatewayBase: 'http' }),
  streams('an aborted pipeline', (_req, res, stage) => {
    const controller = new AbortController()
    pipelinePromise(new PassThrough(), res, { signal: controller.signal }).catch((error: unknown) => stage.note('rejected', error, res.destroyed))
    controller.abort()
  }, { until: ['res close', 'rejected'], client: status, alone: NO_CUT, gatewayBase: 'http' }),
  streams('for await over a generator, with write and end', (_req, res, stage) => {
    void (async () => {
      for await (const line of lines(3)) stage.note('write', res.write(line))
      res.end()
    })()
  }),
  streams('a file', (_req, res, stage) => {
    const file = createReadStream(__filename, { highWaterMark: 1_000 })
    stage.watch('file', file, ['open', 'end', 'error'])
    file.pipe(res)
  }, { client: async (client) => (await client.request()).body === readFileSync(__filename, 'latin1') }),
  streams('a range of a file, with its length', (_req, res) => {
    res.writeHead(206, { 'Content-Range': 'bytes 3-12/100', 'Content-Length': 10 })
    createReadStream(__filename, { start: 3, end: 12 }).pipe(res)
  }),
  streams('a file that does not exist', (_req, res, stage) => {
    pipeline(createReadStream('no such file'), res, (error) => stage.note('pipeline callback', error, res.destroyed, res.headersSent))
  }, { until: ['res close', 'pipeline callback'], client: status, alone: NO_CUT, gatewayBase: 'http' }),
  streams('compressed as it comes, flushed in between', (_req, res) => {
    res.setHeader('Content-Encoding', 'gzip')
    const gzip = createGzip()
    gzip.pipe(res)
    gzip.write('first ')
    gzip.flush(() => gzip.end('second'))
  }, {
    async client(client) {
      const { body, ...rest } = await client.request()
      return { ...rest, text: gunzipSync(Buffer.from(body, 'latin1')).toString() }
    },
  }),
  streams('the body of a request, sent back as it comes', (req, res) => {
    req.pipe(res)
  }, { client: (client) => client.request({ method: 'POST', body: 'echo '.repeat(20_000) }) }),
  streams('a web stream', (_req, res) => {
    const web = new Blob(['from a ', 'web stream']).stream()
    Readable.fromWeb(web).pipe(res)
  }),
]
