// Which script a web server started this process as: what tells a request's SCRIPT_NAME to be true. Under shared hosting alone.

import { statSync } from 'node:fs'
import { basename } from 'node:path'

/** The script as whose process a web server runs this one. */
export class SpawnedScript {
  private readonly name: string
  /** The last file asked about, and the answer: nearly all requests have the same. */
  private known: string
  private isKnownOurs = true

  /** @param path `''` when no web server started this process */
  constructor(readonly path: string) {
    this.known = path
    this.name = basename(path)
  }

  /** Whether a SCRIPT_FILENAME is this script, by whatever way the web server came to it: home folders often are links. */
  is(scriptFilename: string): boolean {
    if (scriptFilename === this.known) return this.isKnownOurs
    // Other names are most of what lighttpd makes up, and no file is looked for on a client's word.
    if (basename(scriptFilename) !== this.name) return false
    this.known = scriptFilename
    this.isKnownOurs = isSameFile(scriptFilename, this.path)
    return this.isKnownOurs
  }
}

/** As who starts the application by a shell script has told, or as node was. */
export function spawnedScript(env: NodeJS.ProcessEnv, argv: readonly string[]): string {
  return env['FASTCGI_SCRIPT'] || (argv[1] ?? '')
}

function isSameFile(one: string, other: string): boolean {
  try {
    const [a, b] = [statSync(one), statSync(other)]
    return a.ino === b.ino && a.dev === b.dev
  } catch {
    return false
  }
}
