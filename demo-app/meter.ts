// Measures this process: event-loop delay, memory, processor time, requests. Runs only while somebody looks.
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

/** One measurement, over the time since the one before. */
export interface Sample {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly time: number
  /** How late timers fired, in milliseconds. */
  readonly delayMedian: number
  readonly delayWorst: number
  readonly rssBytes: number
  readonly heapBytes: number
  readonly requestsPerSecond: number
  readonly requests: number
  /** Processor time used, in percent of one processor. */
  readonly cpuPercent: number
  readonly watchers: number
}

const SAMPLE_INTERVAL_MS = 500
// The histogram's own timer; what it records is the whole interval, so this is taken off again.
const RESOLUTION_MS = 10

const milliseconds = (nanoseconds: number): number => Math.max(0, Number((nanoseconds / 1e6 - RESOLUTION_MS).toFixed(2)))

/** Counts requests always; takes a sample every half second while there is a watcher. */
export class Meter {
  private readonly watchers = new Set<(sample: Sample) => void>()
  private histogram: IntervalHistogram | undefined
  private timer: NodeJS.Timeout | undefined
  private requests = 0
  private samples = 0
  private last = { time: 0, requests: 0, cpu: process.cpuUsage() }

  countRequest(): void {
    this.requests += 1
  }

  /** @returns the function that stops watching */
  watch(watcher: (sample: Sample) => void): () => void {
    this.watchers.add(watcher)
    if (this.watchers.size === 1) this.start()
    return () => {
      if (this.watchers.delete(watcher) && this.watchers.size === 0) this.stop()
    }
  }

  private start(): void {
    this.histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.histogram.enable()
    this.last = { time: performance.now(), requests: this.requests, cpu: process.cpuUsage() }
    this.timer = setInterval(() => this.sample(), SAMPLE_INTERVAL_MS)
  }

  private stop(): void {
    clearInterval(this.timer)
    this.histogram?.disable()
    this.histogram = undefined
  }

  private sample(): void {
    if (this.histogram === undefined) return
    const time = performance.now()
    const seconds = (time - this.last.time) / 1000
    const cpu = process.cpuUsage(this.last.cpu)
    const memory = process.memoryUsage()
    const empty = this.histogram.count === 0
    const sample: Sample = {
      id: (this.samples += 1),
      time: Date.now(),
      delayMedian: empty ? 0 : milliseconds(this.histogram.percentile(50)),
      delayWorst: empty ? 0 : milliseconds(this.histogram.max),
      rssBytes: memory.rss,
      heapBytes: memory.heapUsed,
      requestsPerSecond: Number(((this.requests - this.last.requests) / seconds).toFixed(1)),
      requests: this.requests,
      cpuPercent: Number(((cpu.user + cpu.system) / 1e4 / seconds).toFixed(1)),
      watchers: this.watchers.size,
    }
    this.histogram.reset()
    this.last = { time, requests: this.requests, cpu: process.cpuUsage() }
    for (const watcher of this.watchers) watcher(sample)
  }
}
