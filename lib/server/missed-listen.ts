// A process that a web server started to answer requests, and that never listens: only its error log can say so. Knows what to
// watch, not what a server is.

/** Web servers wait longer than this, but by now something is wrong. */
const USUAL_START_MS = 10_000

export interface MissedListenOptions {
  /** What runs, for the message. */
  readonly application: string
  /** Whether somebody listens by now, or ever did. */
  readonly isListening: () => boolean
  /** Takes a line, with its end. */
  readonly write: (line: string) => void
  readonly afterMs?: number
}

/** Reports the end of the process before it listened, and that it is late. */
export function reportMissedListen({ application, isListening, write, afterMs = USUAL_START_MS }: MissedListenOptions): void {
  const report = (what: string): void => write(`express-fastcgi: ${application} ${what}\n`)
  setTimeout(() => {
    if (isListening()) return
    report(`has not called listen() for ${afterMs / 1000} s; requests wait until it does. Does it wait for something, such as a database?`)
  }, afterMs).unref()
  process.once('exit', (status) => {
    if (isListening()) return
    if (status === 0) report('ended without calling listen(), so nobody answers the web server. Is it the right file?')
    else report(`ended with exit status ${status} before it called listen(), so nobody answers the web server. The reason is in the lines around this one`)
  })
}
