// A shell script that other programs start the application by.

import { posix } from 'node:path'
import { type ConfigurationFile } from './configuration'
import { type Deployment } from './deployment'
import { shellWord } from './text'

/** What a start script may have besides its common lines. */
export interface StartOptions {
  /** Lines before the last, such as where output goes; each with its line end. */
  readonly setting?: string
  /** Starts the application from a command, as the last lines. Default: the script becomes it. */
  readonly run?: ((command: string) => string) | undefined
}

/** A program without arguments that becomes the application: what spawn-fcgi, multiwatch, cgi-fcgi and lighttpd start. */
export function startScript(
  { app, node, mount }: Deployment,
  path: string,
  { setting = '', run = (command) => `exec ${command}\n` }: StartOptions = {},
): ConfigurationFile {
  const prefix = mount === '' ? '' : `# Taken off the path of every request: the application has its routes at /.\nexport FASTCGI_MOUNT=${mount}\n`
  return {
    path,
    mode: 0o755,
    text: `#!/bin/sh
# Becomes the application, which finds its listening socket as standard input.

# An address in the environment would go before that socket.
unset FASTCGI_LISTEN
export NODE_ENV="\${NODE_ENV:-production}"
${prefix}${setting}
# node looks for express-fastcgi from the folder it is started in.
cd ${shellWord(posix.dirname(app))} || exit 1
${run(`${shellWord(node)} --import express-fastcgi/register ${shellWord(app)}`)}`,
  }
}
