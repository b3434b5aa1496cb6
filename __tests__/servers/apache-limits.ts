// What Apache itself does otherwise than node:http, by whichever module it has the application.
import { type Outcome } from './conformance/exchange'
import { type Limit, type Limits } from './conformance/limits'

const byItself = (status: number) => ({ because: `Apache answers ${status} by itself`, differs: { refused: status } })
const joined = 'Apache joins repeated fields with `, `'

export const apacheItself = (mount: string): Limits['exchanges'] => ({
  'target-fragment': byItself(400),
  'target-nul': byItself(404),
  'target-bad-escape': byItself(400),
  'options-asterisk': byItself(200),
  'field-repeated-user-agent': { because: joined, differs: { 'seen.headers.user-agent': 'one, two' } },
  'cookies-repeated': { because: joined, differs: { 'seen.headers.cookie': 'a=1, b=2; c=3' } },
  'underscore-field': { because: 'Apache drops names with other characters than letters, digits and hyphens', differs: { 'seen.headers.x-under': undefined } },
  'odd-field-names': {
    because: 'Apache drops names with other characters than letters, digits and hyphens',
    differs: { 'seen.headers.x.dot': undefined, 'seen.headers.x~tilde': undefined, "seen.headers.x!#$%&'*+^`|": undefined },
  },
  'length-and-chunked': {
    because: 'Apache goes by the chunks, and drops the length',
    differs: {
      ...Object.fromEntries(
        Object.entries({ complete: true, reason: 'OK', status: 200, 'headers.content-type': 'application/json; charset=utf-8', 'headers.x-powered-by': 'Express' }).map(
          ([name, value]) => [`answer.${name}`, value],
        ),
      ),
      ...Object.fromEntries(
        Object.entries({
          baseUrl: mount,
          body: '',
          'headers.content-length': '0',
          'headers.host': 'example.org',
          host: 'example.org',
          hostname: 'example.org',
          httpVersion: '1.1',
          ip: '127.0.0.1',
          method: 'POST',
          originalUrl: `${mount}/e`,
          protocol: 'http',
          secure: false,
          url: '/e',
        }).map(([name, value]) => [`seen.${name}`, value]),
      ),
    },
  },
  'repeated-answer-fields': {
    because: joined,
    differs: { 'answer.headers.link': '</a.css>; rel=preload, </b.js>; rel=preload', 'answer.headers.x-two': 'one, two' },
  },
})

/** Debian's package has mod_deflate on for most kinds of text. */
export const deflate: Limit = {
  because: "Debian's mod_deflate compresses texts for clients that accept it, and says so to caches",
  differs: {
    'answer.headers.vary': (direct: Outcome) => {
      const isText = /^text\/(?:html|plain)/.test(String(direct['answer.headers.content-type']))
      return isText && direct['answer.status'] === 200 && direct['answer.body'] !== '' ? 'Accept-Encoding' : direct['answer.headers.vary']
    },
  },
}
