// What an application answers with text that came from its clients: no answer can be split, and no field can turn into a
// command of CGI or of the web server.

import type { ServerResponse } from 'node:http'
import type { Scenario, Stage } from '../scenario'

const SPLITS = ['a\r\nX-Evil: 1', 'a\nX-Evil: 1', 'a\rX-Evil: 1', 'a\r\n\r\n<script>', 'a\0b', 'a\x7fb', 'snow \u2603', 'tab\tis well', 'caf\xe9 is well'] as const

/** Notes whether a call was refused, and how. */
function attempt(stage: Stage, what: string, call: () => unknown): void {
  try {
    call()
    stage.note(what, 'accepted')
  } catch (error) {
    stage.note(what, error)
  }
}

type Set = (res: ServerResponse, value: string) => unknown

/** Whatever node refuses by an error must be refused by the same, and what it accepts must arrive as it does from node. */
const splitting = (name: string, set: Set): Scenario => ({
  name: `input splitting: ${name}`,
  app(req, res, stage) {
    const value = SPLITS[Number(req.url?.slice(1))] ?? ''
    attempt(stage, JSON.stringify(value), () => set(res, value))
    if (res.headersSent) return
    // A reason that was refused would be refused again.
    res.statusMessage = 'Reason'
    res.end('body')
  },
  async client(client) {
    const answers: unknown[] = []
    for (const i of SPLITS.keys()) {
      const { status, reason, fields, body } = await client.request({ path: `/${i}` })
      answers.push([status, reason, fields, body])
    }
    return answers
  },
})

/** One answer with these fields. */
const fields = (name: string, status: number, list: Record<string, string>, more: Partial<Scenario> = {}): Scenario => ({
  name: `input fields: ${name}`,
  app(_req, res) {
    res.writeHead(status, list)
    res.end('body')
  },
  ...more,
})

export const scenarios: readonly Scenario[] = [
  splitting('by setHeader()', (res, value) => res.setHeader('x-echo', value)),
  splitting('by a list of cookies', (res, value) => res.setHeader('set-cookie', ['first=1', `second=${value}`])),
  splitting('by appendHeader()', (res, value) => res.appendHeader('x-echo', value)),
  splitting('by the fields of writeHead()', (res, value) => res.writeHead(200, { 'X-Echo': value }).end('body')),
  splitting('by the raw list of writeHead()', (res, value) => res.writeHead(200, ['X-Echo', value]).end('body')),
  splitting('by Location', (res, value) => {
    res.statusCode = 302
    res.setHeader('Location', `/${value}`)
  }),
  splitting('by the name of a field', (res, value) => res.setHeader(value, '1')),
  splitting('by a reason given to writeHead()', (res, value) => res.writeHead(200, value).end('body')),
  splitting('by statusMessage', (res, value) => {
    res.statusMessage = value
    res.end('body')
  }),
  fields('Location with 200 is no redirect', 200, { Location: '/elsewhere' }),
  fields('Location with 201', 201, { Location: '/created' }),
  fields('Location with 404', 404, { Location: '/elsewhere' }),
  fields('Location with the whole address', 302, { Location: 'http://other.test/x?y=z' }),
  fields('Location with an empty value', 200, { Location: '' }),
  fields('Status cannot change the status', 200, { Status: '404 Not Found' }, {
    differs: {
      nginx: 'in CGI a Status field is the status, so one of the application is left out',
      haproxy: 'see nginx',
      gateway: 'see nginx',
    },
  }),
  fields('X-Sendfile is a field as any other', 200, { 'X-Sendfile': '/etc/hostname', 'X-LIGHTTPD-send-file': '/etc/hostname' }),
  fields('X-Accel-Buffering, X-Accel-Expires and X-Accel-Charset', 200, { 'X-Accel-Buffering': 'no', 'X-Accel-Expires': '0', 'X-Accel-Charset': 'utf-8' }),
  fields('names that CGI programs use', 200, { 'Script-Control': 'no-abort', 'X-CGI-Fork': '1', 'Content-Location': '/x', 'Request-Method': 'PUT' }),
  fields('names of Object.prototype', 200, { constructor: 'c', toString: 't', hasOwnProperty: 'h' }),
  {
    name: 'input fields: a body that looks like a head',
    app: (_req, res) => void res.end('Status: 500\r\nX-Evil: 1\r\n\r\nrest'),
  },
  {
    name: 'input fields: an empty value before a body that looks like a head',
    app(_req, res) {
      res.setHeader('x-empty', '')
      res.end('\r\n\r\nStatus: 500\r\n\r\n')
    },
  },
]
