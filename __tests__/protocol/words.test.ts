// Bytes looked at four at a time, compared with one after the other: every byte value, at every place of every short text, at
// every alignment, in memory of every length. What stands around the text must not count.

import { areVisible, holdsControls, wordsOf } from '../../lib/protocol/words'
import { property, type Random } from './random'

const LONGEST = 20

/** A text of `length` bytes that begins `before` bytes into memory that ends `behind` bytes after it; all around are `around`. */
function placed(length: number, before: number, behind: number, around: number): { content: Buffer; start: number; end: number } {
  const content = Buffer.from(new ArrayBuffer(before + length + behind)).fill(around)
  content.fill(0x61, before, before + length)
  return { content, start: before, end: before + length }
}

const isControl = (byte: number): boolean => byte < 0x20 || byte === 0x7f
const isVisible = (byte: number): boolean => byte > 0x20 && byte < 0x7f

/** Whether the text is judged as the byte of it that is no letter is. */
function agreesWith(byte: number, content: Buffer, start: number, end: number): boolean {
  const { words, base } = wordsOf(content, start)
  return holdsControls(words, base, base + end - start) === isControl(byte) && areVisible(words, base, base + end - start) === isVisible(byte)
}

function agrees(content: Buffer, start: number, end: number): boolean {
  const { words, base } = wordsOf(content, start)
  const text = [...content.subarray(start, end)]
  return (
    holdsControls(words, base, base + end - start) === text.some(isControl) &&
    areVisible(words, base, base + end - start) === text.every(isVisible)
  )
}

describe.each([0, 0x7f, 0xff])('among bytes %d', (around) => {
  it('every byte value is judged as by itself, at every place', () => {
    const wrong: string[] = []
    for (let length = 0; length <= LONGEST; length++) {
      for (let before = 0; before < 4; before++) {
        for (let behind = 0; behind < 4; behind++) {
          const { content, start, end } = placed(length, before, behind, around)
          if (!agrees(content, start, end)) wrong.push(`${length} bytes at ${before}, ${behind} behind`)
          // All in one array: a call of `expect` for each would take minutes.
          for (let at = start; at < end; at++) {
            for (let byte = 0; byte < 256; byte++) {
              content[at] = byte
              if (!agreesWith(byte, content, start, end)) wrong.push(`${byte} at ${at - start} of ${length} bytes at ${before}, ${behind} behind`)
            }
            content[at] = 0x61
          }
        }
      }
    }
    expect(wrong).toEqual([])
  })
})

it('two control characters side by side, and bytes that borrow and carry, are judged as by themselves', () => {
  const edges = [0x00, 0x01, 0x1f, 0x20, 0x21, 0x7e, 0x7f, 0x80, 0x81, 0x9f, 0xa0, 0xfe, 0xff]
  const wrong: number[][] = []
  for (const a of edges) for (const b of edges) for (const c of edges) for (const d of edges) for (let before = 0; before < 4; before++) {
    const content = Buffer.from([...Array<number>(before).fill(0x61), a, b, c, d, 0x61])
    if (!agrees(content, before, before + 4)) wrong.push([a, b, c, d, before])
  }
  expect(wrong).toEqual([])
})

it('in pooled memory, views and whole memory, one after the other', () => {
  const whole = Buffer.allocUnsafeSlow(65_536)
  const kinds: ((length: number, random: Random) => [content: Buffer, start: number])[] = [
    (length, random) => [whole, random.below(whole.length - length + 1)],
    (length) => [whole, whole.length - length],
    (length) => [Buffer.allocUnsafe(length), 0],
    (length, random) => [whole.subarray(random.below(8), 8 + length + random.below(8)), 0],
    (length, random) => [Buffer.from(new SharedArrayBuffer(length + random.below(4))), 0],
  ]
  property(3_000, (random) => {
    const text = random.bytes(random.below(40))
    const [content, start] = random.pick(kinds)(text.length, random)
    text.copy(content, start)
    expect(agrees(content, start, start + text.length)).toBe(true)
  })
})

it('beyond 2 GiB of one memory', () => {
  // Never written to but for these bytes, so hardly any of it is really there.
  const content = Buffer.from(new ArrayBuffer(2 ** 31 + 64))
  const start = 2 ** 31 + 1
  content.write('PATH\x01', start, 'latin1')
  const { words, base } = wordsOf(content, start)
  expect(areVisible(words, base, base + 4)).toBe(true)
  expect(areVisible(words, base, base + 5)).toBe(false)
  expect(holdsControls(words, base, base + 5)).toBe(true)
})
