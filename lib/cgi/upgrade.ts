// An HTTP upgrade in the terms of CGI: which requests ask for one, which web servers pass one on, and the head of the answer.

import type { RequestHead } from './request-head'

/** In a Connection field, the token that says that Upgrade is meant. RFC 9110 7.8 */
const UPGRADE = /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i
/** lighttpd from 1.4.74 on has `"upgrade" => "enable"` for FastCGI; without it, it does not pass the Upgrade field. Seen of 1.4.79 and 1.4.85. */
const ABLE = /^(?:lighttpd\/(?:1\.4\.(?:7[4-9]|[89]\d|\d{3})|1\.(?:[5-9]|\d\d)|[2-9])|express-fastcgi gateway)/
const DROPPED = /^(?:status|transfer-encoding|content-length):/i

/**
 * Whether a request asks for an upgrade: by an Upgrade field that Connection names, as node's parser decides. Not one with a body, of
 * which nobody behind the web server could tell where the new protocol begins; lighttpd does not upgrade these either.
 */
export function asksForUpgrade({ upgrade, contentLength, bodyUnannounced, rawHeaders }: RequestHead): boolean {
  if (!upgrade || (contentLength !== 0 && !bodyUnannounced)) return false
  return rawHeaders.some((name, index) => index % 2 === 0 && name === 'Connection' && UPGRADE.test(rawHeaders[index + 1] ?? ''))
}

/** Whether an Upgrade field from a web server of this name (SERVER_SOFTWARE) means that it can upgrade; of others it means nothing. */
export function passesUpgrades(serverSoftware: string): boolean {
  return ABLE.test(serverSoftware)
}

/** Whether this head of an HTTP response, as an application prints it, switches protocols: what follows it is no HTTP. RFC 9110 15.2.2 */
export function switchesProtocols(head: string): boolean {
  return /^HTTP\/1\.[01] 101[ \r]/.test(head)
}

/**
 * Translates the head of a response that switches protocols.
 *
 * `Status` comes first: lighttpd takes no notice of an Upgrade field in front of it, and frames what follows in chunks. Connection and
 * Upgrade stay, as the web server hands them on.
 *
 * @param head from `HTTP/1.1 101 Switching Protocols` to the empty line
 */
export function upgradeResponseHead(head: string): string {
  const [statusLine = '', ...fields] = head.slice(0, -4).split('\r\n')
  const kept = fields.filter((field) => !DROPPED.test(field))
  return [`Status: ${statusLine.slice('HTTP/1.1 '.length).trimEnd()}`, ...kept, '', ''].join('\r\n')
}
