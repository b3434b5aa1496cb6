// What the bench needs and the project does not: other versions of Node, and node-fastcgi. Fetched when first asked for.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache')
/** Where packages we compare ourselves with are installed. */
export const PEERS = join(cache, 'peers')

/** The path of a Node binary of this major version: the one running, or one from npm. */
export function nodeBinary(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  const folder = join(cache, `node-${major}`)
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  if (!existsSync(binary)) install(folder, `${name}@${major}`)
  return binary
}

/** Installs node-fastcgi unless it is there. */
export function installPeers() {
  if (!existsSync(join(PEERS, 'node_modules', 'node-fastcgi'))) install(PEERS, 'node-fastcgi@2')
}

function install(folder, spec) {
  mkdirSync(folder, { recursive: true })
  process.stderr.write(`installing ${spec} ...\n`)
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
  execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, spec], quiet)
}
