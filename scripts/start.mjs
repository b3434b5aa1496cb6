// `npm start [-- arguments]`: sets up whatever is missing, compiles the demo, runs it until Ctrl-C.
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, installPackages, installPrograms, root, run } from './setup.mjs'

const HELP = `Runs the demo of express-fastcgi: an Express site behind FastCGI, in your browser.

npm start [-- arguments]

  --nginx     put real nginx in front, with a configuration written for it, instead of the gateway of this package
  --port N    first port to try on 127.0.0.1 (default: PORT from the environment, else 8080); 0 is any free one
  --help      this text

LOG_LEVEL=info in the environment logs every request.
`

const refuse = (message) => {
  process.stderr.write(`npm start: ${message}\nTry: npm start -- --help\n`)
  process.exit(2)
}

function portFrom(text, name) {
  if (!/^\d{1,5}$/.test(text ?? '') || Number(text) > 65535) refuse(`${name} must be a port from 0 to 65535, not "${text ?? ''}"`)
  return Number(text)
}

function parse(args) {
  let front = 'gateway'
  let port
  for (let index = 0; index < args.length; index += 1) {
    const [name, value] = args[index].split(/=(.*)/s)
    if (args[index] === '--help' || args[index] === '-h') {
      process.stdout.write(HELP)
      process.exit(0)
    } else if (args[index] === '--nginx') {
      front = 'nginx'
    } else if (name === '--port') {
      port = portFrom(value ?? args[(index += 1)], '--port')
    } else {
      refuse(`unknown argument "${args[index]}"`)
    }
  }
  return { front, port: port ?? (process.env.PORT ? portFrom(process.env.PORT, 'PORT') : 8080) }
}

/** Compiles demo-app/ to .cache/demo-app, where the package is imported by its name, as an application would. */
function compile() {
  const target = join(root, '.cache', 'demo-app')
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(root, 'demo-app')])
  rmSync(join(target, 'public'), { recursive: true, force: true })
  cpSync(join(root, 'demo-app', 'public'), join(target, 'public'), { recursive: true })
  return pathToFileURL(join(target, 'start.js')).href
}

function announce(demo, { front, port }) {
  const taken = port !== 0 && demo.port !== port ? `\n  Port ${port} is taken; this is the next free one.\n` : ''
  const between = front === 'nginx' ? 'nginx' : 'the gateway of this package'
  process.stdout.write(`
  The demo is at  ${demo.url}
${taken}
  browser -> ${between} -> FastCGI on ${demo.socketPath} -> Express
${demo.configuration === undefined ? '' : `  nginx runs with ${demo.configuration}\n`}
  Ctrl-C stops it.
`)
}

const options = parse(process.argv.slice(2))
installPackages()
if (options.front === 'nginx') installPrograms([{ programs: ['nginx'], debianPackage: 'nginx-light', usedBy: 'the front of --nginx' }])
build()
const { start } = await import(compile())

// From here on there is something to clean up, however this ends. A second signal does not wait for it.
let starting
let ending = false
async function end(status) {
  if (ending) process.exit(status)
  ending = true
  const demo = await starting?.catch(() => undefined)
  await demo?.close()
  process.exit(status)
}
const fail = (error) => {
  process.stderr.write(`npm start: ${error.message}\n`)
  void end(1)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end(0))
starting = start({ ...options, onFailure: fail })
starting.then((demo) => announce(demo, options), fail)
