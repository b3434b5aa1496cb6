// Several requests: one after the other on a client's connection, and at once with bodies that arrive in turns.

import type { RawHttp } from '../../support/http-raw'
import type { Client, Scenario } from '../scenario'
import { bytes, digest, HAPROXY_GATHERS, orNone, readAll } from './request-bodies'

/** Reads an answer of known length. */
async function answer(raw: RawHttp): Promise<string> {
  const head = await raw.head()
  return `${head.statusLine} ${(await raw.bytes(Number(head.values('content-length')[0]))).toString('latin1')}`
}

const get = (client: Client, path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`

export const scenarios: readonly Scenario[] = [
  {
    name: 'lifecycle connections: requests in a row on one connection of the client',
    app(req, res, stage) {
      stage.note('request', req.url)
      res.on('close', () => stage.signal(`over ${String(req.url)}`))
      res.end(req.url)
    },
    async client(client, stage) {
      const raw = await client.open()
      const answers: string[] = []
      for (const path of ['/1', '/2', '/3']) {
        raw.write(get(client, path))
        answers.push(await answer(raw))
        await stage.seen(`over ${path}`)
      }
      return answers
    },
  },
  {
    name: 'lifecycle connections: two requests sent at once on one connection',
    app(req, res, stage) {
      stage.note('request', req.url)
      setImmediate(() => res.end(req.url))
    },
    async client(client) {
      const raw = await client.open()
      raw.write(get(client, '/1') + get(client, '/2'))
      return [await answer(raw), await answer(raw)]
    },
  },
  {
    name: 'lifecycle connections: after an upload nobody read, the next request on the connection is served',
    app(req, res) {
      res.end(`${String(req.method)} ${String(req.url)}`)
    },
    async client(client) {
      const raw = await client.open()
      raw.write(`POST /upload HTTP/1.1\r\nHost: ${client.host}\r\nContent-Length: 5\r\n\r\nabcde`)
      const first = await answer(raw)
      raw.write(get(client, '/next'))
      return [first, await answer(raw)]
    },
  },
  {
    name: 'lifecycle connections: requests at once, with bodies that arrive in turns',
    app(req, res, stage) {
      const pieces: string[] = []
      req.on('data', (chunk: Buffer) => {
        pieces.push(chunk.toString('latin1'))
        stage.signal(`${String(req.url)} ${pieces.join('')}`)
      })
      req.on('end', () => {
        const body = pieces.join('')
        res.end(`${String(req.url)} ${body}`)
      })
    },
    async client(client, stage) {
      const paths = ['/a', '/b', '/c']
      const raws = await Promise.all(paths.map(() => client.open()))
      raws.forEach((raw, i) => raw.write(`POST ${paths[i]!} HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nContent-Length: 6\r\n\r\n`))
      let sent = ''
      for (const piece of ['12', '34', '56']) {
        sent += piece
        // Each of them in turn, and the last first.
        for (let i = raws.length - 1; i >= 0; i--) {
          raws[i]!.write(piece)
          await stage.seen(`${paths[i]!} ${sent}`)
        }
      }
      return Promise.all(raws.map(answer))
    },
    impossible: { haproxy: HAPROXY_GATHERS },
  },
  {
    name: 'lifecycle connections: large bodies at once keep apart',
    app(req, res) {
      void readAll(req).then((body) => res.end(digest(body)))
    },
    async client(client) {
      const sizes = [400_000, 500_001, 600_002]
      const answers = await Promise.all(sizes.map((size) => client.request({ method: 'POST', body: bytes(size) })))
      return answers.map(({ body }) => body)
    },
  },
  {
    name: 'lifecycle connections: answers at once, written in turns, keep apart',
    app(req, res, stage) {
      const letter = req.url!.slice(1)
      stage.signal(`here ${letter}`)
      void (async () => {
        await Promise.all([stage.seen('here a'), stage.seen('here b')])
        for (let i = 0; i < 20; i++) {
          await new Promise<void>((resolve) => res.write(letter.repeat(1_000), () => resolve()))
        }
        res.end()
      })()
    },
    async client(client) {
      const answers = await Promise.all(['/a', '/b'].map((path) => client.request({ path })))
      return answers.map(({ body, complete }) => [body.length, new Set(body).size, complete])
    },
  },
  {
    name: 'lifecycle connections: one that waits does not hold up another',
    app(req, res, stage) {
      if (req.url === '/waits') {
        stage.signal('waits')
        void stage.seen('served').then(() => res.end('at last'))
        return
      }
      stage.note('served')
      res.end('at once')
    },
    async client(client, stage) {
      const waits = client.request({ path: '/waits' })
      await stage.seen('waits')
      const other = await client.request({ path: '/other' })
      return [other.body, (await waits).body]
    },
  },
  {
    name: 'lifecycle connections: one that is given up does not touch another',
    app(req, res, stage) {
      if (req.url === '/gives-up') {
        stage.watch('res', res, ['close'])
        void stage.seen('begun').then(() => res.destroy())
        return
      }
      res.write('begun ')
      stage.signal('begun')
      void stage.seen('res close').then(() => res.end('ended'))
    },
    async client(client, stage) {
      const other = client.request({ path: '/other' })
      await stage.seen('begun')
      const given = orNone(await client.request({ path: '/gives-up' }))
      const { body, complete } = await other
      return [given, body, complete]
    },
  },
  {
    name: 'lifecycle connections: each request has a socket, req and res of its own',
    app(req, res, stage) {
      res.on('close', () => stage.signal(`over ${String(req.url)}`))
      stage.note('own', Object.prototype.hasOwnProperty.call(req, 'mark'), res.hasHeader('x-mark'))
      Object.assign(req, { mark: 1 })
      res.setHeader('x-mark', '1')
      res.end('ok')
    },
    async client(client, stage) {
      for (const path of ['/1', '/2']) {
        await client.request({ path })
        await stage.seen(`over ${path}`)
      }
    },
  },
]
