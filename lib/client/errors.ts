// The one error the client adds: an application that said no.

import { FastCGIError } from '../errors'
import { type EndRequest, ProtocolStatus } from '../protocol'

/** The application ended the request without output, with a protocol status other than REQUEST_COMPLETE. FCGI 5.5 */
export class RequestRefusedError extends FastCGIError {
  readonly appStatus: number
  /** A {@link ProtocolStatus}, or whatever number the application sent. */
  readonly protocolStatus: number

  constructor({ appStatus, protocolStatus }: EndRequest) {
    const name = Object.entries(ProtocolStatus).find(([, value]) => value === protocolStatus)?.[0] ?? 'unknown'
    super('FCGI_ERR_REQUEST_REFUSED', `the application refused the request: protocol status ${protocolStatus} (${name})`)
    this.appStatus = appStatus
    this.protocolStatus = protocolStatus
  }
}
