// The requests of one connection by their id. Most connections have one at a time, and that one needs no hash table.

import type { Request } from './request'

export class RequestTable {
  private first: Request | undefined
  private others: Map<number, Request> | undefined

  get size(): number {
    return (this.first === undefined ? 0 : 1) + (this.others === undefined ? 0 : this.others.size)
  }

  get(id: number): Request | undefined {
    return this.first?.id === id ? this.first : this.others?.get(id)
  }

  /** Adds a request whose id is not in the table. */
  add(request: Request): void {
    if (this.first === undefined) this.first = request
    else (this.others ??= new Map()).set(request.id, request)
  }

  /** @returns whether this very request was in the table */
  remove(request: Request): boolean {
    if (this.first === request) {
      this.first = undefined
      return true
    }
    return this.others?.get(request.id) === request && this.others.delete(request.id)
  }

  /** All of them at this moment; the table may be changed meanwhile. */
  all(): Request[] {
    const all = this.others === undefined ? [] : [...this.others.values()]
    if (this.first !== undefined) all.unshift(this.first)
    return all
  }
}
