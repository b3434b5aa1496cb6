// What Apache with mod_fcgid is documented to do otherwise than node:http: docs/servers/shared-hosting.md has the same table.
import { apacheItself } from '../apache-limits'
import { type Limits } from '../conformance/limits'

const collected = { because: 'mod_fcgid collects a body before it calls the application', neverComes: true } as const

export const sharedHostingLimits = limitsUnder('')

export function limitsUnder(mount: string): Limits {
  return {
    exchanges: {
      ...apacheItself(mount),
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
      'events': { because: 'mod_fcgid collects 64 kB of an answer, or all of it', differs: { oneByOne: false }, neverComes: true },
      'client-leaves-while-application-computes': { because: 'mod_fcgid reads on when its client has left', differs: { writableEnded: true }, neverComes: true },
      'client-leaves-while-answer-streams': { because: 'mod_fcgid reads on when its client has left', differs: { writableEnded: true }, neverComes: true },
    },
  }
}
