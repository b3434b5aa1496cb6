// What nginx is documented to do otherwise than node:http: docs/servers/nginx.md has the same table.
import { bodiesCollected, type Limits } from '../conformance/limits'

const refusedTarget = { because: 'nginx answers 400 by itself', differs: { refused: 400 } }

export const nginxLimits: Limits = {
  exchanges: {
    'target-nul': refusedTarget,
    'target-bad-escape': refusedTarget,
    'options-asterisk': refusedTarget,
    'target-absolute': {
      because: 'nginx hands on the path of an absolute target',
      differs: { 'seen.url': '/p?q=1', 'seen.originalUrl': '/p?q=1' },
    },
    'http-1.0-without-host': { because: 'HTTP_HOST is sent empty when there is no Host', differs: { 'seen.headers.host': '' } },
    'underscore-field': { because: 'nginx drops names with an underscore, unless `underscores_in_headers on`', differs: { 'seen.headers.x-under': undefined } },
    'odd-field-names': {
      because: 'nginx drops names with other characters than letters, digits and hyphens, unless `ignore_invalid_headers off`',
      differs: { 'seen.headers.x.dot': undefined, 'seen.headers.x~tilde': undefined, "seen.headers.x!#$%&'*+^`|": undefined },
    },
    ...bodiesCollected('nginx collects a body before it calls the application, unless `fastcgi_request_buffering off`'),
    'events': { because: '`X-Accel-Buffering` is for nginx, which takes it out', differs: { 'answer.headers.x-accel-buffering': undefined } },
  },
}
