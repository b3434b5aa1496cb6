// An application whose handler throws for one URL, with the handler for that which such applications have. Run by uncaught.test.ts.
const { createServer } = require('../../../dist')

process.on('uncaughtException', (error) => process.send({ caught: error.message }))
const server = createServer((req, res) => {
  if (req.url === '/throws') throw new Error('in the handler')
  req.on('data', () => {
    if (req.url === '/throws-later') throw new Error('in a data listener')
  })
  req.on('end', () => res.end(`fine: ${req.url}`))
})
server.listen(process.argv[2], () => process.send({ listening: true }))
