// Loads one module in the way it is told, and says how many milliseconds that took. An .mjs file, so the loader of ES
// modules is running before it begins.
import { createRequire } from 'node:module'

const [how, name] = process.argv.slice(2)
const require = createRequire(import.meta.url)
const ways = { import: (module) => import(module), require, nothing: () => undefined }

const before = performance.now()
await ways[how](name)
console.log(performance.now() - before)
