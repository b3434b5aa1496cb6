// Names of pairs that were met before, each with a number. A web server sends its variables in one order, so behind a name nearly always
// comes the one that came there the last time: only with that one a name is compared, eight bytes at a time.

import { areVisible, wordsOf } from './words'

/** Names are the web server's and its clients'; those of a site are some dozens, so the memory for them is bounded. */
const MOST = 2_000
/** A longer name is nobody's usual one; it may be 100 kB of a hostile client. */
const LONGEST = 64
/** Names of other lengths are looked up each time. */
const SHORTEST_COMPARED = 4
const LONGEST_COMPARED = 40
const LONG = 8
/** Of each name: its first four times eight bytes, as far as it has them, and its last eight. */
const NUMBERS = 5

/** Stands for the beginning of a list. */
export const BEGINNING = -1
export const UNKNOWN = -1

const texts: string[] = []
const numbersByText = new Map<string, number>()
// What follows is kept by the number of the name and one, so that the beginning has a place, too.
const lengths = new Int32Array(MOST + 1).fill(-1)
const behind = new Int32Array(MOST + 1).fill(UNKNOWN)
const numbers = new Float64Array(NUMBERS * (MOST + 1))

/** @returns undefined for {@link UNKNOWN} */
export function knownName(number: number): string | undefined {
  return texts[number]
}

/** The name that was last seen behind another; perhaps {@link UNKNOWN}. */
export function nameBehind(before: number): number {
  return behind[before + 1] ?? UNKNOWN
}

/** Whether the `length` bytes from byte `at` on are a name; false also where the name is none that is compared. */
export function isNameAt(words: DataView, at: number, name: number, length: number): boolean {
  if (lengths[name + 1] !== length) return false
  const first = NUMBERS * (name + 1)
  if (length < LONG) return words.getInt32(at, true) === numbers[first] && words.getInt32(at + length - 4, true) === numbers[first + 4]
  // Not in a loop: the one that calls this is then the innermost, of which V8 takes out what is the same each time.
  return (
    words.getFloat64(at + length - LONG, true) === numbers[first + 4] &&
    words.getFloat64(at, true) === numbers[first] &&
    (length <= 2 * LONG || words.getFloat64(at + LONG, true) === numbers[first + 1]) &&
    (length <= 3 * LONG || words.getFloat64(at + 2 * LONG, true) === numbers[first + 2]) &&
    (length <= 4 * LONG || words.getFloat64(at + 3 * LONG, true) === numbers[first + 3])
  )
}

/**
 * The number of a name, which is a new one where there is room for it.
 *
 * @param before the name in front of it in the list
 */
export function numberOf(text: string, before: number): number {
  const name = numbersByText.get(text) ?? remember(text)
  if (name !== UNKNOWN) behind[before + 1] = name
  return name
}

function remember(text: string): number {
  const name = texts.length
  if (name >= MOST || text.length > LONGEST) return UNKNOWN
  const bytes = Buffer.from(text, 'latin1')
  // Copied: a slice would keep the PARAMS content of one request alive.
  const copy = bytes.toString('latin1')
  texts.push(copy)
  numbersByText.set(copy, name)
  keepForComparison(name, bytes)
  return name
}

function keepForComparison(name: number, bytes: Buffer): void {
  const { length } = bytes
  const { words, base } = wordsOf(bytes, 0)
  // Of other bytes there might be numbers that equal each other and are not the same: 0 and -0.
  if (length < SHORTEST_COMPARED || length > LONGEST_COMPARED || !areVisible(words, base, base + length)) return
  const first = NUMBERS * (name + 1)
  if (length < LONG) {
    numbers[first] = words.getInt32(base, true)
    numbers[first + 4] = words.getInt32(base + length - 4, true)
  } else {
    for (let i = 0; i < NUMBERS - 1 && (i + 1) * LONG <= length; i++) numbers[first + i] = words.getFloat64(base + i * LONG, true)
    numbers[first + 4] = words.getFloat64(base + length - LONG, true)
  }
  lengths[name + 1] = length
}
