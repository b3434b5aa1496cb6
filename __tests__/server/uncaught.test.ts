// What an application throws is its own: it reaches 'uncaughtException', and the other requests of the connection go on.

import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { POST } from '../support/serve'

// The store that a listener of 'uncaughtException' finds says which request it was.
it.each([
  ['the handler', '/throws', 'in the handler'],
  ["a listener of 'data'", '/throws-later', 'in a data listener'],
  ["a listener of 'finish', told without a tick", '/throws-at-finish', 'in a finish listener'],
  ["a listener of 'finish', told in a tick", '/throws-at-finish-later', 'in a finish listener'],
  ['the callback of end()', '/throws-at-end', 'in the callback of end()'],
])('thrown by %s', async (_where, url, message) => {
  const folder = mkdtempSync(join(tmpdir(), 'fcgi-throws-'))
  const path = join(folder, 's')
  const child = fork(join(__dirname, 'children', 'throws.cjs'), [path], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const messages: { caught?: string; store?: string }[] = []
  const heard = (): Promise<void> => new Promise((resolve) => child.once('message', (said) => resolve(void messages.push(said as object))))
  try {
    await heard()
    const caught = heard()
    const web = await connect(path)
    const request = (id: number, uri: string): Buffer =>
      Buffer.concat([begin(id, { keep: true }), params(id, { ...POST, REQUEST_URI: uri, CONTENT_LENGTH: '2' }), stdin(id, 'ab'), stdin(id)])
    web.send(Buffer.concat([request(1, '/before'), request(2, url), request(3, '/behind')]))
    expect((await web.response(1)).body.toString()).toBe('fine: /before')
    expect((await web.response(3)).body.toString()).toBe('fine: /behind')
    await caught
    expect(messages.at(-1)).toEqual({ caught: message, store: url })
    web.destroy()
  } finally {
    child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
})
