// The roles besides Responder: which of them the application has a handler for, and how that is called. Loaded where there is one.

import type * as http from 'node:http'
import type { RequestHead } from '../cgi/request-head'
import { Role } from '../protocol/constants'
import { AuthorizerRequest } from './authorizer-request'
import { begin, type DispatchHost } from './dispatch'
import { FilterRequest } from './filter-request'
import type { Settings } from './options'
import { Messages } from './prototypes'
import type { Request, RequestHost } from './request'

/** What a web server wants of the application with one request. FCGI 6 */
export type RoleName = 'responder' | 'authorizer' | 'filter'

/** An application for one role. */
interface Handler {
  readonly listener: http.RequestListener
  /** Its own: another Express application has other prototypes. */
  readonly messages: Messages
}

export class Roles {
  private readonly authorizer: Handler | undefined
  private readonly filter: Handler | undefined

  constructor(
    private readonly settings: Settings,
    Request: typeof http.IncomingMessage,
    Response: typeof http.ServerResponse,
  ) {
    const handler = (listener: http.RequestListener | undefined): Handler | undefined =>
      listener && { listener, messages: new Messages(Request, Response) }
    this.authorizer = handler(settings.authorizer)
    this.filter = handler(settings.filter)
  }

  /** Whether there is a handler for a role other than Responder. */
  handles(role: number): boolean {
    return (role === Role.AUTHORIZER && this.authorizer !== undefined) || (role === Role.FILTER && this.filter !== undefined)
  }

  /** A request of a role that there is a handler for; undefined for a Responder's. */
  begin(role: number, host: RequestHost, id: number, keepConnection: boolean): Request | undefined {
    const { maxParamsSize } = this.settings
    if (role === Role.AUTHORIZER) return new AuthorizerRequest(host, id, keepConnection, maxParamsSize)
    if (role === Role.FILTER) return new FilterRequest(host, id, keepConnection, maxParamsSize)
    return undefined
  }

  /** Calls the handler. Runs in the request's async context. */
  dispatch(host: DispatchHost, request: Request, head: RequestHead): void {
    const handler = request.role === 'authorizer' ? this.authorizer : this.filter
    if (handler === undefined) return
    const { listener, messages } = handler
    const { req, res } = begin(host, messages, request, head, listener)
    const result: unknown = listener.call(host.server, req, res)
    if (isThenable(result)) void failWith(result, request)
  }
}

/** Of an async function. What it fails with is still nobody's: it reaches 'unhandledRejection', as it would have. */
async function failWith(result: PromiseLike<unknown>, request: Request): Promise<void> {
  try {
    await result
  } catch (error) {
    request.failed()
    throw error
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
