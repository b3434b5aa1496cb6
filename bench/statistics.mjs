// Figures from several rounds: what stands for them, and how far they lie apart. Pure.

/** @param values at least one, in any order */
export const median = (values) => quantile(values, 0.5)

/** @param share from 0 (the least) to 1 (the most); between two values a value in proportion */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  const place = share * (sorted.length - 1)
  const below = Math.floor(place)
  const rest = place - below
  return rest === 0 ? sorted[below] : sorted[below] + rest * (sorted[below + 1] - sorted[below])
}

/** The middle half of the values: a single disturbed round does not widen it. */
export const spread = (values) => ({ from: quantile(values, 0.25), to: quantile(values, 0.75) })

/** Round by round, because two figures of one round were taken under the same load. */
export const ratios = (values, baseline) => values.map((value, round) => value / baseline[round])
