// Counts by name over the requests of a ledger, and the ledger of async resources.

import { createHook, executionAsyncId, executionAsyncResource } from 'node:async_hooks'
import type { Socket } from 'node:net'
import { type Ledger, perRequest } from './exchange'

export class Tally {
  private readonly counts = new Map<string, number>()

  add(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  clear(): void {
    this.counts.clear()
  }

  /** Fractions where requests are not all alike. */
  perRequest(): Record<string, number> {
    return Object.fromEntries([...this.counts].map(([name, count]) => [name, perRequest(count)]))
  }
}

/**
 * Every async resource (tick, promise, timer, ...) made by a connection, or in a callback of a resource it made, by type.
 * What else happens in this process has other ancestors, so it cannot disturb the count.
 */
export class ResourceLedger implements Ledger {
  /** What one request made. */
  made: Record<string, number> = {}
  private readonly ids = new Set<number>()
  private readonly tally = new Tally()
  private readonly hook = createHook({
    init: (id, type) => {
      if (!this.ids.has(executionAsyncId())) return
      // The server's one clock winds itself up once a second, whatever the number of requests.
      if (type === 'Timeout' && executionAsyncResource().constructor.name === 'Timeout') return
      this.ids.add(id)
      this.tally.add(type)
    },
  }).enable()

  accepted(transport: Socket): void {
    // What the connection makes for itself now, and what it makes when bytes arrive.
    this.ids.add(executionAsyncId())
    this.ids.add((transport as unknown as { _handle: { getAsyncId(): number } })._handle.getAsyncId())
  }

  open(): void {
    this.tally.clear()
  }

  close(): void {
    this.hook.disable()
    this.made = this.tally.perRequest()
  }
}
