// One thing that is promised beside the ratios of the rows: what we reach, what that is held against, and the bound. Pure.

/**
 * @param fact `what`, `unit`, `ours`, `other` (undefined when there is nothing to compare with), `otherName`,
 *   `atMost` or `atLeast` (a number of the same unit; neither: for information only), and `details` for the JSON file
 */
export function fact({ ours, atMost, atLeast, ...rest }) {
  const judged = atMost !== undefined || atLeast !== undefined
  const met = judged ? ours <= (atMost ?? Infinity) && ours >= (atLeast ?? -Infinity) : undefined
  return { ...rest, ours, atMost, atLeast, met }
}
