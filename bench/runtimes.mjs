// What the bench needs and the project does not: other versions of Node, node-fastcgi, a compiled Go program. Fetched when first asked for.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE, GO_BINARY, PEERS, ROOT } from './places.mjs'
import { program } from './programs.mjs'

/** A Node of this major version, the one running or one from npm. */
export function nodeRuntime(major) {
  const binary = nodeBinary(major)
  return { major, binary, version: execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim().slice(1) }
}

export function nodeBinary(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  const folder = join(CACHE, `node-${major}`)
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  if (!existsSync(binary)) install(folder, `${name}@${major}`)
  return binary
}

/** Installs node-fastcgi unless it is there. */
export function installNodeFastcgi() {
  if (!existsSync(join(PEERS, 'node_modules', 'node-fastcgi'))) install(PEERS, 'node-fastcgi@2')
}

/** Compiles the Go application unless it is newer than its source. */
export function buildGo() {
  const source = join(ROOT, 'bench', 'peers', 'application.go')
  if (existsSync(GO_BINARY) && statSync(GO_BINARY).mtimeMs > statSync(source).mtimeMs) return
  mkdirSync(PEERS, { recursive: true })
  process.stderr.write('go build ...\n')
  const env = { ...process.env, GOCACHE: join(CACHE, 'go'), GO111MODULE: 'off', CGO_ENABLED: '0' }
  execFileSync(program('go'), ['build', '-o', GO_BINARY, source], { stdio: ['ignore', 'ignore', 'inherit'], env })
}

function install(folder, spec) {
  mkdirSync(folder, { recursive: true })
  process.stderr.write(`installing ${spec} ...\n`)
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
  execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, spec], quiet)
}
