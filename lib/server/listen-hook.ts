// Puts a listen() of our own under an http.Server, wherever its class has one of its own on top.

import * as http from 'node:http'

export type Listen = (...args: unknown[]) => http.Server
/** Sees each `listen()` of an http.Server first, and may change its arguments, or prevent it with undefined. */
export type ListenObserver = (server: http.Server, args: unknown[]) => unknown[] | undefined

const original = http.Server.prototype.listen as Listen
const hooked = new WeakMap<http.Server, Listen>()
let observer: ListenObserver = (_server, args) => args
let isPrototypeHooked = false

/**
 * Has a server's `listen()` call ours.
 *
 * @returns node's own, bound to the server
 */
export function hookListen(server: http.Server, listen: Listen): Listen {
  // A class that overrides listen() calls super.listen(), which can only be met at the prototype.
  if (isPrototypeHooked || isOverridden(server)) {
    hookPrototype()
    hooked.set(server, listen)
  } else {
    define(server, { listen })
  }
  return (...args) => original.apply(server, args)
}

/** Has an observer see the `listen()` of every http.Server of this process. */
export function observeListen(newObserver: ListenObserver): void {
  hookPrototype()
  observer = newObserver
}

/** Defines methods as a class would: nobody sees them who lists an object's properties. */
export function define(target: object, methods: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true })
  }
}

function isOverridden(server: http.Server): boolean {
  for (let object: object = server; object !== http.Server.prototype; object = Object.getPrototypeOf(object) as object) {
    if (Object.hasOwn(object, 'listen')) return true
  }
  return false
}

function hookPrototype(): void {
  if (isPrototypeHooked) return
  isPrototypeHooked = true
  define(http.Server.prototype, { listen: hookedListen })
}

function hookedListen(this: http.Server, ...args: unknown[]): http.Server {
  const observed = observer(this, args)
  return observed === undefined ? this : (hooked.get(this) ?? original).apply(this, observed)
}
