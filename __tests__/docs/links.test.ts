// Every link from one page to another leads somewhere, down to the heading.
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { page, root } from './page'

const pages = ['README.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]

/** What is not inside a fenced block or backquotes. */
const prose = (text: string): string => text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, '')

/** The fragment that GitHub and npm give a heading. */
const anchor = (heading: string): string =>
  heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')

const links = pages.flatMap((from) =>
  [...prose(page(from)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => ({ from, target: target! })).filter(({ target }) => !/^[a-z]+:/.test(target)),
)

it.each(links)('$from -> $target', ({ from, target }) => {
  const [path, fragment] = target.split('#')
  const to = path === '' ? from : join(dirname(from), path!)
  expect(existsSync(join(root, to))).toBe(true)
  if (fragment === undefined) return
  const headings = page(to).replace(/^```.*?^```$/gms, '').match(/^#+ .*$/gm) ?? []
  expect(headings.map((line) => anchor(line.replace(/^#+ /, '')))).toContain(fragment)
})

it('docs/README.md leads to every other page of docs', () => {
  const targets = links.filter(({ from }) => from === 'docs/README.md').map(({ target }) => `docs/${target}`)
  expect(targets).toEqual(expect.arrayContaining(pages.filter((name) => name.startsWith('docs/') && name !== 'docs/README.md')))
})
