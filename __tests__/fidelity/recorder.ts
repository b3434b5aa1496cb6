// The stage of one run of one scenario: keeps the notes, and knows when those that were waited for have been taken.

import type { EventEmitter } from 'node:events'
import type { Stage } from './scenario'
import { plain } from './values'

/** The text of a note, or the text and its values. */
export type Note = string | readonly [text: string, ...values: unknown[]]

export class Recorder implements Stage {
  readonly notes: Note[] = []
  /** How often each text was noted or signalled. */
  private readonly counts = new Map<string, number>()
  private readonly closesOf = new Map<string, number>()
  private waiters: { readonly condition: () => boolean; readonly resolve: () => void }[] = []
  private isOver = false

  note = (text: string, ...values: unknown[]): void => {
    if (this.isOver) return
    this.notes.push(values.length === 0 ? text : [text, ...values.map((value) => plain(value))])
    this.count(text)
  }

  watch = (name: string, emitter: EventEmitter, events: readonly string[]): void => {
    if (events.includes('close')) this.closesOf.set(name, (this.closesOf.get(name) ?? 0) + 1)
    for (const event of events) {
      emitter.on(event, (first: unknown) => {
        const error = plain(first)
        const isError = typeof error === 'object' && error !== null && 'error' in error && 'message' in error
        if (isError) this.note(`${name} ${event}`, first)
        else this.note(`${name} ${event}`)
      })
    }
  }

  seen = (text: string): Promise<void> => this.when(() => this.has([text]))

  signal = (text: string): void => {
    if (!this.isOver) this.count(text)
  }

  /** Resolves when all of these were noted; one that is listed twice, twice. Absent: each `res close` that is watched. */
  all(texts: readonly string[] | undefined): Promise<void> {
    return this.when(() => this.has(texts ?? Array.from({ length: this.closesOf.get('res') ?? 0 }, () => 'res close')))
  }

  /** Takes no more notes. */
  over(): void {
    this.isOver = true
  }

  private has(texts: readonly string[]): boolean {
    return texts.every((text) => (this.counts.get(text) ?? 0) >= texts.filter((other) => other === text).length)
  }

  private when(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push({ condition, resolve })
      this.check()
    })
  }

  private count(text: string): void {
    this.counts.set(text, (this.counts.get(text) ?? 0) + 1)
    this.check()
  }

  private check(): void {
    const ready = this.waiters.filter(({ condition }) => condition())
    this.waiters = this.waiters.filter((waiter) => !ready.includes(waiter))
    for (const { resolve } of ready) resolve()
  }
}
