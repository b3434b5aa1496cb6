// Names that are compared in memory, eight bytes at a time: with every bit of every byte of them changed, at every alignment.

import { BEGINNING, isNameAt, knownName, nameBehind, numberOf, UNKNOWN } from '../../lib/protocol/known-names'
import { wordsOf } from '../../lib/protocol/words'

const SHORTEST = 4
const LONGEST = 40
const letters = (length: number): string => Array.from({ length }, (_, at) => String.fromCharCode(0x41 + ((at + length) % 26))).join('')

/** A name `before` bytes into memory that ends with it. */
function placed(text: string, before: number): Buffer {
  return Buffer.concat([Buffer.alloc(before, 0xff), Buffer.from(text, 'latin1')], before + text.length)
}

function isThere(content: Buffer, before: number, name: number): boolean {
  const { words, base } = wordsOf(content, before)
  return isNameAt(words, base, name, content.length - before)
}

it('a name differs in any bit of any byte, and by nothing else', () => {
  const wrong: string[] = []
  for (let length = SHORTEST; length <= LONGEST; length++) {
    const name = numberOf(letters(length), BEGINNING)
    for (let before = 0; before < 9; before++) {
      const content = placed(letters(length), before)
      for (let at = 0; at < content.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          content[at] = (content[at] ?? 0) ^ (1 << bit)
          if (isThere(content, before, name) !== at < before) wrong.push(`bit ${bit} of byte ${at - before} of ${length} at ${before}`)
          content[at] = (content[at] ?? 0) ^ (1 << bit)
        }
      }
      if (!isThere(content, before, name)) wrong.push(`${length} bytes at ${before}`)
    }
  }
  expect(wrong).toEqual([])
})

it.each([
  ['too short', 'ABC'],
  ['empty', ''],
  ['too long', 'A'.repeat(41)],
  ['with bytes that are zero', '\0'.repeat(8)],
  ['with bytes that are no number', '\xff'.repeat(8)],
  ['with a blank', 'HTTP_A B'],
])('a name that is not compared has a number all the same: %s', (_what, text) => {
  const name = numberOf(text, BEGINNING)
  expect(name).toBeGreaterThanOrEqual(0)
  expect(knownName(name)).toBe(text)
  expect(numberOf(text, BEGINNING)).toBe(name)
  expect(isThere(placed(text, 3), 3, name)).toBe(false)
})

it('eight zeros are not the eight bytes of -0', () => {
  const name = numberOf('\0'.repeat(8), BEGINNING)
  expect(isThere(Buffer.from('0000000000000080', 'hex'), 0, name)).toBe(false)
})

it('nothing is compared with no name', () => {
  expect(isThere(placed('PATH', 0), 0, UNKNOWN)).toBe(false)
  expect(knownName(UNKNOWN)).toBe(undefined)
})

it('behind a name comes what came there the last time', () => {
  const [first, second, third] = ['FIRST', 'SECOND', 'THIRD'].map((text) => numberOf(text, numberOf('ZEROTH', BEGINNING))) as [number, number, number]
  expect(nameBehind(numberOf('ZEROTH', BEGINNING))).toBe(third)
  numberOf('SECOND', first)
  expect(nameBehind(first)).toBe(second)
  expect(nameBehind(BEGINNING)).toBe(numberOf('ZEROTH', second))
  expect(nameBehind(second)).toBe(numberOf('ZEROTH', BEGINNING))
})

it('a name that is too long to be remembered has no number', () => {
  expect(numberOf('X'.repeat(65), BEGINNING)).toBe(UNKNOWN)
})
