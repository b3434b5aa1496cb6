// What leaves: few records, few buffers, the right bytes. Judged by the tests' own parser, never by our reader.

import { createHash } from 'node:crypto'
import { encodeRecord, ProtocolStatus, RecordType, RecordWriter } from '../../lib/protocol'
import { END_REQUEST, parseRecords, type RawRecord, STDERR, STDOUT } from '../support/fcgi-bytes'
import { property, type Random } from './random'

const { REQUEST_COMPLETE } = ProtocolStatus

/** Everything taken, after checking that the writer counted it. */
function take(writer: RecordWriter): Buffer {
  const counted = writer.length
  const taken = Buffer.concat(writer.take())
  expect(taken).toHaveLength(counted)
  expect(writer.length).toBe(0)
  return taken
}

const contents = (records: readonly RawRecord[], type: number, id: number): Buffer =>
  Buffer.concat(records.filter((record) => record.type === type && record.id === id).map((record) => record.content))

describe('an answer', () => {
  it('is one STDOUT record, the empty one and END_REQUEST, in one buffer (FCGI 5.3, 5.5)', () => {
    const writer = new RecordWriter()
    writer.stream(RecordType.STDOUT, 1, 'Status: 200 OK\r\n\r\n', 'latin1')
    writer.stream(RecordType.STDOUT, 1, 'hello')
    writer.endStream(RecordType.STDOUT, 1)
    writer.endRequest(1, 0, REQUEST_COMPLETE)
    const expected =
      `0106000100170000${Buffer.from('Status: 200 OK\r\n\r\nhello').toString('hex')}` + '0106000100000000' + '01030001000800000000000000000000'
    expect(writer.length).toBe(expected.length / 2)
    const taken = writer.take()
    expect(taken).toHaveLength(1)
    expect(taken[0]!.toString('hex')).toBe(expected)
  })

  it.each([
    ['938, complete', 938, ProtocolStatus.REQUEST_COMPLETE, '000003aa00000000'],
    ['4294967295', 4_294_967_295, ProtocolStatus.REQUEST_COMPLETE, 'ffffffff00000000'],
    ['-1, as an exit status may be', -1, ProtocolStatus.REQUEST_COMPLETE, 'ffffffff00000000'],
    ['cannot multiplex', 0, ProtocolStatus.CANT_MPX_CONN, '0000000001000000'],
    ['overloaded', 0, ProtocolStatus.OVERLOADED, '0000000002000000'],
    ['unknown role', 0, ProtocolStatus.UNKNOWN_ROLE, '0000000003000000'],
  ])('END_REQUEST with %s', (_rule, appStatus, protocolStatus, body) => {
    const writer = new RecordWriter()
    writer.endRequest(0xabcd, appStatus, protocolStatus)
    expect(take(writer).toString('hex')).toBe(`0103abcd00080000${body}`)
  })

  it('a record that is encoded already goes out in its place', () => {
    const writer = new RecordWriter()
    writer.stream(RecordType.STDOUT, 1, 'a')
    writer.record(encodeRecord(RecordType.UNKNOWN_TYPE, 0, Buffer.alloc(8)))
    writer.stream(RecordType.STDOUT, 1, 'b')
    expect(parseRecords(take(writer)).map(({ type, content }) => [type, content.length])).toEqual([[6, 1], [11, 8], [6, 1]])
  })

  it('nothing written is nothing taken', () => {
    const writer = new RecordWriter()
    expect(writer.take()).toEqual([])
    expect(writer.stream(RecordType.STDOUT, 1, '')).toBe(0)
    expect(writer.stream(RecordType.STDOUT, 1, '', 'base64')).toBe(0)
    expect(writer.stream(RecordType.STDOUT, 1, Buffer.alloc(0))).toBe(0)
    // An empty record would end the stream.
    expect(writer.take()).toEqual([])
  })
})

describe('content of one stream shares a record', () => {
  const shape = (work: (writer: RecordWriter) => void): [number, number, string][] => {
    const writer = new RecordWriter()
    work(writer)
    return parseRecords(take(writer)).map(({ type, id, content }) => [type, id, content.toString()])
  }

  it.each<[string, (writer: RecordWriter) => void, [number, number, string][]]>([
    ['while nothing comes between', (w) => ['a', 'b', 'c'].forEach((text) => w.stream(6, 1, text)), [[6, 1, 'abc']]],
    ['bytes and text alike', (w) => (w.stream(6, 1, Buffer.from('a')), w.stream(6, 1, 'b'), w.stream(6, 1, new Uint8Array([99]))), [[6, 1, 'abc']]],
    ['not with another stream', (w) => (w.stream(6, 1, 'a'), w.stream(7, 1, 'b'), w.stream(6, 1, 'c')), [[6, 1, 'a'], [7, 1, 'b'], [6, 1, 'c']]],
    ['not with another request', (w) => (w.stream(6, 1, 'a'), w.stream(6, 2, 'b'), w.stream(6, 1, 'c')), [[6, 1, 'a'], [6, 2, 'b'], [6, 1, 'c']]],
    ['not across the end of another stream', (w) => (w.stream(6, 1, 'a'), w.endStream(7, 1), w.stream(6, 1, 'b')), [[6, 1, 'a'], [7, 1, ''], [6, 1, 'b']]],
    ['not across its own end', (w) => (w.stream(6, 1, 'a'), w.endStream(6, 1), w.stream(6, 1, 'b')), [[6, 1, 'a'], [6, 1, ''], [6, 1, 'b']]],
    ['not across END_REQUEST', (w) => (w.stream(6, 1, 'a'), w.endRequest(1, 0, 0), w.stream(6, 1, 'b')), [[6, 1, 'a'], [3, 1, '\0'.repeat(8)], [6, 1, 'b']]],
  ])('%s', (_rule, work, expected) => expect(shape(work)).toEqual(expected))

  it('not after it was taken', () => {
    const writer = new RecordWriter()
    writer.stream(6, 1, 'a')
    const first = writer.take()
    writer.stream(6, 1, 'b')
    expect(take(writer).toString('hex')).toBe('010600010001000062')
    expect(Buffer.concat(first).toString('hex')).toBe('010600010001000061')
  })

  it.each([1, 999, 8192, 16_384])('pieces of %i bytes never make a record above 65535, nor many small ones', (size) => {
    const writer = new RecordWriter()
    const total = 400_000
    const sent = Buffer.from(Array.from({ length: total }, (_byte, i) => (i * 31 + (i >> 8)) & 255))
    for (let at = 0; at < total; at += size) writer.stream(6, 1, sent.subarray(at, at + size))
    const records = parseRecords(take(writer))
    expect(contents(records, STDOUT, 1).equals(sent)).toBe(true)
    expect(Math.max(...records.map((record) => record.content.length))).toBeLessThanOrEqual(65535)
    // At worst a record is left with less room than the next piece, and the slab was not empty at the start.
    expect(records.length).toBeLessThanOrEqual(2 + Math.ceil(total / (65535 - 8 - size)))
  })
})

describe('large content', () => {
  it('of 16384 bytes is copied: the caller may reuse its buffer', () => {
    const writer = new RecordWriter()
    const content = Buffer.alloc(16_384, 'a')
    writer.stream(6, 1, content)
    content.fill('b')
    expect(contents(parseRecords(take(writer)), STDOUT, 1).equals(Buffer.alloc(16_384, 'a'))).toBe(true)
  })

  it('above that is not copied', () => {
    const writer = new RecordWriter()
    const content = Buffer.alloc(16_385, 'a')
    writer.stream(6, 1, content)
    const taken = writer.take()
    expect(taken).toHaveLength(2)
    expect(taken[1]!.buffer).toBe(content.buffer)
    expect(taken[1]!.byteOffset).toBe(content.byteOffset)
    expect(taken[1]).toHaveLength(16_385)
  })

  it.each([16_385, 65_528, 65_529, 65_535, 65_536, 131_056, 131_057, 1_000_000])('%i bytes are cut into records of 65528, what is beyond them first', (length) => {
    const writer = new RecordWriter()
    const content = Buffer.from(Array.from({ length }, (_byte, i) => (i * 13 + (i >> 8)) & 255))
    expect(writer.stream(6, 7, content)).toBe(length)
    const records = parseRecords(take(writer))
    expect(contents(records, STDOUT, 7).equals(content)).toBe(true)
    expect(records).toHaveLength(Math.ceil(length / 65_528))
    expect(records.slice(1).every((record) => record.content.length === 65_528)).toBe(true)
  })

  it.each([
    ['65536', 65_536, 2],
    ['a mebibyte', 1_048_576, 32],
    ['half a record more than one', 100_000, 4],
  ])('of %s bytes is a buffer per record, and one in front of each', (_size, length, pieces) => {
    const writer = new RecordWriter()
    writer.stream(6, 1, Buffer.alloc(length))
    expect(writer.take()).toHaveLength(pieces)
  })

  it('keeps its place between small content', () => {
    const writer = new RecordWriter()
    writer.stream(6, 1, 'head')
    writer.stream(6, 1, Buffer.alloc(70_000, 'x'))
    writer.stream(6, 1, 'tail')
    writer.endStream(6, 1)
    const records = parseRecords(take(writer))
    expect(records.map((record) => record.content.length)).toEqual([4476, 65_528, 4, 0])
    expect(contents(records, STDOUT, 1).toString()).toBe(`head${'x'.repeat(70_000)}tail`)
  })

  it.each([20, 20_000])('a Uint8Array of %i bytes that is part of a larger buffer', (length) => {
    const writer = new RecordWriter()
    const bytes = new Uint8Array(length + 10).fill(1)
    bytes.fill(2, 5, 5 + length)
    writer.stream(6, 1, bytes.subarray(5, 5 + length))
    expect(contents(parseRecords(take(writer)), STDOUT, 1).equals(Buffer.alloc(length, 2))).toBe(true)
  })
})

describe('text', () => {
  it.each<[string, string, BufferEncoding, string]>([
    ['ASCII', 'abc', 'utf8', '616263'],
    ['two bytes a character', '\u00e9\u00ff', 'utf8', 'c3a9c3bf'],
    ['three bytes a character', '\u20ac', 'utf8', 'e282ac'],
    ['a surrogate pair', '\u{1f600}', 'utf8', 'f09f9880'],
    ['a lone surrogate becomes U+FFFD', '\ud83d', 'utf8', 'efbfbd'],
    ['latin1', '\u00e9\u00ff', 'latin1', 'e9ff'],
    ['binary is latin1', '\u00e9', 'binary', 'e9'],
    ['hex', '00ff', 'hex', '00ff'],
    ['base64', 'AP8=', 'base64', '00ff'],
    ['base64url', 'AP_-', 'base64url', '00fffe'],
    ['utf16le', 'ab', 'utf16le', '61006200'],
    ['ascii', 'ab', 'ascii', '6162'],
  ])('%s', (_rule, text, encoding, hex) => {
    const writer = new RecordWriter()
    expect(writer.stream(6, 1, text, encoding)).toBe(hex.length / 2)
    expect(contents(parseRecords(take(writer)), STDOUT, 1).toString('hex')).toBe(hex)
  })

  it.each([5461, 5462, 16_384, 16_385, 70_000, 200_000])('%i characters of each width', (length) => {
    for (const [character, encoding] of [['a', 'utf8'], ['\u00e9', 'utf8'], ['\u20ac', 'utf8'], ['\u00e9', 'latin1'], ['ab', 'utf16le']] as const) {
      const writer = new RecordWriter()
      const text = character.repeat(length)
      const expected = Buffer.from(text, encoding)
      writer.stream(6, 1, 'before')
      expect(writer.stream(6, 1, text, encoding)).toBe(expected.length)
      writer.stream(6, 1, 'after')
      const whole = Buffer.concat([Buffer.from('before'), expected, Buffer.from('after')])
      expect(contents(parseRecords(take(writer)), STDOUT, 1).equals(whole)).toBe(true)
    }
  })
})

describe('many writers share one slab', () => {
  it('two that write in turn keep their bytes apart', () => {
    const [one, two] = [new RecordWriter(), new RecordWriter()]
    for (const text of ['a', 'b', 'c']) {
      one.stream(6, 1, text)
      two.stream(6, 2, text.toUpperCase())
    }
    one.endStream(6, 1)
    two.endStream(6, 2)
    expect(contents(parseRecords(take(one)), STDOUT, 1).toString()).toBe('abc')
    expect(contents(parseRecords(take(two)), STDOUT, 2).toString()).toBe('ABC')
  })

  it('random writers never corrupt each other, and what was taken never changes', () => {
    property(25, (random) => {
      const connections = Array.from({ length: 1 + random.below(5) }, () => new Connection())
      for (let step = 0; step < 120; step++) random.pick(connections).act(random)
      for (const connection of connections) connection.check()
    })
  })
})

/** A writer with a plain list of what was written to it beside it. */
class Connection {
  private readonly writer = new RecordWriter()
  private readonly written: { type: number; id: number; content: Buffer }[] = []
  private readonly taken: { buffer: Buffer; snapshot: Buffer }[] = []

  act(random: Random): void {
    const id = 1 + random.below(3)
    const type = random.pick([STDOUT, STDOUT, STDERR])
    const dice = random.below(20)
    if (dice < 3) {
      this.writer.endStream(type, id)
      this.written.push({ type, id, content: Buffer.alloc(0) })
    } else if (dice < 5) {
      this.writer.endRequest(id, random.below(2 ** 31), REQUEST_COMPLETE)
      this.written.push({ type: END_REQUEST, id, content: Buffer.alloc(0) })
    } else if (dice < 8) this.take()
    else if (dice < 14) {
      const content = Buffer.alloc(random.pick([1, 10, 1000, 16_000, 16_384, 16_385, 66_000]), random.below(256))
      this.written.push({ type, id, content: Buffer.from(content) })
      expect(this.writer.stream(type, id, content)).toBe(content.length)
      // Above 16 KiB the buffer is the writer's until it is sent; below, the caller's again.
      if (content.length <= 16_384) content.fill(0xdd)
    } else {
      const text = random.pick(['x', '\u00e9', '\u20ac']).repeat(random.pick([1, 20, 3000, 5461, 5462, 30_000]))
      this.written.push({ type, id, content: Buffer.from(text) })
      this.writer.stream(type, id, text)
    }
  }

  check(): void {
    this.take()
    expect(this.taken.every(({ buffer, snapshot }) => buffer.equals(snapshot))).toBe(true)
    const records = parseRecords(Buffer.concat(this.taken.map(({ buffer }) => buffer)))
    expect(records.every((record) => record.content.length <= 65535)).toBe(true)
    // Neighbours of one stream may share a record or be cut into several, but nothing moves past anything else.
    const read = merge(records.map(({ type, id, content }) => ({ type, id, content: type === END_REQUEST ? Buffer.alloc(0) : content })))
    expect(read).toEqual(merge(this.written))
  }

  private take(): void {
    const length = this.writer.length
    const buffers = this.writer.take()
    expect(buffers.reduce((sum, buffer) => sum + buffer.length, 0)).toBe(length)
    this.taken.push(...buffers.map((buffer) => ({ buffer, snapshot: Buffer.from(buffer) })))
  }
}

/** One line for each run of content of one stream; ends stay apart. */
function merge(list: readonly { type: number; id: number; content: Buffer }[]): string[] {
  const runs: { key: string; parts: Buffer[] }[] = []
  for (const { type, id, content } of list) {
    const key = `${type}/${id}${content.length === 0 ? ' end' : ''}`
    const last = runs.at(-1)
    if (last?.key === key && content.length > 0) last.parts.push(content)
    else runs.push({ key, parts: [content] })
  }
  // Digests, because a failed comparison would print megabytes.
  return runs.map(({ key, parts }) => {
    const content = Buffer.concat(parts)
    return `${key} ${content.length} bytes ${createHash('sha1').update(content).digest('hex')}`
  })
}
