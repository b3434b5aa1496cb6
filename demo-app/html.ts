// HTML as tagged templates: every value is escaped unless it is markup already. Knows nothing of pages.

/** A piece of HTML that is safe to send. Only `html` and `raw` make one. */
export class Markup {
  constructor(private readonly text: string) {}

  toString(): string {
    return this.text
  }
}

/** What may stand in a template: text is escaped, markup is not, lists are joined, nothing prints nothing. */
export type Value = Markup | string | number | false | null | undefined | readonly Value[]

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Escapes text for element content and for quoted attribute values. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
}

function print(value: Value): string {
  if (value === false || value === null || value === undefined) return ''
  if (value instanceof Markup) return value.toString()
  if (typeof value === 'string') return escape(value)
  if (typeof value === 'number') return String(value)
  return value.map(print).join('')
}

/** The template tag: html`<p>${anything}</p>`. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(strings.reduce((text, literal, index) => text + print(values[index - 1]) + literal))
}
