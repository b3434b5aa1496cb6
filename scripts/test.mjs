// `npm test [-- jest arguments]`: sets up whatever is missing, runs jest and closes with one plain line of counts.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, installPackages, installPrograms, root, statusOf } from './setup.mjs'

installPackages()
installPrograms()
build()

const folder = mkdtempSync(join(tmpdir(), 'express-fastcgi-test-'))
const resultFile = join(folder, 'result.json')
const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js')
const status = statusOf(process.execPath, [jest, '--json', `--outputFile=${resultFile}`, ...process.argv.slice(2)])
if (existsSync(resultFile)) printCounts(JSON.parse(readFileSync(resultFile, 'utf8')))
rmSync(folder, { recursive: true, force: true })
process.exitCode = status

function printCounts(result) {
  // A file that cannot even be loaded has no failed tests, and is a failure all the same.
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites
  const skipped = result.numPendingTests + result.numTodoTests
  console.log(`${result.numPassedTests} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`)
}
