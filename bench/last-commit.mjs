// The package as of the last commit, built beside the working tree. Built once per commit.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LAST_COMMIT, ROOT } from './places.mjs'

/** @returns the short name of the commit whose dist/ is now in LAST_COMMIT */
export function buildLastCommit() {
  const commit = git('rev-parse', '--short', 'HEAD')
  const mark = join(LAST_COMMIT, 'built')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === commit) return commit
  rmSync(LAST_COMMIT, { recursive: true, force: true })
  mkdirSync(LAST_COMMIT, { recursive: true })
  const archive = execFileSync('git', ['archive', 'HEAD'], { cwd: ROOT, maxBuffer: 1 << 30 })
  execFileSync('tar', ['-x', '-C', LAST_COMMIT], { input: archive })
  // The compiler is the working tree's: it is the sources that are compared.
  symlinkSync(join(ROOT, 'node_modules'), join(LAST_COMMIT, 'node_modules'))
  execFileSync(process.execPath, [join(LAST_COMMIT, 'scripts', 'build.mjs')], { stdio: 'inherit' })
  writeFileSync(mark, commit)
  return commit
}

function git(...args) {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()
}
