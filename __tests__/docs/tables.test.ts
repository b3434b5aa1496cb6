// The tables of the documentation say what the declarations in lib say.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, ERROR_CODES } from 'express-fastcgi'
import { OPTIONS, SERVER_PROPERTIES } from '../../lib/server/options'
import { page, quoted, root, rows, section } from './page'

/** Every name that createServer takes, from the message with which it refuses another. */
function knownOptions(): string[] {
  try {
    createServer({ noSuchOption: 1 } as object)
  } catch (error) {
    return /known are (.*)$/.exec((error as Error).message)![1]!.split(', ')
  }
  throw new Error('an unknown option was taken')
}

describe('docs/options.md', () => {
  const options = page('docs/options.md')

  it('shows every option of FastCGI as it is declared, in that order', () => {
    const declared = Object.entries(OPTIONS).map(([name, option]) => [
      `\`${name}\``, 'unit' in option ? option.unit : '', String(option.default), option.text,
    ])
    expect(rows(section(options, 'Options'))).toEqual(declared)
  })

  it('names every option of http.createServer that is taken, and no other', () => {
    const shown = rows(section(options, 'Options of http.createServer')).flatMap(([names]) => quoted(names!))
    expect(shown.sort()).toEqual(knownOptions().filter((name) => !(name in OPTIONS)).sort())
  })

  it('shows properties that exist on a server, and those that options become among them', () => {
    const shown = rows(section(options, 'Properties of the server')).flatMap(([names]) => quoted(names!))
    expect(shown).toEqual(expect.arrayContaining([...SERVER_PROPERTIES]))
    const server = createServer()
    // node declares these two without giving them a value.
    const unset = ['maxConnections', 'httpAllowHalfOpen']
    expect(shown.filter((name) => !(name in server) && !unset.includes(name))).toEqual([])
  })
})

describe('docs/errors.md', () => {
  const errors = page('docs/errors.md')

  it('shows every code as it is declared, in that order, with what to do', () => {
    const shown = rows(section(errors, 'Codes'))
    expect(shown.map(([code, text]) => [code, text])).toEqual(Object.entries(ERROR_CODES).map(([code, text]) => [`\`${code}\``, text]))
    expect(shown.filter(([, , advice]) => advice === undefined || advice === '')).toEqual([])
  })

  it('shows every warning that lib can give', () => {
    const lib = join(root, 'lib')
    const sources = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const given = sources.flatMap((name) => readFileSync(join(lib, name), 'utf8').match(/FCGI_WARN_\w+/g) ?? [])
    expect(given).not.toEqual([])
    const shown = rows(section(errors, 'Warnings')).map(([code]) => quoted(code!)[0])
    expect(shown.sort()).toEqual([...new Set(given)].sort())
  })
})

describe('README.md', () => {
  it('shows options that exist, with their defaults', () => {
    const shown = rows(section(page('README.md'), 'Options')).map(([name, value]) => [quoted(name!)[0], value])
    expect(shown.length).toBeGreaterThan(0)
    expect(shown).toEqual(shown.map(([name]) => [name, String(OPTIONS[name as keyof typeof OPTIONS].default)]))
  })
})

it('no page names a code that does not exist', () => {
  const pages = ['README.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
  const named = pages.flatMap((name) => page(name).match(/FCGI_ERR_[A-Z_]+/g) ?? [])
  expect(named.filter((code) => !(code in ERROR_CODES))).toEqual([])
})
