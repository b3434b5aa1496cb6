// Compiles lib/ to CommonJS in dist/ and puts a thin ES module in front of every entry point: both module systems
// then share one copy of the state.
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const entries = ['index', 'client/index', 'gateway/index', 'protocol/index']

rmSync(join(root, 'dist'), { recursive: true, force: true })
execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
for (const entry of entries) {
  const names = Object.keys(require(join(root, 'dist', `${entry}.js`))).filter((name) => name !== '__esModule')
  const file = `./${entry.split('/').at(-1)}.js`
  writeFileSync(join(root, 'dist', `${entry}.mjs`), `export { ${names.join(', ')} } from '${file}'\n`)
  writeFileSync(join(root, 'dist', `${entry}.d.mts`), `export * from '${file}'\n`)
}
