// `express-fastcgi config SERVER`: prints a configuration, or writes its files into a folder.

import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { UsageError } from '../usage-error'
import { type ConfigurationFile } from './configuration'
import { configurations } from './configurations'
import { DEFAULT_LISTEN, deployment, type DeploymentOptions } from './deployment'

interface Options extends DeploymentOptions {
  readonly file?: string
  readonly output?: string
  readonly force?: boolean
}

export function configCommand(): Command {
  const list = configurations.map(({ server, summary }) => `  ${server.padEnd(14)} ${summary}`).join('\n')
  return new Command('config')
    .description('Prints a complete, commented configuration for a web server.')
    .argument('<server>', 'one of the list below')
    .option('--listen <address>', 'where the application listens: /path, PORT, HOST:PORT', DEFAULT_LISTEN)
    .option('--root <folder>', 'folder of the static files (default: /var/www/NAME)')
    .option('--mount <prefix>', 'path the application is served under', '/')
    .option('--name <host>', 'host name of the site', 'example.org')
    .option('--port <number>', 'port of the web server', '80')
    .option('--app <file>', "the application's main file", 'server.js')
    .option('--node <program>', 'the node program', process.execPath)
    .option('--file <name>', 'print this file only, of those that the configuration has')
    .option('--output <folder>', 'write the files into this folder instead of printing them')
    .option('--force', 'with --output: replace files that exist')
    .addHelpText('after', `\nServers:\n${list}\n`)
    .action(config)
}

function config(server: string, options: Options): void {
  const configuration = configurations.find((one) => one.server === server)
  if (configuration === undefined) {
    throw new UsageError(`there is no configuration for ${JSON.stringify(server)}; there is one for ${configurations.map((one) => one.server).join(', ')}`)
  }
  const files = chosen(configuration.files(deployment(options)), options.file)
  if (options.output === undefined) process.stdout.write(printed(files))
  else write(files, resolve(options.output), options.force === true)
}

function chosen(files: readonly ConfigurationFile[], name: string | undefined): readonly ConfigurationFile[] {
  if (name === undefined) return files
  const found = files.filter(({ path }) => path === name || basename(path) === name)
  if (found.length > 0) return found
  throw new UsageError(`--file ${name}: this configuration has ${files.map(({ path }) => basename(path)).join(', ')}`)
}

/** One file as it is, so that it can be redirected into its place; several with a line in front of each that tells which. */
function printed(files: readonly ConfigurationFile[]): string {
  if (files.length === 1) return files.map(({ text }) => text).join('')
  return files.map(({ path, text }) => `#----- ${path}\n${text}`).join('\n')
}

function write(files: readonly ConfigurationFile[], folder: string, force: boolean): void {
  const targets = files.map((file) => ({ ...file, target: join(folder, basename(file.path)) }))
  const existing = targets.filter(({ target }) => existsSync(target))
  if (existing.length > 0 && !force) {
    throw new UsageError(`${existing.map(({ target }) => target).join(' and ')} exists already; --force replaces it`)
  }
  for (const { path, text, mode, target } of targets) {
    try {
      makeFolder(dirname(target))
      writeFileSync(target, text)
      // Not by writeFileSync: the umask would take rights away, and an existing file keeps its own.
      chmodSync(target, mode ?? 0o644)
    } catch (error) {
      throw new UsageError(`--output ${folder}: ${(error as Error).message}`)
    }
    process.stdout.write(`${target}${path.startsWith('/') ? ` belongs to ${path}` : ''}\n`)
  }
}

// Not by `recursive`: where the system says ENOENT though the parent is there, as /proc does, node 20 tries for ever.
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  const parent = dirname(folder)
  if (parent !== folder) makeFolder(parent)
  // Never writable by the group, as umask 002 would have it: suEXEC starts nothing in such a folder.
  mkdirSync(folder, 0o755)
}
