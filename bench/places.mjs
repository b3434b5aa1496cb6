// Where the bench keeps what it fetches and builds: nothing of it is in git.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
export const CACHE = join(ROOT, '.cache')
/** Where packages we compare ourselves with are installed. */
export const PEERS = join(CACHE, 'peers')
export const GO_BINARY = join(PEERS, 'go-application')
/** The package as of the last commit, built. */
export const LAST_COMMIT = join(CACHE, 'last-commit')
