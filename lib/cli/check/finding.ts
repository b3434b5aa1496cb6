// What `express-fastcgi check` found, one step after the other, and how it is told.

/** `fail`: requests do not get through. `warn`: they do, and something of them is lost or held up. `note`: worth knowing. */
export type Verdict = 'ok' | 'note' | 'warn' | 'fail'

export interface Finding {
  /** What was looked at, one or two words. */
  readonly step: string
  readonly verdict: Verdict
  /** What was seen. */
  readonly text: string
  /** What to change, where something should be. */
  readonly change?: string
}

export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ verdict }) => verdict !== 'fail')
}

const INDENT = ' '.repeat(20)

/** For people: a line a step, and below it what to change. */
export function asText(findings: readonly Finding[]): string {
  return findings.map(findingText).join('')
}

function findingText({ step, verdict, text, change }: Finding): string {
  const mark = verdict === 'fail' ? 'FAIL' : verdict
  const line = `${mark.padEnd(5)} ${step.padEnd(13)} ${visible(text)}\n`
  if (change === undefined) return line
  return line + change.split('\n').map((part) => `${INDENT}> ${visible(part)}\n`).join('')
}

/** For programs. */
export function asJson(findings: readonly Finding[]): string {
  return `${JSON.stringify({ healthy: isHealthy(findings), findings }, null, 2)}\n`
}

// Some of it was sent by whoever answered: nothing of that may move the cursor of a terminal.
function visible(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
