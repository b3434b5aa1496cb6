// What stays in memory of requests that are over, while their connection lives on for days. In a process of its own, whose
// live objects are counted by V8 once it has collected all garbage.

import * as v8 from 'node:v8'
import { type Kind, ServingChild } from './child'

const KINDS: Kind[] = ['plain', 'upload', 'express']
const REQUESTS = 400
/** Of Node 20.13 and later. */
const itCounts = 'queryObjects' in v8 ? it : it.skip

let child: ServingChild
afterEach(() => child.stop())

itCounts.each(KINDS)('no object stays of a request that is over: %s', async (kind) => {
  child = await ServingChild.start(kind)
  // Functions are compiled and tables filled once, at first use.
  await child.requests(REQUESTS)
  const before = await child.ask('all')
  await child.requests(REQUESTS)
  // V8 and node keep some more now and then, whatever the number of requests; one for each would be four hundred.
  expect((await child.ask('all')) - before).toBeLessThan(REQUESTS / 2)
  const prototypes = kind === 'express' ? 2 : 0
  expect(await child.ask('objects')).toEqual({
    IncomingMessage: prototypes,
    ServerResponse: prototypes,
    // The prototype of the one for requests over TLS.
    RequestSocket: 1,
    Request: 0,
    // The connection's own.
    AsyncResource: 1,
  })
})

it.each(KINDS)('nothing more keeps the process alive, and the connection has no more listeners: %s', async (kind) => {
  child = await ServingChild.start(kind)
  await child.requests(1)
  const before = await child.ask('held')
  await child.requests(REQUESTS)
  expect(await child.ask('held')).toEqual(before)
})
