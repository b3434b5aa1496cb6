// The names that web servers give themselves.
import { webServerOf } from '../../lib/cgi/server-software'

it.each([
  ['openresty/1.21.4.1', 'nginx'],
  ['Tengine', 'nginx'],
  ['nginxed/1', undefined],
  ['', undefined],
  ['nginx/1.22.1', 'nginx'],
  ['Apache/2.4.71 (Debian)', 'apache'],
  ['Microsoft-IIS/10.0', 'microsoft-iis'],
  ['HAProxy 2.6.12-1', 'haproxy'],
  ['something', undefined],
])('%s is %s', (software, server) => expect(webServerOf(software)).toBe(server))
