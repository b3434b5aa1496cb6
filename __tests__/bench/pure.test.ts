// The parts of the bench that only reckon and draw. They are ES modules, which jest does not load, so each case runs in a node of its own.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(__dirname, '..', '..')

/** The value of an expression over what a module of bench/ exports. */
function evaluate(module: string, expression: string): unknown {
  const code = `const m = await import('./bench/${module}.mjs'); console.log(JSON.stringify(${expression}))`
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, encoding: 'utf8' }))
}

describe('statistics', () => {
  it.each([
    ['the median of an odd number is the one in the middle', 'm.median([9, 1, 5])', 5],
    ['the median of an even number is between the two in the middle', 'm.median([4, 1, 2, 3])', 2.5],
    ['a quantile of one value is that value', 'm.quantile([7], 0.99)', 7],
    ['a quantile between two values is in proportion', 'm.quantile([0, 10], 0.25)', 2.5],
    ['one disturbed round does not widen the spread', 'm.spread([1, 2, 3, 4, 1000])', { from: 2, to: 4 }],
    ['ratios are taken round by round', 'm.ratios([2, 9], [4, 3])', [0.5, 3]],
  ])('%s', (_rule, expression, value) => {
    expect(evaluate('statistics', expression)).toEqual(value)
  })
})

describe('table', () => {
  it('numbers stand to the right, and every cell is as wide as the widest', () => {
    expect(evaluate('table', "m.table(['row', '>µs'], [['a', '1.5'], ['longer', '1234']])")).toBe(
      ['| row    |   µs |', '|--------|-----:|', '| a      |  1.5 |', '| longer | 1234 |'].join('\n'),
    )
  })

  it('a figure has three digits that count, and all of those before the point', () => {
    expect(evaluate('table', '[1234.5, 123.45, 12.345, 1.2345, 0.12345, 0].map(m.figure)')).toEqual(['1235', '123', '12.3', '1.23', '0.12', '0.00'])
  })
})

describe('rows', () => {
  it('the low ratios are for Node 24; on another line nothing may be worse than node:http', () => {
    expect(evaluate('rows', "[24, 20].map((major) => m.boundOf('small', major))")).toEqual([0.65, 1])
  })

  it('a contender that cannot serve a row is left out of it', () => {
    const known = "{ a: { pass: 'fastcgi' }, b: { pass: 'fastcgi', serves: () => false } }"
    expect(evaluate('rows', `m.entrantsOf('small', ['a', 'b'], ${known}).entrants.map(({ name }) => name)`)).toEqual(['a'])
  })
})

describe('facts', () => {
  it.each([
    ['at the upper bound it is met', '{ ours: 2, atMost: 2 }', true],
    ['above the upper bound it is not', '{ ours: 3, atMost: 2 }', false],
    ['below the lower bound it is not', '{ ours: 1, atLeast: 2 }', false],
  ])('%s', (_rule, given, met) => {
    expect(evaluate('fact', `m.fact(${given}).met`)).toBe(met)
  })
})

describe('chart', () => {
  const report = `{
    surroundings: { date: 'today', processor: 'a <fast> one', programs: ['nginx 1'] },
    settings: { versions: ['24.0.0'] },
    results: [
      { row: 'small', node: '24.0.0', ratio: 0.5, atMost: 0.65 },
      { row: 'small', node: '24.0.0', ratio: 9 },
    ],
  }`
  const svg = (): string => String(evaluate('chart', `m.chart(${report})`))

  it('has a bar for what is promised, and none for other contenders', () => {
    expect(svg().match(/<rect [^>]*height="10"/g)).toHaveLength(1)
  })

  it('is well-formed whatever the processor is called', () => {
    expect(svg()).toContain('a &lt;fast> one')
  })

  it('has colours for light and for dark pages', () => {
    expect(svg()).toContain('prefers-color-scheme: dark')
  })
})
