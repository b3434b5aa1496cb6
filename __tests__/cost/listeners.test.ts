// Listeners that one small request adds: each costs memory while it lasts, and one left on what outlives the request is a leak.

import { EventEmitter } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { RequestSocket } from '../../lib/server/socket'
import { stopAll } from '../support/serve'
import { ALL, EXCHANGES, keepLedger, type Ledger, WITHOUT_BODY } from './exchange'
import { Tally } from './tally'

afterEach(stopAll)

type AddListener = (this: EventEmitter, name: string | symbol, listener: (...args: unknown[]) => void) => EventEmitter
/** Where every other way to add a listener ends. */
const WAYS = ['on', 'addListener', 'prependListener'] as const
const originals = WAYS.map((way) => EventEmitter.prototype[way] as AddListener)

class ListenerLedger implements Ledger {
  /** What one request added, by the emitter's class and the event. */
  added: Record<string, number> = {}
  /** Listeners that the connection had, when the ledger was opened and when it was closed. */
  before = 0
  after = 0
  private readonly tally = new Tally()

  open(transport: Socket): void {
    this.before = listeners(transport)
    const note = (emitter: EventEmitter, event: string | symbol): void => {
      const name = nameOf(emitter, transport)
      if (name !== undefined) this.tally.add(`${name} ${String(event)}`)
    }
    for (const [index, way] of WAYS.entries()) {
      EventEmitter.prototype[way] = function (this: EventEmitter, event: string | symbol, listener: (...args: unknown[]) => void) {
        note(this, event)
        return originals[index]!.call(this, event, listener)
      } as typeof EventEmitter.prototype.on
    }
  }

  close(transport: Socket): void {
    for (const [index, way] of WAYS.entries()) EventEmitter.prototype[way] = originals[index] as typeof EventEmitter.prototype.on
    this.after = listeners(transport)
    this.added = this.tally.perRequest()
  }
}

function nameOf(emitter: EventEmitter, transport: Socket): string | undefined {
  if (emitter === transport) return 'connection'
  if (emitter instanceof RequestSocket) return 'req.socket'
  if (emitter instanceof IncomingMessage) return 'req'
  if (emitter instanceof ServerResponse) return 'res'
  return undefined
}

function listeners(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, event) => sum + emitter.listenerCount(event), 0)
}

async function added(name: (typeof ALL)[number]): Promise<Record<string, number>> {
  const ledger = new ListenerLedger()
  await keepLedger(EXCHANGES[name], ledger)
  return ledger.added
}

// As under node:http one of ours where node has its own. That of node's assignSocket() is put in place without a call.
const OF_EVERY_REQUEST = { 'res finish': 1 }

it.each(WITHOUT_BODY)('a request without a body adds one listener, of its own objects: %s', async (name) => {
  expect(await added(name)).toEqual(OF_EVERY_REQUEST)
})

it('an upload adds no other than a plain handler does', async () => {
  expect(await added('an upload to a plain handler')).toEqual({ ...OF_EVERY_REQUEST, 'req data': 1, 'req end': 1 })
})

it('an upload adds no other than the body parser of Express does', async () => {
  const parser = { 'req aborted': 1, 'req close': 1, 'req data': 1, 'req end': 1, 'req error': 1 }
  expect(await added('an upload to Express 5')).toEqual({ ...OF_EVERY_REQUEST, ...parser })
})

it.each(ALL)('the connection has as many listeners after a hundred requests as before: %s', async (name) => {
  const ledger = new ListenerLedger()
  await keepLedger(EXCHANGES[name], ledger)
  expect(ledger.after).toBe(ledger.before)
})
