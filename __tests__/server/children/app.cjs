// A FastCGI application in a process of its own, from the built package: listens on what LISTEN_ARGS (JSON) says, or on
// what it finds, and reports to its parent on file descriptor REPORT_FD as lines of JSON.
'use strict'
const { writeSync } = require('node:fs')
const path = require('node:path')
const { createServer } = require(path.join(__dirname, '..', '..', '..', 'dist', 'index.js'))

const fd = Number(process.env.REPORT_FD ?? 1)
const report = (what) => writeSync(fd, `${JSON.stringify(what)}\n`)
const errorOf = (error) => ({ code: error.code, message: error.message, name: error.name })

process.on('warning', (warning) => report({ event: 'warning', code: warning.code, message: warning.message }))
const options = JSON.parse(process.env.SERVER_OPTIONS ?? '{}')
const server = createServer(options, (req, res) => {
  if (req.url === '/short-torso') res.setHeader('Content-Length', 10)
  else if (req.url !== '/torso') return res.end(`pid ${process.pid} ${req.url}`)
  res.write('torso')
  setImmediate(() => res.destroy())
})
server.on('drop', (data) => report({ event: 'drop', remoteAddress: data?.remoteAddress }))
server.on('error', (error) => {
  report({ event: 'error', ...errorOf(error), listening: server.listening })
})
try {
  server.listen(...JSON.parse(process.env.LISTEN_ARGS ?? '[]'), () => report({ event: 'listening', address: server.address(), pid: process.pid }))
} catch (error) {
  report({ event: 'thrown', ...errorOf(error), listening: server.listening })
}
