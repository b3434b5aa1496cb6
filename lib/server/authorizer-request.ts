// One request of the Authorizer role: a question whose answer is the status alone. It must never end without one: lighttpd takes
// END_REQUEST without output for access granted.

import type * as http from 'node:http'
import { authorizerHead } from '../cgi/authorizer-head'
import { grantHead } from '../cgi/grant-head'
import type { RequestHead } from '../cgi/request-head'
import { plainResponse, statusFirst } from '../cgi/response-head'
import { ProtocolStatus, RecordType } from '../protocol/constants'
import type { PairTable } from '../protocol/pairs'
import { Request } from './request'
import type { RoleName } from './roles'

const GRANTED = 200

/** @see FCGI 6.3 */
export class AuthorizerRequest extends Request {
  override get role(): RoleName {
    return 'authorizer'
  }

  protected override readHead(variables: PairTable): RequestHead {
    return authorizerHead(variables)
  }

  /**
   * The application said 200, and may still fail before it has ended its answer. The head waits for that, and then leaves
   * without a body: mod_authnz_fcgi answers 500 to one, if it is an AuthnzFcgiCheckAuthnProvider.
   */
  private get isGranting(): boolean {
    return this.pendingHead?.status.code === GRANTED
  }

  override headPrinted(res: http.ServerResponse | undefined, printed: string): boolean {
    const isChunked = super.headPrinted(res, printed)
    const head = this.pendingHead
    if (head === undefined) return isChunked
    if (head.status.code !== GRANTED) {
      this.pendingHead = statusFirst(head)
      return isChunked
    }
    if (res === undefined) {
      this.pendingHead = undefined
      this.refuseAnswer('a 200 written on the socket, which has no end that would make it a grant')
      return false
    }
    this.pendingHead = statusFirst(grantHead(head))
    this.decoder = undefined
    this.announced = -1
    return isChunked
  }

  protected override addOutput(data: string | Uint8Array, encoding: BufferEncoding | undefined): number {
    return this.outputEnded || this.isGranting ? 0 : super.addOutput(data, encoding)
  }

  override endOutput(appStatus = 0, protocolStatus: ProtocolStatus = ProtocolStatus.REQUEST_COMPLETE): void {
    if (!this.outputEnded) this.denyWithoutHead('the application gave no answer')
    super.endOutput(appStatus, protocolStatus)
  }

  override endAborted(): void {
    if (!this.outputEnded) {
      this.pendingHead = undefined
      this.denyWithoutHead('the web server gave the request up')
    }
    super.endAborted()
  }

  private denyWithoutHead(reason: string): void {
    if (this.headSent || this.pendingHead !== undefined) return
    this.headSent = true
    this.host.writer.stream(RecordType.STDOUT, this.id, plainResponse('500 Internal Server Error', reason), 'latin1')
  }
}
