// Finds the request that running code belongs to. Costs nothing until somebody asks for it the first time; requests that are under
// way by then are not found.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { RequestStderr } from './stderr'

let storage: AsyncLocalStorage<RequestStderr> | undefined

/** From now on each request is followed; what it gives has the STDERR of the request in whose async context it is called. */
export function followRequests(): () => RequestStderr | undefined {
  const followed = (storage ??= new AsyncLocalStorage<RequestStderr>())
  return () => followed.getStore()
}

/** Whether requests are to be told apart by their async context. */
export function areFollowed(): boolean {
  return storage !== undefined
}

/** Calls a function so that what it makes belongs to a request. */
export function follow<T>(stderr: RequestStderr, make: () => T): T {
  return storage === undefined ? make() : storage.run(stderr, make)
}
