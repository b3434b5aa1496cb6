// Writes to the operating system past the stream of a net.Socket: what the system takes at once, as it nearly always does, needs no
// queue, no callback and no tick. Everything else goes the way of the stream.

import { Socket } from 'node:net'

/** node's object for a write that is under way. */
interface WriteRequest {
  /** -1 while no write is under way with it. */
  getAsyncId(): number
  oncomplete: () => void
  buffer: unknown
}

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

const { write: writeOfStream, _write: writeOne, _writeGeneric: writeGeneric } = Socket.prototype as Socket & Record<'_write' | '_writeGeneric', unknown>

/** As node calls it on the handles of TCP and of pipes; undefined until its first call was seen. */
let writeBuffer: WriteBuffer | undefined
let writeBuffers: WriteBuffers | undefined
/** Makes the requests that a caller has to bring; undefined where node makes them. */
let WriteRequestClass: (new () => WriteRequest) | undefined
/** One for all writes that are done at once: node then leaves it as it was. */
let request: WriteRequest | null = null

/**
 * Writes to the handle, where that comes to the same as a write to the stream.
 *
 * @param pieces one or more, unchanged until written: with {@link Taken.PART}, until a write to the stream after this one has called back
 */
export function writeToHandle(socket: Socket, pieces: readonly Buffer[]): Taken {
  const handle = (socket as unknown as Internals)._handle
  if (handle === null || handle === undefined || !isPlain(socket)) return Taken.NONE
  if (writeBuffer === undefined || writeBuffers === undefined) {
    watch(handle)
    return Taken.NONE
  }
  if (handle.writeBuffer !== writeBuffer || handle.writev !== writeBuffers) return Taken.NONE
  const [first] = pieces
  const result = pieces.length === 1 && first !== undefined ? writeBuffer.call(handle, request, first) : writeBuffers.call(handle, request, pieces, true)
  if (result === 0) {
    if (request === null || request.getAsyncId() === -1) return Taken.ALL
    keep(request, pieces)
    request = newRequest()
    return Taken.PART
  }
  if (typeof result === 'number') {
    // The stream meets the same error, and tells everybody.
    request = newRequest()
    return Taken.NONE
  }
  keep(result, pieces)
  return Taken.PART
}

/** Nothing waits in the stream, nobody stands in between or waits for its 'drain', and there is no idle time-out that a write puts off. */
function isPlain(socket: Socket): boolean {
  return (
    socket.constructor === Socket &&
    socket.write === writeOfStream &&
    (socket as unknown as { _write: unknown })._write === writeOne &&
    (socket as unknown as { _writeGeneric: unknown })._writeGeneric === writeGeneric &&
    socket.writable &&
    socket.writableLength === 0 &&
    socket.writableCorked === 0 &&
    !socket.connecting &&
    socket.listenerCount('drain') === 0 &&
    !(socket.timeout !== undefined && socket.timeout > 0)
  )
}

/** Memory that is being written has to live; an error is the stream's to tell, whose next write fails of it. */
function keep(underWay: WriteRequest, pieces: readonly Buffer[]): void {
  underWay.oncomplete = noop
  underWay.buffer = pieces
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

function noop(): void {
  // See keep().
}
