// Serves one request at a FastCGI socket: `node trace-events.cjs SOCKET`. Says when it listens, and ends with the answer.
'use strict'
const path = require('node:path')
const { createServer } = require(path.join(__dirname, '..', '..', '..', 'dist', 'index.js'))

const server = createServer((_req, res) => {
  res.statusCode = 201
  res.end('ok')
  server.close()
})
server.listen(process.argv[2], () => console.log('listening'))
