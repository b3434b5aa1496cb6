// The built command `express-fastcgi`, run as a user does.
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'

const MAIN = resolve(__dirname, '../../dist/cli/main.js')

export interface CommandResult {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export function expressFastcgi(...args: readonly string[]): CommandResult {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })
}

/** What `express-fastcgi config ...` prints; throws when it fails. */
export function printedConfig(...args: readonly string[]): string {
  const { status, stdout, stderr } = expressFastcgi('config', ...args)
  if (status !== 0) throw new Error(`express-fastcgi config ${args.join(' ')} ended with ${String(status)}: ${stderr}`)
  return stdout
}
