// What lighttpd is documented to do otherwise than node:http: docs/servers/lighttpd.md has the same table.
import { type Outcome } from '../conformance/exchange'
import { bodiesCollected, type Limits } from '../conformance/limits'

const ownReason = { because: 'lighttpd sends the usual reason phrase of a status, and none where it knows none', differs: { 'answer.reason': '' } }
const ownLength = { because: 'a method that may have a body gets the length 0 when there is none', differs: { 'seen.headers.content-length': '0' } }

export const lighttpdLimits: Limits = {
  everywhere: {
    'accept-ranges': {
      because: 'lighttpd answers ranges of an answer 200 to GET or HEAD by itself, once it has all of it, unless `server.range-requests = "disable"`',
      differs: { 'answer.headers.accept-ranges': acceptRanges },
    },
  },
  exchanges: {
    'target-nul': { because: 'lighttpd answers 400 by itself', differs: { refused: 400 } },
    'options-asterisk': { because: 'lighttpd answers 200 by itself', differs: { refused: 200 } },
    'method-FOO': { because: 'lighttpd answers 501 to methods it does not know', differs: { refused: 501 } },
    'post-without-length': { because: 'lighttpd answers 411 to a POST without Content-Length and Transfer-Encoding', differs: { refused: 411 } },
    'host-in-capitals': {
      because: 'lighttpd makes the host name lower case',
      differs: { 'seen.headers.host': 'example.org', 'seen.host': 'example.org', 'seen.hostname': 'example.org' },
    },
    'target-absolute': {
      because: 'lighttpd hands on the path of an absolute target',
      differs: { 'seen.url': withoutOrigin('seen.url'), 'seen.originalUrl': withoutOrigin('seen.originalUrl') },
    },
    'method-PUT': ownLength,
    'method-PATCH': ownLength,
    'method-PROPFIND': ownLength,
    'field-repeated-user-agent': { because: 'lighttpd joins repeated fields with a comma', differs: { 'seen.headers.user-agent': 'one, two' } },
    'field-empty': { because: 'lighttpd drops fields without a value', differs: { 'seen.headers.x-empty': undefined } },
    'date-and-server': {
      because: 'lighttpd drops fields without a value, and takes X-Sendfile for itself',
      differs: { 'answer.headers.x-empty': undefined, 'answer.headers.x-sendfile': undefined },
    },
    'odd-field-names': {
      because: 'lighttpd makes an underscore of every character that is no letter or digit, and CGI cannot tell it from a hyphen',
      differs: {
        'seen.headers.x.dot': undefined,
        'seen.headers.x~tilde': undefined,
        "seen.headers.x!#$%&'*+^`|": undefined,
        'seen.headers.x-dot': '1',
        'seen.headers.x-tilde': '2',
        'seen.headers.x-----------': '3',
      },
    },
    'upgrade-h2c': {
      because: 'HTTP/2 is a matter between client and lighttpd',
      differs: { 'seen.headers.upgrade': undefined, 'seen.headers.http2-settings': undefined },
    },
    'expect-100-continue': { because: 'lighttpd answers 100 Continue by itself', differs: { 'seen.headers.expect': undefined } },
    ...bodiesCollected('lighttpd collects a body before it calls the application, unless `server.stream-request-body = 1`'),
    'client-leaves-while-application-computes': {
      because: 'lighttpd looks for a client that left when it has something to send, unless `server.stream-request-body = 1`',
      differs: { writableEnded: true },
      neverComes: true,
    },
    'reason': ownReason,
    'status-418': ownReason,
    'status-599': ownReason,
    'range-of-generated': {
      because: 'lighttpd answers ranges of an answer 200 to GET or HEAD by itself, once it has all of it, unless `server.range-requests = "disable"`',
      differs: {
        'answer.status': 206,
        'answer.reason': 'Partial Content',
        'answer.headers.content-range': 'bytes 2-5/25',
        'answer.body': 'text',
      },
    },
  },
}

function acceptRanges(direct: Outcome): unknown {
  const own = direct['answer.headers.accept-ranges']
  // What was sent by POST is known by what the application says of it.
  const isPost = 'seen.method' in direct ? !['GET', 'HEAD'].includes(String(direct['seen.method'])) : !('answer.body' in direct || 'seen.original' in direct)
  const isStreamed = 'oneByOne' in direct
  return direct['answer.status'] !== 200 || isPost || isStreamed || direct['seen.httpVersion'] === '1.0' ? own : 'bytes'
}

function withoutOrigin(name: string) {
  return (direct: Outcome): string => String(direct[name]).replace(/^http:\/\/[^/]*/, '')
}
