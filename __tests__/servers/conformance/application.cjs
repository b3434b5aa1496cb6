// The application of the conformance set: plain Express that calls listen(port), and knows nothing of FastCGI. A process of
// its own, so that whatever starts processes can start it. What a test has to know or to allow goes over a second socket:
// CONFORMANCE_CONTROL is the path of a unix socket, PORT where to listen (ignored under register with an address).
const { createHash } = require('node:crypto')
const { once } = require('node:events')
const net = require('node:net')
const { join } = require('node:path')
const { setTimeout } = require('node:timers/promises')
const express = require('express')

const control = net.connect(process.env.CONFORMANCE_CONTROL)
// Without the test there is nothing to do for this process.
control.on('close', () => process.exit())
control.on('error', () => process.exit(1))
const waiting = new Map()
const allowed = (word) => {
  if (!waiting.has(word)) {
    let resolve
    const promise = new Promise((given) => { resolve = given })
    waiting.set(word, { promise, resolve })
  }
  return waiting.get(word)
}
let received = ''
control.setEncoding('utf8').on('data', (text) => {
  const words = (received + text).split('\n')
  received = words.pop()
  for (const word of words) allowed(word).resolve()
})
const tell = (word, value = null) => control.write(`${JSON.stringify([word, value])}\n`)
const go = (word) => allowed(word).promise

/** Bytes that differ from one place to the next, so that a lost or doubled piece shows. */
function pattern(length) {
  const content = Buffer.alloc(length)
  for (let at = 0; at < length; at++) content[at] = Math.imul(at + 1, 2_654_435_761) >>> 16
  return content
}
const piece = pattern(65_536)

const app = express()
app.use((req, res, next) => {
  const key = req.get('x-key')
  if (key === undefined) return next()
  res.on('close', () => tell(`ended ${key}`, { writableEnded: res.writableEnded, requestDestroyed: req.destroyed, complete: req.complete }))
  tell(`arrived ${key}`)
  next()
})

app.post('/form', express.urlencoded({ extended: false }), (req, res) => res.json(req.body))
app.post('/json', express.json(), (req, res) => res.json(req.body))
app.post('/upload', async (req, res) => {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of req) {
      bytes += chunk.length
      hash.update(chunk)
    }
  } catch {
    // The client left; `ended` tells.
    return
  }
  res.json({ bytes, sha256: hash.digest('hex'), contentLength: req.get('content-length'), transferEncoding: req.get('transfer-encoding') })
})

app.get('/text', (req, res) => res.send('a text with an entity tag'))
app.get('/long-text', (req, res) => res.type('text').send('line of a text\n'.repeat(4000)))
app.get('/file', (req, res) => res.sendFile(join(__dirname, 'file.txt')))
app.get('/nothing', (req, res) => res.status(204).end())
app.get('/empty', (req, res) => res.end())
app.get('/untyped', (req, res) => res.end('<!DOCTYPE html><title>untyped</title>'))
app.get('/status/:code', (req, res) => res.status(Number(req.params.code)).send(`status ${req.params.code}`))
app.get('/redirect/:code', (req, res) => res.redirect(Number(req.params.code), `${req.baseUrl}/text?a=%20b`))
app.get('/redirect-away', (req, res) => res.redirect('https://elsewhere.example/x?y=1'))
app.get('/location-200', (req, res) => res.location(`${req.baseUrl}/text`).send('here'))
app.post('/created', (req, res) => res.status(201).location(`${req.baseUrl}/text`).send('made'))
app.get('/links', (req, res) => res.json({ base: req.baseUrl, original: req.originalUrl, url: req.url, self: `${req.protocol}://${req.host}${req.originalUrl}` }))
app.get('/reason', (req, res) => {
  res.statusMessage = 'Very Special'
  res.status(299).send('see the reason')
})
app.get('/cookies', (req, res) => {
  for (let number = 1; number <= 20; number++) res.cookie(`cookie${number}`, `value ${number}`, { httpOnly: true })
  res.send('cookies')
})
app.get('/repeated', (req, res) => {
  res.set('Link', ['</a.css>; rel=preload', '</b.js>; rel=preload'])
  res.set('X-Two', ['one', 'two'])
  res.send('repeated')
})
app.get('/own-fields', (req, res) => {
  res.set({ Date: 'Thu, 01 Jan 1970 00:00:01 GMT', Server: 'mine/1.0', 'X-Empty': '', 'X-Blanks': 'a  b', 'X-Sendfile': '', 'Cache-Control': 'private' })
  res.send('own fields')
})
app.get('/latin1', (req, res) => {
  res.setHeader('X-Latin1', 'caf\xe9')
  res.send('latin1')
})
app.get('/large-head/:bytes', (req, res) => res.set('X-Large', 'x'.repeat(Number(req.params.bytes))).send('large'))
app.get('/many-fields/:count', (req, res) => {
  for (let number = 1; number <= Number(req.params.count); number++) res.set(`X-Field-${number}`, String(number))
  res.send('many')
})
app.get('/fails', () => {
  throw new Error('as planned')
})
app.get('/interim', (req, res) => {
  res.writeContinue()
  res.writeEarlyHints({ link: '</style.css>; rel=preload' })
  res.send('after the interim answers')
})
app.get('/download/:bytes', async (req, res) => {
  let left = Number(req.params.bytes)
  if (req.query.length !== undefined) res.set('Content-Length', req.params.bytes)
  res.type('application/octet-stream')
  for (; left > 0; left -= piece.length) {
    if (!res.write(piece.subarray(0, left))) await once(res, 'drain')
  }
  res.end()
})
app.get('/events', async (req, res) => {
  const key = req.get('x-key')
  res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' })
  for (let number = 1; number <= 5; number++) {
    res.write(`data: ${number}\n\n`)
    await go(`${key} ${number}`)
  }
  res.end()
})
// Computes until the test says so.
app.get('/computes', async (req, res) => {
  await go(req.get('x-key'))
  res.end('computed')
})
// Ends at last, since there are web servers that would read for ever what nobody wants any more. With a breath between two
// pieces: nginx looks at its client only when there is nothing to read from the application.
app.get('/endless', async (req, res) => {
  const closed = once(res, 'close')
  for (let count = 0; count < 1024 && !res.destroyed; count++) {
    if (!res.write(piece)) await Promise.race([once(res, 'drain'), closed])
    await setTimeout(1)
  }
  if (!res.destroyed) res.end()
})
app.get('/cut', async (req, res) => {
  if (req.query.length !== undefined) res.set('Content-Length', '1048576')
  res.write(piece)
  await go(req.get('x-key'))
  res.destroy()
})
app.get('/short', (req, res) => {
  res.writeHead(200, { 'Content-Length': 10 })
  res.write('abc', () => res.end())
})
// Beyond the set: what single web servers are asked besides.
app.get('/accel', (req, res) => res.set('X-Accel-Redirect', '/private-files/a%20file.txt').send('the application, not the file'))
app.get('/certificate', ({ socket, protocol, secure }, res) => {
  res.json({ protocol, secure, authorized: socket.authorized, error: socket.authorizationError, subject: socket.getPeerCertificate().subject })
})

app.post('/early', (req, res) => res.status(413).send('too much'))
app.use(async (req, res) => {
  const body = Buffer.concat(await req.toArray()).toString('latin1')
  const { method, url, originalUrl, baseUrl, query, headers, ip, protocol, secure, hostname, host, httpVersion } = req
  res.json({ method, url, originalUrl, baseUrl, query, headers, ip, protocol, secure, hostname, host, httpVersion, body })
})

// Under node:http a mounted application is one that Express mounts; behind a web server the prefix is its affair.
const mount = process.env.CONFORMANCE_MOUNT
const site = mount === undefined ? app : express().use(mount, app)
const server = site.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => tell('listening', server.address()))
