// What a web server's bytes mean, by request: the reader and the pair decoder together, as a server would use them.

import { decodeBeginRequest, decodeNameValuePairs, RecordReader } from '../../lib/protocol'
import { ABORT_REQUEST, BEGIN_REQUEST, PARAMS, STDIN } from '../support/fcgi-bytes'

export interface ReceivedRequest {
  readonly requestId: number
  readonly role: number
  readonly keepConnection: boolean
  /** Names and values alternating; undefined while PARAMS is not ended. */
  params: readonly string[] | undefined
  stdin: string
  stdinEnded: boolean
  aborted: boolean
}

export interface Conversation {
  readonly requests: ReceivedRequest[]
  /** Type, request id, content length; a stream record counts once, however many fragments it came in. */
  readonly records: [type: number, requestId: number, contentLength: number][]
}

/** Reads the chunks; request ids are not reused within one conversation. */
export function converse(chunks: readonly Buffer[]): Conversation {
  const reader = new RecordReader()
  const requests = new Map<number, ReceivedRequest>()
  const records: Conversation['records'] = []
  const paramsText = new Map<number, string>()
  let left = 0
  for (const chunk of chunks) {
    reader.push(chunk)
    while (reader.next()) {
      const { type, requestId, content, contentLength } = reader
      if (left === 0) {
        records.push([type, requestId, contentLength])
        left = contentLength
      }
      left -= content.length
      if (type === BEGIN_REQUEST) {
        const begin = decodeBeginRequest(content)
        requests.set(requestId, { requestId, ...begin, params: undefined, stdin: '', stdinEnded: false, aborted: false })
      }
      const request = requests.get(requestId)
      if (request === undefined) continue
      const text = content.toString('latin1')
      if (type === PARAMS && contentLength > 0) paramsText.set(requestId, (paramsText.get(requestId) ?? '') + text)
      if (type === PARAMS && contentLength === 0) request.params = decodeNameValuePairs(paramsText.get(requestId) ?? '')
      if (type === STDIN) request.stdin += text
      if (type === STDIN && contentLength === 0) request.stdinEnded = true
      if (type === ABORT_REQUEST) request.aborted = true
    }
  }
  reader.finish()
  return { requests: [...requests.values()], records }
}
