// Connections that are no plain net.Socket, given to 'connection' as node:http takes them: what was written there is not with
// an operating system yet, so it must not change, and it ends before it is destroyed.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import net from 'node:net'
import { Duplex } from 'node:stream'
import { createServer } from 'express-fastcgi'
import { begin, params, parseRecords, stdin, STDOUT } from '../support/fcgi-bytes'
import { GET } from '../support/serve'
import { until } from '../support/wait'

const request = (url: string, keep: boolean): Buffer => Buffer.concat([begin(1, { keep }), params(1, { ...GET, REQUEST_URI: url }), stdin(1)])

function stdout(bytes: readonly Buffer[]): string {
  return parseRecords(Buffer.concat(bytes)).filter(({ type }) => type === STDOUT).map(({ content }) => content.toString()).join('')
}

/** Keeps what is written as it is, and says at once that it is done. */
class Keeping extends Duplex {
  readonly written: Buffer[] = []
  isEnded = false
  readonly destroySoon = (): unknown => this.end(() => this.destroy())
  override _read(): void {
    // Pushed by the test.
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk)
    done()
  }
  override _final(done: () => void): void {
    this.isEnded = true
    done()
  }
}

describe('a Duplex as a connection', () => {
  it('may keep the buffers that are written to it', async () => {
    const server = createServer((req, res) => res.end(`answer to ${req.url ?? ''}`))
    const transport = new Keeping()
    server.emit('connection', transport)
    for (const [index, url] of ['/first', '/second', '/third'].entries()) {
      transport.push(request(url, true))
      await until(`answer ${index}`, () => transport.written.length === index + 1)
    }
    expect(transport.written.map((bytes) => stdout([bytes]).split('\r\n\r\n')[1])).toEqual(['answer to /first', 'answer to /second', 'answer to /third'])
    transport.destroy()
  })

  it('is ended before it is destroyed', async () => {
    const server = createServer((_req, res) => res.end('answer'))
    const transport = new Keeping()
    server.emit('connection', transport)
    const closed = once(transport, 'close')
    transport.push(request('/', false))
    await closed
    expect(transport.isEnded).toBe(true)
    expect(stdout(transport.written)).toMatch(/\r\n\r\nanswer$/)
  })
})

it.each([true, false])('a class of its own made from net.Socket may keep what is written (keep-alive %s)', async (keep) => {
  const written: Buffer[] = []
  class Tapped extends net.Socket {
    override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
      written.push(chunk)
      super._write(chunk, encoding, done)
    }
  }
  const server = createServer((req, res) => res.end(`answer to ${req.url ?? ''}`))
  const accepting = net.createServer({ pauseOnConnect: true }, (socket) => {
    const { _handle: handle } = socket as unknown as { _handle: unknown }
    server.emit('connection', new Tapped({ handle, readable: true, writable: true } as net.SocketConstructorOpts))
  })
  accepting.listen(0, '127.0.0.1')
  await once(accepting, 'listening')
  const client = net.connect((accepting.address() as AddressInfo).port)
  const received: Buffer[] = []
  client.on('data', (bytes: Buffer) => received.push(bytes))
  client.write(request('/first', true))
  await until('the first answer', () => written.length === 1)
  client.write(request('/second', keep))
  await until('the second answer', () => Buffer.concat(received).includes('/second'))
  expect(stdout([written[0]!])).toMatch(/answer to \/first$/)
  client.destroy()
  accepting.close()
})
