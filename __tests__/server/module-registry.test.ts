// Test runners forget the modules that were loaded, between tests or when told to: `resetModules` of Jest. What is loaded with the
// first server must still know what was loaded with the import.

import { cgiParams, createServer } from 'express-fastcgi'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { begin, params, stdin } from '../support/fcgi-bytes'
import { connect } from '../support/raw-client'
import { GET } from '../support/serve'

beforeEach(() => jest.resetModules())

it.each(['first', 'second'])('a %s server made after the modules were forgotten has requests that cgiParams() knows', async (which) => {
  const server = createServer((req, res) => res.end(cgiParams(req)['WHICH']))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const web = await connect((server.address() as AddressInfo).port)
  web.send(begin(1), params(1, { ...GET, WHICH: which }), stdin(1))
  expect((await web.response(1)).body.toString()).toBe(which)
  web.destroy()
  server.close()
})
