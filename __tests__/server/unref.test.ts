// server.unref(): whether a process that serves may end.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { GET } from '../support/serve'

let folder: string
let child: ChildProcess
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fcgi-unref-'))
})
afterEach(() => {
  child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

it('an active request keeps the process alive, a kept connection that is idle does not', async () => {
  const path = join(folder, 's')
  child = spawn(process.execPath, [join(__dirname, 'children', 'unref.cjs'), path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  await once(child.stdout!, 'data')
  const web = await connect(path)
  web.send(begin(1, { keep: true }), params(1, GET), stdin(1))
  expect((await web.response(1)).body.toString()).toBe('answered')
  expect(await exited).toEqual([0, null])
})
