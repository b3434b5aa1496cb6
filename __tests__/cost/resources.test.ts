// Async resources of one small request: what it costs whether or not anybody traces them. No timer, no promise without
// need, and of ticks only those that the order of events asks for.

import type * as http from 'node:http'
import { stopAll } from '../support/serve'
import { type Exchange, EXCHANGES, keepLedger, keepLedgerOfHttp, UPLOADS, WITHOUT_BODY } from './exchange'
import { ResourceLedger } from './tally'

afterEach(stopAll)

async function made(exchange: Exchange): Promise<Record<string, number>> {
  const ledger = new ResourceLedger()
  await keepLedger(exchange, ledger)
  return ledger.made
}

async function madeByHttp(exchange: Exchange): Promise<Record<string, number>> {
  const ledger = new ResourceLedger()
  await keepLedgerOfHttp(exchange, ledger)
  return ledger.made
}

describe('a request without a body', () => {
  // The second is of 'finish' of the response, which would come in a tick if the application had one waiting.
  it.each(WITHOUT_BODY)('makes two resources, no tick, no timer and no promise: %s', async (name) => {
    expect(await made(EXCHANGES[name])).toEqual({ FASTCGIREQUEST: 1, FASTCGIWRITE: 1 })
  })

  it.each(WITHOUT_BODY)('makes fewer ticks than under node:http: %s', async (name) => {
    const ours = await made(EXCHANGES[name])
    const { TickObject: ticksOfHttp, ...others } = await madeByHttp(EXCHANGES[name])
    // Proves that a timer for each request would be seen: node:http has one, for keepAliveTimeout.
    expect(others).toEqual({ Timeout: 1 })
    expect(ours['TickObject'] ?? 0).toBeLessThan(ticksOfHttp ?? 0)
  })
})

describe('a response of 40 kB in one buffer', () => {
  // It leaves in several pieces. Neither their end nor 'drain' of the connection, for which nobody waits, needs a tick.
  it('makes no more than a small one', async () => {
    const body = Buffer.alloc(40_000, 'x')
    const handler: http.RequestListener = (_req, res) => {
      res.sendDate = false
      res.writeHead(200, { 'Content-Length': body.length })
      res.end(body)
    }
    expect(await made({ ...EXCHANGES['a plain handler'], handler, answer: body.toString() })).toEqual({ FASTCGIREQUEST: 1, FASTCGIWRITE: 1 })
  })
})

describe('a request with a body', () => {
  // Its stream's ticks are node's, and differ between the lines of Node. Ours: the head, the piece and the end each have a
  // turn, which is a promise and a tick between two of them; node's own tick of the write is saved.
  it.each(UPLOADS)('makes two promises and two ticks more than under node:http, and no timer: %s', async (name) => {
    const { Timeout: timers, TickObject: ticks, ...others } = await madeByHttp(EXCHANGES[name])
    expect(timers).toBe(1)
    expect(await made(EXCHANGES[name])).toEqual({ ...others, FASTCGIREQUEST: 1, TickObject: (ticks ?? 0) + 2, PROMISE: 2 })
  })
})
