// Counts the memory and the copying of a piece of work instead of its time, which two shared cores make meaningless.

export interface Allocations {
  /** Bytes asked of Buffer's allocators. */
  bytes: number
  /** The largest single allocation. */
  largest: number
  /** Bytes moved by Buffer's copy and concat. */
  copied: number
}

type Allocator = (size: number, ...rest: never[]) => Buffer

/** Runs the work with Buffer's allocators and copies counted. The work must be synchronous. */
export function countAllocations(work: () => void): Allocations {
  const counted: Allocations = { bytes: 0, largest: 0, copied: 0 }
  const allocators = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const
  const originals = allocators.map((name) => Buffer[name] as Allocator)
  const copy = Buffer.prototype.copy
  const concat = Buffer.concat
  allocators.forEach((name, i) => {
    Buffer[name] = (size: number, ...rest: never[]) => {
      counted.bytes += size
      counted.largest = Math.max(counted.largest, size)
      return originals[i]!(size, ...rest) as Buffer<ArrayBuffer>
    }
  })
  Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<Buffer['copy']>): number {
    const length = copy.apply(this, args) as number
    counted.copied += length
    return length
  }
  Buffer.concat = (list: readonly Uint8Array[], total?: number) => {
    const whole = concat(list, total)
    counted.bytes += whole.length
    counted.largest = Math.max(counted.largest, whole.length)
    counted.copied += whole.length
    return whole
  }
  try {
    work()
  } finally {
    allocators.forEach((name, i) => (Buffer[name] = originals[i] as typeof Buffer.alloc))
    Buffer.prototype.copy = copy
    Buffer.concat = concat
  }
  return counted
}
