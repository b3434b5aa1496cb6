// What `check --via` makes of the difference between what was sent and what was seen.
import { advice, type Topic } from '../../lib/cli/check/advice'
import { compare, type Sent } from '../../lib/cli/check/compare'
import { type CheckEcho } from '../../lib/server/check-echo'

const sent: Sent = {
  method: 'GET', path: '/a?b', prefix: '', host: 'example.org:8080', isHttps: false, authorization: 'Bearer x', localAddress: '10.0.0.1',
}
const params = {
  REQUEST_METHOD: 'GET', SERVER_PROTOCOL: 'HTTP/1.1', REMOTE_ADDR: '10.0.0.1', SERVER_NAME: 'x', SERVER_PORT: '80', QUERY_STRING: 'b',
}
const seen: CheckEcho = {
  method: 'GET', url: '/a?b', baseUrl: '', httpVersion: '1.1', headers: { host: 'example.org:8080', authorization: 'Bearer x' },
  remoteAddress: '10.0.0.1', encrypted: false, params, otherParams: [], body: { bytes: 0, sha256: '' },
}

const notOk = (changes: Partial<CheckEcho>, asked: Partial<Sent> = {}): string[] =>
  compare({ ...sent, ...asked }, { ...seen, ...changes }, undefined)
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ step, verdict }) => `${step} ${verdict}`)

it('nothing is wrong with what arrives as it was sent', () => expect(notOk({})).toEqual([]))

it.each<[string, Partial<CheckEcho>, Partial<Sent>, string[]]>([
  ['another method', { method: 'POST' }, {}, ['url fail']],
  ['a rewritten URL', { url: '/index.js/a?b' }, {}, ['url warn']],
  ['a prefix that the web server takes off', { url: '/a?b' }, { path: '/shop/a?b', prefix: '/shop' }, ['url warn']],
  ['a prefix that nobody takes off', { url: '/shop/a?b' }, { path: '/shop/a?b', prefix: '/shop' }, ['url note']],
  ['a prefix that the mount option takes off', { baseUrl: '/shop', url: '/a?b' }, { path: '/shop/a?b', prefix: '/shop' }, []],
  ['a missing variable', { params: { ...params, SERVER_PORT: undefined } as unknown as CheckEcho['params'] }, {}, ['params warn']],
  ['a Host without its port', { headers: { ...seen.headers, host: 'example.org' } }, {}, ['host warn']],
  ['https seen as http', {}, { isHttps: true }, ['scheme warn']],
  ['http seen as https', { encrypted: true }, {}, ['scheme warn']],
  ['https seen as https', { encrypted: true }, { isHttps: true }, []],
  ['no Authorization', { headers: { host: 'example.org:8080' } }, {}, ['authorization warn']],
  ['a header with underscores', { headers: { ...seen.headers, 'x-fastcgi-check-spoofed': '1' } }, {}, ['underscores warn']],
  ['another client', { remoteAddress: '127.0.0.1' }, {}, ['client note']],
  ['the same client as IPv6 writes it', { remoteAddress: '::ffff:10.0.0.1' }, {}, []],
])('%s', (_what, changes, asked, expected) => expect(notOk(changes, asked)).toEqual(expected))

it('there is a line to change for every topic, with the web server known or not', () => {
  const topics: readonly Topic[] = ['params', 'authorization', 'host', 'underscores', 'scheme', 'uri', 'encodedSlash', 'bodyLimit', 'buffering', 'gateway']
  for (const topic of topics) expect([advice(topic, undefined), advice(topic, 'nginx'), advice(topic, 'h2o')]).toEqual([expect.any(String), expect.any(String), expect.any(String)])
  expect(advice('authorization', 'apache')).toContain('CGIPassAuth On')
})
