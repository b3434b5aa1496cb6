// The lint rules that keep the layers apart (docs/design.md): shown to bite on one wrong file each, since a rule that
// cannot resolve its imports is silent.
import { resolve } from 'node:path'
import { succeed } from './run'

const root = resolve(__dirname, '../..')

// In a process of its own: ESLint loads its plugins in ways that do not work inside jest.
const lint = `
  process.env.ESLINT_USE_FLAT_CONFIG = 'false'
  // On CI the parser takes every text from the disk otherwise, instead of the wrong one it is given.
  process.env.TSESTREE_SINGLE_RUN = 'false'
  const { loadESLint } = await import('eslint')
  const ESLint = await loadESLint({ useFlatConfig: false })
  const eslint = new ESLint({ cwd: process.cwd() })
  const files = JSON.parse((await process.stdin.toArray()).join(''))
  const answers = []
  for (const { filePath, code } of files) {
    const [result] = await eslint.lintText(code, { filePath })
    answers.push(result === undefined ? ['ignored'] : result.messages.map(({ ruleId, message }) => ruleId ?? message))
  }
  console.log(JSON.stringify(answers))
`
const direction = 'import-x/no-restricted-paths'
const purity = 'no-restricted-imports'

// Files that exist, so that the type-aware parser knows them; only their text is another.
const cases: [rule: string, filePath: string, imported: string, broken?: string][] = [
  ['protocol must not know the server', 'lib/protocol/constants.ts', '../server/server', direction],
  ['protocol must not know the client', 'lib/protocol/constants.ts', '../client', direction],
  ['protocol must not know cgi', 'lib/protocol/constants.ts', '../cgi/request-head', direction],
  ['protocol is pure: no sockets', 'lib/protocol/constants.ts', 'node:net', purity],
  ['protocol is pure, with either name of a module', 'lib/protocol/constants.ts', 'http', purity],
  ['protocol is pure: no timers', 'lib/protocol/constants.ts', 'node:timers', purity],
  ['protocol may know the errors', 'lib/protocol/constants.ts', '../errors'],
  ['no import goes round in a circle', 'lib/protocol/constants.ts', './reader', 'import-x/no-cycle'],
  ['errors must not know protocol', 'lib/errors.ts', './protocol/constants', direction],
  ['cgi must not know protocol', 'lib/cgi/request-head.ts', '../protocol/constants', direction],
  ['cgi must not know the server', 'lib/cgi/request-head.ts', '../server/server', direction],
  ['cgi is pure: no sockets', 'lib/cgi/request-head.ts', 'node:net', purity],
  ['the client must not know the server', 'lib/client/index.ts', '../server/server', direction],
  ['the server must not know the client', 'lib/server/server.ts', '../client', direction],
  ['the server must not know the gateway', 'lib/server/server.ts', '../gateway', direction],
  ['the gateway must not know the server', 'lib/gateway/index.ts', '../server/server', direction],
  ['the server must not know the command', 'lib/server/server.ts', '../cli/version', direction],
  ['the gateway must not know the command', 'lib/gateway/index.ts', '../cli/version', direction],
  ['the gateway may know the client', 'lib/gateway/index.ts', '../client'],
  ['the server may know protocol and the network', 'lib/server/server.ts', '../protocol/constants'],
]

describe('imports go one way', () => {
  let answers: string[][]

  beforeAll(async () => {
    const files = cases.map(([, filePath, imported]) => ({
      filePath,
      code: `import * as imported from '${imported}'\nexport const kept: unknown = imported\n`,
    }))
    answers = JSON.parse(await succeed(process.execPath, ['--input-type=module', '-e', lint], root, JSON.stringify(files))) as string[][]
  }, 120_000)

  it.each(cases.map(([rule, filePath, imported, broken], index) => ({ rule, filePath, imported, broken, index })))(
    '$rule: $filePath importing $imported',
    ({ broken, index }) => {
      // Most imports of the wrong direction close a circle as well.
      if (broken === undefined) expect(answers[index]).toEqual([])
      else expect(answers[index]).toContain(broken)
    },
  )
})
