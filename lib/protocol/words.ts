// Bytes looked at four at a time: values are searched so for what does not belong there. In JavaScript that takes a fraction of the
// time that one byte after the other does. The last four bytes of a text are a word, too, which overlaps the one before it.

/** Bytes, and where in them a text begins. */
export interface Words {
  readonly words: DataView
  readonly base: number
}

const NO_BYTES = new Uint8Array(0)
// Nearly always all content stands in one and the same read buffer.
let viewed: Uint8Array = NO_BYTES
let view: DataView = new DataView(NO_BYTES.buffer)

/** The memory that `content` stands in, and the place in it of its byte `start`. The bytes change as `content` does. */
export function wordsOf(content: Uint8Array, start: number): Words {
  if (viewed !== content) {
    view = new DataView(content.buffer)
    viewed = content
  }
  return { words: view, base: content.byteOffset + start }
}

const BLANKS = 0x20202020
const DELETES = 0x7f7f7f7f
const ONES = 0x01010101
const HIGH_BITS = 0x80808080 | 0
/** Stands for bytes of a word that there are not. */
const LETTERS = 0x61616161

/** Whether one of the bytes from byte `from` to `to` is below 0x20, or is 0x7f. */
export function holdsControls(words: DataView, from: number, to: number): boolean {
  const last = to - 4
  if (last < from) return (controls(fewLetters(words, from, to)) & HIGH_BITS) !== 0
  let found = controls(words.getInt32(last, true))
  for (let at = from; at < last; at += 4) found |= controls(words.getInt32(at, true))
  return (found & HIGH_BITS) !== 0
}

/** High bits where such a byte is, and perhaps in front of it: borrows that nothing else makes. */
function controls(word: number): number {
  const deletes = word ^ DELETES
  return ((word - BLANKS) & ~word) | ((deletes - ONES) & ~deletes)
}

/** Whether all bytes from byte `from` to `to` are visible characters of ASCII: 0x21 to 0x7e. */
export function areVisible(words: DataView, from: number, to: number): boolean {
  const last = to - 4
  if (last < from) return (strangers(fewLetters(words, from, to)) & HIGH_BITS) === 0
  let found = strangers(words.getInt32(last, true))
  for (let at = from; at < last; at += 4) found |= strangers(words.getInt32(at, true))
  return (found & HIGH_BITS) === 0
}

/** High bits where any other byte is, and perhaps beside it: a borrow, a carry, or the high bit itself. */
function strangers(word: number): number {
  return ((word - BLANKS - ONES) & ~word) | (word + ONES) | word
}

/** Less than a word, filled up with letters. */
function fewLetters(words: DataView, from: number, to: number): number {
  let word = LETTERS
  for (let at = from; at < to; at++) word = (word << 8) | words.getUint8(at)
  return word
}
