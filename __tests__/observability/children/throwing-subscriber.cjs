// An application with a subscriber that throws: `node throwing-subscriber.cjs http|fastcgi SOCKET`. Tells its parent what reaches whom.
const diagnostics = require('node:diagnostics_channel')
const http = require('node:http')
const { createServer } = require('express-fastcgi')

const [way, path] = process.argv.slice(2)
const server = (way === 'http' ? http.createServer : createServer)((req, res) => {
  process.send(`handler ${req.url}`)
  res.end('ok')
})
const names = ['request.start', 'response.created', 'response.finish']
for (const name of names) {
  diagnostics.subscribe(`http.server.${name}`, ({ request }) => {
    if (request.url === `/${name}`) throw new Error(`thrown at ${name}`)
  })
  diagnostics.subscribe(`http.server.${name}`, ({ request }) => process.send(`second subscriber of ${name} ${request.url}`))
}
process.on('uncaughtException', ({ message }) => process.send(`uncaught: ${message}`))
server.listen(path, () => process.send('listening'))
