// What `express-fastcgi` exports.

export { createServer, listen, Server, type ListenableApp, type ServerOptions } from './server/server'
export { attach } from './server/attach'
export { cgiParams } from './server/cgi-params'
export type { DataStream } from './server/data-stream'
export { errorLog, type ErrorLog, type ErrorLogOptions } from './server/error-log'
export { sendfile, type SendfileHeader, type SendfileMiddleware, type SendfileOptions } from './server/sendfile'
export type { FastCGIOptions, StderrUse } from './server/options'
export type { RoleName } from './server/roles'
export type { FastCGISocket } from './server/socket'
export type { ListenOptions } from './server/listen-target'
export { ERROR_CODES, type ErrorCode, FastCGIError, OptionError, ProtocolError, RequestAbortedError } from './errors'
