// Every error this package raises on its own account, and the one table of their codes. Knows no bytes and no sockets.

/**
 * The stable codes, with what each means to whoever reads the log. docs/errors.md is tested against this table.
 */
export const ERROR_CODES = {
  FCGI_ERR_VERSION: 'a record whose version is not 1; usually something that is not FastCGI was sent to this port',
  FCGI_ERR_RECORD_LENGTH: 'a record of fixed size announced another content length',
  FCGI_ERR_TRUNCATED_RECORD: 'the connection ended in the middle of a record',
  FCGI_ERR_TRUNCATED_PAIR: 'a name-value pair announced more bytes than its stream holds',
  FCGI_ERR_PAIR_TOO_LONG: 'a name or value longer than the protocol can say (2^31 - 1 bytes)',
  FCGI_ERR_DUPLICATE_REQUEST_ID: 'BEGIN_REQUEST for a request id that is still active',
  FCGI_ERR_PARAMS_AFTER_END: 'PARAMS after the empty PARAMS record that closed the stream',
  FCGI_ERR_STDIN_BEFORE_PARAMS_END: 'STDIN or DATA before the PARAMS stream was closed',
  FCGI_ERR_UNEXPECTED_RECORD: 'a record that this end of the connection never receives',
  FCGI_ERR_BODY_TOO_SHORT: 'the request body ended before CONTENT_LENGTH bytes had arrived',
  FCGI_ERR_BODY_TOO_LONG: 'the request body went on after CONTENT_LENGTH bytes; the surplus was discarded',
  FCGI_ERR_DATA_TOO_SHORT: 'the file for a Filter ended before FCGI_DATA_LENGTH bytes had arrived',
  FCGI_ERR_DATA_TOO_LONG: 'the file for a Filter went on after FCGI_DATA_LENGTH bytes; the surplus was discarded',
  FCGI_ERR_BODY_NOT_READ: 'a Filter read its file while more than bodyBuffer bytes of request body waited in front of it',
  FCGI_ERR_BAD_REQUEST: 'meta-variables that no HTTP request can have (a line break in a header, no method, ...)',
  FCGI_ERR_NO_UPGRADE: 'a WebSocket was asked for, and the web server cannot pass it on',
  FCGI_ERR_BAD_RESPONSE: 'the application answered with something that is not a CGI response',
  FCGI_ERR_REQUEST_REFUSED: 'the application ended the request with a protocol status other than REQUEST_COMPLETE',
  FCGI_ERR_CONNECTION_LOST: 'the connection closed before the request was answered',
  FCGI_ERR_CONNECT: 'the FastCGI application could not be reached',
  FCGI_ERR_TIMEOUT: 'the FastCGI application did not answer in time',
  FCGI_ERR_ABORTED: 'the request was given up by its caller',
  FCGI_ERR_NO_LISTEN_ADDRESS: 'listen() without arguments found nothing to listen on',
  FCGI_ERR_NOT_A_LISTENER: 'the inherited file descriptor is not a listening socket',
  FCGI_ERR_NOT_A_SOCKET: 'the path to listen on exists and is not a socket',
  FCGI_ERR_SOCKET_RIGHTS: 'the unix socket could not be given the owner, group or mode asked for',
  FCGI_ERR_ALLOWED_CLIENTS: 'a list of allowed clients that does not parse',
  FCGI_ERR_OPTION: 'an option that does not exist, or a value it cannot have',
  FCGI_ERR_ALREADY_ATTACHED: 'attach() was called twice for one server',
  FCGI_ERR_ALREADY_LISTENING: 'attach() was called for a server that listens already',
} as const

/** One of the keys of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES

/** What may be said about an error besides its message. */
export interface ErrorDetails {
  /** Section of the FastCGI 1.0 specification that was broken, such as `'3.3'`. */
  readonly section?: string
  /** The FastCGI request id concerned, 1 to 65535; absent when the connection as a whole is. */
  readonly requestId?: number
  readonly cause?: unknown
}

/** The peer broke FastCGI 1.0. The connection it came on is closed; other connections never notice. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ErrorCode
  /** Section of the FastCGI 1.0 specification, `undefined` where none applies. */
  readonly section: string | undefined
  readonly requestId: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(details.section === undefined ? message : `${message} (FCGI ${details.section})`, { cause: details.cause })
    this.code = code
    this.section = details.section
    this.requestId = details.requestId
  }
}

/** The request ended before it was answered and nobody broke a rule: the client left, or the caller gave up. */
export class RequestAbortedError extends Error {
  override readonly name = 'RequestAbortedError'
  readonly code: ErrorCode

  constructor(message: string, code: ErrorCode = 'FCGI_ERR_ABORTED', cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

/** One end could not do its work: nothing to listen on, nobody to connect to, an answer that is no answer. */
export class FastCGIError extends Error {
  override readonly name = 'FastCGIError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

/** Our caller passed something that cannot be right. Thrown at once, before anything is opened. */
export class OptionError extends TypeError {
  override readonly name = 'OptionError'
  readonly code: ErrorCode

  constructor(message: string, code: ErrorCode = 'FCGI_ERR_OPTION') {
    super(message)
    this.code = code
  }
}
