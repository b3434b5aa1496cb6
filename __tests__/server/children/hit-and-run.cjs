// Connects to the TCP port in its argument, sends the bytes given as hex, and resets the connection.
'use strict'
const net = require('node:net')
const [port, hex] = process.argv.slice(2)
const socket = net.connect(Number(port), '127.0.0.1', () => socket.write(Buffer.from(hex, 'hex'), () => socket.resetAndDestroy()))
socket.on('error', () => process.exit(1))
