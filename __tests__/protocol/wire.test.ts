// What real web servers were recorded to send (fixtures/wire), read whole, byte by byte and at random cuts.

import { RecordType, Role } from '../../lib/protocol'
import { loadInterleaved, readBin, recordedConnections, type RecordedConnection } from '../support/fixtures'
import { type Conversation, converse } from './conversation'
import { property, type Random } from './random'
import { randomCut } from './read-all'

const recordings = recordedConnections()

const byteByByte = (bytes: Buffer): Buffer[] => Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1))

const typeNumber = (name: string): number => RecordType[name as keyof typeof RecordType]

/** Whole, byte by byte, and at random cuts, with one outcome. */
function read(bytes: Buffer, random: Random): Conversation {
  const whole = converse([bytes])
  const text = JSON.stringify(whole)
  for (const chunks of [byteByByte(bytes), randomCut(bytes, random), randomCut(bytes, random, 60)]) {
    if (JSON.stringify(converse(chunks)) !== text) expect({ cut: chunks.map((chunk) => chunk.length), ...converse(chunks) }).toEqual(whole)
  }
  return whole
}

function expectRecorded(conversation: Conversation, recorded: RecordedConnection): void {
  const [request] = conversation.requests
  expect(conversation.requests).toHaveLength(1)
  expect(request?.role).toBe(recorded.role && Role[recorded.role])
  expect(request?.keepConnection).toBe(recorded.keepConnection)
  expect(request?.params).toEqual(recorded.params?.flat())
  expect(request?.stdin.length).toBe(recorded.stdin_total)
  if (recorded.stdin !== undefined) expect(request?.stdin).toBe(recorded.stdin)
  const records = recorded.records.flatMap(([type, id, contentLength, , times = 1]) =>
    Array.from({ length: times }, () => [typeNumber(type), id, contentLength]),
  )
  expect(conversation.records).toEqual(records)
  expect(request?.stdinEnded).toBe(records.some(([type, , contentLength]) => type === RecordType.STDIN && contentLength === 0))
}

describe('recordings of real web servers', () => {
  it('are here: nginx, Apache twice, lighttpd, Caddy, HAProxy, h2o, cgi-fcgi', () => {
    const names = new Set(recordings.map(({ variant }) => variant))
    const complete = ['nginx-default', 'apache-proxy-tcp', 'apache-fcgid-htaccess', 'lighttpd-bin', 'caddy-default', 'haproxy-default', 'h2o-default']
    for (const name of [...complete, 'cgi-fcgi']) expect(names).toContain(name)
    expect(recordings.length).toBeGreaterThan(400)
  })

  it.each([...new Set(recordings.map(({ variant }) => variant))])('%s', (variant) => {
    property(1, (random) => {
      for (const { bin, connection } of recordings.filter((recording) => recording.variant === variant)) {
        try {
          expectRecorded(read(readBin(variant, bin), random), connection)
        } catch (error) {
          throw new Error(`${variant}/${bin}: ${(error as Error).message}`, { cause: error })
        }
      }
    })
  })

  it.each(['post-3x18k', 'values-yes'])('several requests interleaved on one connection by HAProxy: %s', (name) => {
    property(1, (random) => {
      const { bytes, records } = loadInterleaved(name)
      const conversation = read(bytes, random)
      expect(conversation.records).toEqual(records.map(([type, id, contentLength]) => [typeNumber(type), id, contentLength]))
      const length = name === 'post-3x18k' ? 18_000 : 0
      expect(conversation.requests.map(({ requestId, stdin, stdinEnded }) => [requestId, stdin.length, stdinEnded])).toEqual(
        (name === 'post-3x18k' ? [1, 3, 5] : [1, 3, 5, 7]).map((id) => [id, length, true]),
      )
      for (const { params } of conversation.requests) expect(params?.[params.indexOf('CONTENT_LENGTH') + 1]).toBe(String(length))
    })
  })

  it('HAProxy gives up a request before its params: BEGIN_REQUEST, ABORT_REQUEST', () => {
    const { requests, records } = converse([readBin('haproxy-default', 'options-star.bin')])
    expect(records).toEqual([[1, 1, 8], [2, 1, 0]])
    expect(requests).toEqual([expect.objectContaining({ requestId: 1, params: undefined, aborted: true, stdinEnded: false })])
  })
})
