// In which order what an application is told, and what it scheduled, happens around the end of a response: as under node:http, which
// is asked in the same process. 'finish' comes without a tick of its own here where nobody can tell.

import { createServer } from 'express-fastcgi'
import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { finished, pipeline, Readable } from 'node:stream'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { GET } from '../support/serve'
import { until } from '../support/wait'

const storage = new AsyncLocalStorage<string>()

type Say = (what: string) => void
type Scenario = (req: http.IncomingMessage, res: http.ServerResponse, say: Say) => void

const promises = (say: Say, name: string): void => {
  void Promise.resolve()
    .then(() => say(`${name} promise 1`))
    .then(() => say(`${name} promise 2`))
    .then(() => say(`${name} promise 3`))
}
const everything = (say: Say, name: string): void => {
  process.nextTick(() => say(`${name} tick`))
  queueMicrotask(() => say(`${name} microtask`))
  promises(say, name)
  setImmediate(() => say(`${name} immediate`))
}

const scenarios: Record<string, Scenario> = {
  'nothing else': (_req, res) => res.end('x'),
  'no body': (_req, res) => res.writeHead(204).end(),
  'a callback': (_req, res, say) => res.end('x', () => say('callback')),
  'everything scheduled before': (_req, res, say) => {
    everything(say, 'before')
    res.end('x', () => say('callback'))
  },
  'everything scheduled behind': (_req, res, say) => {
    res.end('x', () => say('callback'))
    everything(say, 'behind')
  },
  'promises before': (_req, res, say) => {
    promises(say, 'before')
    res.end('x', () => say('callback'))
  },
  'promises behind': (_req, res, say) => {
    res.end('x', () => say('callback'))
    promises(say, 'behind')
  },
  'a microtask before': (_req, res, say) => {
    queueMicrotask(() => say('microtask'))
    res.end('x')
  },
  'everything scheduled in finish': (_req, res, say) => {
    res.on('finish', () => everything(say, 'in finish'))
    res.end('x')
    promises(say, 'behind')
  },
  'everything scheduled in close': (_req, res, say) => {
    res.on('close', () => everything(say, 'in close'))
    res.end('x')
    promises(say, 'behind')
  },
  'an async handler that goes on': async (_req, res, say) => {
    res.end('x', () => say('callback'))
    for (let i = 0; i < 4; i++) {
      await Promise.resolve()
      say(`step ${i}, finished ${res.writableFinished}`)
    }
  },
  'an async handler that ends later': async (_req, res, say) => {
    await Promise.resolve()
    res.end('x', () => say('callback'))
    await Promise.resolve()
    say('at its end')
  },
  'callbacks of writes': (_req, res, say) => {
    res.write('a', () => say('first'))
    res.write('b', () => say('second'))
    res.end('c', () => say('callback'))
    everything(say, 'behind')
  },
  'a head sent first': (_req, res, say) => {
    res.flushHeaders()
    res.end('x', () => say('callback'))
    promises(say, 'behind')
  },
  'ended twice': (_req, res, say) => {
    res.end('x', () => say('first callback'))
    res.end((error?: NodeJS.ErrnoException) => say(`second callback ${error?.code ?? ''}`))
    promises(say, 'behind')
  },
  'ended once more in finish': (_req, res, say) => {
    res.on('finish', () => res.end((error?: NodeJS.ErrnoException) => say(`callback ${error?.code ?? ''}`)))
    res.end('x')
  },
  'the body read before': (req, res, say) => {
    req.on('end', () => say('req end')).resume()
    res.end('x')
  },
  'the body read behind': (req, res, say) => {
    res.end('x')
    req.on('end', () => say('req end')).resume()
    promises(say, 'behind')
  },
  'stream.finished': (_req, res, say) => {
    finished(res, () => say('finished'))
    res.end('x')
    everything(say, 'behind')
  },
  'stream.pipeline': (_req, res, say) => void pipeline(Readable.from(['a', 'b']), res, () => say('pipeline')),
  'promises of events': (_req, res, say) => {
    void once(res, 'finish').then(() => say('promise of finish'))
    void once(res, 'close').then(() => say('promise of close'))
    res.end('x')
    promises(say, 'behind')
  },
  'listeners put in front': (_req, res, say) => {
    res.prependListener('finish', () => say(`socket ${res.socket === null ? 'gone' : 'there'}`))
    res.on('finish', () => say(`socket ${res.socket === null ? 'gone' : 'there'}`))
    res.end('x')
  },
  'destroyed in finish': (req, res, say) => {
    res.on('finish', () => req.destroy())
    res.end('x')
    promises(say, 'behind')
  },
  'destroyed behind': (_req, res, say) => {
    res.end('x', () => say('callback'))
    res.destroy()
    promises(say, 'behind')
  },
  'storage run around the end': (_req, res, say) => {
    storage.run('end', () => res.end('x', () => say('callback')))
    promises(say, 'behind')
  },
  'storage entered before, and another behind the end': (_req, res, say) => {
    storage.enterWith('before')
    res.end('x', () => say('callback'))
    storage.enterWith('behind')
    promises(say, 'behind')
  },
}

async function heard(server: http.Server, bytes: Uint8Array | string, scenario: Scenario): Promise<string[]> {
  const log: string[] = []
  const say: Say = (what) => log.push(`${what} (${String(storage.getStore())})`)
  let isClosed = false
  server.on('request', (req: http.IncomingMessage, res: http.ServerResponse) => {
    res.on('finish', () => say('finish'))
    res.on('close', () => {
      say('close')
      isClosed = true
    })
    scenario(req, res, say)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => undefined).resume()
  client.write(bytes)
  await until('close', () => isClosed)
  // What is scheduled in 'close' has its turn.
  for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate)
  client.destroy()
  server.close().closeAllConnections()
  return log
}

const kinds = [
  ['a connection for one request', false, false],
  ['a connection that is kept', true, false],
  ['a connection that is kept, with async hooks', true, true],
] as const

describe.each(kinds)('%s', (_kind, keep, hasHooks) => {
  const hook = createHook({ init: () => undefined, before: () => undefined, after: () => undefined, destroy: () => undefined })
  beforeAll(() => hasHooks && hook.enable())
  afterAll(() => hook.disable())

  it.each(Object.entries(scenarios))('%s', async (_name, scenario) => {
    const expected = await heard(http.createServer(), `GET / HTTP/1.1\r\nHost: a\r\n${keep ? '' : 'Connection: close\r\n'}\r\n`, scenario)
    const bytes = Buffer.concat([begin(1, { keep }), params(1, GET), stdin(1)])
    expect(await heard(createServer(), bytes, scenario)).toEqual(expected)
  })
})

it('of several requests in one chunk each is told in its own context, in their order', async () => {
  const log: string[] = []
  const server = createServer((req, res) => {
    const url = req.url ?? ''
    storage.run(url, () => {
      res.on('finish', () => log.push(`${url} finish ${String(storage.getStore())}`))
      res.end(url, () => log.push(`${url} callback ${String(storage.getStore())}`))
      void Promise.resolve().then(() => log.push(`${url} promise`))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1').resume()
  client.write(Buffer.concat([1, 2, 3].flatMap((id) => [begin(id, { keep: true }), params(id, { ...GET, REQUEST_URI: `/${id}` }), stdin(id)])))
  await until('all', () => log.length === 9)
  const urls = ['/1', '/2', '/3']
  // Which of the two comes first is node's affair, and differs between its versions.
  const pairs = urls.map((_url, index) => log.slice(2 * index, 2 * index + 2).sort())
  expect(pairs).toEqual(urls.map((url) => [`${url} callback ${url}`, `${url} finish ${url}`]))
  expect(log.slice(6)).toEqual(urls.map((url) => `${url} promise`))
  client.destroy()
  server.close().closeAllConnections()
})
