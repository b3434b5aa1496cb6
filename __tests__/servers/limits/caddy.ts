// What Caddy is documented to do otherwise than node:http: docs/servers/caddy.md has the same table.
import { type Outcome } from '../conformance/exchange'
import { handedOn, type Limits } from '../conformance/limits'

const escaped = (url: string) => ({ 'seen.url': url, 'seen.originalUrl': url })
const refused = { because: 'Caddy answers 400 by itself', differs: { refused: 400 } }
const elsewhere = { because: 'not for this site: Caddy answers by itself, 200 without a body', differs: { refused: 200 } }
const form = 'application/x-www-form-urlencoded'
const typed = { because: 'Caddy takes a body without a type for a form, and a method that may have one for one that has' }
const typedAndEmpty = { ...typed, differs: { 'seen.headers.content-type': form, 'seen.headers.content-length': '0' } }
const reason = (text: string) => ({
  because: 'Caddy has reason phrases of its own',
  differs: { 'answer.reason': text },
})

export const caddyLimits: Limits = {
  everywhere: {
    'x-forwarded-*': {
      because: 'Caddy adds or replaces them; the application needs none of them, and uses none without "trust proxy"',
      differs: {
        'seen.headers.x-forwarded-for': '127.0.0.1',
        'seen.headers.x-forwarded-proto': 'http',
        'seen.headers.x-forwarded-host': (direct: Outcome) => direct['seen.headers.host'],
      },
    },
    'user-agent': {
      because: 'Caddy sends an empty User-Agent for clients that send none',
      differs: { 'seen.headers.user-agent': (direct: Outcome) => direct['seen.headers.user-agent'] ?? '' },
    },
    'status': {
      because: 'Caddy 2.6 hands the Status of CGI on to the client, as a field of its own',
      differs: { 'answer.headers.status': (direct: Outcome) => [direct['answer.status'], direct['answer.reason']].join(' ') },
    },
  },
  exchanges: {
    'target-unsafe-punctuation': { because: 'Caddy escapes what it takes for unsafe', differs: escaped('/a%7Cb%22c%3Cd%3E') },
    'target-fragment': { because: 'Caddy escapes what it takes for unsafe', differs: { ...escaped('/x%23frag?y'), 'seen.query.y': '' } },
    'target-nul': refused,
    'target-bad-escape': refused,
    'http-1.0-without-host': elsewhere,
    'options-asterisk': elsewhere,
    'target-absolute': { because: 'Caddy hands on the path of an absolute target', differs: escaped('/p?q=1') },
    'method-PUT': typedAndEmpty,
    'method-PATCH': typedAndEmpty,
    'method-PROPFIND': typedAndEmpty,
    'method-DELETE': { ...typed, differs: { 'seen.headers.content-type': form } },
    'post-empty': { ...typed, differs: { 'seen.headers.content-type': form } },
    'post-without-length': typedAndEmpty,
    'post-untyped': { ...typed, differs: { 'seen.headers.content-type': form } },
    'delete-with-body': { ...typed, differs: { 'seen.headers.content-type': form } },
    'expect-100-continue': { ...typed, differs: { 'seen.headers.content-type': form } },
    'field-repeated-user-agent': { because: 'Caddy joins repeated fields by a comma, where node takes the first', differs: { 'seen.headers.user-agent': 'one, two' } },
    'cookies-repeated': { because: 'Caddy joins repeated Cookie fields by a comma; HTTP/1.1 clients send one', differs: { 'seen.headers.cookie': 'a=1, b=2; c=3' } },
    'upgrade-h2c': { because: 'Caddy keeps Upgrade to itself', differs: { 'seen.headers.upgrade': undefined } },
    'length-and-chunked': {
      because: 'node refuses a body with two lengths; Caddy decides for the chunks, and the application sees one only',
      differs: {
        ...handedOn('POST', {
          'content-type': form,
          'transfer-encoding': 'chunked',
          'user-agent': '',
          'x-forwarded-for': '127.0.0.1',
          'x-forwarded-host': 'example.org',
          'x-forwarded-proto': 'http',
        }),
        'answer.headers.status': '200 OK',
      },
    },
    'early-answer': reason('Request Entity Too Large'),
    'status-418': reason("I'm a teapot"),
    'status-599': reason('status code 599'),
    'reason': reason('status code 299'),
    'range-not-satisfiable': reason('Requested Range Not Satisfiable'),
    'untyped-answer': { because: 'Caddy guesses a Content-Type where the application has none', differs: { 'answer.headers.content-type': 'text/html; charset=utf-8' } },
    'date-and-server': { because: 'Caddy adds its own Server', differs: { server: ['Caddy', 'mine/1.0'] } },
    'client-leaves-while-application-computes': {
      because: 'Caddy notices that its client left when it writes to it',
      differs: { writableEnded: true },
      neverComes: true,
    },
    'answer-cut': { because: 'Caddy takes the end of the connection for the end of an answer without Content-Length', differs: { complete: true } },
  },
}
