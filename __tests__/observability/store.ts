// Which AsyncLocalStorage store an application finds at each moment of a request.

import { type AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

/** What was found, by request and moment. A moment that comes more than once is a list of what was found each time. */
export type Stores = Map<string, Map<string, (string | undefined)[]>>

export interface Observed {
  readonly stores: Stores
  readonly handler: RequestListener
}

/** How a request enters its store: inside a callback, or from the handler on. */
export type Entering = 'run' | 'enterWith'

/**
 * A handler that enters a store named after its URL, and notes what it finds everywhere else. It needs a body of several pieces, and
 * answers with more than fits in a buffer, in two pieces and a timer apart.
 *
 * @param onEnd called when the whole request has arrived; the answer begins when it resolves
 */
export function observe(storage: AsyncLocalStorage<string>, entering: Entering, onEnd: (req: IncomingMessage) => Promise<void> = () => Promise.resolve()): Observed {
  const stores: Stores = new Map()
  const handler: RequestListener = (req, res) => {
    const url = req.url ?? ''
    const moments = new Map<string, (string | undefined)[]>()
    stores.set(url, moments)
    const note = (moment: string): void => {
      const found = moments.get(moment) ?? []
      moments.set(moment, [...found, storage.getStore()])
    }
    note('handler')
    const work = (): void => {
      listen(req, res, note)
      void answer(req, res, note, onEnd)
    }
    if (entering === 'run') {
      storage.run(url, work)
    } else {
      storage.enterWith(url)
      work()
    }
    note('handler, at its end')
  }
  return { stores, handler }
}

function listen(req: IncomingMessage, res: ServerResponse, note: (moment: string) => void): void {
  req.on('data', () => note('req data'))
  for (const event of ['end', 'close']) req.on(event, () => note(`req ${event}`))
  for (const event of ['drain', 'finish', 'close']) res.on(event, () => note(`res ${event}`))
}

async function answer(req: IncomingMessage, res: ServerResponse, note: (moment: string) => void, onEnd: (req: IncomingMessage) => Promise<void>): Promise<void> {
  process.nextTick(() => note('nextTick'))
  setImmediate(() => note('setImmediate'))
  await new Promise<void>((resolve) => req.once('end', resolve))
  note('promise of end')
  await onEnd(req)
  note('promise of the test')
  res.write('x'.repeat(200_000), () => note('write callback'))
  await new Promise<void>((resolve) => res.once('drain', resolve))
  note('promise of drain')
  setTimeout(() => {
    note('timer')
    res.end('bye', () => note('end callback'))
  }, 1)
}
