// The conversations of FCGI Appendix B, from fixtures/appendix-b: what they say, at every cut, and how the answers are written.

import { RecordType, RecordWriter } from '../../lib/protocol'
import { parsePairs, parseRecords } from '../support/fcgi-bytes'
import { appendixB, type AppendixBRecord } from '../support/fixtures'
import { converse } from './conversation'
import { everyCut, expectOutcome, type ReadRecord } from './read-all'

const bytesOf = (records: readonly AppendixBRecord[]): Buffer => Buffer.concat(records.map((record) => Buffer.from(record.bytes, 'hex')))

const saidBy = (records: readonly AppendixBRecord[]): ReadRecord[] =>
  records.map(({ typeNumber, requestId, content }) => ({ type: typeNumber, requestId, content: Buffer.from(content, 'hex').toString('latin1') }))

describe('FCGI Appendix B', () => {
  it('has four conversations', () => expect(appendixB().map(({ title }) => title.slice(0, 2))).toEqual(['1:', '2:', '3:', '4:']))

  describe.each(appendixB().map((conversation) => [conversation.title, conversation] as const))('%s', (_title, conversation) => {
    it('the files agree with themselves', () => {
      for (const side of [conversation.sent, conversation.received]) {
        expect(parseRecords(bytesOf(side))).toEqual(
          side.map(({ typeNumber, requestId, content }) => ({ type: typeNumber, id: requestId, content: Buffer.from(content, 'hex') })),
        )
        for (const { type, typeNumber } of side) expect(RecordType[type as keyof typeof RecordType]).toBe(typeNumber)
      }
      for (const { requestId, params } of conversation.requests) {
        const content = conversation.sent.filter((record) => record.type === 'PARAMS' && record.requestId === requestId)
        expect(parsePairs(Buffer.from(content.map((record) => record.content).join(''), 'hex'))).toEqual(params)
      }
    })

    it('the records sent are read', () => expectOutcome(bytesOf(conversation.sent), { records: saidBy(conversation.sent) }))

    it('the records of the answer are read', () => expectOutcome(bytesOf(conversation.received), { records: saidBy(conversation.received) }))

    it('the requests are understood', () => {
      const expected = conversation.requests.map((request) => ({ ...request, params: request.params.flat(), stdinEnded: true, aborted: false }))
      for (const chunks of everyCut(bytesOf(conversation.sent))) expect(converse(chunks).requests).toEqual(expected)
    })

    it('the answer is written byte for byte', () => {
      const writer = new RecordWriter()
      for (const { type, typeNumber, requestId, content } of conversation.received) {
        const bytes = Buffer.from(content, 'hex')
        if (type === 'END_REQUEST') writer.endRequest(requestId, bytes.readUInt32BE(0), 0)
        else if (bytes.length === 0) writer.endStream(typeNumber, requestId)
        else writer.stream(typeNumber, requestId, bytes)
      }
      expect(Buffer.concat(writer.take()).toString('hex')).toBe(bytesOf(conversation.received).toString('hex'))
    })

    it('the answer in words is the answer in records', () => {
      const answers = conversation.received
        .filter(({ type }) => type === 'END_REQUEST')
        .map(({ requestId, content }) => ({
          requestId,
          stdout: textOf(conversation.received, 'STDOUT', requestId),
          stderr: textOf(conversation.received, 'STDERR', requestId),
          appStatus: parseInt(content.slice(0, 8), 16),
          protocolStatus: parseInt(content.slice(8, 10), 16),
        }))
      expect(conversation.answers).toEqual(answers)
    })
  })
})

function textOf(records: readonly AppendixBRecord[], type: string, requestId: number): string {
  const hex = records.filter((record) => record.type === type && record.requestId === requestId).map((record) => record.content)
  return Buffer.from(hex.join(''), 'hex').toString('latin1')
}
