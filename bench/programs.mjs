// What the bench uses besides node and npm packages: where it is, its version, and what has to be said when it is missing.
import { execFileSync } from 'node:child_process'
import { findProgram, installPrograms } from '../scripts/setup.mjs'

const PROGRAMS = {
  nginx: { debianPackage: 'nginx-light', usedBy: 'every comparison behind nginx', version: ['-v'] },
  haproxy: { debianPackage: 'haproxy', usedBy: 'the row of multiplexed requests', version: ['-v'] },
  apache2: { debianPackage: 'apache2', usedBy: 'the effect of its settings', version: ['-v'] },
  wrk: { debianPackage: 'wrk', usedBy: 'the load on web servers whose settings are compared', version: ['-v'] },
  go: { debianPackage: 'golang-go', usedBy: "the contender Go's net/http/fcgi", version: ['version'] },
  valgrind: { debianPackage: 'valgrind', usedBy: 'the count of instructions', version: ['--version'] },
  'php-cgi': { debianPackage: 'php-cgi', usedBy: 'the contender php-cgi', version: ['--version'] },
}

/** Installs those of `names` that are missing where that is possible; what stays missing is said on standard error. */
export function providePrograms(names) {
  installPrograms(names.map((name) => ({ programs: [name], ...PROGRAMS[name] })))
}

/** @throws {Error} when it is not installed */
export function program(name) {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed (Debian: apt-get install ${PROGRAMS[name].debianPackage})`)
  return path
}

export const hasProgram = (name) => findProgram(name) !== undefined

/** Name and version of those of `names` that are installed. */
export function programVersions(names) {
  return names.filter(hasProgram).map((name) => {
    // nginx -v answers on its standard error.
    const said = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', program(name), ...PROGRAMS[name].version], { encoding: 'utf8' })
    return `${name} ${/\d+(\.\d+)+/.exec(said)?.[0] ?? 'of unknown version'}`
  })
}
