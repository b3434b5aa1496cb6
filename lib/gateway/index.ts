// HTTP in front of a FastCGI application without a web server: what `express-fastcgi/gateway` exports.

export { FastCGIError, OptionError, ProtocolError, RequestAbortedError, RequestRefusedError } from '../client'
export { type ExtraParams, gateway, type Gateway, type GatewayOptions, type GatewayTarget } from './gateway'
export { type ListenerLike } from './listener'
