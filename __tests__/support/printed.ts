// What `express-fastcgi config SERVER` prints. The output of the command is compared with the same in __tests__/cli.
import { spawnSync } from 'node:child_process'
import { configurations } from '../../lib/cli/config/configurations'
import { deployment, type DeploymentOptions } from '../../lib/cli/config/deployment'
import { program } from './need'

const defaults: DeploymentOptions = { listen: '/run/app.sock', mount: '/', name: 'example.org', port: '80', app: '/srv/app/server.js', node: '/usr/bin/node' }

/** The text of the first file of a configuration. */
export function printed(server: string, options: Partial<DeploymentOptions>): string {
  const files = configurations.find((one) => one.server === server)!.files(deployment({ ...defaults, ...options }))
  return files[0]!.text
}

/** The text without the `#` before the directives that follow a comment, as somebody would who wants them. */
export function uncommented(text: string, comment: string): string {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.includes(comment))
  if (start < 0) throw new Error(`no comment "${comment}"`)
  let end = start + 1
  // Directives follow their # at once, or with two blanks where they are nested; prose has one blank.
  for (; /^\s*#(?:\S|\s{2,})/.test(lines[end] ?? ''); end++) lines[end] = lines[end]!.replace('#', '')
  if (end === start + 1) throw new Error(`nothing to uncomment after "${comment}"`)
  return lines.join('\n')
}

/** Everything that a program says of a configuration; throws when it does not accept it. */
export function check(name: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = spawnSync(program(name), args, { encoding: 'utf8', env: { ...process.env, ...environment } })
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout + stderr
}
