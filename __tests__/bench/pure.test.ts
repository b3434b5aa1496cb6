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

describe('flame', () => {
  // The root, idle time, and one request: read callback -> our dispatch -> the application, twice in the profile.
  const frame = (functionName: string, url = ''): string => `callFrame: { functionName: '${functionName}', url: '${url}', lineNumber: 0 }`
  const profile = `{
    startTime: 0,
    nodes: [
      { id: 1, ${frame('(root)')}, children: [2, 3, 6] },
      { id: 2, ${frame('(idle)')} },
      { id: 3, ${frame('onStreamRead', 'node:internal/stream_base_commons')}, children: [4, 7] },
      { id: 4, ${frame('dispatch', 'file:///x/dist/server/application.js')}, children: [5] },
      { id: 5, ${frame('<app>', 'file:///x/bench/handlers.mjs')} },
      { id: 6, ${frame('(program)')} },
      { id: 7, ${frame('dispatch', 'file:///x/dist/server/application.js')} },
    ],
    samples: [6, 2, 3, 4, 5, 7, 6],
    timeDeltas: [500, 100, 1, 2, 300, 4, 93],
  }`

  it('stacks of the same functions are one, and idle time is left out', () => {
    const names = '({ name, total, children }) => [name, total, children.map(({ name, total }) => [name, total])]'
    expect(evaluate('flame', `m.stacks(${profile}).children.map(${names})`)).toEqual([
      ['(program)', 593, []],
      ['onStreamRead', 307, [['dispatch', 306]]],
    ])
  })

  it('samples outside the time that is asked for do not count', () => {
    expect(evaluate('flame', `m.stacks(${profile}, 600, 910).total`)).toBe(307)
  })

  it('a function belongs to the block of its caller unless it starts one', () => {
    const shares = `m.blocks(m.stacks(${profile}, 600, 910)).map(({ name, share }) => [name, Math.round(307 * share)])`
    expect(evaluate('flame', shares)).toEqual([['receive', 1], ['objects', 6], ['application', 300]])
  })

  it('the picture is well-formed, has colours for light and for dark pages, and leaves out what is too narrow', () => {
    const svg = String(evaluate('flame', `m.flame(m.stacks(${profile}), 'a <title>', 1)`))
    expect(svg).toContain('<title>a &lt;title></title>')
    expect(svg).toContain('&lt;app>')
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(String(evaluate('flame', `m.flame(m.stacks(${profile.replace('300, 4, 93', '2, 4, 9300')}), '', 1)`))).not.toContain('&lt;app>')
  })
})

describe('settings of web servers', () => {
  it('every server that is measured has groups, and every variant an exchange that exists', () => {
    expect(evaluate('tuning-servers', 'Object.keys(m.SERVERS)')).toEqual(evaluate('tuning-settings', 'Object.keys(m.SETTINGS)'))
    const exchanges = evaluate('tuning-settings', "Object.values(m.SETTINGS).flatMap(Object.values).flat().map(({ exchange = 'small' }) => exchange)")
    expect(evaluate('cases', 'Object.keys(m.CASES)')).toEqual(expect.arrayContaining(exchanges as string[]))
  })
})
