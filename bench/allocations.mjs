// What one request allocates, by function: garbage is paid for later, by threads that no profile of functions shows.
// Unlike times these figures hardly differ between runs, so they can be compared on a busy machine too.
//
// node bench/allocations.mjs [TOP]      after npm run build
import { Session } from 'node:inspector/promises'
import { basename } from 'node:path'
import { HANDLERS } from './handlers.mjs'
import { inProcess } from './in-process.mjs'

const WARM_UP_TURNS = 600
const TURNS = 300
const SAMPLING_INTERVAL_BYTES = 2_048

const run = inProcess(HANDLERS.plain.make())
await run(WARM_UP_TURNS)

const session = new Session()
session.connect()
await session.post('HeapProfiler.startSampling', {
  samplingInterval: SAMPLING_INTERVAL_BYTES,
  includeObjectsCollectedByMinorGC: true,
  includeObjectsCollectedByMajorGC: true,
})
const requests = await run(TURNS)
const { profile } = await session.post('HeapProfiler.stopSampling')

const bytes = new Map()
add(profile.head)
const total = [...bytes.values()].reduce((sum, size) => sum + size, 0)
print(total, 'bytes a request')
for (const [name, size] of [...bytes].sort(([, a], [, b]) => b - a).slice(0, Number(process.argv[2] ?? 25))) print(size, name)

function add({ callFrame, selfSize, children }) {
  const { functionName, url, lineNumber } = callFrame
  const file = url.startsWith('node:') ? url : basename(url)
  const name = `${functionName || '(anonymous)'}${file === '' ? '' : `  ${file}:${lineNumber + 1}`}`
  bytes.set(name, (bytes.get(name) ?? 0) + selfSize)
  for (const child of children) add(child)
}

function print(size, name) {
  process.stdout.write(`${(size / requests).toFixed(0).padStart(7)}  ${name}\n`)
}
