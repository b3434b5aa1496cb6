import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeProcess } from '../register/node-process'
import { describeFramework } from './contract'

describeFramework({ name: 'fastify', departure: ['close', 'onRequestAbort'], ways: ['attach to fastify.server'] })

it('listens nowhere but where the environment says, although it would bind every address of localhost', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fcgi-fastify-'))
  const socket = join(folder, 's')
  const app = join(__dirname, 'children', 'fastify-default.mjs')
  const child = new NodeProcess(['--import', 'express-fastcgi/register', app], { env: { FASTCGI_LISTEN: socket } })
  try {
    expect(await child.report('listening')).toEqual([socket])
    child.process.kill('SIGTERM')
    expect([await child.exit(), child.stderr]).toEqual([0, ''])
  } finally {
    await child.kill()
    rmSync(folder, { recursive: true })
  }
})
