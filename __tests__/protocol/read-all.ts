// The one way the tests run RecordReader: whole, byte by byte and at every cut, always with the same outcome.

import { ProtocolError } from '../../lib/errors'
import { RecordReader } from '../../lib/protocol/reader'
import type { Random } from './random'

export interface ReadRecord {
  readonly type: number
  readonly requestId: number
  /** latin1; the fragments of a stream record joined. */
  readonly content: string
}

export interface Outcome {
  readonly records: readonly ReadRecord[]
  /** Code and section of what `next` threw, if it did. */
  readonly error?: string
  /** Code and section of what `finish` threw, if it did; not called after an error. */
  readonly finish?: string
}

/** Feeds the chunks as a socket would that reuses its buffer: a chunk is overwritten as soon as the reader asks for more. */
export function readAll(chunks: readonly Buffer[]): Outcome {
  const reader = new RecordReader()
  const records: ReadRecord[] = []
  let pieces: string[] = []
  let announced = 0
  try {
    for (const chunk of chunks) {
      // Never at the start of its memory, so that an offset taken for a length shows.
      const memory = Buffer.concat([Buffer.alloc(3, 0xaa), chunk])
      reader.push(memory.subarray(3))
      while (reader.next()) {
        const fragment = reader.content
        if (reader.contentLength > 0 && fragment.length === 0 && !isSkipped(reader.type, reader.requestId)) throw new Error('a fragment without bytes')
        if (pieces.length === 0) announced = isSkipped(reader.type, reader.requestId) ? 0 : reader.contentLength
        pieces.push(fragment.toString('latin1'))
        const content = pieces.join('')
        if (content.length > announced) throw new Error(`${content.length} bytes in a record of ${announced}`)
        if (content.length < announced) continue
        records.push({ type: reader.type, requestId: reader.requestId, content })
        pieces = []
      }
      memory.fill(0xee)
    }
  } catch (error) {
    return { records, error: codeOf(error) }
  }
  try {
    reader.finish()
  } catch (error) {
    return { records, finish: codeOf(error) }
  }
  return { records }
}

/** ABORT_REQUEST, unknown types, and streams of no request (id 0): handed out without their content. */
export function isSkipped(type: number, requestId: number): boolean {
  return type === 2 || type === 0 || type > 11 || (requestId === 0 && [4, 5, 6, 7, 8].includes(type))
}

function codeOf(error: unknown): string {
  if (!(error instanceof ProtocolError)) throw error
  return `${error.code} ${error.section}`
}

/** Whole; byte by byte, with an empty chunk now and then; and in two at every place. */
export function everyCut(bytes: Buffer): Buffer[][] {
  const single = Array.from(bytes, (_byte, at) => [bytes.subarray(at, at + 1), Buffer.alloc(0)]).flat()
  const cuts = Array.from(bytes, (_byte, at) => [bytes.subarray(0, at), bytes.subarray(at)])
  return [[bytes], single, ...cuts]
}

/** Cut at random places into up to `most` pieces. */
export function randomCut(bytes: Buffer, random: Random, most = 12): Buffer[] {
  const places = Array.from({ length: random.below(most) }, () => random.below(bytes.length + 1)).sort((a, b) => a - b)
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length))
}

/** Reads at every cut and expects the one outcome each time. */
export function expectOutcome(bytes: Buffer, expected: Outcome): void {
  for (const chunks of everyCut(bytes)) {
    const outcome = readAll(chunks)
    // Compared as text first: thousands of deep comparisons would be most of the suite's time.
    if (JSON.stringify(outcome) === JSON.stringify(expected)) continue
    expect({ cut: chunks.map((chunk) => chunk.length).slice(0, 20), ...outcome }).toEqual({ cut: expect.anything(), ...expected })
  }
}
