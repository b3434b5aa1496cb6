// The server without a web server, a socket or a system call: recorded requests go in at the top of a connection, answers
// vanish at its bottom. What is left is our own work and node's, with little noise.
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'express-fastcgi'

/** A GET with a browser's headers as nginx sent it: BEGIN_REQUEST, PARAMS, the end of both streams. */
export const RECORDED = readFileSync(new URL('recordings/nginx-get.bin', import.meta.url))

/** As much of a net.Socket as a connection uses. */
class Transport extends EventEmitter {
  writableLength = 0
  write(_bytes, encoding, callback) {
    const done = typeof encoding === 'function' ? encoding : callback
    if (done !== undefined) process.nextTick(done)
    return true
  }
  end() {}
  cork() {}
  uncork() {}
  ref() {}
  unref() {}
  setTimeout() {}
  pause() {}
  resume() {}
  destroy() {}
  end() {}
  destroySoon() {}
}

/**
 * @param handler the application; it answers in the turn in which it is called
 * @param connections that take part in every turn
 * @returns an asynchronous function: it sends `turns` requests on every connection and returns how many were answered
 */
export function inProcess(handler, connections = 32) {
  let answered = 0
  const server = createServer((req, res) => {
    handler(req, res)
    // A 'finish' listener would be seen by the server, which goes a longer way then.
    if (res.writableEnded) answered++
  })
  const transports = Array.from({ length: connections }, () => new Transport())
  for (const transport of transports) server.emit('connection', transport)
  return async (turns) => {
    const before = answered
    for (let turn = 0; turn < turns; turn++) {
      for (const transport of transports) transport.emit('data', RECORDED)
      await new Promise(setImmediate)
    }
    if (answered === before) throw new Error('no request was answered')
    return answered - before
  }
}
