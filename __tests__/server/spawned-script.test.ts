import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SpawnedScript, spawnedScript } from '../../lib/server/spawned-script'

describe('the script a process was started as', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fcgi-script-'))
  const path = join(folder, 'dispatch.fcgi')

  beforeAll(() => {
    writeFileSync(path, '')
    writeFileSync(join(folder, 'other.fcgi'), '')
    symlinkSync(folder, join(folder, 'link'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it.each([
    ['its own path', 'dispatch.fcgi', true],
    ['the same file behind a link: home folders are, at many hosts', 'link/dispatch.fcgi', true],
    ['another script', 'other.fcgi', false],
    ['a path that is no file, as lighttpd makes them up', 'a/dispatch.fcgi', false],
    ['a URL, as mod_proxy_fcgi has it', 'proxy:fcgi://localhost/dispatch.fcgi', false],
    ['nothing', '', false],
  ])('%s', (_what, name, answer) => {
    const script = new SpawnedScript(path)
    const filename = name === '' || name.includes(':') ? name : join(folder, name)
    expect([script.is(filename), script.is(filename), script.is(path)]).toEqual([answer, answer, true])
  })

  it.each([
    ['FASTCGI_SCRIPT goes first: node itself may have been started by a shell script', { FASTCGI_SCRIPT: '/a' }, ['node', '/b'], '/a'],
    ['else what node runs', {}, ['node', '/b'], '/b'],
    ['an empty one counts for nothing', { FASTCGI_SCRIPT: '' }, ['node', '/b'], '/b'],
    ['there may be none', {}, ['node'], ''],
  ])('%s', (_rule, env, argv, path) => {
    expect(spawnedScript(env, argv)).toBe(path)
  })
})
