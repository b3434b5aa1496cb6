// What comes before what: callbacks and events of a response against ticks, promises and turns of the event loop.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Scenario, Stage } from '../scenario'
import { arrived } from './request-bodies'

/** Notes the next microtask, tick and turn after `name`. */
function after(name: string, stage: Stage): void {
  process.nextTick(() => stage.note(`${name}: tick`))
  void Promise.resolve().then(() => stage.note(`${name}: promise`))
  setImmediate(() => stage.note(`${name}: turn`))
}

function watch(req: IncomingMessage, res: ServerResponse, stage: Stage): void {
  stage.watch('req', req, ['end', 'close'])
  stage.watch('res', res, ['prefinish', 'finish', 'close'])
}

const over = ['req close', 'res close'] as const

export const scenarios: readonly Scenario[] = [
  {
    name: 'lifecycle timing: end() in the listener',
    app(req, res, stage) {
      watch(req, res, stage)
      res.end('answer', () => stage.note('end callback'))
      stage.note('returned')
      process.nextTick(() => stage.note('tick'))
      void Promise.resolve().then(() => stage.note('promise'))
    },
    until: over,
  },
  {
    name: 'lifecycle timing: finish and close are not in the call of end()',
    app(req, res, stage) {
      res.on('finish', () => stage.note('finish'))
      res.on('close', () => stage.note('close'))
      req.on('close', () => stage.signal('req close'))
      setImmediate(() => {
        res.end('answer')
        stage.note('still here')
      })
    },
    until: ['finish', 'close'],
  },
  {
    name: 'lifecycle timing: finish, its promises and ticks, and close',
    app(_req, res, stage) {
      res.on('finish', () => {
        stage.note('finish')
        process.nextTick(() => stage.note('tick of finish'))
        void Promise.resolve().then(() => stage.note('promise of finish'))
      })
      res.on('close', () => {
        stage.note('close')
        process.nextTick(() => stage.note('tick of close'))
        void Promise.resolve().then(() => stage.note('promise of close'))
      })
      res.end('answer')
    },
    until: ['tick of close', 'promise of close'],
  },
  {
    name: 'lifecycle timing: the end callback among listeners of finish',
    app(_req, res, stage) {
      res.on('finish', () => stage.note('set before end()'))
      res.end('answer', () => stage.note('end callback'))
      res.on('finish', () => stage.note('set after end()'))
      res.on('close', () => stage.note('close'))
    },
    until: ['close'],
  },
  {
    name: 'lifecycle timing: req end against the promises of the listener, of a GET',
    app(req, res, stage) {
      watch(req, res, stage)
      req.resume()
      stage.note('resumed')
      process.nextTick(() => stage.note('tick'))
      void Promise.resolve().then(() => stage.note('promise'))
      setImmediate(() => {
        stage.note('turn')
        res.end('answer')
      })
    },
    until: over,
  },
  {
    name: 'lifecycle timing: req end and req close of a body that has arrived',
    app(req, res, stage) {
      void arrived(req).then(() => {
        watch(req, res, stage)
        req.on('data', () => {
          stage.note('data')
          after('data', stage)
        })
        req.on('end', () => process.nextTick(() => stage.note('tick of end')))
        req.on('close', () => res.end('answer'))
        stage.note('listening')
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: over,
  },
  {
    name: 'lifecycle timing: callbacks of several writes and of end() come in order, before finish',
    app(_req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      for (const piece of ['one', 'two', 'three']) res.write(piece, (error) => stage.note(`written ${piece}`, error ?? null))
      res.end('four', () => stage.note('end callback'))
    },
  },
  {
    name: 'lifecycle timing: the callback of write() comes before the next turn is over',
    app(_req, res, stage) {
      stage.watch('res', res, ['finish', 'close'])
      res.write('one', () => {
        stage.note('written')
        res.end()
      })
      stage.note('returned')
    },
  },
  {
    name: 'lifecycle timing: an asynchronous handler that awaits its response',
    app(req, res, stage) {
      void (async () => {
        await new Promise<void>((resolve) => res.write('one', () => resolve()))
        stage.note('one')
        await new Promise<void>((resolve) => res.write('two', () => resolve()))
        stage.note('two')
        await new Promise<void>((resolve) => res.end(resolve))
        stage.note('ended', res.writableFinished, req.complete)
      })()
    },
    until: ['ended'],
  },
  {
    name: 'lifecycle timing: res close against req close, when req was read first',
    app(req, res, stage) {
      watch(req, res, stage)
      req.resume()
      req.on('close', () => {
        stage.note('answering')
        res.end('answer')
      })
    },
    until: over,
  },
  {
    name: 'lifecycle timing: res close against req close, when req was not read',
    app(req, res, stage) {
      watch(req, res, stage)
      setImmediate(() => res.end('answer'))
    },
    until: over,
  },
  {
    name: 'lifecycle timing: the answer may be ended in a microtask, a tick and a timer alike',
    app(req, res, stage) {
      watch(req, res, stage)
      const end = (): void => {
        res.end(req.url)
        stage.note('ended')
      }
      if (req.url === '/promise') void Promise.resolve().then(end)
      else if (req.url === '/tick') process.nextTick(end)
      else setTimeout(end, 1)
      res.on('close', () => stage.signal(`over ${String(req.url)}`))
      req.on('close', () => stage.signal(`read ${String(req.url)}`))
    },
    async client(client, stage) {
      const bodies: string[] = []
      for (const path of ['/promise', '/tick', '/timer']) {
        bodies.push((await client.request({ path })).body)
        await Promise.all([stage.seen(`over ${path}`), stage.seen(`read ${path}`)])
      }
      return bodies
    },
  },
  {
    name: 'lifecycle timing: ticks and microtasks between the last piece of a body and its end',
    app(req, res, stage) {
      stage.watch('req', req, ['end', 'close'])
      req.once('data', () => {
        stage.note('data', req.complete, req.readableEnded)
        process.nextTick(() => stage.note('tick', req.complete, req.readableEnded))
        void Promise.resolve().then(() => stage.note('microtask', req.complete, req.readableEnded))
        setImmediate(() => {
          stage.note('turn', req.complete)
          res.end('ok')
        })
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: ['turn', 'req end', 'req close'],
  },
  {
    name: 'lifecycle timing: a reader that pauses at the only piece of a body and answers keeps its end',
    app(req, res, stage) {
      stage.watch('req', req, ['end', 'close'])
      stage.watch('res', res, ['finish', 'close'])
      req.once('data', () => {
        req.pause()
        res.end('answered')
      })
      res.on('close', () => {
        stage.note('after the answer', req.complete, req.readableEnded, req.isPaused())
        setImmediate(() => req.resume())
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: ['res close', 'req end'],
  },
  {
    name: 'lifecycle timing: a reader that pauses at the first of two pieces in one read gets the second after its answer',
    app(req, res, stage) {
      req.once('data', (piece: Buffer) => {
        req.pause()
        stage.note('first', piece.length > 0)
        let length = piece.length
        req.on('data', (more: Buffer) => (length += more.length))
        req.on('end', () => stage.note('all', length))
        res.end('answered')
      })
      res.on('close', () => setImmediate(() => req.resume()))
    },
    client: (client) => client.request({ method: 'POST', body: Buffer.alloc(60_000, 'x') }),
    until: ['all'],
  },
  {
    name: 'lifecycle timing: what of a body read with its head is there in the turns after it',
    app(req, res, stage) {
      stage.note('head', req.readableLength, req.complete)
      process.nextTick(() => stage.note('tick', req.readableLength, req.complete))
      void Promise.resolve().then(() => {
        stage.note('microtask', req.readableLength, req.complete)
        process.nextTick(() => stage.note('tick of a microtask', req.readableLength, req.complete))
      })
      setTimeout(() => {
        stage.note('later', req.readableLength, req.complete)
        res.end('ok')
      }, 50)
    },
    async client(client) {
      const raw = await client.open()
      // In one write, so that the web server has both at once.
      raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsmall`)
      return (await raw.rest()).includes('ok')
    },
    until: ['later'],
  },
]
