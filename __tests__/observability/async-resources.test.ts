// async_hooks: one resource for each request, seen as the executing one in its handler, and none left behind.

import { createHook, executionAsyncId, executionAsyncResource, triggerAsyncId } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { begin, END_REQUEST, params, stdin } from '../support/fcgi-bytes'
import { GET, serve, stopAll } from '../support/serve'
import { until } from '../support/wait'

afterEach(stopAll)

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const REQUEST = 'FASTCGIREQUEST'

/** Resources of requests that were made and destroyed, while `use` runs. */
async function counted(use: (ids: { readonly made: number[]; readonly destroyed: Set<number> }) => Promise<void>): Promise<void> {
  const made: number[] = []
  const destroyed = new Set<number>()
  const hook = createHook({
    init: (id, type) => {
      if (type === REQUEST) made.push(id)
    },
    destroy: (id) => void destroyed.add(id),
  }).enable()
  try {
    await use({ made, destroyed })
  } finally {
    hook.disable()
  }
}

it('a request has a resource of its own, in which its handler and its events run', async () => {
  await counted(async ({ made }) => {
    const seen: Record<string, { id: number; trigger: number; resource: object }[]> = {}
    const { client } = await serve((req, res) => {
      const note = (): void => {
        const noted = { id: executionAsyncId(), trigger: triggerAsyncId(), resource: executionAsyncResource() }
        seen[req.url ?? ''] = [...(seen[req.url ?? ''] ?? []), noted]
      }
      note()
      req.on('data', note)
      if (req.url === '/2') res.end()
      else req.on('end', () => res.end())
    })
    const web = await client()
    for (const id of [1, 2]) web.send(begin(id, { keep: true }), params(id, { ...GET, REQUEST_URI: `/${id}`, REQUEST_METHOD: 'POST', CONTENT_LENGTH: '2' }))
    await until('both handlers', () => seen['/1'] !== undefined && seen['/2'] !== undefined)
    web.send(stdin(1, 'a'))
    await until('a piece', () => seen['/1']?.length === 2)
    web.send(stdin(1, 'b'))
    await web.response(1)
    expect(made).toHaveLength(2)
    expect(seen['/1']).toHaveLength(3)
    for (const [index, url] of ['/1', '/2'].entries()) {
      expect(seen[url]?.[0]).toMatchObject({ id: made[index], resource: seen[url]?.[0]?.resource })
      // node's own too: the first piece may come from a tick of the stream, which has a resource of its own.
      expect(seen[url]?.at(-1)?.resource).toBe(seen[url]?.[0]?.resource)
    }
    expect(seen['/1']?.[0]?.resource).not.toBe(seen['/2']?.[0]?.resource)
  })
})

it('10000 requests make 10000 resources, and all are destroyed', async () => {
  await counted(async ({ made, destroyed }) => {
    const requests: WeakRef<object>[] = []
    const { client } = await serve((req, res) => {
      requests.push(new WeakRef(req), new WeakRef(res), new WeakRef(req.socket))
      res.end('ok')
    })
    const web = await client({ keep: false })
    let answered = 0
    const ids = Array.from({ length: 100 }, (_, index) => index + 1)
    const batch = Buffer.concat(ids.map((id) => Buffer.concat([begin(id, { keep: true }), params(id, GET), stdin(id)])))
    for (let round = 0; round < 100; round++) {
      web.send(batch)
      for (const id of ids) {
        const { records } = await web.response(id)
        answered += records.filter(({ type }) => type === END_REQUEST).length
      }
    }
    expect(answered).toBe(10_000)
    expect(made).toHaveLength(10_000)
    await until('the end of all resources', () => {
      collectGarbage()
      return made.every((id) => destroyed.has(id))
    })
    // The connection is open still: nothing of a request may hang on it.
    expect(web.closedHow).toBeUndefined()
    expect(requests.filter((ref) => ref.deref() !== undefined)).toEqual([])
  })
}, 60_000)
