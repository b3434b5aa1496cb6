// `Expect`: which event the application gets, and what its calls give back. The web server answers 100 by itself.

import type { Client, Scenario } from '../scenario'
import { digest, readAll } from './request-bodies'

const NGINX_TAKES_IT = 'proxy_pass of nginx takes Expect out, so node:http never hears of it'

/** Sends the head, and the body without waiting, as a client may after a while. */
function expecting(expectation: string): (client: Client) => Promise<unknown> {
  return async (client) => {
    const raw = await client.open()
    raw.write(`POST / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nExpect: ${expectation}\r\nContent-Length: 4\r\n\r\n`)
    raw.write('body')
    let head = await raw.head()
    const interim: string[] = []
    while (head.statusLine.startsWith('HTTP/1.1 1')) {
      interim.push(head.statusLine)
      head = await raw.head()
    }
    return [head.statusLine, interim.length <= 1]
  }
}

export const scenarios: readonly Scenario[] = [
  {
    name: "request expect: 100-continue without a listener of 'checkContinue' is an ordinary request",
    app(req, res, stage) {
      readAll(req).then(
        (body) => {
          stage.note('body', digest(body), res.headersSent, res.statusCode)
          res.end('ok')
        },
        (error: unknown) => stage.note('failed', error),
      )
    },
    client: expecting('100-continue'),
  },
  {
    name: "request expect: 'checkContinue' gets the request instead",
    setup(server, stage) {
      server.on('request', (_req, res) => {
        stage.note('request')
        res.end('ordinary')
      })
      server.on('checkContinue', (req, res) => {
        stage.note('checkContinue', req.method, res.headersSent)
        stage.note('writeContinue', res.writeContinue(), res.headersSent)
        void readAll(req).then((body) => {
          stage.note('body', digest(body))
          res.end('ok')
        })
      })
    },
    client: expecting('100-continue'),
    impossible: { nginx: NGINX_TAKES_IT },
    differs: { haproxy: 'HAProxy answers Expect by itself and takes it out for a FastCGI application' },
  },
  {
    name: "request expect: 'checkContinue' hands on to 'request'",
    setup(server, stage) {
      server.on('checkContinue', (req, res) => {
        stage.note('checkContinue')
        res.writeContinue(() => stage.note('callback'))
        server.emit('request', req, res)
      })
    },
    app(req, res, stage) {
      stage.note('request')
      void readAll(req).then((body) => res.end(digest(body)))
    },
    client: expecting('100-continue'),
    impossible: { nginx: NGINX_TAKES_IT },
    differs: { haproxy: 'HAProxy answers Expect by itself and takes it out for a FastCGI application' },
  },
  {
    name: "request expect: 'checkContinue' may refuse",
    app: (_req, res) => void res.end('ordinary'),
    setup(server, stage) {
      server.on('checkContinue', (_req, res) => {
        stage.note('checkContinue')
        res.writeHead(413, { 'Content-Length': '0' })
        res.end()
      })
    },
    client: expecting('100-continue'),
    impossible: { nginx: NGINX_TAKES_IT },
    differs: { haproxy: 'HAProxy answers Expect by itself and takes it out for a FastCGI application' },
  },
  {
    name: 'request expect: something else without a listener is 417',
    app(_req, res, stage) {
      stage.note('request')
      res.end('ok')
    },
    client: expecting('the-unexpected'),
    impossible: { nginx: NGINX_TAKES_IT },
  },
  {
    name: "request expect: something else goes to 'checkExpectation'",
    differs: { gateway: 'the HTTP server that the gateway is a listener of answers 417 by itself' },
    setup(server, stage) {
      server.on('request', () => stage.note('request'))
      server.on('checkExpectation', (req, res) => {
        stage.note('checkExpectation', req.headers.expect)
        res.end('fine')
      })
    },
    client: expecting('the-unexpected'),
    impossible: { nginx: NGINX_TAKES_IT },
  },
  {
    name: 'request expect: writeContinue without Expect',
    app(_req, res, stage) {
      stage.note('writeContinue', res.writeContinue(), res.headersSent)
      res.end('ok')
    },
    client: (client) => client.request().then(({ status }) => status >= 100),
  },
]
