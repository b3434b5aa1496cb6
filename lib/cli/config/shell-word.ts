// Text in the language of POSIX shells.

/** A word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w/.:,@%+=~[\]-]+$/.test(text) && !text.startsWith('~') ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
