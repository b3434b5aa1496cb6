// What `express-fastcgi config SERVER` prints, put where a test can use it.
import { chmodSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type ConfigurationFile } from '../../lib/cli/config/configuration'
import { configurations } from '../../lib/cli/config/configurations'
import { DEFAULT_LISTEN, deployment, type DeploymentOptions } from '../../lib/cli/config/deployment'

/** The files for a deployment; without options what the command line has by default. */
export function printed(server: string, options: Partial<DeploymentOptions> = {}): readonly ConfigurationFile[] {
  const configuration = configurations.find((one) => one.server === server)
  if (configuration === undefined) throw new Error(`there is no configuration for ${server}`)
  const defaults = { listen: DEFAULT_LISTEN, mount: '/', name: 'example.org', port: '80', app: 'server.js', node: process.execPath }
  return configuration.files(deployment({ ...defaults, ...options }))
}

/** The only file of that name. */
export function printedFile(server: string, name: string, options?: Partial<DeploymentOptions>): string {
  const found = printed(server, options).find(({ path }) => basename(path) === name)
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
