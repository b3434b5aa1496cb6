// Header fields of requests.
import { type Fields } from '../client'
import { type Exchange } from '../exchange'

const fields: Readonly<Record<string, Fields>> = {
  'field-custom': [['X-Custom', 'one'], ['ACCEPT-language', 'de, en;q=0.5']],
  'field-repeated': [['X-A', '1'], ['X-A', '2']],
  'field-repeated-user-agent': [['User-Agent', 'one'], ['User-Agent', 'two']],
  'cookie': [['Cookie', 'a=1; b="2 3"']],
  'cookies-repeated': [['Cookie', 'a=1'], ['Cookie', 'b=2; c=3']],
  'field-empty': [['X-Empty', '']],
  'field-padded': [['X-Padded', '   a b   ']],
  'field-8-bit': [['X-Name', 'caf\xe9 \xc3\xa9']],
  'field-long': [['X-Long', 'x'.repeat(7000)]],
  'fields-12k': Array.from({ length: 12 }, (_, index) => [`X-Long-${index}`, String(index).repeat(1000).slice(0, 1000)] as const),
  'fields-90': Array.from({ length: 90 }, (_, index) => [`X-Field-${index}`, `value ${index}`] as const),
  'authorization-basic': [['Authorization', 'Basic dXNlcjpwYXNz']],
  'authorization-bearer': [['Authorization', 'Bearer abc.def']],
  'proxy-field': [['Proxy', 'http://evil.example:1']],
  'underscore-field': [['X_Under', 'yes']],
  'odd-field-names': [['X.Dot', '1'], ['X~Tilde', '2'], ["X!#$%&'*+^`|", '3']],
  'names-of-variables': [['Https', 'on'], ['Remote-User', 'root'], ['Script-Name', '/x'], ['Request-Uri', '/y'], ['Content-Length-X', '5']],
  'forwarded': [['X-Forwarded-For', '192.0.2.1'], ['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'evil.example'], ['Forwarded', 'for=192.0.2.1']],
  'conditional': [['If-None-Match', '"nothing"'], ['If-Modified-Since', 'Thu, 01 Jan 1970 00:00:00 GMT'], ['Range', 'bytes=0-1'], ['If-Range', '"x"']],
  'te': [['TE', 'trailers']],
  'upgrade-h2c': [['Upgrade', 'h2c'], ['HTTP2-Settings', 'AAMAAABkAAQAAP__']],
  'accept-encoding': [['Accept-Encoding', 'gzip, br']],
}

export const requestFieldExchanges: readonly Exchange[] = Object.entries(fields).map(([name, list]) => ({
  name,
  run: (via) => via.outcome({ target: '/fields', fields: list }),
}))
