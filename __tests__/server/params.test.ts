// PARAMS are looked at where they were read, in memory that every connection reads into: however they are cut, and whatever comes
// in between, a request has its own.

import { cgiParams } from 'express-fastcgi'
import type { RequestListener } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { abort, begin, nameValuePairs, PARAMS, params, record, stdin } from '../support/fcgi-bytes'
import { property, Random } from '../protocol/random'
import { GET, serve, stopAll } from '../support/serve'

afterEach(stopAll)

const echo: RequestListener = (req, res) => {
  let length = 0
  req.on('data', (piece: Buffer) => (length += piece.length))
  req.on('end', () => res.end(Buffer.from([req.url, req.headers['x-value'], cgiParams(req)['JUNK'], length].join('\n'), 'latin1')))
}

interface Asked {
  readonly records: Buffer[]
  readonly answer: string
}

function request(random: Random, id: number, bodyLength: number): Asked {
  const letters = (length: number): string => Array.from({ length }, () => random.pick('abcdefgh'.split(''))).join('')
  const url = `/${id}/${letters(random.pick([0, 3, 120, 121, 130, 3_000]))}`
  const value = letters(random.pick([1, 2, 3, 4, 127, 128, 2_000]))
  const junk = random.bytes(random.below(300)).toString('latin1')
  const content = nameValuePairs({ ...GET, REQUEST_METHOD: 'POST', CONTENT_LENGTH: String(bodyLength), REQUEST_URI: url, JUNK: junk, HTTP_X_VALUE: value })
  const records = [begin(id, { keep: true })]
  const most = random.pick([30, 500, 60_000])
  for (let at = 0; at < content.length; ) {
    const end = Math.min(content.length, at + 1 + random.below(most))
    records.push(record(PARAMS, id, content.subarray(at, end), random.below(8)))
    at = end
  }
  records.push(record(PARAMS, id))
  if (bodyLength > 0) records.push(stdin(id, Buffer.alloc(bodyLength, id)))
  records.push(stdin(id))
  return { records, answer: [url, value, junk, bodyLength].join('\n') }
}

function shuffled(random: Random, lists: readonly Buffer[][]): Buffer {
  const left = lists.map((list) => [...list])
  const order: Buffer[] = []
  while (left.some((list) => list.length > 0)) {
    const next = random.pick(left).shift()
    if (next !== undefined) order.push(next)
  }
  return Buffer.concat(order)
}

it('cut anywhere, on connections that read in turns, with bodies whose chunks are handed over whole', async () => {
  const { client } = await serve(echo)
  const webs = await Promise.all([client(), client(), client()])
  const seeds: number[] = []
  property(12, (random) => seeds.push(random.below(2 ** 31)))
  for (const seed of seeds) {
    const random = new Random(seed)
    const asked = webs.map(() => [1, 2, 3].map((id) => request(random, id, random.pick([0, 10, 30_000, 70_000]))))
    const bytes = asked.map((requests) => shuffled(random, requests.map(({ records }) => records)))
    const at = bytes.map(() => 0)
    while (bytes.some((all, i) => (at[i] ?? 0) < all.length)) {
      for (const [i, all] of bytes.entries()) {
        const from = at[i] ?? 0
        at[i] = from + 1 + random.below(random.pick([20, 2_000, 60_000]))
        if (from < all.length) webs[i]?.send(all.subarray(from, at[i]))
      }
      await turn()
    }
    for (const [i, web] of webs.entries()) {
      for (const id of [1, 2, 3]) expect({ seed, answer: (await web.response(id)).body.toString('latin1') }).toEqual({ seed, answer: asked[i]?.[id - 1]?.answer })
    }
  }
})

it('at every cut in two reads, while another connection reads in between', async () => {
  const { client } = await serve(echo)
  const [web, other] = [await client(), await client()]
  const { records, answer } = request(new Random(1), 1, 0)
  const whole = Buffer.concat(records)
  const noise = Buffer.concat(request(new Random(2), 1, 0).records)
  for (let cut = 1; cut < whole.length; cut += cut < 400 ? 1 : 37) {
    web.send(whole.subarray(0, cut))
    await web.flushed()
    other.send(noise)
    await other.response(1)
    web.send(whole.subarray(cut))
    expect((await web.response(1)).body.toString('latin1')).toBe(answer)
  }
})

it('that never end, or are refused or aborted, leave the others theirs', async () => {
  const { client } = await serve(echo, { maxParamsSize: 4_096 })
  const web = await client()
  const { records, answer } = request(new Random(3), 1, 0)
  const half = Math.ceil(records.length / 2)
  const gone = await client()
  gone.send(begin(1), params(1, GET, { end: false }))
  await gone.flushed()
  web.send(...records.slice(0, half), begin(2, { keep: true }), record(PARAMS, 2, Buffer.alloc(5_000)), begin(3, { keep: true }), params(3, GET, { end: false }))
  expect((await web.response(2)).head.status).toBe(431)
  gone.destroy()
  await gone.closed
  web.send(abort(3))
  await web.response(3)
  web.send(...records.slice(half))
  expect((await web.response(1)).body.toString('latin1')).toBe(answer)
})
