// The three ways to put the same handler behind nginx. The first is ours, the second is what the others are measured against.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { PEERS } from './runtimes.mjs'

/** The contender every ratio refers to. */
export const BASELINE = 'node:http'

export const CONTENDERS = {
  'express-fastcgi': {
    pass: 'fastcgi',
    async listen(handler, path) {
      const { createServer } = await import('express-fastcgi')
      return createServer(handler).listen(path)
    },
  },
  'node:http': {
    pass: 'proxy',
    async listen(handler, path) {
      const { createServer } = await import('node:http')
      const server = createServer(handler)
      // The default of 5 s would close nginx's kept connections while the other contenders have their turn.
      server.keepAliveTimeout = 600_000
      return server.listen(path)
    },
  },
  'node-fastcgi': {
    pass: 'fastcgi',
    async listen(handler, path) {
      const { createServer } = createRequire(join(PEERS, 'package.json'))('node-fastcgi')
      const server = createServer(handler)
      server.listen(path)
      return server
    },
  },
}
