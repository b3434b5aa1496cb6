// Serves slow readers and large downloads, and tells its memory when asked. Run by back-pressure.test.ts.
const { readFileSync } = require('node:fs')
const { Readable, Writable } = require('node:stream')
const { pipeline } = require('node:stream')
const { createServer } = require('../../../dist')

const GIB = 1_073_741_824
const waiting = []

const routes = {
  '/upload': (req, res) => {
    let length = 0
    // A pause now and then, so that the reader is slower than the sender throughout.
    const slow = new Writable({
      write(chunk, _encoding, done) {
        length += chunk.length
        setImmediate(done)
      },
    })
    pipeline(req, slow, () => res.end(String(length)))
  },
  '/download': (_req, res) => {
    const piece = Buffer.alloc(65_536, 'd')
    let left = GIB
    const source = new Readable({
      read() {
        this.push(left > 0 ? piece : null)
        left -= piece.length
      },
    })
    pipeline(source, res, () => undefined)
  },
  '/later': (req, res) => {
    waiting.push(() => {
      let length = 0
      req.on('data', (chunk) => (length += chunk.length))
      req.on('end', () => res.end(String(length)))
    })
  },
}

const server = createServer((req, res) => routes[req.url](req, res))
server.listen(process.argv[2], () => process.send('listening'))

process.on('message', (message) => {
  if (message === 'read') for (const read of waiting.splice(0)) read()
  else {
    global.gc?.()
    const peak = /VmHWM:\s+(\d+) kB/.exec(process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '')
    const { rss, heapUsed, external } = process.memoryUsage()
    process.send({ now: rss, held: heapUsed + external, peak: peak ? Number(peak[1]) * 1024 : process.resourceUsage().maxRSS * 1024 })
  }
})
