// Brings a fresh clone to the point where something can be run: npm packages, dist/, and for the tests Debian packages.
// Only node's own modules here: this file runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** What the tests use besides node: any one of `programs`, a name or an absolute path, will do; Debian has it in `debianPackage`. */
export const TEST_PROGRAMS = [
  { programs: ['nginx'], debianPackage: 'nginx-light', usedBy: 'the tests against real nginx' },
  { programs: ['haproxy'], debianPackage: 'haproxy', usedBy: 'the tests of requests that share a connection' },
  { programs: ['apache2'], debianPackage: 'apache2', usedBy: 'the tests against real Apache' },
  { programs: ['/usr/lib/apache2/modules/mod_fcgid.so'], debianPackage: 'libapache2-mod-fcgid', usedBy: 'the tests against mod_fcgid' },
  { programs: ['/usr/lib/apache2/suexec-custom'], debianPackage: 'apache2-suexec-custom', usedBy: 'the tests against suEXEC' },
  { programs: ['/usr/lib/apache2/modules/mod_xsendfile.so'], debianPackage: 'libapache2-mod-xsendfile', usedBy: 'the tests of files that Apache sends' },
  { programs: ['lighttpd'], debianPackage: 'lighttpd', usedBy: 'the tests against real lighttpd' },
  { programs: ['caddy'], debianPackage: 'caddy', usedBy: 'the tests against real Caddy' },
  { programs: ['h2o'], debianPackage: 'h2o', usedBy: 'the tests against real h2o' },
  { programs: ['spawn-fcgi'], debianPackage: 'spawn-fcgi', usedBy: 'the tests of an inherited listening socket' },
  { programs: ['multiwatch'], debianPackage: 'multiwatch', usedBy: 'the tests of several processes on one socket' },
  { programs: ['systemd-analyze'], debianPackage: 'systemd', usedBy: 'the tests of systemd units' },
  { programs: ['cgi-fcgi'], debianPackage: 'libfcgi-bin', usedBy: "the tests against libfcgi's own client" },
  { programs: ['wine'], debianPackage: 'wine', usedBy: "the tests of IIS's process contract" },
  { programs: ['x86_64-w64-mingw32-gcc'], debianPackage: 'gcc-mingw-w64-x86-64-win32', usedBy: "the tests of IIS's process contract" },
  { programs: ['chromium', 'chromium-browser', 'google-chrome'], debianPackage: 'chromium', usedBy: 'the tests of the demo pages' },
]

const say = (line) => process.stderr.write(`${line}\n`)

/** Runs a program to its end with our terminal; ends this process with the program's status when that is not 0. */
export function run(command, args, options = {}) {
  const status = statusOf(command, args, options)
  if (status !== 0) process.exit(status)
}

/** The exit status of a program run with our terminal; 128 + n when signal n ended it, as a shell would say. */
export function statusOf(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options })
  if (result.error !== undefined) {
    say(`${command}: ${result.error.message}`)
    return 127
  }
  return result.signal === null ? result.status : 128 + constants.signals[result.signal]
}

/** Installs the npm packages of package-lock.json when one of them is missing or has another version. */
export function installPackages() {
  const reason = packagesReason()
  if (reason === undefined) return
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    // npm ci empties what the link leads to, which belongs to another working tree.
    say(`setup: npm packages are not as package-lock.json has them (${reason}); node_modules is a link and left as it is`)
    return
  }
  say(`setup: npm ci (${reason}); this takes a minute`)
  // npm is a script on Windows, which node only starts through a shell.
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { shell: process.platform === 'win32' })
}

// Compared by content: git sets the times of a fresh clone as it likes, and `npm install` writes both files in no fixed order.
function packagesReason() {
  const installedFile = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedFile)) return 'nothing is installed yet'
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  for (const [path, { version, optional, devOptional }] of Object.entries(wanted)) {
    // Optional packages are for other platforms than this one as often as not.
    if (path === '' || optional || devOptional) continue
    if (installed[path]?.version !== version) return `${path.replace(/^.*node_modules\//, '')} ${version} is not installed`
  }
  return undefined
}

/** Compiles lib/ to dist/ when a source is newer than what is there. */
export function build() {
  // The last file the build writes, so that a build cut short counts as none.
  const built = join(root, 'dist', 'index.mjs')
  const sources = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs', 'lib']
  const builtAt = existsSync(built) ? statSync(built).mtimeMs : 0
  if (Math.max(...sources.map((name) => newest(join(root, name)))) <= builtAt) return
  say('setup: building dist/')
  run(process.execPath, [join(root, 'scripts', 'build.mjs')])
}

// A folder's own time tells of files that were removed from it.
function newest(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

/** Installs what is missing of some programs on Debian as root; anywhere else says what has to do without them. */
export function installPrograms(wanted = TEST_PROGRAMS) {
  const missing = missingPrograms(wanted)
  if (missing.length === 0) return
  const isRoot = process.getuid?.() === 0
  if (isRoot && findProgram('apt-get') !== undefined) aptInstall(missing.map(({ debianPackage }) => debianPackage))
  for (const { programs, debianPackage, usedBy } of missingPrograms(wanted)) {
    const how = isRoot ? `install ${programs[0]}` : `install ${programs[0]} (Debian: ${debianPackage}) or run this once as root`
    say(`setup: ${programs[0]} is missing: ${usedBy} will be skipped; ${how} to have them run`)
  }
}

function missingPrograms(wanted) {
  return wanted.filter(({ programs }) => programs.every((name) => findProgram(name) === undefined))
}

/** Absolute path of a program, `undefined` when it is not installed. */
export function findProgram(name) {
  if (isAbsolute(name)) return existsSync(name) ? name : undefined
  // The PATH of an ordinary user lacks sbin on Debian, where nginx is.
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

function aptInstall(packages) {
  say(`setup: apt-get install ${packages.join(' ')}; this takes a few minutes`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const quiet = ['-qq', '-o', 'Dpkg::Use-Pty=0', '-o', 'Acquire::Retries=3', '-o', 'DPkg::Lock::Timeout=120']
  withoutServiceStarts(() => {
    const stdio = ['ignore', 2, 2]
    statusOf('apt-get', [...quiet, 'update'], { env, stdio })
    const status = statusOf('apt-get', [...quiet, 'install', '-y', '--no-install-recommends', ...packages], { env, stdio })
    if (status !== 0) say(`setup: apt-get ended with status ${status}`)
  })
}

// Debian starts a daemon as soon as it is installed, unless policy-rc.d says 101 ("forbidden"). An nginx of ours on
// port 80 is nothing a test run should leave behind, so that file says so while apt runs and is put back afterwards.
function withoutServiceStarts(action) {
  const policy = '/usr/sbin/policy-rc.d'
  const saved = `${policy}.before-express-fastcgi`
  const ignore = () => undefined
  // Ctrl-C reaches apt-get by itself; we must outlive it to put the file back.
  process.on('SIGINT', ignore).on('SIGTERM', ignore)
  if (existsSync(policy)) renameSync(policy, saved)
  try {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    action()
  } finally {
    rmSync(policy, { force: true })
    if (existsSync(saved)) renameSync(saved, policy)
    process.off('SIGINT', ignore).off('SIGTERM', ignore)
  }
}
