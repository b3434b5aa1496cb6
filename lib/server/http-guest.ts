// What a peer that speaks HTTP to a FastCGI port is told, in its own language: usually a proxy with the wrong directive.

/** A method of RFC 9110 and the blank behind it, as far as it is there. `PROXY` begins the PROXY protocol, which has no answers. */
const METHOD = /^(?!PROXY )[A-Z]{1,20}(?: |$)/
const LONGEST = 21

/** How the text begins: what it is known by. */
export const NOT_HTTP = 'This port speaks FastCGI, not HTTP.'

const TEXT =
  `${NOT_HTTP} Use fastcgi_pass (nginx), fcgi:// (Apache) or the like in the web server in front of it; ` +
  "or have the application listen with the option protocol: 'auto' to serve both.\n"

const ANSWER = Buffer.from(
  `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: ${TEXT.length}\r\nConnection: close\r\n\r\n${TEXT}`,
  'latin1',
)

/**
 * The answer for bytes that are no record of FastCGI.
 *
 * @param chunk what came, up to `length`
 * @returns an HTTP response, undefined where the bytes are no HTTP either
 */
export function answerToHttp(chunk: Buffer, length: number): Buffer | undefined {
  return METHOD.test(chunk.toString('latin1', 0, Math.min(length, LONGEST))) ? ANSWER : undefined
}
