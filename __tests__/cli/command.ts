// Runs the command as its users do: the built program, in a process of its own.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

const program = resolve(__dirname, '../../dist/cli/main.js')

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export function command(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  if (!existsSync(program)) throw new Error('dist is missing: run npm run build')
  return new Promise((done, reject) => {
    execFile(process.execPath, [program, ...args], { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code
      if (typeof status === 'number') done({ status, stdout, stderr })
      else reject(new Error(`express-fastcgi ${args.join(' ')} did not run`, { cause: error }))
    })
  })
}
