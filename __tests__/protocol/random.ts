// Random input that can be replayed: the seed is in the failure's message, and TEST_SEED=n runs that one again.

export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** A whole number from 0 to below `limit` (mulberry32). */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}

/** Runs the property with `runs` seeds, new ones each time. */
export function property(runs: number, body: (random: Random) => void): void {
  const replay = process.env.TEST_SEED
  const first = replay === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(replay)
  for (let seed = first; seed < first + (replay === undefined ? runs : 1); seed++) {
    try {
      body(new Random(seed))
    } catch (error) {
      throw new Error(`failed with TEST_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
}
