#!/usr/bin/env node
// The command `express-fastcgi`: its subcommands and how it ends. What they do is in the folders beside this file.

import { Command, CommanderError } from 'commander'
import { FastCGIError, OptionError } from '../errors'
import { checkCommand } from './check/command'
import { configCommand } from './config/command'
import { UsageError } from './usage-error'
import { version } from './version'

/** The command line was wrong, or nothing could be printed; 1 is for what a subcommand found. */
const USAGE = 2

export function program(): Command {
  return new Command('express-fastcgi')
    .description('Tools around Node applications that are served over FastCGI.')
    .version(version())
    .helpCommand(false)
    .addCommand(checkCommand())
    .addCommand(configCommand())
}

async function main(): Promise<void> {
  const command = program()
  for (const one of [command, ...command.commands]) one.exitOverride().showHelpAfterError('Try --help.')
  try {
    await command.parseAsync()
  } catch (error) {
    process.exitCode = exitCode(error)
  }
}

function exitCode(error: unknown): number {
  // Commander has said it already; --help and --version end this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
  if (error instanceof UsageError || error instanceof OptionError || error instanceof FastCGIError) {
    process.stderr.write(`express-fastcgi: ${error.message}\n`)
    return USAGE
  }
  throw error
}

// `express-fastcgi config nginx | head` closes our output early, which is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return
  process.stderr.write(`express-fastcgi: standard output: ${error.message}\n`)
  process.exitCode = USAGE
})
void main()
