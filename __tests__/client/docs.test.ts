import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CLIENT_OPTIONS } from '../../lib/client'

it('docs/client.md shows every option as it is declared', () => {
  const page = readFileSync(join(__dirname, '../../docs/client.md'), 'utf8')
  const rows = page.split('\n').filter((line) => /^\| `[a-zA-Z]+` \|(?:[^|]*\|){3}$/.test(line))
  const declared = Object.entries(CLIENT_OPTIONS).map(([name, option]) => `| \`${name}\` | ${'unit' in option ? `${option.unit} ` : ''}| ${option.default} | ${option.text} |`)
  expect(rows).toEqual(declared)
})
