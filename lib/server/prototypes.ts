// Express gives each req and res the prototype of its application, which costs V8 several microseconds for each: all
// properties of the object move to other places in its tables. Objects that are made with that prototype stay as they are.

import * as http from 'node:http'

/** What an Express application is known by: both are what it sets as prototypes. */
interface PrototypeOwner {
  readonly request?: unknown
  readonly response?: unknown
  readonly handle?: unknown
}

type Constructor = new (...args: never[]) => object

/** Makes req and res as `new` does, or with the prototypes that the only listener of 'request' is going to give them. */
export class Messages {
  private listener: unknown = undefined
  private requestPrototype: unknown = undefined
  private responsePrototype: unknown = undefined
  private requestTarget: Constructor
  private responseTarget: Constructor

  constructor(
    private readonly Request: typeof http.IncomingMessage,
    private readonly Response: typeof http.ServerResponse,
  ) {
    this.requestTarget = Request
    this.responseTarget = Response
  }

  /**
   * To be called before each request: the application may have been exchanged, or its prototypes.
   *
   * @param listener the only one that the request goes to; anything else where there are several
   */
  lookAt(listener: unknown): void {
    const { request, response } = typeof listener === 'function' ? (listener as PrototypeOwner) : NONE
    if (listener === this.listener && request === this.requestPrototype && response === this.responsePrototype) return
    this.listener = listener
    this.requestPrototype = request
    this.responsePrototype = response
    const isExpress =
      pays &&
      typeof listener === 'function' &&
      typeof (listener as PrototypeOwner).handle === 'function' &&
      this.Request === http.IncomingMessage &&
      this.Response === http.ServerResponse &&
      request instanceof http.IncomingMessage &&
      response instanceof http.ServerResponse
    this.requestTarget = isExpress ? targetWith(request) : this.Request
    this.responseTarget = isExpress ? targetWith(response) : this.Response
  }

  request(socket: unknown): http.IncomingMessage {
    return Reflect.construct(this.Request, [socket], this.requestTarget) as http.IncomingMessage
  }

  /** node's constructor takes options that its types do not know. */
  response(req: http.IncomingMessage, options: object): http.ServerResponse {
    return Reflect.construct(this.Response, [req, options], this.responseTarget) as http.ServerResponse
  }
}

const NONE: PrototypeOwner = {}

/** Of V8 12, which Node 22 has, it saves up to three quarters of what a request costs; with that of Node 20 it costs half as much again. */
const pays = Number(process.versions.v8.split('.')[0]) >= 12

/** Of a constructor, only the prototype counts for Reflect.construct(). */
function targetWith(prototype: object): Constructor {
  const target = function (): void {
    // Never called.
  }
  target.prototype = prototype
  return target as unknown as Constructor
}
