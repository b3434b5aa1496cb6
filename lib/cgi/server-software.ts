// Which web server a name in SERVER_SOFTWARE, or in a Server header, is that of. Text only.

export type WebServer = 'nginx' | 'apache' | 'lighttpd' | 'caddy' | 'haproxy' | 'h2o' | 'microsoft-iis'

const NAME = /^(?:(nginx|apache|lighttpd|caddy|haproxy|h2o|microsoft-iis)|openresty|tengine|angie|freenginx)\b/i

/** @param software `nginx/1.22.1`, `Apache/2.4.71 (Debian)`, ...; what is made of nginx counts as nginx */
export function webServerOf(software: string): WebServer | undefined {
  const found = NAME.exec(software)
  return found === null ? undefined : ((found[1]?.toLowerCase() ?? 'nginx') as WebServer)
}
