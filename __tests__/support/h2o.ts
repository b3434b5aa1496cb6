// A real h2o of our own. Knows nothing of the application.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Daemon, startDaemon } from './daemon'
import { check } from './printed'

export interface H2oSetup {
  readonly folder: string
  /** A whole h2o.conf for one port. */
  configuration(port: number): string
}

/** Has the configuration checked, starts h2o with it and returns when its port accepts. Only log, pid and, without root, user are changed. */
export function startH2o({ folder, configuration }: H2oSetup): Promise<Daemon> {
  mkdirSync(join(folder, 'log'), { recursive: true })
  chmodSync(join(folder, 'log'), 0o777)
  return startDaemon('h2o', {
    ports: 1,
    logFile: 'log/error.log',
    folder,
    prepare([port]) {
      const file = join(folder, 'h2o.conf')
      const text = configuration(port!).replaceAll('/var/log/h2o', join(folder, 'log')).replace('/run/h2o.pid', join(folder, 'h2o.pid'))
      writeFileSync(file, process.getuid?.() === 0 ? text : text.replace(/^user: .*$/m, ''))
      check('h2o', ['-t', '-c', file])
      // As Debian's unit has it: then root writes the pid file.
      return ['-m', 'master', '-c', file]
    },
  })
}
