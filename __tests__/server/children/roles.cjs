// Handlers of the other roles that throw, in every way there is. Run by authorizer-failures.test.ts and filter.test.ts: jest could not survive them. With 'survive' as its
// second argument it listens to what nobody caught, as applications do that are not to end by it.
const express = require('express')
const { createServer } = require('../../../dist')

const [, , path, mode] = process.argv
if (mode === 'survive') {
  process.on('uncaughtException', (error) => process.send({ caught: error.message }))
  process.on('unhandledRejection', (error) => process.send({ rejected: error.message }))
}

const app = express()
app.use((req) => {
  throw new Error(req.url)
})
// Express would say 500 itself; an error handler of the application's can fail as well.
app.use((error, _req, _res, _next) => {
  throw error
})
app.set('env', 'test')

const ways = {
  '/throws': () => {
    throw new Error('/throws')
  },
  '/throws-behind-head': (_req, res) => {
    res.writeHead(200)
    res.flushHeaders()
    throw new Error('/throws-behind-head')
  },
  '/throws-behind-end': (_req, res) => {
    res.end('granted')
    throw new Error('/throws-behind-end')
  },
  '/throws-behind-denial': (_req, res) => {
    res.writeHead(403)
    res.write('de')
    throw new Error('/throws-behind-denial')
  },
  '/rejects': async () => {
    throw new Error('/rejects')
  },
  '/rejects-later': async (_req, res) => {
    res.writeHead(200)
    await new Promise((resolve) => setImmediate(resolve))
    throw new Error('/rejects-later')
  },
  '/rejects-strangely': () => ({ then: (_resolve, reject) => reject(new Error('/rejects-strangely')) }),
  '/express': app,
}

const handler = (req, res) => ways[req.url](req, res)
const server = createServer({ authorizer: handler, filter: handler }, (_req, res) => res.end('content'))
server.listen(path, () => process.send({ listening: true }))
