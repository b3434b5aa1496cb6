// What `express-fastcgi config SERVER` prints, put where a test can use it. The output of the command is compared with the same in __tests__/cli.
import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type ConfigurationFile } from '../../lib/cli/config/configuration'
import { configurations } from '../../lib/cli/config/configurations'
import { DEFAULT_LISTEN, deployment, type DeploymentOptions } from '../../lib/cli/config/deployment'
import { program } from './need'

/** The files for a deployment; without options what the command line has by default. */
export function printedFiles(server: string, options: Partial<DeploymentOptions> = {}): readonly ConfigurationFile[] {
  const configuration = configurations.find((one) => one.server === server)
  if (configuration === undefined) throw new Error(`there is no configuration for ${server}`)
  const defaults = { listen: DEFAULT_LISTEN, mount: '/', name: 'example.org', port: '80', app: 'server.js', node: process.execPath }
  return configuration.files(deployment({ ...defaults, ...options }))
}

/** The text of the first file, which for most servers is the only one. */
export function printed(server: string, options?: Partial<DeploymentOptions>): string {
  return printedFiles(server, options)[0]!.text
}

/** The only file of that name. */
export function printedFile(server: string, name: string, options?: Partial<DeploymentOptions>): string {
  const found = printedFiles(server, options).find(({ path }) => basename(path) === name)
  if (found === undefined) throw new Error(`${server} has no file ${name}`)
  return found.text
}

/**
 * Puts the files into a folder, with their rights.
 *
 * @param moved what stands for paths outside of it, such as `/var/log/lighttpd` for a folder of the test
 */
export function install(files: readonly ConfigurationFile[], folder: string, moved: Readonly<Record<string, string>> = {}): void {
  const places = { ...moved, ...Object.fromEntries(files.map(({ path }) => [path, join(folder, basename(path))])) }
  for (const { path, text, mode } of files) {
    const target = join(folder, basename(path))
    writeFileSync(target, Object.entries(places).reduce((moving, [from, to]) => moving.replaceAll(from, to), text))
    chmodSync(target, mode ?? 0o644)
  }
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
