/** What the user asked of the command cannot be done as asked; the message says what to change. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
