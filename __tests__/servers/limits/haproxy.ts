// What HAProxy is documented to do otherwise than node:http: docs/servers/haproxy.md has the same table.
import { handedOn, type Limits } from '../conformance/limits'

const cannotWrite = { because: 'HAProxy 2.6 cannot make FastCGI of it, and answers 500', differs: { refused: 500 } }
const empty = { because: 'HAProxy says a length of 0 where there is no body', differs: { 'seen.headers.content-length': '0' } }
const collected = { because: 'HAProxy calls the application when its buffer is full or the body complete' }
const dropped = 'HAProxy drops names with other characters than letters, digits and hyphens'

export const haproxyLimits: Limits = {
  exchanges: {
    'target-fragment': { because: 'HAProxy answers 400 by itself', differs: { refused: 400 } },
    'target-bad-escape': cannotWrite,
    'options-asterisk': cannotWrite,
    'method-PUT': empty,
    'method-PATCH': empty,
    'method-PROPFIND': empty,
    'post-without-length': empty,
    'underscore-field': { because: dropped, differs: { 'seen.headers.x-under': undefined } },
    'odd-field-names': {
      because: dropped,
      differs: { 'seen.headers.x.dot': undefined, 'seen.headers.x~tilde': undefined, "seen.headers.x!#$%&'*+^`|": undefined },
    },
    'te': { because: 'HAProxy keeps it to itself', differs: { 'seen.headers.te': undefined } },
    'upgrade-h2c': { because: 'HAProxy keeps it to itself', differs: { 'seen.headers.upgrade': undefined } },
    'expect-100-continue': { because: 'HAProxy keeps it to itself', differs: { 'seen.headers.expect': undefined } },
    'length-and-chunked': {
      because: 'node refuses a body with two lengths; HAProxy decides for the chunks, and the application sees the length of what came',
      differs: handedOn('POST', { 'content-length': '0' }),
    },
    'chunked-200k': { because: 'HAProxy 2.6 refuses a body in chunks that does not fit into `tune.bufsize`', differs: { refused: 400 } },
    'chunked-framing': { ...collected, differs: { 'seen.transferEncoding': undefined, 'seen.contentLength': '5' } },
    'chunked-streamed': { ...collected, differs: { arrivedBeforeTheEnd: false }, neverComes: true },
    'upload-streamed': { ...collected, differs: { arrivedBeforeTheEnd: false }, neverComes: true },
    'client-leaves-while-application-computes': {
      because: 'HAProxy tells nobody that its client left before the answer',
      differs: { writableEnded: true },
      neverComes: true,
    },
  },
}
