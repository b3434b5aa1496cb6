// A real Caddy of our own. Knows nothing of the application.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Daemon, startDaemon } from './daemon'
import { check } from './printed'

export interface CaddySetup {
  readonly folder: string
  /** A Caddyfile for one port. */
  caddyfile(port: number): string
}

/** Has the Caddyfile checked as it is, starts Caddy with it and returns when its port accepts. */
export function startCaddy({ folder, caddyfile }: CaddySetup): Promise<Daemon> {
  // It keeps its state below these.
  const environment = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  return startDaemon('caddy', {
    ports: 1,
    folder,
    environment,
    // Others it takes for a wish to wait for every open request.
    stopSignal: 'SIGKILL',
    prepare([port]) {
      const site = join(folder, 'Caddyfile')
      writeFileSync(site, caddyfile(port!))
      check('caddy', ['validate', '--adapter', 'caddyfile', '--config', site], environment)
      // Without its administration, which has a fixed port.
      const whole = join(folder, 'whole.Caddyfile')
      writeFileSync(whole, `{\n\tadmin off\n}\nimport ${site}\n`)
      return ['run', '--adapter', 'caddyfile', '--config', whole]
    },
  })
}
