// Tests that need a program besides node: run where it is installed, skipped aloud where it is not, and failed where
// nobody could have missed to install it (CI as root, see scripts/setup.mjs).
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** Other names one program goes by. */
const ALIASES: Record<string, readonly string[]> = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
}

/** Absolute path of a program, `undefined` when it is not installed. An absolute path may be that of any file: a module of Apache's. */
export function findProgram(name: string): string | undefined {
  if (isAbsolute(name)) return existsSync(name) ? name : undefined
  // The PATH of an ordinary user lacks sbin on Debian, where nginx is.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  const names = ALIASES[name] ?? [name]
  return folders.filter((folder) => folder !== '').flatMap((folder) => names.map((file) => join(folder, file))).find(isExecutable)
}

/** As {@link findProgram}, for code inside a {@link describeWith}: absence is then an error. */
export function program(name: string): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}

/** `describe` for tests that need all of `programs`. */
export function describeWith(programs: string | readonly string[], title: string, tests: () => void): void {
  const missing = [programs].flat().filter((name) => findProgram(name) === undefined)
  if (missing.length === 0) {
    describe(title, tests)
    return
  }
  const absence = `${missing.join(' and ')} not installed`
  if (process.env['CI'] === 'true' && process.getuid?.() === 0) {
    describe(title, () => {
      it('runs', () => {
        throw new Error(`${absence}: on CI this is a failure`)
      })
    })
    return
  }
  // Not console.log: jest would put it into a box of its own with a stack, or drop it with --silent.
  process.stderr.write(`SKIPPED: ${title}: ${absence}\n`)
  describe.skip(title, tests)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
