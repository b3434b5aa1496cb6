// Figures of a process that cannot be asked, from /proc.
import { readdirSync, readFileSync } from 'node:fs'

/** The most memory it ever held, in bytes. */
export function peakMemory(pid) {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(kilobytes) * 1024
}

/** Processor time of all its present threads. /proc/PID/stat would have it in steps of 10 ms. */
export function cpuMicroseconds(pid) {
  const threads = readdirSync(`/proc/${pid}/task`)
  const nanoseconds = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]))
  return nanoseconds.reduce((sum, time) => sum + time, 0) / 1_000
}

/** The same of a process and its present children, such as the workers of a web server. */
export function cpuMicrosecondsOfTree(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean)
  return children.reduce((sum, child) => sum + cpuMicrosecondsOfTree(child), cpuMicroseconds(pid))
}
