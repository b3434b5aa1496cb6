// Reads a page of the documentation: its tables and its fenced examples. Nothing of lib.
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export const root = resolve(__dirname, '../..')

/** Every page of docs and of the folders in it, by its path from the root of the project. */
export const docsPages = readdirSync(resolve(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)

/** Text of a page, by its path from the root of the project. */
export function page(path: string): string {
  return readFileSync(resolve(root, path), 'utf8')
}

/** The part of a page below a heading, up to the next heading of any level. */
export function section(text: string, heading: string): string {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
  if (start < 0) throw new Error(`no heading "${heading}"`)
  const length = lines.slice(start + 1).findIndex((line) => /^#+ /.test(line))
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join('\n')
}

/** The cells of every table row, without heads and rules. */
export function rows(text: string): string[][] {
  const lines = text.split('\n')
  const isRule = (line: string | undefined): boolean => line !== undefined && /^\|[-| ]+\|$/.test(line)
  return lines
    .filter((line, index) => line.startsWith('| ') && !isRule(line) && !isRule(lines[index + 1]))
    .map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim()))
}

/** All `names in backquotes` of a text. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
}

/** The fenced blocks of one language, in order. */
export function fenced(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\S*)\n(.*?)^```$/gms)].filter((match) => match[1] === language).map((match) => match[2]!)
}
