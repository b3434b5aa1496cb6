// The ways to put the same handler behind a web server. The first is ours, the second is what the others are measured against.
// A contender is a node server (`listen`) or another program (`program`, `arguments`).
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { SMALL } from './cases.mjs'
import { createBare, createFloor } from './peers/floor.mjs'
import { GO_BINARY, LAST_COMMIT, PEERS } from './places.mjs'

/** The contender every ratio refers to. */
export const BASELINE = 'node:http'

const phpFile = fileURLToPath(new URL('peers/application.php', import.meta.url))
const onlyPlain = (handler) => handler === 'plain'
const onlySmall = (handler, exchange) => handler === 'plain' && exchange === 'small'

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
  floor: {
    pass: 'fastcgi',
    serves: onlySmall,
    listen: (_handler, path) => createFloor(SMALL).listen(path),
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
  go: {
    pass: 'fastcgi',
    serves: onlyPlain,
    needs: 'go',
    program: () => GO_BINARY,
    arguments: (path) => [path],
  },
  'php-cgi': {
    pass: 'fastcgi',
    serves: onlyPlain,
    needs: 'php-cgi',
    program: () => 'php-cgi',
    arguments: (path) => ['-b', path, '-d', 'opcache.enable=1'],
    // One process, as with all others here, and it serves one connection until that closes: nginx's others would wait for ever.
    keepsConnections: false,
    params: `fastcgi_param SCRIPT_FILENAME ${phpFile};`,
    environment: { PHP_FCGI_MAX_REQUESTS: '0' },
  },
  // Ours too, for bench:quick.
  'last commit': {
    pass: 'fastcgi',
    async listen(handler, path) {
      const { createServer } = await import(pathToFileURL(join(LAST_COMMIT, 'dist', 'index.mjs')).href)
      return createServer(handler).listen(path)
    },
  },
  // A connection and nothing else, for what a connection costs: every piece that arrives is answered.
  'net.Socket': {
    listen: (_handler, path) => createBare(SMALL).listen(path),
  },
}

/** Those that take part in the large bench. */
export const LISTED = Object.keys(CONTENDERS).filter((name) => !['last commit', 'net.Socket'].includes(name))
