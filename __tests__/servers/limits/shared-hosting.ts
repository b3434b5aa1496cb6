// What Apache with mod_fcgid is documented to do otherwise than node:http: docs/servers/shared-hosting.md has the same table.
import { apacheItself } from '../apache-limits'
import { type Limit, type Limits } from '../conformance/limits'

const collected = { because: 'mod_fcgid collects a body before it calls the application', neverComes: true } as const
const zeroLength: Limit = { because: 'mod_fcgid says that a body has no bytes where there is none', differs: { 'seen.headers.content-length': '0' } }
const own: Limit['because'] = 'Apache has a field of its own'
const oneHop: Limit['because'] = 'mod_fcgid keeps fields about one connection to itself'

export const sharedHostingLimits = limitsUnder('')

export function limitsUnder(mount: string): Limits {
  return {
    exchanges: {
      ...apacheItself(mount),
      'target-encoded-slash': { because: 'Apache answers 404 by itself; `AllowEncodedSlashes` is not for .htaccess', differs: { refused: 404 } },
      'target-like-a-file-of-the-server': { because: 'Apache answers 403 by itself', differs: { refused: 403 } },
      'method-PUT': zeroLength,
      'method-PATCH': zeroLength,
      'method-PROPFIND': zeroLength,
      'post-without-length': zeroLength,
      'te': { because: oneHop, differs: { 'seen.headers.te': undefined } },
      'upgrade-h2c': { because: oneHop, differs: { 'seen.headers.upgrade': undefined } },
      'chunked-framing': {
        because: 'mod_fcgid collects a body before it calls the application',
        differs: { 'seen.transferEncoding': undefined, 'seen.contentLength': '5' },
      },
      'chunked-streamed': { ...collected, differs: { arrivedBeforeTheEnd: false } },
      'upload-streamed': { ...collected, differs: { arrivedBeforeTheEnd: false } },
      'client-leaves-during-upload': {
        ...collected,
        differs: { noticed: false, writableEnded: undefined, requestDestroyed: undefined, complete: undefined },
      },
      'location-with-200': {
        because: 'mod_fcgid looks for the path of `Location` by itself when the status is 200',
        differs: {
          'answer.status': 404,
          'answer.reason': 'Not Found',
          'answer.body': expect.stringContaining('404 Not Found'),
          'answer.headers.content-type': 'text/html; charset=iso-8859-1',
          'answer.headers.etag': undefined,
          'answer.headers.location': undefined,
        },
      },
      'answer-head-12k': { because: 'a field of more than 8 kB is a 500', differs: { refused: 500 } },
      'date-and-server': { because: own, differs: { date: expect.any(String), server: expect.stringContaining('Apache') } },
      'events': { because: 'mod_fcgid collects 64 kB of an answer, or all of it', differs: { oneByOne: false }, neverComes: true },
      'client-leaves-while-application-computes': { because: 'mod_fcgid looks at its client when it writes to it', differs: { writableEnded: true }, neverComes: true },
      'answer-cut': { because: 'mod_fcgid takes the end of an answer for its success when no length was announced', differs: { complete: true }, neverComes: true },
      'answer-cut-with-length': {
        because: 'mod_fcgid has sent nothing of the first 64 kB yet, so that the client gets a 500',
        differs: { status: 500, complete: true },
        neverComes: true,
      },
    },
  }
}
