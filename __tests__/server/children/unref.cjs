// A server that does not keep its process alive. Says when it listens, and answers by a timer that does not keep it either.
'use strict'
const path = require('node:path')
const { createServer } = require(path.join(__dirname, '..', '..', '..', 'dist', 'index.js'))

const server = createServer((_req, res) => setTimeout(() => res.end('answered'), 100).unref())
server.listen(process.argv[2], () => {
  console.log('listening')
  // Until the first request, which only a process that is there can get.
  const stay = setInterval(() => undefined, 1_000)
  server.once('request', () => clearInterval(stay))
})
server.unref()
