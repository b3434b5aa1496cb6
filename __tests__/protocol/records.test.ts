// Single records against literal bytes: the header of FCGI 3.3 and the bodies of FCGI 4 and 5.

import {
  decodeBeginRequest,
  decodeEndRequest,
  encodeBeginRequest,
  encodeEndRequest,
  encodeGetValues,
  encodeGetValuesResult,
  encodeRecord,
  encodeStream,
  encodeUnknownType,
  ProtocolStatus,
  RecordType,
  Role,
  writeRecordHeader,
} from '../../lib/protocol'
import * as fcgi from '../support/fcgi-bytes'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('records (FCGI 3.3)', () => {
  it.each([
    ['version, type, id, content length, padding length, reserved', encodeRecord(RecordType.STDIN, 1, Buffer.from('ab')), '01 05 0001 0002 00 00 6162'],
    ['an empty record', encodeRecord(RecordType.STDOUT, 1), '01 06 0001 0000 00 00'],
    ['the id takes two bytes, high one first', encodeRecord(RecordType.STDIN, 0x1234), '01 05 1234 0000 00 00'],
    ['the largest id', encodeRecord(RecordType.STDIN, 65535), '01 05 ffff 0000 00 00'],
    ['padding follows the content', encodeRecord(RecordType.STDIN, 1, Buffer.from('abc'), 5), '01 05 0001 0003 05 00 616263 0000000000'],
  ])('%s', (_rule, record, expected) => {
    expect(record.toString('hex')).toBe(hex(expected).toString('hex'))
  })

  it('content of 65535 bytes fits, one more does not', () => {
    const largest = encodeRecord(RecordType.STDOUT, 1, Buffer.alloc(65535, 'x'), 1)
    expect(largest.subarray(0, 8).toString('hex')).toBe('01060001ffff0100')
    expect(largest).toHaveLength(8 + 65535 + 1)
    expect(() => encodeRecord(RecordType.STDOUT, 1, Buffer.alloc(65536))).toThrow(RangeError)
  })

  it('the largest padding is 255', () => {
    expect(encodeRecord(RecordType.STDOUT, 1, Buffer.from('x'), 255).toString('hex')).toBe(`010600010001ff0078${'00'.repeat(255)}`)
  })

  it('a header can be written anywhere in a buffer', () => {
    const target = Buffer.alloc(10, 0xaa)
    expect(writeRecordHeader(target, 1, 7, 258, 772, 4)).toBe(9)
    expect(target.toString('hex')).toBe('aa0107010203040400aa')
  })

  it.each([0, 1, 65535, 65536, 131_071, 200_000])('a stream of %i bytes is cut into records that fit, in order, without an end', (length) => {
    const content = Buffer.from(Array.from({ length }, (_byte, i) => (i * 7 + (i >> 8)) & 255))
    const records = fcgi.parseRecords(encodeStream(RecordType.STDIN, 9, content))
    expect(records).toHaveLength(Math.ceil(length / 65535))
    expect(records.every((record) => record.type === 5 && record.id === 9 && record.content.length > 0)).toBe(true)
    expect(Buffer.concat(records.map((record) => record.content)).equals(content)).toBe(true)
  })
})

describe('BEGIN_REQUEST (FCGI 5.1)', () => {
  it.each([
    ['a Responder, connection closed after it', 1, Role.RESPONDER, false, '01 01 0001 0008 00 00 0001 00 0000000000'],
    ['an Authorizer, connection kept', 2, Role.AUTHORIZER, true, '01 01 0002 0008 00 00 0002 01 0000000000'],
    ['a Filter, connection kept', 65535, Role.FILTER, true, '01 01 ffff 0008 00 00 0003 01 0000000000'],
  ])('%s', (_rule, requestId, role, keepConnection, bytes) => {
    expect(encodeBeginRequest(requestId, role, keepConnection).toString('hex')).toBe(hex(bytes).toString('hex'))
    expect(decodeBeginRequest(hex(bytes).subarray(8))).toEqual({ role, keepConnection })
  })

  it('the role is a 16-bit number, known or not', () => {
    expect(decodeBeginRequest(hex('0103 00 0000000000'))).toEqual({ role: 259, keepConnection: false })
  })

  it('unknown flag bits and reserved bytes are ignored', () => {
    expect(decodeBeginRequest(hex('0001 fe ffffffffff'))).toEqual({ role: 1, keepConnection: false })
    expect(decodeBeginRequest(hex('0001 ff ffffffffff'))).toEqual({ role: 1, keepConnection: true })
  })
})

describe('END_REQUEST (FCGI 5.5)', () => {
  it.each([
    ['complete, exit status 0', 0, ProtocolStatus.REQUEST_COMPLETE, '00000000 00 000000'],
    ['complete, exit status 938', 938, ProtocolStatus.REQUEST_COMPLETE, '000003aa 00 000000'],
    ['exit status 2^32 - 1', 4_294_967_295, ProtocolStatus.REQUEST_COMPLETE, 'ffffffff 00 000000'],
    ['no multiplexing', 0, ProtocolStatus.CANT_MPX_CONN, '00000000 01 000000'],
    ['overloaded', 0, ProtocolStatus.OVERLOADED, '00000000 02 000000'],
    ['unknown role', 1, ProtocolStatus.UNKNOWN_ROLE, '00000001 03 000000'],
  ])('%s', (_rule, appStatus, protocolStatus, body) => {
    const expected = Buffer.concat([hex('01 03 0005 0008 00 00'), hex(body)])
    expect(encodeEndRequest(5, appStatus, protocolStatus).toString('hex')).toBe(expected.toString('hex'))
    expect(decodeEndRequest(hex(body))).toEqual({ appStatus, protocolStatus })
  })

  it('an exit status of -1 is 2^32 - 1 on the wire', () => {
    expect(encodeEndRequest(1, -1, ProtocolStatus.REQUEST_COMPLETE).subarray(8, 12).toString('hex')).toBe('ffffffff')
  })

  it('a protocol status nobody defined is handed through', () => {
    expect(decodeEndRequest(hex('00000000 c8 ffffff'))).toEqual({ appStatus: 0, protocolStatus: 200 })
  })
})

describe('management records (FCGI 4)', () => {
  it('GET_VALUES names variables with empty values, under request id 0', () => {
    expect(encodeGetValues(['FCGI_MAX_CONNS', 'A']).toString('hex')).toBe(
      hex(`01 09 0000 0013 00 00 0e 00 ${Buffer.from('FCGI_MAX_CONNS').toString('hex')} 01 00 41`).toString('hex'),
    )
  })

  it('GET_VALUES_RESULT names and values', () => {
    expect(encodeGetValuesResult(['FCGI_MPXS_CONNS', '1']).toString('hex')).toBe(
      hex(`01 0a 0000 0012 00 00 0f 01 ${Buffer.from('FCGI_MPXS_CONNS').toString('hex')} 31`).toString('hex'),
    )
  })

  it('UNKNOWN_TYPE repeats the type in its first byte', () => {
    expect(encodeUnknownType(200).toString('hex')).toBe(hex('01 0b 0000 0008 00 00 c8 00000000000000').toString('hex'))
  })
})

describe('the bytes the other tests are made of', () => {
  it.each([
    ['begin', fcgi.begin(1, { keep: true }), '01 01 0001 0008 00 00 0001 01 0000000000'],
    ['params', fcgi.params(2, { A: 'b' }), '01 04 0002 0004 00 00 01014162 01 04 0002 0000 00 00'],
    ['params not ended', fcgi.params(2, [['A', 'b'], ['A', '']], { end: false }), '01 04 0002 0007 00 00 01014162 010041'],
    ['stdin', fcgi.stdin(3, 'x'), '01 05 0003 0001 00 00 78'],
    ['the end of stdin', fcgi.stdin(3), '01 05 0003 0000 00 00'],
    ['abort', fcgi.abort(4), '01 02 0004 0000 00 00'],
    ['get values', fcgi.getValues(['A']), '01 09 0000 0003 00 00 010041'],
    ['padding', fcgi.record(5, 258, 'x', 2), '01 05 0102 0001 02 00 78 ffff'],
    ['a long pair', fcgi.nameValuePairs({ A: 'v'.repeat(128) }), `01 80000080 41 ${'76'.repeat(128)}`],
  ])('%s', (_name, bytes, expected) => {
    expect(bytes.toString('hex')).toBe(hex(expected).toString('hex'))
  })
})
