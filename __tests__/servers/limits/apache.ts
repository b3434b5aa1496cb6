// What Apache with mod_proxy_fcgi is documented to do otherwise than node:http: docs/servers/apache.md has the same table.
import { apacheItself, deflate } from '../apache-limits'
import { type Limits } from '../conformance/limits'

const chunked = { because: 'Apache sends answers in chunks, except those to HEAD', differs: { length: undefined } }

export const apacheLimits = limitsUnder('')

export function limitsUnder(mount: string): Limits {
  return {
    everywhere: { deflate },
    exchanges: {
      ...apacheItself(mount),
      'chunked-framing': {
        because: 'a body in chunks that is there at once is counted',
        differs: { 'seen.transferEncoding': undefined, 'seen.contentLength': '5' },
      },
      'answer-head-12k': { because: 'a field of more than 8 kB is a 500', differs: { refused: 500 } },
      'content-length': chunked,
      'content-length-of-download': chunked,
      'early-answer': chunked,
      'client-leaves-while-application-computes': {
        because: 'mod_proxy_fcgi looks at its client when it writes to it',
        differs: { writableEnded: true },
        neverComes: true,
      },
      'answer-too-short': {
        because: 'Apache goes on with the next answer where a chunk would have to follow, which is an error to every client',
        differs: { nextTakenForTheRest: true },
      },
    },
  }
}
