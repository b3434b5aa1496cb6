// FASTCGI_LOG: a file for what would be printed, for processes without standard output and error.

import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { Workshop } from '../register/application'

const workshop = new Workshop()
const log = workshop.path('app.log')
afterEach(async () => {
  await workshop.clear()
  rmSync(log, { force: true })
})
afterAll(() => workshop.remove())

/** What is in the log when the application has ended by itself, closed standard output and error and all. */
async function logged(code: string, flags?: readonly string[]): Promise<{ status: number | string; text: string }> {
  const app = workshop.run(code, { shell: 'exec "$@" >&- 2>&-', env: { FASTCGI_LOG: log }, ...(flags && { flags }) })
  const status = await app.exit()
  return { status, text: readFileSync(log, 'utf8') }
}

describe('FASTCGI_LOG', () => {
  it.each([
    ['under register', undefined, ''],
    ['with the package itself', [], `require('express-fastcgi');`],
  ])('has what the application prints: %s', async (_how, flags, begin) => {
    const code = `${begin} console.log('out %d', 1); console.error('err'); process.stdout.write('636166c3a9', 'hex', () => process.stderr.write(Buffer.from('!')))`
    expect(await logged(code, flags)).toEqual({ status: 0, text: 'out 1\nerr\ncafé!' })
  })

  it('goes on where it ended', async () => {
    await logged(`console.log('one')`)
    expect((await logged(`console.log('two')`)).text).toBe('one\ntwo\n')
  })

  it.each([
    ['an error that nobody catches', `throw new Error('broken')`, '(?:uncaughtException|unhandledRejection)', 1],
    ['a promise that nobody catches', `Promise.reject(new Error('broken'))`, 'unhandledRejection', 1],
  ])('has %s, with its stack', async (_what, code, origin, status) => {
    const result = await logged(code)
    expect(result.status).toBe(status)
    expect(result.text).toMatch(new RegExp(`^\\d{4}-.*Z process \\d+: ${origin}: Error: broken\\n    at `))
  })

  it('has warnings', async () => {
    expect((await logged(`process.emitWarning('careful', { type: 'FastCGIWarning' })`)).text).toMatch(/^\(node:\d+\) FastCGIWarning: careful\n/)
  })

  it('an application that used its console before is no exception', async () => {
    expect((await logged(`console.log('lost'); require('express-fastcgi'); console.log('kept')`, [])).text).toBe('kept\n')
  })

  it('that cannot be opened stops the start, and says why', async () => {
    mkdirSync(log)
    const app = workshop.run('', { env: { FASTCGI_LOG: log } })
    expect(await app.exit()).toBe(1)
    expect(app.stderr).toContain(`FASTCGI_LOG=${log} cannot be opened (EISDIR)`)
    rmSync(log, { recursive: true })
  })
})

it('without it, console.log of a process without standard output prints nowhere, and harms nothing', async () => {
  const code = `const fd = require('node:fs').openSync(${JSON.stringify(log)}, 'w'); console.log('nowhere'); console.error('nowhere'); require('node:fs').writeSync(fd, 'fd ' + (fd > 2))`
  const app = workshop.run(code, { shell: 'exec "$@" >&- 2>&-' })
  expect(await app.exit()).toBe(0)
  expect(readFileSync(log, 'utf8')).toBe('fd true')
})
