// An Express application that knows nothing of FastCGI, IIS or Windows.
'use strict'
const { createHash } = require('node:crypto')
const express = require('express')

const app = express()
app.get('/', (req, res) => res.send(`${process.platform} ${req.method} ${req.url}`))
app.post('/upload', (req, res) => {
  const hash = createHash('sha256')
  req.on('data', (chunk) => hash.update(chunk)).on('end', () => res.json({ length: req.headers['content-length'], sha256: hash.digest('hex') }))
})
app.get('/download/:size', (req, res) => res.type('bin').send(Buffer.alloc(Number(req.params.size), 'abc')))
app.get('/error', () => {
  throw new Error('broken on purpose')
})
app.get('/client', (req, res) => res.json({ ip: req.ip, protocol: req.protocol, host: req.hostname, local: req.socket.localAddress }))
const server = app.listen(process.env.PORT, () => console.log('listening on', server.address(), server.listening))
server.on('close', () => console.log('closed'))
// What an application keeps open must not keep the process.
if (process.argv.includes('--busy')) setInterval(() => undefined, 1000)
