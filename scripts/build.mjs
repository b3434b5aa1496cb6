// Compiles lib/ to CommonJS in dist/ and puts a thin ES module in front of every entry point: both module systems
// then share one copy of the state.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const entries = ['client/index', 'gateway/index', 'protocol/index', 'register', 'index']

// Built aside and moved into place at the end: whoever uses dist/ meanwhile never sees half of it.
mkdirSync(join(root, '.cache'), { recursive: true })
const folder = mkdtempSync(join(root, '.cache', 'build-'))
const output = join(folder, 'dist')
try {
  const tsc = [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json'), '--outDir', output]
  const { status } = spawnSync(process.execPath, tsc, { stdio: 'inherit' })
  if (status === 0) {
    entries.forEach(writeModule)
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    renameSync(output, join(root, 'dist'))
  }
  process.exitCode = status ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function writeModule(entry) {
  const names = Object.keys(require(join(output, `${entry}.js`))).filter((name) => name !== '__esModule')
  const file = `./${entry.split('/').at(-1)}.js`
  writeFileSync(join(output, `${entry}.mjs`), `export { ${names.join(', ')} } from '${file}'\n`)
  writeFileSync(join(output, `${entry}.d.mts`), `export * from '${file}'\n`)
}
