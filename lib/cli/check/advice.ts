// The line to change in the configuration of each web server. Facts: docs/servers.

import { type WebServer } from '../../cgi/server-software'

type Advice = Readonly<Partial<Record<WebServer, string>>> & { readonly otherwise: string }

const ADVICE = {
  params: {
    nginx: 'include fastcgi_params; in the location with fastcgi_pass. A fastcgi_param in a location takes away all those of the levels above it',
    'microsoft-iis': 'the FastCGI module sends them by itself: look for a module in front of it that changes them',
    otherwise: 'have the web server send this variable',
  },
  authorization: {
    nginx: 'fastcgi_param HTTP_AUTHORIZATION $http_authorization; (and look for an auth_basic or a proxy that takes it away)',
    apache: 'CGIPassAuth On   in the <Directory>, <Location> or .htaccess of the application (Apache 2.4.13 and later)',
    haproxy: 'pass-header authorization   in the fcgi-app section',
    otherwise: 'have the web server pass the Authorization header on',
  },
  host: {
    nginx: 'fastcgi_param HTTP_HOST $http_host;   above include fastcgi_params; (that of Debian and Ubuntu takes the port away)',
    otherwise: 'have the web server pass the Host header on as it came',
  },
  underscores: {
    nginx: 'underscores_in_headers off;   in the server block that comes first for this port',
    lighttpd: 'server.http-parseopts += ( "header-strict" => "enable" ) does not help: remove such headers with mod_setenv, or trust no header whose name has a hyphen',
    otherwise: 'have the web server drop headers whose names have an underscore; until then trust none whose name has a hyphen',
  },
  scheme: {
    nginx: 'fastcgi_param HTTPS $https if_not_empty; and fastcgi_param REQUEST_SCHEME $scheme;   both are in fastcgi_params',
    otherwise: 'have the web server that ends TLS send HTTPS=on; if another proxy ends it in front of this one, set `trust proxy` in the application',
  },
  uri: {
    nginx: 'fastcgi_param REQUEST_URI $request_uri;   is in fastcgi_params',
    apache: 'nocanon at the ProxyPass line, and AllowEncodedSlashes NoDecode',
    otherwise: 'the web server rewrites the URL before it sends REQUEST_URI: look for rewrite rules',
  },
  encodedSlash: {
    apache: 'AllowEncodedSlashes NoDecode   in the virtual host, if the application has such URLs',
    otherwise: 'the web server takes no %2F in a path; nothing to do unless the application has such URLs',
  },
  bodyLimit: {
    nginx: 'client_max_body_size 64m;   in the http, server or location block (its default is 1m)',
    apache: 'LimitRequestBody (mod_proxy_fcgi) or FcgidMaxRequestLen 67108864 (mod_fcgid, default 131072 bytes)',
    lighttpd: 'server.max-request-size, in KiB',
    caddy: 'request_body { max_size 64MB }',
    haproxy: 'tune.bufsize, for uploads without Content-Length',
    'microsoft-iis': '<requestLimits maxAllowedContentLength="67108864" />   in web.config',
    otherwise: 'raise the limit of the web server for uploads',
  },
  buffering: {
    nginx: "fastcgi_buffering off;   in the location, or the response header X-Accel-Buffering: no   for the answers that need it",
    apache: 'ProxyPass ... flushpackets=on (mod_proxy_fcgi), FcgidOutputBufferSize 0 (mod_fcgid)',
    lighttpd: 'server.stream-response-body = 1',
    caddy: 'flush_interval -1   in reverse_proxy',
    'microsoft-iis': 'responseBufferLimit="0"   for the FastCGI handler in web.config',
    otherwise: 'switch the buffering of answers off, if the application streams',
  },
  protocol: {
    nginx: 'fastcgi_pass in place of proxy_pass http://, with include fastcgi_params;   express-fastcgi config nginx prints all of it',
    apache: 'ProxyPass with fcgi:// or unix:/...|fcgi:// in place of http://',
    lighttpd: 'fastcgi.server in place of proxy.server',
    caddy: 'transport fastcgi   in reverse_proxy',
    haproxy: 'proto fcgi   at the server line, and use-fcgi-app in its backend',
    h2o: 'fastcgi.connect in place of proxy.reverse.url',
    otherwise: 'have the web server speak FastCGI to this address',
  },
  gateway: {
    nginx: 'look into its error log: 13 permission denied, 111 refused and 2 no such file are about the socket, "unsupported FastCGI protocol version: 72" is an application that speaks HTTP, "upstream sent too big header" needs fastcgi_buffer_size 16k',
    lighttpd: 'look into its error log: "establishing connection failed" is about the socket, "child exited" about an application that lighttpd starts, which says why in the file of server.breakagelog',
    apache: 'look into its error log; AH01079 and AH01071 are about the application',
    otherwise: "look into the web server's error log",
  },
} as const satisfies Record<string, Advice>

export type Topic = keyof typeof ADVICE

/** What to change about a topic at one web server. */
export function advice(topic: Topic, server: WebServer | undefined): string {
  const lines: Advice = ADVICE[topic]
  return (server === undefined ? undefined : lines[server]) ?? lines.otherwise
}
