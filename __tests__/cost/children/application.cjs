// An application that says how it fares: its process's heap without a test runner in it. Told what to do by its parent.
const { AsyncResource } = require('node:async_hooks')
const http = require('node:http')
const v8 = require('node:v8')
const { createServer } = require('../../..')

const [path, kind] = process.argv.slice(2)
const ANSWER = 'hello world\n'

function plain(_req, res) {
  res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': ANSWER.length })
  res.end(ANSWER)
}

function upload(req, res) {
  req.on('data', () => undefined)
  req.on('end', () => plain(req, res))
}

function expressApp() {
  const express = require('express')
  return express().disable('etag').use(express.raw({ type: () => true }), (_req, res) => res.type('text/plain').send(ANSWER))
}

const handlers = { plain: () => plain, upload: () => upload, express: expressApp }
const server = createServer(handlers[kind]())
let transport
// No entry point has the classes behind a request, so they are taken from the first one.
let RequestSocket
let Request
server.on('connection', (socket) => { transport = socket })
server.once('request', ({ socket }) => {
  RequestSocket = socket.constructor
  Request = RequestSocket.hostOf(socket).constructor
})
server.listen(path, () => process.send('listening'))

/** How many objects are alive, once all garbage is gone: it is collected before they are counted. */
const alive = (constructor) => v8.queryObjects(constructor, { format: 'count' })

const questions = {
  all: () => alive(Object),
  /** A prototype counts as of the class that it is derived from. */
  objects: () => ({
    IncomingMessage: alive(http.IncomingMessage),
    ServerResponse: alive(http.ServerResponse),
    RequestSocket: alive(RequestSocket),
    Request: alive(Request),
    AsyncResource: alive(AsyncResource),
  }),
  /** What keeps the process alive, and listeners on the connection. */
  held() {
    const listeners = transport.eventNames().map((event) => [String(event), transport.listenerCount(event)])
    return { resources: process.getActiveResourcesInfo().sort(), handles: process._getActiveHandles().length, listeners }
  },
  /** Bytes of heap once all garbage is gone. */
  collect() {
    globalThis.gc()
    return process.memoryUsage().heapUsed
  },
  /** Bytes of heap, garbage included. */
  heap() {
    return process.memoryUsage().heapUsed
  },
}
process.on('message', (question) => {
  // Behind everything that belongs to the last request.
  setImmediate(() => process.send(questions[question]()))
})
process.on('disconnect', () => process.exit())
