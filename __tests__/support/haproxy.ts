// A real HAProxy of our own: a folder, a configuration, a process and what it says on stderr. Knows nothing of the application.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Daemon, startDaemon } from './daemon'
import { check } from './printed'

export type HAProxy = Daemon

export interface HAProxySetup {
  /** How many free ports of 127.0.0.1 the configuration needs. */
  readonly ports: number
  /** Absent: a new one. A given one is not removed by `stop`. */
  readonly folder?: string
  /** The sections after `global` and `defaults`. */
  sections(ports: readonly number[], folder: string): string
}

// One thread: connections to the application are kept per thread, so two would hardly share one. Without http-no-delay
// small pieces of a response wait for up to 400 ms to be joined with others.
const globalAndDefaults = `
global
  nbthread 1
  maxconn 500
  tune.bufsize 65536
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-no-delay
`

/** Starts HAProxy and returns when every port accepts. */
export function startHAProxy(setup: HAProxySetup): Promise<HAProxy> {
  return startDaemon('haproxy', {
    ports: setup.ports,
    ...(setup.folder !== undefined && { folder: setup.folder }),
    prepare(ports, folder) {
      const file = join(folder, 'haproxy.cfg')
      writeFileSync(file, globalAndDefaults + setup.sections(ports, folder))
      return ['-db', '-f', file]
    },
  })
}

/**
 * Has a whole configuration for one port checked, starts HAProxy with it and returns when the port accepts. Only the place
 * of its own socket and, without root, its user are changed.
 */
export function startHAProxyWith(folder: string, configuration: (port: number) => string): Promise<HAProxy> {
  return startDaemon('haproxy', {
    ports: 1,
    folder,
    prepare([port]) {
      const file = join(folder, 'haproxy.cfg')
      const text = configuration(port!).replace('/run/haproxy/admin.sock', join(folder, 'admin.sock'))
      writeFileSync(file, process.getuid?.() === 0 ? text : text.replace(/^ +(?:user|group|chroot) .*\n/gm, ''))
      check('haproxy', ['-c', '-f', file])
      return ['-db', '-f', file]
    },
  })
}
