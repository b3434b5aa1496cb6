// What the applications of all frameworks share, none of it about FastCGI: bodies that can be checked, a stream that
// waits to be told to go on, and a list of the clients that were seen to leave.
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'

/** A folder to serve files from. */
export const folder = fileURLToPath(new URL('.', import.meta.url))

/** How the framework said that a client left. */
export const departures = []

/** 8 MiB whose every part is different. */
export function* pieces() {
  for (let n = 0; n < 128; n++) {
    const piece = Buffer.alloc(65_536, `piece ${n} `)
    yield piece
  }
}

export async function digest(stream) {
  const hash = createHash('sha256')
  let length = 0
  for await (const chunk of stream) {
    hash.update(chunk)
    length += chunk.length
  }
  return { length, sha256: hash.digest('hex') }
}

export async function text(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

let open = () => undefined

/** A body whose second half is not made before release() was called. */
export async function* halves() {
  const gate = new Promise((resolve) => (open = resolve))
  yield Buffer.from('first\n')
  await gate
  yield Buffer.from('second\n')
}

export function release() {
  open()
}

export function parseCookies(header = '') {
  return Object.fromEntries(header.split('; ').filter(Boolean).map((pair) => pair.split('=')))
}
