// Writes to the operating system past the stream of a net.Socket: what the system takes at once, as it nearly always does, needs no
// queue, no callback and no tick. Everything else goes the way of the stream.

import { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'

/** node's object for a write that is under way. */
interface WriteRequest {
  /** -1 while no write is under way with it. */
  getAsyncId(): number
  oncomplete(status: number): void
  buffer: unknown
  socket: Socket
  done: Done
}

/** @param error what the write failed with; the socket was destroyed with the same then */
type Done = (error?: Error) => void

interface Handle {
  writeBuffer?: WriteBuffer
  writev?: WriteBuffers
}

/**
 * Node 26 makes a request only for what is not done at once, and returns it; before, the caller brings one, and an error number comes
 * back, or 0.
 */
type WriteBuffer = (this: Handle, request: WriteRequest | null, bytes: Uint8Array) => number | WriteRequest
type WriteBuffers = (this: Handle, request: WriteRequest | null, pieces: readonly Uint8Array[], areBuffers: true) => number | WriteRequest

interface Internals {
  readonly _handle?: Handle | null
}

export const enum Taken {
  /** Nothing was written: the stream is to do it. */
  NONE,
  ALL,
  /** The rest is in the queue of the handle: what is written to the stream from now on comes behind it. */
  PART,
}

interface WayOfWriting {
  readonly write: unknown
  readonly _write: unknown
  readonly _writev: unknown
  readonly _writeGeneric: unknown
}

const { write, _write, _writev, _writeGeneric } = Socket.prototype as unknown as WayOfWriting
/**
 * These are node's own, and end at the handle as they do here: not where an agent, loaded before us, replaced one that it looks through. On
 * Windows the rest of a write to a pipe is nearly always under way, so there is nothing to be gained.
 */
const mayPass =
  process.platform !== 'win32' &&
  /\b_write\(this, chunk, encoding, cb\)/.test(String(write)) &&
  /\bthis\._writeGeneric\(false, data, encoding, cb\)/.test(String(_write)) &&
  /\bthis\._writeGeneric\(true, chunks, '', cb\)/.test(String(_writev)) &&
  /\bwriteGeneric\(this, data, encoding, cb\)/.test(String(_writeGeneric))

/** As node calls it on the handles of TCP and of pipes; undefined until its first call was seen. */
let writeBuffer: WriteBuffer | undefined
let writeBuffers: WriteBuffers | undefined
/** Makes the requests that a caller has to bring; undefined where node makes them. */
let WriteRequestClass: (new () => WriteRequest) | undefined
/** One for all writes that are done at once: node then leaves it as it was. */
let request: WriteRequest | null = null
/** In the middle of a write a hook of async_hooks may be called, and write itself: to the same connection that would be out of order. */
export let isWriting = false

/**
 * Writes to the handle, where that comes to the same as a write to the stream.
 *
 * @param pieces one or more, unchanged until written: with {@link Taken.PART}, until `done` is called
 * @param done called with {@link Taken.PART} alone, later: the rest is written, has failed, or never will be, as the socket was destroyed
 */
export function writeToHandle(socket: Socket, pieces: readonly Buffer[], done: Done): Taken {
  const handle = (socket as unknown as Internals)._handle
  if (!mayPass || isWriting || handle === null || handle === undefined || !isPlain(socket)) return Taken.NONE
  if (writeBuffer === undefined || writeBuffers === undefined) {
    watch(handle)
    return Taken.NONE
  }
  if (handle.writeBuffer !== writeBuffer || handle.writev !== writeBuffers) return Taken.NONE
  const [first] = pieces
  isWriting = true
  const result = pieces.length === 1 && first !== undefined ? writeBuffer.call(handle, request, first) : writeBuffers.call(handle, request, pieces, true)
  isWriting = false
  if (result === 0) {
    if (request === null || request.getAsyncId() === -1) return Taken.ALL
    follow(request, socket, pieces, done)
    request = newRequest()
    return Taken.PART
  }
  if (typeof result === 'number') {
    // The stream tries again: it meets the same error and tells everybody, or it has passed.
    request = newRequest()
    return Taken.NONE
  }
  follow(result, socket, pieces, done)
  return Taken.PART
}

/** Nothing waits in the stream, nobody stands in between or waits for its 'drain', and there is no idle time-out that a write puts off. */
function isPlain(socket: Socket): boolean {
  const way = socket as unknown as WayOfWriting
  return (
    socket.constructor === Socket &&
    way.write === write &&
    way._write === _write &&
    way._writev === _writev &&
    way._writeGeneric === _writeGeneric &&
    socket.writable &&
    socket.writableLength === 0 &&
    socket.writableCorked === 0 &&
    !socket.connecting &&
    socket.listenerCount('drain') === 0 &&
    !(socket.timeout !== undefined && socket.timeout > 0)
  )
}

/** Memory that is being written has to live, and an error to be told. */
function follow(underWay: WriteRequest, socket: Socket, pieces: readonly Buffer[], done: Done): void {
  underWay.oncomplete = completed
  underWay.socket = socket
  underWay.buffer = pieces
  underWay.done = done
}

function completed(this: WriteRequest, status: number): void {
  const { socket, done } = this
  if (status >= 0 || socket.destroyed) {
    done()
    return
  }
  const code = getSystemErrorName(status)
  const error = Object.assign(new Error(`write ${code}`), { errno: status, code, syscall: 'write' })
  socket.destroy(error)
  done(error)
}

function newRequest(): WriteRequest | null {
  return WriteRequestClass === undefined ? null : new WriteRequestClass()
}

/** Looks at how node's own code makes the next write on this handle. There is no other way to its class of requests. */
function watch(handle: Handle): void {
  const { writeBuffer: original, writev } = handle
  if (original === undefined || writev === undefined || !/^(?:Pipe|TCP)$/.test(handle.constructor.name) || Object.hasOwn(handle, 'writeBuffer')) return
  handle.writeBuffer = function watched(given, bytes) {
    delete handle.writeBuffer
    const result = original.call(handle, given, bytes)
    if (isAsExpected(given, result)) [writeBuffer, writeBuffers] = [original, writev]
    return result
  }
}

/** Also makes the request for all writes to come, where one has to be brought. */
function isAsExpected(given: WriteRequest | null, result: number | WriteRequest): boolean {
  if (given === null) return typeof result === 'number' || typeof result === 'object'
  if (result !== 0 || typeof given.getAsyncId !== 'function') return false
  WriteRequestClass = given.constructor as new () => WriteRequest
  request = new WriteRequestClass()
  return request.getAsyncId() === -1
}
