// Callbacks of writes. Of most responses there is one, node's own, so that one needs no array.

export type WriteDone = (error?: Error | null) => void

/** None, one, or several in the order of their writes. */
export type WritesDone = WriteDone | WriteDone[] | undefined

/** @param first is taken over: an array grows */
export function both(first: WritesDone, second: WritesDone): WritesDone {
  if (first === undefined) return second
  if (second === undefined) return first
  if (typeof first === 'function') return typeof second === 'function' ? [first, second] : [first, ...second]
  if (typeof second === 'function') first.push(second)
  else for (const done of second) first.push(done)
  return first
}

/** Tells all that wait. */
export function tell(waiting: WritesDone, error: Error | null): void {
  if (waiting === undefined) return
  if (typeof waiting === 'function') waiting(error)
  else for (const done of waiting) done(error)
}
