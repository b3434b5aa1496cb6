// Whether IIS started this process, and the pipe it gave. IIS gives no socket to listen on: standard input is the one
// connection, open both ways for as long as the process lives.

import { fstatSync } from 'node:fs'
import { Readable } from 'node:stream'
import { loadWorkerThreads } from './on-demand'

const TYPE_OF_FILE = 0o170000
const PIPE = 0o010000
const SOCKET = 0o140000

const name = findPipe()
let isTaken = false
if (name !== undefined) hideStandardInput()

/** Name of the pipe that is file descriptor 0; undefined when IIS gave none, or when it is taken. */
export function pipeOfIIS(): string | undefined {
  return isTaken ? undefined : name
}

/** The pipe is somebody's from now on. */
export function takePipeOfIIS(): void {
  isTaken = true
  // Children of the application have another standard input, and would take it for the pipe.
  delete process.env['_FCGI_X_PIPE_']
}

function findPipe(): string | undefined {
  if (process.platform !== 'win32') return undefined
  const value = process.env['_FCGI_X_PIPE_']
  if (value === undefined || value === '') return undefined
  // A child of the application that got both from it: IIS itself gives no IPC channel, and no thread has a pipe of its own.
  if (process.send !== undefined || !loadWorkerThreads().isMainThread) return undefined
  try {
    // Not isFIFO(), which is always false on Windows.
    const type = fstatSync(0).mode & TYPE_OF_FILE
    return type === PIPE || type === SOCKET ? value : undefined
  } catch {
    return undefined
  }
}

/** An application that looks at its standard input would read requests: it finds nothing there, as elsewhere behind a web server. */
function hideStandardInput(): void {
  let stdin: Readable | undefined
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    enumerable: true,
    get: () => (stdin ??= Object.assign(Readable.from([]), { fd: 0 })),
  })
}
