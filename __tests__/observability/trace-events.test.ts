// `--trace-event-categories node.http`: the spans of node's server, one for each request.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { GET } from '../support/serve'

interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly id?: string
  readonly args: { readonly data?: object }
}

it('hold one span for each request, and no other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fcgi-trace-'))
  const traces = join(folder, 'traces.json')
  const path = join(folder, 's')
  const flags = ['--trace-event-categories', 'node.http', '--trace-event-file-pattern', traces]
  const child = spawn(process.execPath, [...flags, join(__dirname, 'children', 'trace-events.cjs'), path], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const exited = once(child, 'exit')
    await once(child.stdout, 'data')
    const web = await connect(path)
    web.send(begin(1), params(1, { ...GET, REQUEST_URI: '/a' }), stdin(1))
    expect((await web.response(1)).body.toString()).toBe('ok')
    expect(await exited).toEqual([0, null])

    const { traceEvents } = JSON.parse(readFileSync(traces, 'utf8')) as { traceEvents: TraceEvent[] }
    const spans = traceEvents.filter(({ name }) => name === 'http.server.request')
    expect(spans).toMatchObject([{ ph: 'b' }, { ph: 'e', id: spans[0]!.id, args: { data: { url: '/a', statusCode: 201 } } }])
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})
