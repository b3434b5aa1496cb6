// Runs one application in one way: `node run.mjs FRAMEWORK WAY`. An unmodified application would be these lines and the
// framework's file; only the ways other than `own` know this package. SIGTERM closes it as its framework does.
import { release } from './common.mjs'

const [name, way] = process.argv.slice(2)
const { ways, close } = await import(`./${name}.mjs`)

const server = await ways[way](process.env.PORT ?? 3000, () => console.log('ready'))

process.once('SIGTERM', async () => {
  console.log('closing')
  const closed = close(server)
  // A request that is being answered is to be answered in full.
  setImmediate(release)
  await closed
  console.log('closed')
})
