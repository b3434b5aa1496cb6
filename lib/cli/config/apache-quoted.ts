import { UsageError } from '../usage-error'

/**
 * A text as one argument of a directive of Apache.
 *
 * @param option that it came by, for the message
 * @throws {UsageError} for a text that no quoting helps
 */
export function apacheQuoted(option: string, text: string): string {
  if (text.includes('${')) throw new UsageError(`${option} ${text}: Apache would look for a variable behind \${, and nothing can prevent it`)
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}
