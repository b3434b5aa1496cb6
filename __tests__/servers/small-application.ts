// A small application for whatever starts processes: plain node:http, in a folder that has the built package installed.
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join, resolve } from 'node:path'
import { once } from 'node:events'

const projectRoot = resolve(__dirname, '../..')

const SOURCE = `
const http = require('node:http')
const { cgiParams } = require('express-fastcgi')
// Started with whatever the starter has for standard output: writing there must never hurt.
console.log('started', process.pid)
console.error('started', process.pid)
const answers = {
  '/pid': (req, res) => res.end(String(process.pid)),
  '/params': (req, res) => res.end(JSON.stringify({ ...cgiParams(req), url: req.url })),
  '/environment': (req, res) => res.end(JSON.stringify(process.env)),
  '/log': (req, res) => {
    for (let line = 0; line < 100; line++) console.log('log', 'x'.repeat(1000)), console.error('log', line)
    res.end('logged')
  },
  '/stderr': (req, res) => process.stderr.write('a line on stderr\\n', () => res.end('written')),
  '/file': (req, res) => res.setHeader('X-Sendfile', req.headers['x-path']) && res.end('the application, not the file'),
  '/echo': (req, res) => req.pipe(res),
  '/echo-when-whole': (req, res) => req.toArray().then((chunks) => res.end(Buffer.concat(chunks))),
  // Begun before the process is told to stop, and ended when it has stopped listening.
  '/until-closed': (req, res) => {
    res.write('begun, ')
    const poll = setInterval(() => server.listening || (clearInterval(poll), res.end('finished')), 5)
  },
  '/exit': () => process.exit(1),
}
const server = http.createServer((req, res) => (answers[req.url] ?? answers['/params'])(req, res))
server.listen(3000, () => console.log('listening'))
`

/** Writes the application to \`server.js\` in a folder, and returns its path. */
export function writeApplication(folder: string, name = 'server.js'): string {
  const packages = join(folder, 'node_modules')
  if (!existsSync(packages)) {
    mkdirSync(packages)
    symlinkSync(projectRoot, join(packages, 'express-fastcgi'))
  }
  const file = join(folder, name)
  writeFileSync(file, SOURCE)
  return file
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** Asks a web server on 127.0.0.1. */
export async function ask(port: number, path: string, options: http.RequestOptions = {}, body?: string): Promise<Answer> {
  const request = http.request({ host: '127.0.0.1', port, path, agent: false, ...options }).end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const content = Buffer.concat(await response.toArray()).toString()
  return { status: response.statusCode ?? 0, headers: response.headers, body: content }
}
