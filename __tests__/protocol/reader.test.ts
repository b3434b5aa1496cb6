// The reader against FCGI 3.3. Every case runs whole, byte by byte and at every cut: see read-all.ts.

import { ProtocolError } from '../../lib/errors'
import { RecordReader } from '../../lib/protocol'
import * as fcgi from '../support/fcgi-bytes'
import { countAllocations } from './count'
import { property, type Random } from './random'
import { expectOutcome, isSkipped, type Outcome, randomCut, readAll, type ReadRecord } from './read-all'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const latin1 = (text: string): string => hex(text).toString('latin1')
const rec = (type: number, requestId: number, content = ''): ReadRecord => ({ type, requestId, content })

describe('records are cut out of the stream (FCGI 3.3)', () => {
  const cases: [rule: string, bytes: string, records: ReadRecord[]][] = [
    ['no bytes, no records', '', []],
    ['BEGIN_REQUEST', '01 01 0001 0008 00 00 0001 01 0000000000', [rec(1, 1, latin1('0001010000000000'))]],
    ['ABORT_REQUEST', '01 02 0001 0000 00 00', [rec(2, 1)]],
    ['END_REQUEST', '01 03 0001 0008 00 00 000003aa 00 000000', [rec(3, 1, latin1('000003aa00000000'))]],
    ['PARAMS', '01 04 0001 0004 00 00 01014162', [rec(4, 1, latin1('01014162'))]],
    ['STDIN', '01 05 0001 0003 00 00 616263', [rec(5, 1, 'abc')]],
    ['STDOUT', '01 06 0001 0003 00 00 616263', [rec(6, 1, 'abc')]],
    ['STDERR', '01 07 0001 0003 00 00 616263', [rec(7, 1, 'abc')]],
    ['DATA', '01 08 0001 0003 00 00 616263', [rec(8, 1, 'abc')]],
    ['GET_VALUES', '01 09 0000 0003 00 00 010041', [rec(9, 0, latin1('010041'))]],
    ['GET_VALUES_RESULT', '01 0a 0000 0004 00 00 01014131', [rec(10, 0, latin1('01014131'))]],
    ['UNKNOWN_TYPE', '01 0b 0000 0008 00 00 c8 00000000000000', [rec(11, 0, latin1('c800000000000000'))]],
    ['the empty record that ends a stream', '01 04 0001 0000 00 00', [rec(4, 1)]],
    ['an empty GET_VALUES', '01 09 0000 0000 00 00', [rec(9, 0)]],
    ['the largest request id', '01 05 ffff 0001 00 00 78', [rec(5, 65535, 'x')]],
    ['a request id of which both bytes count', '01 05 0102 0001 00 00 78', [rec(5, 258, 'x')]],
    ['the reserved byte is ignored', '01 05 0001 0001 00 ff 78', [rec(5, 1, 'x')]],
    ['padding is skipped, whatever is in it', '01 05 0001 0001 07 00 78 01050001000100 01 05 0001 0000 00 00', [rec(5, 1, 'x'), rec(5, 1)]],
    ['padding behind an empty record', '01 05 0001 0000 08 00 0105000100010000 01 02 0001 0000 00 00', [rec(5, 1), rec(2, 1)]],
    [
      'padding behind a record of fixed length',
      '01 01 0001 0008 02 00 0001010000000000 ffff 01 02 0001 0000 00 00',
      [rec(1, 1, latin1('0001010000000000')), rec(2, 1)],
    ],
    ['ABORT_REQUEST with content it must not have: the content is skipped', '01 02 0001 0003 01 00 616263 ff 01 02 0002 0000 00 00', [rec(2, 1), rec(2, 2)]],
    ['an unknown type: handed out without its content', '01 0c 0001 0003 01 00 616263 ff 01 02 0001 0000 00 00', [rec(12, 1), rec(2, 1)]],
    ['type 0 is unknown too', '01 00 0000 0001 00 00 78 01 02 0001 0000 00 00', [rec(0, 0), rec(2, 1)]],
    ['type 255 is unknown too', '01 ff 0000 0008 00 00 0000000000000000', [rec(255, 0)]],
    [
      'records of several requests keep their order',
      '01 05 0001 0001 00 00 61 01 05 0002 0001 00 00 62 01 05 0001 0001 00 00 63',
      [rec(5, 1, 'a'), rec(5, 2, 'b'), rec(5, 1, 'c')],
    ],
  ]
  it.each(cases)('%s', (_rule, bytes, records) => expectOutcome(hex(bytes), { records }))

  it('any padding length, on a stream record and on an empty one', () => {
    for (let padding = 0; padding <= 255; padding++) {
      const bytes = Buffer.concat([fcgi.record(5, 1, 'abc', padding), fcgi.record(5, 1, '', padding), fcgi.begin(2)])
      const expected: Outcome = { records: [rec(5, 1, 'abc'), rec(5, 1), rec(1, 2, latin1('0001000000000000'))] }
      expect({ padding, ...readAll([bytes]) }).toEqual({ padding, ...expected })
      expect({ padding, ...readAll(Array.from(bytes, (byte) => Buffer.from([byte]))) }).toEqual({ padding, ...expected })
    }
  })

  it('the largest padding at every cut', () => {
    expectOutcome(Buffer.concat([fcgi.record(4, 1, 'abc', 255), fcgi.record(9, 0, 'abc', 255), fcgi.abort(1)]), {
      records: [rec(4, 1, 'abc'), rec(9, 0, 'abc'), rec(2, 1)],
    })
  })

  it.each([65534, 65535])('content of %i bytes', (length) => {
    const content = Buffer.alloc(length, '0123456789abcde')
    const bytes = Buffer.concat([fcgi.record(5, 1, content, 1), fcgi.record(9, 0, content, 1), fcgi.abort(1)])
    const expected: Outcome = { records: [rec(5, 1, content.toString('latin1')), rec(9, 0, content.toString('latin1')), rec(2, 1)] }
    for (const at of [0, 1, 7, 8, 9, 64, 65, 128, 129, 4096, 65535, 65540, 65541, 65542, 65543, 65544, 65545, 65552, 65553, 100_000, 131_087]) {
      expect(JSON.stringify(readAll([bytes.subarray(0, at), bytes.subarray(at)])) === JSON.stringify(expected)).toBe(true)
    }
    const pieces = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_piece, i) => bytes.subarray(i * 1000, (i + 1) * 1000))
    expect(JSON.stringify(readAll(pieces)) === JSON.stringify(expected)).toBe(true)
  })
})

describe('a stream record is handed out as it arrives', () => {
  it('each fragment is what came with the chunk, without a copy', () => {
    const reader = new RecordReader()
    const bytes = hex('01 05 0001 0006 00 00 616263646566')
    const fragments: [string, number][] = []
    for (const chunk of [bytes.subarray(0, 10), bytes.subarray(10, 11), bytes.subarray(11)]) {
      reader.push(chunk)
      while (reader.next()) {
        fragments.push([reader.content.toString(), reader.contentLength])
        expect(reader.chunk.buffer).toBe(bytes.buffer)
      }
    }
    expect(fragments).toEqual([['ab', 6], ['c', 6], ['def', 6]])
  })

  it('`chunk`, `start` and `end` say where the fragment lies', () => {
    const reader = new RecordReader()
    reader.push(hex('01 05 0001 0002 00 00 6162 01 05 0001 0001 00 00 63'))
    expect([reader.next(), reader.start, reader.end]).toEqual([true, 8, 10])
    expect([reader.next(), reader.start, reader.end]).toEqual([true, 18, 19])
    expect(reader.next()).toBe(false)
  })

  it('a record of fixed length is handed out whole, however it arrived', () => {
    const reader = new RecordReader()
    const found: string[] = []
    for (const byte of hex('01 03 0001 0008 00 00 000003aa 00 000000')) {
      reader.push(Buffer.from([byte]))
      while (reader.next()) found.push(reader.content.toString('hex'))
    }
    expect(found).toEqual(['000003aa00000000'])
  })

  it('an ABORT_REQUEST or unknown record is handed out before the content nobody wants has arrived', () => {
    const reader = new RecordReader()
    reader.push(hex('01 02 0001 ffff ff 00'))
    expect([reader.next(), reader.type, reader.content.length]).toEqual([true, 2, 0])
    expect(reader.next()).toBe(false)
  })
})

describe('violations (FCGI 3.3, 4.2, 5)', () => {
  const abort = '01 02 0001 0000 00 00'
  it.each([
    ['version 0', '00 05 0001 0000 00 00', 'FCGI_ERR_VERSION 3.3'],
    ['version 2', '02 05 0001 0000 00 00', 'FCGI_ERR_VERSION 3.3'],
    ['version 255', 'ff 05 0001 0000 00 00', 'FCGI_ERR_VERSION 3.3'],
    ['one byte is enough to see a wrong version', '80', 'FCGI_ERR_VERSION 3.3'],
    ['BEGIN_REQUEST of 0 bytes', '01 01 0001 0000 00 00', 'FCGI_ERR_RECORD_LENGTH 5'],
    ['BEGIN_REQUEST of 7 bytes', '01 01 0001 0007 00 00', 'FCGI_ERR_RECORD_LENGTH 5'],
    ['BEGIN_REQUEST of 9 bytes', '01 01 0001 0009 00 00', 'FCGI_ERR_RECORD_LENGTH 5'],
    ['BEGIN_REQUEST of 2056 bytes, whose low byte is 8', '01 01 0001 0808 00 00', 'FCGI_ERR_RECORD_LENGTH 5'],
    ['END_REQUEST of 0 bytes', '01 03 0001 0000 00 00', 'FCGI_ERR_RECORD_LENGTH 5'],
    ['END_REQUEST of 65535 bytes', '01 03 0001 ffff 00 00', 'FCGI_ERR_RECORD_LENGTH 5'],
    ['UNKNOWN_TYPE of 1 byte', '01 0b 0000 0001 00 00 c8', 'FCGI_ERR_RECORD_LENGTH 4.2'],
  ])('%s', (_rule, bytes, error) => {
    expectOutcome(hex(bytes), { records: [], error })
    // What came before a violation still counts.
    expectOutcome(hex(abort + bytes), { records: [rec(2, 1)], error })
  })

  it('the error names the request', () => {
    const reader = new RecordReader()
    reader.push(hex('01 01 0102 0009 00 00'))
    expect(() => reader.next()).toThrow(expect.objectContaining({ requestId: 258 }))
  })

  it('a version is judged by its first byte: who does not speak FastCGI may never send eight', () => {
    const reader = new RecordReader()
    reader.push(Buffer.from('G'))
    expect(() => reader.next()).toThrow(ProtocolError)
  })

  it('an HTTP request is told which directive was meant', () => {
    const request = Buffer.from('GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n')
    expectOutcome(request, { records: [], error: 'FCGI_ERR_VERSION 3.3' })
    for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS', 'A', 'Z']) {
      const reader = new RecordReader()
      reader.push(Buffer.from(method))
      expect(() => reader.next()).toThrow(/^record version \d+, expected 1; this looks like HTTP: use fastcgi_pass \(not proxy_pass\).*\(FCGI 3\.3\)$/)
    }
  })

  it('a TLS hello is told that FastCGI has none', () => {
    const reader = new RecordReader()
    reader.push(hex('16 0301 0200 01 0001fc 0303'))
    expect(() => reader.next()).toThrow(/^record version 22, expected 1; this looks like TLS:/)
  })

  it.each([[0], [2], [0x40], [0x5b], [0x61]])('version %i is neither', (version) => {
    const reader = new RecordReader()
    reader.push(Buffer.from([version]))
    expect(() => reader.next()).toThrow(new RegExp(`^record version ${version}, expected 1 \\(FCGI 3\\.3\\)$`))
  })

  it('the message never repeats what was received', () => {
    const reader = new RecordReader()
    reader.push(Buffer.from('GET /?token=secret HTTP/1.1\r\nCookie: secret\r\n\r\n'))
    expect(() => reader.next()).not.toThrow(/secret/)
  })
})

describe('the end of the connection', () => {
  it('is proper before the first record', () => {
    expect(() => new RecordReader().finish()).not.toThrow()
  })

  it.each([
    ['inside a stream record with padding', fcgi.record(5, 1, 'abc', 2)],
    ['inside the padding of an empty record', fcgi.record(5, 1, '', 3)],
    ['inside a record of fixed length', fcgi.record(1, 1, Buffer.alloc(8), 1)],
    ['inside GET_VALUES', fcgi.record(9, 0, 'abc')],
    ['inside the content of an ABORT_REQUEST', fcgi.record(2, 1, 'abc')],
    ['inside an unknown record', fcgi.record(99, 1, 'abc', 1)],
  ])('%s is a truncated record, at every byte', (_rule, record) => {
    const before = fcgi.abort(7)
    for (let length = 1; length < record.length; length++) {
      for (const prefix of [Buffer.alloc(0), before]) {
        const bytes = Buffer.concat([prefix, record.subarray(0, length)])
        for (const chunks of [[bytes], Array.from(bytes, (byte) => Buffer.from([byte]))]) {
          expect({ length, finish: readAll(chunks).finish }).toEqual({ length, finish: 'FCGI_ERR_TRUNCATED_RECORD 3.3' })
        }
      }
    }
    expectOutcome(Buffer.concat([before, record]), readAll([before, record]))
    expect(readAll([before, record]).finish).toBeUndefined()
  })
})

describe('work and memory follow the bytes that arrived, never a length field', () => {
  const oneByOne = (bytes: Buffer): { calls: number; records: number } => {
    const reader = new RecordReader()
    const byte = Buffer.from([0])
    let calls = 0
    let records = 0
    for (const value of bytes) {
      byte[0] = value
      reader.push(byte)
      calls++
      while (reader.next()) {
        calls++
        records++
      }
    }
    reader.finish()
    return { calls, records }
  }

  it('1 MiB of stream records, one byte at a time: nothing kept, only headers copied', () => {
    const bytes = Buffer.concat(Array.from({ length: 16 }, () => fcgi.record(5, 1, Buffer.alloc(65527, 'x'), 1)))
    let seen = { calls: 0, records: 0 }
    const counted = countAllocations(() => (seen = oneByOne(bytes)))
    expect(bytes).toHaveLength(1_048_576)
    expect(seen).toEqual({ calls: 1_048_576 + 16 * 65527, records: 16 * 65527 })
    expect(counted.copied).toBe(16 * 8)
    expect(counted.bytes).toBe(8)
  })

  it('1 MiB of records that must be whole, one byte at a time: each byte copied less than three times', () => {
    const bytes = Buffer.concat(Array.from({ length: 16 }, () => fcgi.record(9, 0, Buffer.alloc(65527, 'x'), 1)))
    let seen = { calls: 0, records: 0 }
    const counted = countAllocations(() => (seen = oneByOne(bytes)))
    expect(seen).toEqual({ calls: 1_048_576 + 16, records: 16 })
    expect(counted.copied).toBeLessThan(3 * bytes.length)
    expect(counted.bytes).toBeLessThan(3 * bytes.length)
    expect(counted.largest).toBeLessThanOrEqual(65527)
  })

  it('131072 empty records, one byte at a time', () => {
    const bytes = Buffer.concat(Array.from({ length: 131_072 }, () => fcgi.record(5, 1)))
    let seen = { calls: 0, records: 0 }
    const counted = countAllocations(() => (seen = oneByOne(bytes)))
    expect(seen).toEqual({ calls: 1_048_576 + 131_072, records: 131_072 })
    expect(counted.copied).toBe(bytes.length)
    expect(counted.bytes).toBe(8)
  })

  it.each([
    ['GET_VALUES', 9],
    ['GET_VALUES_RESULT', 10],
    ['PARAMS', 4],
    ['ABORT_REQUEST', 2],
    ['an unknown type', 77],
  ])('%s that announces 65535 bytes and brings few is given memory for few', (_name, type) => {
    const bytes = fcgi.record(type, 1, Buffer.alloc(65535, 'x'), 255)
    for (const arrived of [0, 1, 60, 1000, 10_000]) {
      const counted = countAllocations(() => {
        const reader = new RecordReader()
        reader.push(bytes.subarray(0, 8 + arrived))
        while (reader.next());
      })
      // 64 bytes at first, then twice what arrived.
      expect(counted.largest).toBeLessThanOrEqual(Math.max(64, 2 * arrived))
    }
  })

  it('the content of skipped records is never kept', () => {
    const bytes = Buffer.concat(Array.from({ length: 16 }, () => fcgi.record(200, 0, Buffer.alloc(65527, 'x'), 1)))
    let seen = { calls: 0, records: 0 }
    const counted = countAllocations(() => (seen = oneByOne(bytes)))
    expect(seen.records).toBe(16)
    expect(counted.copied).toBe(16 * 8)
    expect(counted.bytes).toBe(8)
  })
})

it('a stream record with id 0 belongs to no stream: it is handed out once, however it is cut (FCGI 3.3, 4)', () => {
  expectOutcome(fcgi.record(5, 0, 'x'.repeat(20)), { records: [rec(5, 0, '')] })
})

describe('random input', () => {
  it('random records arrive as sent, at random cuts', () => {
    property(300, (random) => {
      const sent = Array.from({ length: random.below(20) }, () => randomRecord(random))
      const bytes = Buffer.concat(sent.map(({ type, requestId, content, padding }) => fcgi.record(type, requestId, content, padding)))
      const records = sent.map(({ type, requestId, content }) => rec(type, requestId, isSkipped(type, requestId) ? '' : content.toString('latin1')))
      expect(readAll(randomCut(bytes, random))).toEqual({ records })
    })
  })

  it('random bytes are records or a ProtocolError, the same at every cut', () => {
    property(300, (random) => {
      const bytes = random.bytes(random.below(60))
      // Most random bytes fail at once; these get past the version.
      for (let at = 0; at < bytes.length; at += random.pick([8, 8, 9, 16])) bytes[at] = 1
      if (random.below(2) === 0 && bytes.length > 5) bytes[4] = 0
      expectOutcome(bytes, readAll([bytes]))
    })
  })

  it('a good conversation with some bytes changed is records or a ProtocolError, the same at random cuts', () => {
    const good = Buffer.concat([
      fcgi.begin(1, { keep: true }),
      fcgi.params(1, { A: 'b', LONG: 'v'.repeat(200) }),
      fcgi.stdin(1, 'abc'),
      fcgi.stdin(1),
      fcgi.getValues(['X']),
      fcgi.abort(1),
    ])
    property(500, (random) => {
      const bytes = Buffer.from(good)
      for (let i = random.below(4); i >= 0; i--) bytes[random.below(bytes.length)] = random.below(256)
      const cut = bytes.subarray(0, bytes.length - random.pick([0, 0, random.below(bytes.length)]))
      expect(readAll(randomCut(cut, random))).toEqual(readAll([cut]))
    })
  })
})

function randomRecord(random: Random): { type: number; requestId: number; content: Buffer; padding: number } {
  const type = random.below(14)
  const isFixed = type === 1 || type === 3 || type === 11
  const content = random.bytes(isFixed ? 8 : random.pick([0, 1, 8, 63, 64, 65, 200, 700]))
  return { type, requestId: random.below(65536), content, padding: random.pick([0, 0, 1, 7, 255]) }
}
