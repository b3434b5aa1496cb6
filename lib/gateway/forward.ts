// One HTTP request through a FastCGI application: both bodies at the pace of their readers, and an answer whatever happens.

import { type IncomingMessage, STATUS_CODES, type ServerResponse } from 'node:http'
import { type Socket } from 'node:net'
import { type Duplex } from 'node:stream'
import { type CgiResponseHead, ResponseHeadParser } from '../cgi/response-parser'
import { type ClientRequest, FastCGIError, ProtocolError, ProtocolStatus, RequestAbortedError, RequestRefusedError } from '../client'

const ASCII = /^[\t\x20-\x7e]*$/
const NOTHING = Buffer.alloc(0)

/** What {@link Forward} needs to know of the gateway. */
export interface ForwardOptions {
  readonly maxHeadBytes: number
  readonly onStderr: (text: Buffer, req: IncomingMessage) => void
}

const SWITCHING_PROTOCOLS = 101

/** An error that is the outer server's own doing, not the application's. */
const INTERNAL_SERVER_ERROR = 500

/** From the FastCGI request to the end of the HTTP response. */
export class Forward {
  private readonly parser: ResponseHeadParser
  private head: CgiResponseHead | undefined
  /** Body bytes that the response still takes; undefined without a Content-Length. */
  private bodyLeft: number | undefined
  private hasBody = true
  private isOver = false
  private request: ClientRequest | undefined
  /** The client's connection, once the application has switched protocols on it. */
  private tunnel: Duplex | undefined

  /** @param connection of a request that asks for an upgrade; its STDIN is what comes from there */
  constructor(
    private readonly req: IncomingMessage,
    private readonly res: ServerResponse,
    private readonly options: ForwardOptions,
    private readonly connection?: Duplex,
  ) {
    this.parser = new ResponseHeadParser(options.maxHeadBytes, connection !== undefined)
    // Their errors are ends that 'close' tells as well; without a listener they would end the process.
    req.on('error', () => undefined)
    res.on('error', () => undefined)
    res.on('close', () => this.onClose())
    res.on('drain', () => this.request?.stdout.resume())
  }

  /** The browser has left, or the answer is complete. */
  get isDone(): boolean {
    return this.isOver || this.res.destroyed
  }

  /** Waits for the answer of this FastCGI request. */
  follow(request: ClientRequest): void {
    this.request = request
    request.on('stderr', (text) => this.onStderr(text))
    request.stdout.on('data', (chunk: Buffer) => this.onStdout(chunk))
    request.stdout.on('end', () => this.onEnd())
    request.ended.catch((error: unknown) => this.fail(error))
  }

  /** Answers with the reason, or cuts the connection when a part of another answer was sent already. */
  fail(error: unknown): void {
    if (this.isOver) return
    this.isOver = true
    this.request?.abort()
    if (this.tunnel !== undefined) {
      this.tunnel.destroy()
      return
    }
    if (this.res.destroyed) return
    if (this.res.headersSent) this.res.destroy()
    else this.refuse(error)
    this.discardUpload()
  }

  private onStderr(text: Buffer): void {
    try {
      this.options.onStderr(text, this.req)
    } catch (error) {
      this.fail(error)
    }
  }

  private onStdout(chunk: Buffer): void {
    if (this.isOver) return
    if (this.tunnel !== undefined) {
      if (!this.tunnel.write(chunk)) this.request?.stdout.pause()
      return
    }
    if (this.head !== undefined) {
      this.writeBody(chunk)
      return
    }
    try {
      const found = this.parser.push(chunk)
      if (found === undefined) return
      if (found.head.statusCode === SWITCHING_PROTOCOLS && this.connection !== undefined) {
        this.switchProtocols(found.head, chunk.subarray(found.bodyStart), this.connection)
        return
      }
      this.writeHead(found.head)
      if (found.bodyStart < chunk.length) this.writeBody(chunk.subarray(found.bodyStart))
      // An event stream may have nothing to say for long; its head must not wait for it.
      else this.flushHead(found.head)
    } catch (error) {
      this.fail(error)
    }
  }

  /** From here on the connection is the client's and the application's alone: node's response has nothing to do with it. */
  private switchProtocols({ statusMessage, rawHeaders }: CgiResponseHead, first: Buffer, connection: Duplex): void {
    this.tunnel = connection
    this.res.detachSocket(connection as unknown as Socket)
    const fields = rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('')
    connection.write(`HTTP/1.1 101 ${statusMessage || 'Switching Protocols'}\r\n${fields}\r\n`, 'latin1')
    if (first.length > 0) connection.write(first)
    connection.on('close', () => this.onClose())
  }

  /** flushHeaders() would send bytes above 0x7f as UTF-8; in front of bytes a head is sent as it is. */
  private flushHead(head: CgiResponseHead): void {
    if ([head.statusMessage, ...head.rawHeaders].every((text) => ASCII.test(text))) this.res.flushHeaders()
    else this.res.write(NOTHING)
  }

  private writeHead(head: CgiResponseHead): void {
    const { res } = this
    this.head = head
    // RFC 9110 6.4.1
    this.hasBody = this.req.method !== 'HEAD' && head.statusCode !== 204 && head.statusCode !== 304
    this.bodyLeft = this.hasBody ? head.contentLength : undefined
    const reason = head.statusMessage === '' ? STATUS_CODES[head.statusCode] ?? 'Unknown' : head.statusMessage
    res.writeHead(head.statusCode, reason, head.statusCode === 204 ? without(head.rawHeaders, 'content-length') : head.rawHeaders)
  }

  private writeBody(chunk: Buffer): void {
    if (!this.hasBody) return
    // A surplus would be read as the next response on this connection.
    const body = this.bodyLeft === undefined ? chunk : chunk.subarray(0, this.bodyLeft)
    if (this.bodyLeft !== undefined) this.bodyLeft -= body.length
    if (body.length > 0 && !this.res.write(body)) this.request?.stdout.pause()
  }

  private onEnd(): void {
    if (this.isOver) return
    if (this.tunnel !== undefined) {
      this.isOver = true
      // The end of the request is that of the connection, in both directions.
      this.tunnel.end(() => this.tunnel?.destroy())
      return
    }
    if (this.head === undefined) {
      this.fail(this.parser.unfinished())
      return
    }
    this.isOver = true
    // A torso must not look like a whole.
    if (this.bodyLeft !== undefined && this.bodyLeft > 0) this.res.destroy()
    else this.res.end()
    this.discardUpload()
  }

  private onClose(): void {
    if (this.isOver) return
    this.isOver = true
    this.request?.abort(new RequestAbortedError('the HTTP client closed the connection'))
  }

  /** The client may still be sending; unread bytes would block the next request on its connection. */
  private discardUpload(): void {
    if (!this.req.readableEnded && !this.req.destroyed) this.req.resume()
  }

  private refuse(error: unknown): void {
    const { res } = this
    const statusCode = statusOf(error)
    const body = Buffer.from(`${statusCode} ${STATUS_CODES[statusCode] ?? ''}\n\n${describe(error)}\n`)
    for (const name of res.getHeaderNames()) res.removeHeader(name)
    res.writeHead(statusCode, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    })
    res.end(body)
  }
}

function statusOf(error: unknown): number {
  if (error instanceof RequestRefusedError) return error.protocolStatus === ProtocolStatus.OVERLOADED ? 503 : 502
  if (error instanceof FastCGIError) return error.code === 'FCGI_ERR_TIMEOUT' ? 504 : 502
  if (error instanceof ProtocolError) return 502
  // The gateway was closed, or the upload failed in a way that leaves the response writable.
  if (error instanceof RequestAbortedError) return 503
  return INTERNAL_SERVER_ERROR
}

function describe(error: unknown): string {
  if (error instanceof FastCGIError || error instanceof ProtocolError || error instanceof RequestAbortedError) {
    return `${error.message} (${error.code})`
  }
  return String(error)
}

function without(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_text, index) => rawHeaders[index - (index % 2)]?.toLowerCase() !== name)
}
