// HTTP as it is on the wire: what node:http's client would tidy up or hide (a body where none may be, an interim head,
// a connection cut short) is what these tests want to see.
import { once } from 'node:events'
import net from 'node:net'

export interface RawHead {
  /** `HTTP/1.1 200 OK` */
  readonly statusLine: string
  /** In the order and spelling received. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** Every value of a field, by its name in any case. */
  values(name: string): string[]
}

/** One TCP connection to a web server. */
export class RawHttp {
  private received = Buffer.alloc(0)
  private failure: Error | undefined
  private ended = false
  private wake: () => void = () => undefined

  private constructor(private readonly socket: net.Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      this.wake()
    })
    // A reset counts as an end: the tests ask what arrived before it.
    socket.on('error', (error) => (this.failure = error))
    socket.on('close', () => this.end())
    socket.on('end', () => this.end())
  }

  static async connect(port: number): Promise<RawHttp> {
    const socket = net.connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    return new RawHttp(socket)
  }

  /** Sends text as latin1, the one encoding that is its own bytes. */
  write(bytes: string | Buffer): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    return this
  }

  /** The next head, without the empty line. */
  async head(): Promise<RawHead> {
    const [statusLine = '', ...lines] = (await this.upTo('\r\n\r\n')).split('\r\n')
    const fields = lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
    })
    const values = (name: string) => fields.filter(([known]) => known.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
    return { statusLine, fields, values }
  }

  /** Text up to and without `mark`, which is taken away. */
  async upTo(mark: string): Promise<string> {
    let at: number
    while ((at = this.received.indexOf(mark, 0, 'latin1')) < 0) await this.more(`"${mark}"`)
    const text = this.received.toString('latin1', 0, at)
    this.received = this.received.subarray(at + mark.length)
    return text
  }

  /** Exactly so many bytes. */
  async bytes(count: number): Promise<Buffer> {
    while (this.received.length < count) await this.more(`${count} bytes`)
    const taken = this.received.subarray(0, count)
    this.received = this.received.subarray(count)
    return taken
  }

  /** What has arrived, at least one byte and at most so many; throws when the connection ended. */
  async some(limit: number): Promise<Buffer> {
    while (this.received.length === 0) await this.more('a byte')
    const taken = this.received.subarray(0, limit)
    this.received = this.received.subarray(taken.length)
    return taken
  }

  /** The content of a chunked body; throws when the connection ends before its last chunk. */
  async chunkedBody(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for (;;) {
      const size = parseInt(await this.upTo('\r\n'), 16)
      chunks.push(await this.bytes(size))
      await this.upTo('\r\n')
      if (size === 0) return Buffer.concat(chunks)
    }
  }

  /** Everything until the web server ends the connection, by a reset as well. */
  async rest(): Promise<Buffer> {
    while (!this.ended) await this.change()
    return this.received
  }

  /** Leaves without a word, as a browser does whose window is closed. */
  leave(): void {
    this.socket.destroy()
  }

  private async more(what: string): Promise<void> {
    if (this.ended) {
      const seen = this.received.toString('latin1', 0, 200)
      throw new Error(`the connection ended before ${what}; left: ${JSON.stringify(seen)}`, { cause: this.failure })
    }
    await this.change()
  }

  private change(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve))
  }

  private end(): void {
    this.ended = true
    this.wake()
  }
}
