// What takes milliseconds to load, and most processes need late or never. Loaded when it is first asked for.
/* eslint-disable @typescript-eslint/no-require-imports -- import() would give a promise, and Node 20 has process.getBuiltinModule() only since 20.16 */

import type * as childProcess from 'node:child_process'
import type cluster from 'node:cluster'
import type * as crypto from 'node:crypto'
import type * as workerThreads from 'node:worker_threads'
import type * as application from './application'
import type * as roles from './roles'
import type * as sendfile from './sendfile-offload'
import type * as upgrade from './upgrade'

/** Kept: a test runner that forgets modules would load another copy, whose requests this one does not know. */
let loaded: typeof application | undefined

/** Everything that serves requests. Imports are waited for at the start of a process, whether there will be a server or not. */
export function loadApplication(): typeof application {
  loaded ??= require('./application') as typeof application
  return loaded
}

/** undefined before there was a server. */
export function loadedApplication(): typeof application | undefined {
  return loaded
}

let upgrades: typeof upgrade | undefined

/** What turns requests into connections, from the first request on that asks for it. */
export function loadUpgrade(): typeof upgrade {
  upgrades ??= require('./upgrade') as typeof upgrade
  return upgrades
}

/** undefined before there was such a request. */
export function loadedUpgrade(): typeof upgrade | undefined {
  return upgrades
}

/** The other roles than Responder, which few applications have. */
export function loadRoles(): typeof roles {
  return require('./roles') as typeof roles
}

/** Most applications leave no file to the web server. */
export function loadSendfile(): typeof sendfile {
  return require('./sendfile-offload') as typeof sendfile
}

export function loadCrypto(): typeof crypto {
  return require('node:crypto') as typeof crypto
}

export function loadChildProcess(): typeof childProcess {
  return require('node:child_process') as typeof childProcess
}

/** `net.Server.listen()` loads it in any case. */
export function loadCluster(): typeof cluster {
  return require('node:cluster') as typeof cluster
}

export function loadWorkerThreads(): typeof workerThreads {
  return require('node:worker_threads') as typeof workerThreads
}
