// An HTTP upgrade in the terms of CGI (RFC 9110 7.8).
import { passesUpgrades, switchesProtocols, upgradeResponseHead } from '../../lib/cgi/upgrade'
import { requestParams } from '../../lib/cgi/request-params'
import { parseResponseHead } from '../../lib/cgi/response-parser'

describe('web servers of which an Upgrade field means that they can upgrade', () => {
  it.each(['lighttpd/1.4.74', 'lighttpd/1.4.79', 'lighttpd/1.4.85 (ssl)', 'lighttpd/1.4.100', 'lighttpd/1.5.0', 'lighttpd/2.0', 'express-fastcgi gateway'])('%s', (name) => {
    expect(passesUpgrades(name)).toBe(true)
  })
  it.each(['', 'lighttpd', 'lighttpd/1.4.69', 'lighttpd/1.4.73', 'lighttpd/1.4.7', 'lighttpd/1.3.99', 'nginx/1.22.1', 'Apache/2.4.71 (Debian)', 'Caddy/2.6.2', 'not lighttpd/1.4.79'])('not %j', (name) => {
    expect(passesUpgrades(name)).toBe(false)
  })
})

describe('the head of a response that switches protocols', () => {
  it.each([
    ['HTTP/1.1 101 Switching Protocols\r\n\r\n', true],
    ['HTTP/1.0 101\r\n\r\n', true],
    ['HTTP/1.1 1010\r\n\r\n', false],
    ['HTTP/1.1 200 OK\r\nX: HTTP/1.1 101 \r\n\r\n', false],
    ['HTTP/1.1 100 Continue\r\n\r\n', false],
  ])('%j: %s', (head, isOne) => expect(switchesProtocols(head)).toBe(isOne))

  it.each([
    ['Status comes first', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: 1\r\n\r\n', 'Status: 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX: 1\r\n\r\n'],
    ['no reason', 'HTTP/1.1 101 \r\nUpgrade: x\r\n\r\n', 'Status: 101\r\nUpgrade: x\r\n\r\n'],
    ['no fields', 'HTTP/1.1 101 A\r\n\r\n', 'Status: 101 A\r\n\r\n'],
    ['framing is dropped, in any case', 'HTTP/1.1 101 A\r\ncontent-length: 1\r\nTRANSFER-ENCODING: chunked\r\nStatus: 200\r\nStatus-X: 1\r\n\r\n', 'Status: 101 A\r\nStatus-X: 1\r\n\r\n'],
  ])('%s', (_rule, head, expected) => expect(upgradeResponseHead(head)).toBe(expected))
})

describe('as a web server makes and reads them', () => {
  it('an upgrade keeps Upgrade and Connection, and has no body', () => {
    const fields = ['Connection', 'keep-alive, Upgrade, X-Hop', 'Upgrade', 'websocket', 'X-Hop', '1', 'Sec-WebSocket-Key', 'k']
    const params = requestParams({ method: 'GET', url: '/', httpVersion: '1.1', rawHeaders: fields }, { upgrade: true })
    const headers = Object.fromEntries(params.flatMap((name, i) => (i % 2 === 0 && /^(HTTP_|CONTENT_)/.test(name) ? [[name, params[i + 1]]] : [])))
    expect(headers).toEqual({ HTTP_UPGRADE: 'websocket', HTTP_CONNECTION: 'Upgrade', CONTENT_LENGTH: '0', HTTP_SEC_WEBSOCKET_KEY: 'k' })
  })

  it('Status: 101 is an answer to an upgrade alone', () => {
    const head = 'Status: 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nKeep-Alive: x\r\nX: 1\r\n\r\n'
    expect(() => parseResponseHead(head)).toThrow(/informational/)
    expect(parseResponseHead(head, true)).toEqual({
      statusCode: 101,
      statusMessage: 'Switching Protocols',
      rawHeaders: ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'X', '1'],
      contentLength: undefined,
    })
    expect(() => parseResponseHead('Status: 103 Early Hints\r\n\r\n', true)).toThrow(/informational/)
    expect(parseResponseHead('Status: 401\r\nConnection: close\r\nUpgrade: x\r\nX: 1\r\n\r\n', true).rawHeaders).toEqual(['X', '1'])
  })
})
