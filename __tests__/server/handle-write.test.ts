// What is written past the stream of a net.Socket arrives as what is written to it, and where somebody could tell the difference it is not done.

import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Taken, writeToHandle } from '../../lib/server/handle-write'

let folder: string
let server: net.Server
let near: net.Socket
let far: net.Socket

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fcgi-handle-write-'))
  server = net.createServer({ allowHalfOpen: true }).listen(join(folder, 'sock'))
  await once(server, 'listening')
  far = net.connect({ path: join(folder, 'sock'), allowHalfOpen: true }).on('error', () => undefined)
  ;[near] = (await once(server, 'connection')) as [net.Socket]
  near.on('error', () => undefined)
})

afterEach(() => {
  near.destroy()
  far.destroy()
  server.close()
  rmSync(folder, { recursive: true })
})

const bytes = (text: string): Buffer => Buffer.from(text)
const nothing = (): void => undefined

function handleOf(socket: net.Socket): Record<string, unknown> {
  return (socket as unknown as { _handle: Record<string, unknown> })._handle
}

/** How node writes a buffer is seen on a first one. */
async function learn(): Promise<void> {
  if (writeToHandle(near, [bytes('first ')], nothing) === Taken.NONE) near.write(bytes('first '))
  expect(String(await arrived(6))).toBe('first ')
}

async function arrived(length: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let left = length
  for await (const chunk of far.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    parts.push(chunk)
    left -= chunk.length
    if (left <= 0) break
  }
  return Buffer.concat(parts)
}

/** Writes past the stream until the operating system takes no more; what was written. */
function fill(done: (error?: Error) => void = nothing): Buffer {
  const written: Buffer[] = []
  for (let i = 0; i < 1_000; i++) {
    const pieces = [bytes(`(${i})`), Buffer.alloc(20_000, i)]
    written.push(...pieces)
    const taken = writeToHandle(near, pieces, done)
    if (taken === Taken.PART) return Buffer.concat(written)
    expect(taken).toBe(Taken.ALL)
  }
  throw new Error('20 MB were taken at once')
}

it('the first write of a process is left to the stream', async () => {
  expect(writeToHandle(near, [bytes('-')], nothing)).toBe(Taken.NONE)
  near.write(bytes('a string would not do'))
  expect(String(await arrived(21))).toBe('a string would not do')
  expect(writeToHandle(near, [bytes('-')], nothing)).toBe(Taken.ALL)
})

it('after one write of node, one buffer and several are written, and counted', async () => {
  await learn()
  expect(writeToHandle(near, [bytes('second ')], nothing)).toBe(Taken.ALL)
  expect(writeToHandle(near, [bytes('third '), bytes('fourth')], nothing)).toBe(Taken.ALL)
  near.write(' fifth')
  expect(String(await arrived(25))).toBe('second third fourth fifth')
  expect(near.bytesWritten).toBe(31)
  expect(near.writableLength).toBe(0)
})

it('what the operating system does not take at once arrives in order, before what is written to the stream behind it', async () => {
  await learn()
  for (let round = 0; round < 3; round++) {
    const written = fill()
    const isWritten = new Promise((resolve) => near.write('behind', resolve))
    expect(writeToHandle(near, [bytes('too early')], nothing)).toBe(Taken.NONE)
    expect((await arrived(written.length + 6)).equals(Buffer.concat([written, bytes('behind')]))).toBe(true)
    await isWritten
    expect(writeToHandle(near, [bytes('free')], nothing)).toBe(Taken.ALL)
    await arrived(4)
  }
})

it('is done when all of it was taken, once, and before what is written to the stream behind it', async () => {
  await learn()
  const order: unknown[] = []
  const written = fill((error) => order.push('past the stream', error))
  const behind = new Promise<void>((resolve) => near.write('behind', () => (order.push('behind'), resolve())))
  await new Promise(setImmediate)
  expect(order).toEqual([])
  await arrived(written.length + 6)
  await behind
  expect(order).toEqual(['past the stream', undefined, 'behind'])
})

it('is done, too, when the socket is destroyed', async () => {
  await learn()
  const done = new Promise<unknown>((resolve) => fill(resolve))
  near.destroy()
  expect(await done).toBe(undefined)
})

it('memory on its way is not collected', async () => {
  await learn()
  const written = fill()
  for (let i = 0; i < 2_000; i++) Buffer.alloc(50_000, 0xff)
  expect((await arrived(written.length)).equals(written)).toBe(true)
})

it('an end waits for what is on its way', async () => {
  await learn()
  const written = fill()
  near.end('end')
  const got: Buffer[] = []
  for await (const chunk of far as AsyncIterable<Buffer>) got.push(chunk)
  expect(Buffer.concat(got).equals(Buffer.concat([written, bytes('end')]))).toBe(true)
})

it('an error of what is on its way is told, though nothing is written behind it', async () => {
  await learn()
  const done = new Promise<unknown>((resolve) => fill(resolve))
  const told = once(near, 'error')
  // Or a read would meet the end of the connection first.
  ;(handleOf(near).readStop as () => void)()
  far.destroy()
  expect(await told).toMatchObject([{ code: expect.stringMatching(/^(EPIPE|ECONNRESET)$/), syscall: 'write' }])
  expect(near.destroyed).toBe(true)
  expect(await done).toBe((await told)[0])
})

it('a hook that writes in the middle of a write is left to the stream', async () => {
  await learn()
  const inside: Taken[] = []
  const hook = createHook({
    init(_id, type) {
      if (type === 'WRITEWRAP') inside.push(writeToHandle(far, [bytes('from within')], nothing))
    },
  }).enable()
  try {
    fill()
  } finally {
    hook.disable()
  }
  expect(inside).toEqual([Taken.NONE])
  expect(writeToHandle(far, [bytes('later')], nothing)).toBe(Taken.ALL)
})

it('nothing passes an agent that looked at writes before the module was loaded', () => {
  const prototype = net.Socket.prototype as unknown as Record<string, unknown>
  const { write } = net.Socket.prototype
  prototype['write'] = function looked(this: net.Socket, ...args: Parameters<typeof write>) {
    return write.apply(this, args)
  }
  try {
    jest.isolateModules(() => {
      const { writeToHandle: another } = jest.requireActual<{ writeToHandle: typeof writeToHandle }>('../../lib/server/handle-write')
      for (let i = 0; i < 3; i++) {
        expect(another(near, [bytes('x')], nothing)).toBe(Taken.NONE)
        near.write(bytes('x'))
      }
    })
  } finally {
    delete prototype['write']
  }
})

describe('left to the stream', () => {
  const cases: [string, () => unknown][] = [
    ['a socket that was destroyed', () => near.destroy()],
    ['a socket that was ended', () => near.end()],
    ['a corked socket', () => near.cork()],
    ['a socket with an idle time-out, which a write puts off', () => near.setTimeout(60_000)],
    ["a socket whose 'drain' somebody waits for", () => near.on('drain', () => undefined)],
    ['a socket whose write() was replaced', () => (near.write = () => true)],
    ['a socket whose _write() was replaced', () => (near._write = () => undefined)],
    ['a socket whose _writev() was replaced', () => (near._writev = () => undefined)],
    ['a handle whose writeBuffer() was replaced', () => (handleOf(near).writeBuffer = () => 0)],
    ['a handle whose writev() was replaced', () => (handleOf(near).writev = () => 0)],
  ]
  it.each(cases)('%s', async (_what, change) => {
    await learn()
    change()
    expect(writeToHandle(near, [bytes('x')], nothing)).toBe(Taken.NONE)
  })

  it('another class than net.Socket', async () => {
    await learn()
    expect(writeToHandle(Object.assign(Object.create(near) as net.Socket, { constructor: class extends net.Socket {} }), [bytes('x')], nothing)).toBe(Taken.NONE)
  })

  it('a write that fails: the stream tells of it', async () => {
    await learn()
    far.destroy()
    await once(near.resume(), 'end')
    expect(writeToHandle(near, [bytes('x')], nothing)).toBe(Taken.NONE)
    const told = once(near, 'error')
    near.write('x')
    expect(await told).toMatchObject([{ code: 'EPIPE', syscall: 'write' }])
  })
})
