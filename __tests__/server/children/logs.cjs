// An application that logs by pino to the web server's error log, and ends in a way of its own. Run by error-log.test.ts.
const pino = require('pino')
const { createServer, errorLog } = require('../../../dist')

const logger = pino({ base: null, timestamp: false }, errorLog())
process.on('uncaughtException', (error) => {
  logger.fatal(error.message)
  process.exit(1)
})
const server = createServer((req, res) => {
  logger.info('begun')
  if (req.url === '/throws') throw new Error('thrown')
  if (req.url === '/exits-later') setImmediate(() => process.exit(2))
  if (req.url === '/exits-at-finish') {
    res.on('finish', () => {
      logger.info('finished')
      process.exit(3)
    })
    res.end('whole')
  }
})
server.listen(process.argv[2], () => process.send({ listening: true }))
