// FCGI 3.4: lengths of one or four bytes, then the name, then the value; and nothing is believed that is not there.

import { ProtocolError } from '../../lib/errors'
import { decodeNameValuePairs, encodeNameValuePairs } from '../../lib/protocol'
import { PairTable } from '../../lib/protocol/pairs'
import { nameValuePairs, parsePairs } from '../support/fcgi-bytes'
import { countAllocations } from './count'
import { property } from './random'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('name-value pairs (FCGI 3.4)', () => {
  const short: [rule: string, bytes: string, pairs: string[]][] = [
    ['no bytes are no pairs', '', []],
    ['name length, value length, name, value', '01 02 41 6263', ['A', 'bc']],
    ['an empty value', '01 00 41', ['A', '']],
    ['an empty name', '00 01 62', ['', 'b']],
    ['an empty name with an empty value', '00 00', ['', '']],
    ['pairs follow each other without a gap', '01 01 41 31 01 01 42 32', ['A', '1', 'B', '2']],
    ['a repeated name appears twice, in order', '01 01 41 32 01 01 41 31', ['A', '2', 'A', '1']],
    ['every byte is one latin1 character', '01 04 41 00e9ff0a', ['A', '\u0000\u00e9\u00ff\n']],
    ['__proto__ is an ordinary name', '09 01 5f5f70726f746f5f5f 78', ['__proto__', 'x']],
    ['constructor is an ordinary name', '0b 01 636f6e7374727563746f72 78', ['constructor', 'x']],
  ]

  it.each(short)('%s', (_rule, bytes, pairs) => {
    expect(decodeNameValuePairs(hex(bytes))).toEqual(pairs)
    expect(decodeNameValuePairs(hex(bytes).toString('latin1'))).toEqual(pairs)
    expect(encodeNameValuePairs(pairs).toString('hex')).toBe(hex(bytes).toString('hex'))
  })

  it.each([
    ['0 takes one byte', 0, '00'],
    ['127 takes one byte', 127, '7f'],
    ['128 takes four bytes, top bit set', 128, '80000080'],
    ['255', 255, '800000ff'],
    ['256', 256, '80000100'],
    ['65535', 65_535, '8000ffff'],
    ['65536', 65_536, '80010000'],
    ['16777216 reaches the first byte', 16_777_216, '81000000'],
  ])('a length of %s', (_rule, length, prefix) => {
    const text = 'v'.repeat(length)
    const asValue = Buffer.concat([hex('01'), hex(prefix), Buffer.from('A'), Buffer.from(text)])
    const asName = Buffer.concat([hex(prefix), hex('01'), Buffer.from(text), Buffer.from('b')])
    // equals(), because a comparison by jest prints what differs, and 16 MiB of it.
    expect(encodeNameValuePairs(['A', text]).equals(asValue)).toBe(true)
    expect(encodeNameValuePairs([text, 'b']).equals(asName)).toBe(true)
    const [name, value] = decodeNameValuePairs(asValue)
    expect(name === 'A' && value === text).toBe(true)
    const [longName, shortValue] = decodeNameValuePairs(asName)
    expect(longName === text && shortValue === 'b').toBe(true)
  })

  it('a short length may be written in four bytes', () => {
    expect(decodeNameValuePairs(hex('80000001 80000002 41 6263'))).toEqual(['A', 'bc'])
  })

  it('encodes a latin1 character as its one byte', () => {
    expect(encodeNameValuePairs(['\u00e9', '\u00ff']).toString('hex')).toBe('0101e9ff')
  })

  it('a million pairs come out in order', () => {
    const pairs = decodeNameValuePairs(hex('01 01 41 62').toString('latin1').repeat(1_000_000))
    expect(pairs).toHaveLength(2_000_000)
    expect(pairs.every((text, i) => text === (i % 2 === 0 ? 'A' : 'b'))).toBe(true)
  })

  describe('a pair that announces more than its stream holds is refused', () => {
    it.each([
      ['a name length and nothing else', '01'],
      ['a name length of four bytes, one there', '80'],
      ['a name length of four bytes, three there', '800000'],
      ['a name length of four bytes and nothing else', '80000001'],
      ['a value length of four bytes, one there', '01 80'],
      ['a value length of four bytes, three there', '01 800000'],
      ['both lengths and nothing else', '01 01'],
      ['a name one byte short', '02 00 41'],
      ['a name, and no value', '01 01 41'],
      ['a value one byte short', '01 03 41 6263'],
      ['a value that would be whole without its name', '01 02 6263'],
      ['a second pair cut short', '01 01 41 62 01 01 41'],
      ['a lone length of zero', '00'],
      ['a name length of 2^31 - 1', 'ffffffff 01 41'],
      ['a value length of 2^31 - 1', '01 ffffffff 41'],
      ['two lengths of 2^31 - 1, whose sum overflows 32 bits', 'ffffffff ffffffff 41'],
      ['two lengths of 2^31 - 1 and nothing else', 'ffffffff ffffffff'],
    ])('%s', (_rule, bytes) => {
      for (const content of [hex(bytes), hex(bytes).toString('latin1')]) {
        expect(() => decodeNameValuePairs(content)).toThrow(ProtocolError)
        expect(() => decodeNameValuePairs(content)).toThrow(expect.objectContaining({ code: 'FCGI_ERR_TRUNCATED_PAIR', section: '3.4' }))
      }
    })

    it('every prefix of a pair list ends at a pair or is refused', () => {
      const pairs: [string, string][] = [['A', 'bc'], ['LONG', 'v'.repeat(130)], ['n'.repeat(128), ''], ['', 'z']]
      const content = nameValuePairs(pairs)
      const ends = pairs.map((_pair, i) => nameValuePairs(pairs.slice(0, i)).length).concat(content.length)
      for (let length = 0; length <= content.length; length++) {
        const decode = (): string[] => decodeNameValuePairs(content.subarray(0, length))
        const whole = ends.indexOf(length)
        if (whole >= 0) expect(decode()).toEqual(pairs.slice(0, whole).flat())
        else expect(decode).toThrow(ProtocolError)
      }
    })

    it('nothing is allocated on the word of a length', () => {
      const content = hex('ffffffff ffffffff 41')
      const allocated = countAllocations(() => expect(() => decodeNameValuePairs(content)).toThrow(ProtocolError))
      expect(allocated.bytes).toBe(0)
    })

    it('all 31 bits of a length count', () => {
      expect(() => decodeNameValuePairs(hex('ffffffff 01 41'))).toThrow(/^pair of 2147483648 bytes in a name-value pair, 1 left/)
      expect(() => decodeNameValuePairs(hex('00 c0000000'))).toThrow(/^pair of 1073741824 bytes in a name-value pair, 0 left/)
    })

    it('the message holds lengths, never content', () => {
      const secret = Buffer.concat([hex('0d 7f'), Buffer.from('Authorization'), Buffer.from('secret')])
      expect(() => decodeNameValuePairs(secret)).toThrow(/^pair of 140 bytes in a name-value pair, 19 left \(FCGI 3\.4\)$/)
    })
  })

  it('a name or value above 2^31 - 1 bytes cannot be said', () => {
    // No string of node is that long; the length is all that is looked at.
    const long = { length: 2 ** 31 } as unknown as string
    const refusal = expect.objectContaining({ code: 'FCGI_ERR_PAIR_TOO_LONG', section: '3.4' }) as Error
    expect(() => encodeNameValuePairs(['A', long])).toThrow(refusal)
    expect(() => encodeNameValuePairs([long, 'b'])).toThrow(refusal)
  })

  it('agrees with an independent encoder and decoder on random pairs', () => {
    property(200, (random) => {
      const text = (): string => random.bytes(random.pick([0, 1, 5, 126, 127, 128, 129, 300])).toString('latin1')
      const pairs = Array.from({ length: random.below(8) }, (): [string, string] => [text(), text()])
      expect(encodeNameValuePairs(pairs.flat()).equals(nameValuePairs(pairs))).toBe(true)
      expect(parsePairs(encodeNameValuePairs(pairs.flat()))).toEqual(pairs)
      expect(decodeNameValuePairs(nameValuePairs(pairs))).toEqual(pairs.flat())
    })
  })

  it('random bytes are pairs or a ProtocolError', () => {
    property(2000, (random) => {
      const content = random.bytes(random.below(40))
      let pairs: string[]
      try {
        pairs = decodeNameValuePairs(content)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
        return
      }
      expect(pairs).toEqual(parsePairs(content).flat())
    })
  })
})

describe('a table of pairs', () => {
  const table = new PairTable()
  const listed = (): [string, string][] => Array.from({ length: table.length }, (_, i) => [table.name(i), table.value(i)])

  it('serves list after list, wherever their bytes stand', () => {
    const memory = Buffer.allocUnsafeSlow(65_536)
    const names = ['', 'A', 'B', 'REQUEST_METHOD', 'REQUEST_URI', 'HTTP_HOST', 'HTTP_HOSE', '\0\0\0\0', '\0\0\0', 'n'.repeat(64), 'n'.repeat(65), 'n'.repeat(128)]
    property(300, (random) => {
      const value = (): string => random.bytes(random.pick([0, 0, 1, 3, 4, 20, 127, 128])).toString('latin1')
      const pairs = Array.from({ length: random.pick([0, 1, 5, 30, 127, 128, 129, 300]) }, (): [string, string] => [random.pick(names), value()])
      const content = nameValuePairs(pairs)
      const start = random.pick([0, 1, 2, 3, memory.length - content.length, random.below(memory.length - content.length)])
      memory.fill(random.pick([0, 0x41, 0xff]), start + content.length)
      content.copy(memory, start)
      table.read(memory, start, start + content.length)
      // eslint-disable-next-line no-control-regex -- control characters are what is looked for
      const controls = pairs.map(([, text]) => /[\0-\x1f\x7f]/.test(text))
      expect(pairs.map((_, i) => table.holdsControls(i))).toEqual(controls)
      const visible = pairs.map(([, text]) => /^[!-~]*$/.test(text))
      expect(pairs.map((_, i) => table.areVisible(table.valueStarts[i] ?? 0, table.valueEnds[i] ?? 0))).toEqual(visible)
      // All that is asked for later is text.
      memory.fill(0x2a)
      expect(listed()).toEqual(pairs)
    })
  })

  it('a name has one number, and a number one name', () => {
    const names = new Map<number, string>()
    property(300, (random) => {
      const pairs = Array.from({ length: 20 }, (): [string, string] => [random.pick(['A', 'AB', 'ABC', 'ABCD', 'ABCDE', 'ABCDF', 'BBCDE', '']), 'v'])
      table.read(nameValuePairs(pairs))
      for (let i = 0; i < table.length; i++) {
        const id = table.nameIds[i] ?? -1
        expect(id).toBeGreaterThanOrEqual(0)
        expect(names.get(id) ?? table.name(i)).toBe(pairs[i]?.[0])
        names.set(id, table.name(i))
      }
    })
    expect(new Set(names.values()).size).toBe(names.size)
  })

  it('a list that is refused leaves no pairs of it, nor of the one before', () => {
    table.read(nameValuePairs([['A', 'b'], ['C', 'd']]))
    expect(() => table.read(hex('01 01 45 66 01 05 47'))).toThrow(ProtocolError)
    expect(table.length).toBe(0)
    table.read(nameValuePairs([['A', 'b']]))
    expect(listed()).toEqual([['A', 'b']])
  })

  it('names that are not remembered, because two thousand are, come out all the same', () => {
    // The memory is the module's: nothing behind this may rely on there being room in it.
    const many = Array.from({ length: 3_000 }, (_, i): [string, string] => [`MANY_${i}`, String(i)])
    for (let round = 0; round < 2; round++) {
      table.read(nameValuePairs(many))
      expect(listed()).toEqual(many)
    }
    const ids = many.map((_, i) => table.nameIds[i] ?? -1)
    expect(ids.at(-1)).toBe(-1)
    expect(Math.max(...ids)).toBeLessThan(2_000)
    expect(decodeNameValuePairs(nameValuePairs([['A', 'b'], ['MANY_2999', 'c'], ['A', 'd']]))).toEqual(['A', 'b', 'MANY_2999', 'c', 'A', 'd'])
  })
})
