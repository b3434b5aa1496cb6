// For scenarios that call many things of which some throw: notes what came of each.

import type { Stage } from './scenario'

/**
 * Notes what `action` returned, or the error that it threw.
 *
 * @returns whether it did not throw
 */
export function attempt(stage: Stage, text: string, action: () => unknown): boolean {
  let outcome: unknown
  try {
    outcome = action()
  } catch (error) {
    stage.note(`${text} throws`, error)
    return false
  }
  stage.note(text, outcome)
  return true
}
