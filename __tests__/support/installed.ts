// A folder that has packages installed as `npm install` would leave it, readable by whoever a web server runs as: the repository
// itself may lie where only its owner can go.
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const ROOT = resolve(__dirname, '../..')

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>
}

/** Copies this package, as built, and others with all that they depend on into `folder/node_modules`. */
export function install(folder: string, ...names: readonly string[]): void {
  const target = join(folder, 'node_modules', 'express-fastcgi')
  mkdirSync(target, { recursive: true })
  if (!existsSync(join(ROOT, 'dist/register.js'))) throw new Error('dist is missing: run npm run build')
  for (const part of ['package.json', 'dist']) cpSync(join(ROOT, part), join(target, part), { recursive: true })
  const installed = new Set<string>()
  for (const name of names) installOne(folder, name, installed)
}

function installOne(folder: string, name: string, installed: Set<string>): void {
  if (installed.has(name)) return
  installed.add(name)
  const source = join(ROOT, 'node_modules', name)
  const target = join(folder, 'node_modules', name)
  mkdirSync(dirname(target), { recursive: true })
  cpSync(source, target, { recursive: true, dereference: true })
  const { dependencies = {} } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Package
  // One that is of another version lies inside, and was copied with it.
  for (const dependency of Object.keys(dependencies)) if (!existsSync(join(source, 'node_modules', dependency))) installOne(folder, dependency, installed)
}
