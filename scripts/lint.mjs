// `npm run lint [-- eslint arguments]`: every TypeScript file, with no warning allowed.
import { join } from 'node:path'
import { installPackages, root, statusOf } from './setup.mjs'

installPackages()
const eslint = join(root, 'node_modules', 'eslint', 'bin', 'eslint.js')
const folders = ['lib', '__tests__', 'demo-app', 'bench']
const args = ['--ext', '.ts', '--max-warnings', '0', '--no-error-on-unmatched-pattern', ...process.argv.slice(2), ...folders]
// The rules are in .eslintrc.cjs, which ESLint 9 reads only when asked to.
process.exitCode = statusOf(process.execPath, [eslint, ...args], { env: { ...process.env, ESLINT_USE_FLAT_CONFIG: 'false' } })
