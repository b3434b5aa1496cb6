// Compiles lib/ to CommonJS in dist/, in few files: to find and read a file takes longer than to run what is in it. What
// several entry points need is a file of its own, and thin ES modules stand in front of every entry point, one for bundlers
// and one for Node: there is one copy of the state, whichever of them and of the two module systems is used.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rollup } from '@rollup/wasm-node'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const entries = ['client/index', 'gateway/index', 'protocol/index', 'register', 'index']
/** No entry points, but required while the process runs: lib/server/on-demand.ts. */
const onDemand = ['server/application', 'server/roles', 'server/sendfile-offload', 'server/upgrade']
/** The program of package.json's `bin`: nobody imports it. */
const command = 'cli/main'
/** Files beside those that rollup makes by itself, with the modules they are made of; what these import goes with them. */
const chunks = {
  errors: ['errors'],
  // bench/micro.mjs measures these two by themselves.
  cgi: ['cgi/request-head', 'cgi/response-head', 'cgi/server-software'],
  // What the gateway and the command share.
  'cgi/web-server': ['cgi/request-params', 'cgi/response-parser'],
  'protocol/codec': ['protocol/index'],
  'client/client': ['client/index'],
  // In the folder of its sources, where `require('./application')` means the same.
  'server/server': ['server/server', 'server/cgi-params'],
  // With all that the other files loaded on demand need of it.
  'server/application': ['server/application'],
}

// Built aside and moved into place at the end: whoever uses dist/ meanwhile never sees half of it.
mkdirSync(join(root, '.cache'), { recursive: true })
const folder = mkdtempSync(join(root, '.cache', 'build-'))
const compiled = join(folder, 'compiled')
const output = join(folder, 'dist')
try {
  const places = ['--outDir', compiled, '--declarationDir', output]
  const tsc = [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json'), ...places]
  const { status } = spawnSync(process.execPath, tsc, { stdio: 'inherit' })
  if (status === 0) {
    await bundle()
    entries.forEach(writeModule)
    // npm does this where it installs the package; in a clone nobody does.
    chmodSync(join(output, `${command}.js`), 0o755)
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    renameSync(output, join(root, 'dist'))
  }
  process.exitCode = status ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function bundle() {
  const input = Object.fromEntries([...entries, command].map((entry) => [entry, pathOf(entry)]))
  const written = await rollup({
    input,
    external: /^node:|^commander$/,
    plugins: [{ name: 'no-extensions', resolveId: resolved, buildStart: emitOnDemand }],
    onLog: (_level, { message }) => {
      throw new Error(message)
    },
  })
  await written.write({
    dir: output,
    format: 'cjs',
    exports: 'named',
    esModule: true,
    hoistTransitiveImports: false,
    // Plain properties, which are read without a call.
    externalLiveBindings: false,
    // Of node's modules names and namespaces are imported, never a default.
    interop: 'esModule',
    minifyInternalExports: false,
    manualChunks: Object.fromEntries(Object.entries(chunks).map(([name, modules]) => [name, modules.map(pathOf)])),
    chunkFileNames: '[name].js',
  })
}

/** They may export more than their sources do, for each other; what an entry point exports is for users. */
function emitOnDemand() {
  for (const name of onDemand) this.emitFile({ type: 'chunk', id: pathOf(name), fileName: `${name}.js`, preserveSignature: 'allow-extension' })
}

/** Our own modules import each other without an extension. */
function resolved(source, importer) {
  if (importer === undefined || !source.startsWith('.')) return null
  const path = join(dirname(importer), source)
  return existsSync(`${path}.js`) ? `${path}.js` : join(path, 'index.js')
}

function pathOf(name) {
  return join(compiled, `${name}.js`)
}

function writeModule(entry) {
  const names = Object.keys(require(join(output, `${entry}.js`))).filter((name) => name !== '__esModule')
  const file = `./${entry.split('/').at(-1)}.js`
  writeFileSync(join(output, `${entry}.mjs`), `export { ${names.join(', ')} } from '${file}'\n`)
  // Node itself need not look for the names in the source of a CommonJS module, which takes it 3 to 4 ms before Node 24.
  const required = `createRequire(import.meta.url)('${file}')`
  writeFileSync(join(output, `${entry}.node.mjs`), `import { createRequire } from 'node:module'\nexport const { ${names.join(', ')} } = ${required}\n`)
  writeFileSync(join(output, `${entry}.d.mts`), `export * from '${file}'\n`)
}
