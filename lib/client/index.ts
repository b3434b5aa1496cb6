// The web server's side of FastCGI: what `express-fastcgi/client` exports.

export {
  ERROR_CODES,
  type ErrorCode,
  FastCGIError,
  OptionError,
  ProtocolError,
  RequestAbortedError,
} from '../errors'
export { type EndRequest, ProtocolStatus, Role } from '../protocol'
export { Client, createClient } from './client'
export { RequestRefusedError } from './errors'
export { type ClientRequest, type ClientRequestOptions, type FilterRequestOptions, type PlainRequestOptions } from './exchange'
export { checkOptions, CLIENT_OPTIONS, type ClientOptions, type ClientSettings, type Declared, type OptionDeclaration } from './options'
export { type Address, type ClientTarget, describeAddress, parseTarget } from './target'
export { type Body } from './upload'
