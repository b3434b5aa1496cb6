// The request as the application sees it, next to the meta-variables it was made of.
import { type IncomingMessage } from 'node:http'
import { type Request, type Response, Router } from 'express'
import { formatBytes } from '../format'
import { html, type Markup, type Value } from '../html'
import { rootOf, sendPage } from '../layout'

type MetaVariables = Readonly<Record<string, string>>

/** A line of the left column, and the meta-variables it comes from. */
interface Fact {
  readonly name: string
  readonly value: string
  readonly from: readonly string[]
}

const BODY_SHOWN_BYTES = 2048

/** Over plain HTTP a request has no meta-variables. */
const isEmpty = (variables: MetaVariables): boolean => Object.keys(variables).length === 0

function facts(req: Request): Fact[] {
  const { socket } = req
  const root = rootOf(req.res as Response)
  return [
    { name: 'req.method', value: req.method, from: ['REQUEST_METHOD'] },
    { name: 'req.originalUrl', value: req.originalUrl, from: ['REQUEST_URI'] },
    { name: 'req.baseUrl', value: root, from: root === '' ? [] : ['SCRIPT_NAME'] },
    { name: 'req.path', value: req.path, from: ['REQUEST_URI'] },
    { name: 'req.query', value: JSON.stringify(req.query), from: ['QUERY_STRING', 'REQUEST_URI'] },
    { name: 'req.httpVersion', value: req.httpVersion, from: ['SERVER_PROTOCOL'] },
    { name: 'req.protocol', value: req.protocol, from: ['HTTPS', 'REQUEST_SCHEME'] },
    { name: 'req.secure', value: String(req.secure), from: ['HTTPS', 'REQUEST_SCHEME'] },
    { name: 'req.hostname', value: req.hostname, from: ['HTTP_HOST'] },
    { name: 'req.ip', value: req.ip ?? '', from: ['REMOTE_ADDR'] },
    { name: 'req.socket.remoteAddress', value: socket.remoteAddress ?? '', from: ['REMOTE_ADDR'] },
    { name: 'req.socket.remotePort', value: String(socket.remotePort ?? ''), from: ['REMOTE_PORT'] },
    { name: 'req.socket.localAddress', value: socket.localAddress ?? '', from: ['SERVER_ADDR'] },
    { name: 'req.socket.localPort', value: String(socket.localPort ?? ''), from: ['SERVER_PORT'] },
  ]
}

/** The meta-variable a header arrives in. CGI 4.1.2, 4.1.3, 4.1.18 */
function variableOf(header: string): string {
  const name = header.toUpperCase().replaceAll('-', '_')
  return name === 'CONTENT_TYPE' || name === 'CONTENT_LENGTH' ? name : `HTTP_${name}`
}

function headerFacts(req: Request): Fact[] {
  return Object.entries(req.headers).map(([name, value]) => ({
    name,
    value: Array.isArray(value) ? value.join(', ') : (value ?? ''),
    from: [variableOf(name)],
  }))
}

/** A long token has no place to break: give the browser one after each separator of a variable's name. */
const breakable = (name: string): Value => name.split(/(?<=[_.-])/).map((part, index) => [index > 0 && html`<wbr>`, part])

const shown = (value: string): Value => (value === '' ? html`<span class="nothing">empty</span>` : value)

function factTable(caption: string, rows: readonly Fact[], variables: MetaVariables): Markup {
  return html`<table class="facts">
    <caption>${caption}</caption>
    <tbody>
      ${rows.map(({ name, value, from }) => {
        const present = from.filter((variable) => variables[variable] !== undefined)
        return html`
      <tr data-from="${present.join(' ')}">
        <th scope="row">${breakable(name)}${present.length > 0 && html`<span class="unseen"> from ${present[0]}</span>`}</th>
        <td>${shown(value)}</td>
      </tr>`
      })}
    </tbody>
  </table>`
}

function variableTable(caption: string, rows: readonly (readonly [string, string])[]): Markup {
  return html`<table class="facts">
    <caption>${caption}</caption>
    <tbody>
      ${rows.map(([name, value]) => html`
      <tr data-name="${name}"><th scope="row">${breakable(name)}</th><td>${shown(value)}</td></tr>`)}
    </tbody>
  </table>`
}

function variableColumn(variables: MetaVariables): Markup {
  if (isEmpty(variables)) {
    return html`<p class="note" id="plain-http">This request came over plain HTTP, so there are no meta-variables to show.
      Start the demo with <code>npm start</code> to put FastCGI in between.</p>`
  }
  const all = Object.entries(variables).sort(([a], [b]) => (a < b ? -1 : 1))
  const headers = all.filter(([name]) => name.startsWith('HTTP_'))
  const others = all.filter(([name]) => !name.startsWith('HTTP_'))
  return html`${variableTable('Meta-variables', others)}${headers.length > 0 && variableTable('Header fields', headers)}`
}

/** Who talks to whom, for the strip above the columns. */
function route(req: Request, variables: MetaVariables): Markup {
  const hop = (name: string, detail: string): Markup => html`<li><strong>${name}</strong><span>${detail}</span></li>`
  const browser = hop('Browser', `${req.socket.remoteAddress ?? ''} port ${req.socket.remotePort ?? ''}`)
  const application = hop('Express', `process ${process.pid}`)
  if (isEmpty(variables)) return html`<ol class="route">${browser}<li class="by">HTTP/${req.httpVersion}</li>${application}</ol>`
  return html`<ol class="route" aria-label="The way of this request">
    ${browser}
    <li class="by">${variables['SERVER_PROTOCOL'] ?? 'HTTP'}</li>
    ${hop(variables['SERVER_SOFTWARE'] ?? 'Web server', `${variables['SERVER_ADDR'] ?? ''} port ${variables['SERVER_PORT'] ?? ''}`)}
    <li class="by accent">FastCGI 1.0</li>
    ${application}
  </ol>`
}

function bodyBlock(length: number, start: Buffer): Markup {
  if (length === 0) return html``
  return html`<section class="card" id="body">
    <h2>Body <span class="muted">${formatBytes(length)}</span></h2>
    <pre>${start.toString('utf8')}${length > start.length && ' …'}</pre>
  </section>`
}

const trial = (root: string): Markup => html`<details class="card" id="trial">
  <summary><h2>Send another request</h2><span class="muted">any method, any path, any header</span></summary>
  <form class="grid" data-action="${root}/inspect">
    <label>Method
      <select name="method">
        ${['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => html`<option>${method}</option>`)}
      </select>
    </label>
    <label class="wide">Path and query
      <span class="prefixed"><span>${root}/inspect</span><input name="path" value="/caf%C3%A9/a%2Fb?tag=one&amp;tag=two" spellcheck="false"></span>
    </label>
    <label>Header<input name="header" value="X-Greeting" spellcheck="false" autocomplete="off"></label>
    <label class="wide">Value<input name="value" value="hello, wire" spellcheck="false" autocomplete="off"></label>
    <label class="full">Body <span class="muted">(not with GET)</span><textarea name="body" rows="2" spellcheck="false">{"a": 1}</textarea></label>
    <div class="full actions"><button type="submit">Send</button><p role="status" class="muted"></p></div>
  </form>
</details>`

/** Reads the whole body and keeps its beginning. */
async function readBody(req: Request): Promise<{ readonly length: number; readonly start: Buffer }> {
  const kept: Buffer[] = []
  let length = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    if (length < BODY_SHOWN_BYTES) kept.push(chunk.subarray(0, BODY_SHOWN_BYTES - length))
    length += chunk.length
  }
  return { length, start: Buffer.concat(kept) }
}

/** `/` for GET, and `/inspect/...` for any method and any path. */
export function inspectorPages(metaVariables: (req: IncomingMessage) => MetaVariables): Router {
  const router = Router()
  const show = async (req: Request, res: Response): Promise<void> => {
    const variables = metaVariables(req)
    const { length, start } = await readBody(req)
    sendPage(res, {
      title: 'The request, twice',
      section: '/',
      lead: isEmpty(variables)
        ? 'What Express sees of the request that fetched this page.'
        : html`On the left what Express sees. On the right what crossed FastCGI. Point at a line to see where it comes from.`,
      script: 'inspector.js',
      body: html`
    ${trial(rootOf(res))}
    <div id="inspector">
      ${route(req, variables)}
      ${bodyBlock(length, start)}
      <div class="columns">
        <section class="card" id="request" aria-labelledby="request-title">
          <h2 id="request-title">Express sees</h2>
          ${factTable('Request', facts(req), variables)}
          ${factTable('req.headers', headerFacts(req), variables)}
        </section>
        <section class="card" id="variables" aria-labelledby="variables-title">
          <h2 id="variables-title">FastCGI carried</h2>
          ${variableColumn(variables)}
        </section>
      </div>
    </div>`,
    })
  }
  router.get('/', show)
  router.all('/inspect{/*rest}', show)
  return router
}
