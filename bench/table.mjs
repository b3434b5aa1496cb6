// A Markdown table that also reads well in a terminal. Pure.

/**
 * @param columns titles; one that starts with '>' is of numbers, and stands to the right
 * @param rows cells, as strings
 */
export function table(columns, rows) {
  const right = columns.map((column) => column.startsWith('>'))
  const all = [columns.map((column) => column.replace('>', '')), ...rows]
  const widths = columns.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)))
  const padded = (cell, column) => (right[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))
  const [head, ...body] = all.map((row) => `| ${row.map(padded).join(' | ')} |`)
  const rules = widths.map((width, column) => (right[column] ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2)))
  return [head, `|${rules.join('|')}|`, ...body].join('\n')
}

/** Three digits that count, without an exponent. */
export function figure(value) {
  if (value === undefined) return ''
  const digits = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value))) + 1
  return value.toFixed(Math.min(2, Math.max(0, 3 - digits)))
}

/** A verdict as a word; empty where nothing was promised. */
export const verdict = (met) => ({ true: 'yes', false: '**no**' })[met] ?? ''
