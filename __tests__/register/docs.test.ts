// The examples of docs/register.md do what the page says.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fenced, page } from '../docs/page'
import { describeWith, findProgram } from '../support/need'
import { until } from '../support/wait'
import { askFastCGI, askHttp, Workshop } from './application'

const register = page('docs/register.md')
const [app = ''] = fenced(register, 'js')
const commands = fenced(register, 'sh')
const workshop = new Workshop()
const socket = workshop.path('my-app.sock')
let running: ChildProcess | undefined

beforeAll(() => writeFileSync(workshop.path('app.js'), app))

afterEach(async () => {
  const ended = running
  running = undefined
  if (ended?.pid === undefined || ended.exitCode !== null) return
  const exited = once(ended, 'exit')
  ended.kill('SIGKILL')
  await exited
})

afterAll(() => workshop.remove())

/** Runs a block of the page in the folder of its app.js; only its address is another. */
function run(block: string): ChildProcess {
  const code = block.trim().replaceAll('/tmp/my-app.sock', socket)
  // The last command becomes the process itself, which can then be ended by its pid.
  const [, before = '', variables = '', command = ''] = /^([^]*\n)?((?:\w+=\S+ )*)(.*)$/.exec(code) ?? []
  running = spawn('/bin/sh', ['-c', `${before}exec env ${variables}${command}`], { cwd: workshop.folder, stdio: ['ignore', 'pipe', 'ignore'] })
  return running
}

async function answers(): Promise<string> {
  return until('the application to answer', () => {
    if (running?.exitCode !== null) throw new Error('it ended')
    return askFastCGI(socket).catch(() => undefined)
  })
}

const linesOf = (block: string | undefined): string[] => block?.trim().split('\n') ?? []

it.each(linesOf(commands[0]))('%s', async (command) => {
  run(command)
  expect(await answers()).toBe('hello\n')
})

it('the development server: no address in the environment, and a browser', async () => {
  const [command = ''] = linesOf(commands[1])
  // Another port, since anybody may have this one.
  writeFileSync(workshop.path('app.js'), app.replace('3000', '0').replace('server.address())', 'JSON.stringify(server.address()))'))
  const { stdout } = run(command)
  const [printed] = (await once(stdout!, 'data')) as [Buffer]
  const address = JSON.parse(/\{.*\}/.exec(printed.toString())![0])
  writeFileSync(workshop.path('app.js'), app)
  expect(await askHttp(address)).toBe('hello\n')
})

describeWith('spawn-fcgi', 'spawn-fcgi', () => {
  it('starts it', async () => {
    run(commands[2] ?? '')
    expect(await answers()).toBe('hello\n')
  })
})

// Where there is no systemd, as in most containers, nobody has to install it for this.
;(findProgram('systemd-socket-activate') === undefined ? it.skip : it)('systemd-socket-activate starts it', async () => {
  const [, command = ''] = /`(systemd-socket-activate[^`]*)`/.exec(register.replaceAll('\n', ' ')) ?? []
  run(command)
  expect(await answers()).toBe('hello\n')
})

it('the units have the flags that the examples have', () => {
  expect(fenced(register, 'ini')).toHaveLength(2)
  expect(fenced(register, 'ini')[1]).toContain('node --import express-fastcgi/register app.js')
})
