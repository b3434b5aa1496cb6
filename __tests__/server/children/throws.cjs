// An application whose handler throws for one URL, with the handler for that which such applications have. Run by uncaught.test.ts.
const { AsyncLocalStorage } = require('node:async_hooks')
const { createServer } = require('../../../dist')

const storage = new AsyncLocalStorage()

process.on('uncaughtException', (error) => process.send({ caught: error.message, store: storage.getStore() }))
const server = createServer((req, res) => {
  storage.enterWith(req.url)
  if (req.url === '/throws') throw new Error('in the handler')
  if (req.url === '/throws-at-finish-later') process.nextTick(() => undefined)
  if (req.url.startsWith('/throws-at-finish')) {
    res.on('finish', () => {
      throw new Error('in a finish listener')
    })
    res.end()
    return
  }
  if (req.url === '/throws-at-end') {
    res.end(() => {
      throw new Error('in the callback of end()')
    })
    return
  }
  req.on('data', () => {
    if (req.url === '/throws-later') throw new Error('in a data listener')
  })
  req.on('end', () => res.end(`fine: ${req.url}`))
})
server.listen(process.argv[2], () => process.send({ listening: true }))
