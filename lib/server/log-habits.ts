// What web servers do with STDERR records, as seen of nginx 1.22, Apache 2.4 with mod_proxy_fcgi and mod_fcgid, lighttpd 1.4.69, h2o 2.2,
// HAProxy 2.6 and Caddy 2.6: docs/error-log.md has the table. They are known by SERVER_SOFTWARE.

import { webServerOf } from '../cgi/server-software'

/** How lines have to be sent to one web server, so that they are logged and do no harm. */
export interface LogHabits {
  /** It logs them: by itself, if told to, or it must not get any. */
  readonly logs: 'always' | 'if told' | 'never'
  /** Lines in front of the response head are read as they come; or if they fit into one buffer with it, else it is a 502; or better not sent. */
  readonly beforeHead: 'any' | 'fits' | 'never'
  /** It reads on when the last byte of an announced body is there. */
  readonly isReadBehindBody: boolean
  /** Bytes of one record that appear in the log; what is beyond is cut off, as are two dozen bytes less in nginx. */
  readonly longestRecord: number
}

/** nginx allows 2048 bytes for an entry, 70 to 90 of which come before the record. */
const NGINX_RECORD = 1_900
/** Apache allows 8191, 120 to 180 of which come before the record. */
const OTHER_RECORD = 7_900

const NGINX: LogHabits = { logs: 'always', beforeHead: 'fits', isReadBehindBody: true, longestRecord: NGINX_RECORD }
/** With `fastcgi_keep_conn on` it is done with a connection when the body is. */
const NGINX_KEPT: LogHabits = { ...NGINX, isReadBehindBody: false }
const APACHE: LogHabits = { logs: 'always', beforeHead: 'any', isReadBehindBody: true, longestRecord: OTHER_RECORD }
const LIGHTTPD: LogHabits = { ...APACHE, isReadBehindBody: false }
const CADDY: LogHabits = { ...LIGHTTPD, logs: 'if told' }
/** Also whatever is not known: nginx among them, where `fastcgi_params` lost SERVER_SOFTWARE. */
const OTHER: LogHabits = { logs: 'always', beforeHead: 'never', isReadBehindBody: false, longestRecord: NGINX_RECORD }
/** Its process ends at a record of STDERR that it reads by itself, or that is longer than its buffer. */
const HAPROXY: LogHabits = { ...OTHER, logs: 'never' }
/** What it gets on STDERR becomes the page that its client sees. */
const IIS: LogHabits = { ...OTHER, logs: 'if told' }

/** @param software SERVER_SOFTWARE, `''` when it was not sent */
export function logHabits(software: string, keepConnection: boolean): LogHabits {
  switch (webServerOf(software)) {
    case undefined:
      return OTHER
    case 'nginx':
      return keepConnection ? NGINX_KEPT : NGINX
    case 'apache':
    case 'h2o':
      return APACHE
    case 'lighttpd':
      return LIGHTTPD
    case 'caddy':
      return CADDY
    case 'haproxy':
      return HAPROXY
    case 'microsoft-iis':
      return IIS
  }
}
