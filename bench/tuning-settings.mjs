// What is compared: groups of variants of one web server's configuration, the first of each being what the others are held against.
// Data only. `exchange` is one of cases.mjs; what else a variant has is text for the configuration, see tuning-servers.mjs.

const KEPT = 'keepalive 32;'
const KEEP = 'fastcgi_keep_conn on;'
const kept = { upstream: KEPT, location: KEEP }

// What Express and node need to know; the rest of fastcgi_params is for scripts.
const FEW_PARAMS = `
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param CONTENT_TYPE $content_type if_not_empty;
      fastcgi_param CONTENT_LENGTH $content_length if_not_empty;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REMOTE_PORT $remote_port;
      fastcgi_param HTTPS $https if_not_empty;`
const twentyMore = Array.from({ length: 20 }, (_, index) => `fastcgi_param APPLICATION_SETTING_${index} value-of-${index};`).join('\n      ')

const buffers = (size, number) => `${KEEP} fastcgi_buffer_size 16k; fastcgi_buffers ${number} ${size}; fastcgi_busy_buffers_size 64k;`

const nginx = {
  connections: [
    { name: 'a connection for each request (default)' },
    { name: 'keep_conn on, keepalive 2', upstream: 'keepalive 2;', location: KEEP },
    { name: 'keep_conn on, keepalive 8', upstream: 'keepalive 8;', location: KEEP },
    { name: 'keep_conn on, keepalive 32', ...kept },
  ],
  requests: [
    { name: 'keepalive_requests 1000 (default)', ...kept },
    { name: 'keepalive_requests 100', upstream: `${KEPT} keepalive_requests 100;`, location: KEEP },
    { name: 'keepalive_requests 100000', upstream: `${KEPT} keepalive_requests 100000;`, location: KEEP },
  ],
  transport: [
    { name: 'unix socket, kept', ...kept },
    { name: 'TCP on loopback, kept', ...kept, transport: 'tcp' },
    { name: 'unix socket, a connection for each request' },
    { name: 'TCP on loopback, a connection for each request', transport: 'tcp' },
  ],
  params: [
    { name: 'fastcgi_params as Debian has it (21 lines)', ...kept },
    { name: '8 lines', ...kept, params: FEW_PARAMS },
    { name: 'fastcgi_params and 20 lines more', ...kept, location: `${KEEP}\n      ${twentyMore}` },
  ],
  json: [
    { name: '10 kB: buffers 8 4k (default)', exchange: 'json', ...kept },
    { name: '10 kB: buffer_size 16k, buffers 8 16k', exchange: 'json', upstream: KEPT, location: buffers('16k', 8) },
    { name: '10 kB: buffering off', exchange: 'json', upstream: KEPT, location: `${KEEP} fastcgi_buffering off;` },
  ],
  download: [
    { name: '1 MiB: buffers 8 4k (default)', exchange: 'download', ...kept },
    { name: '1 MiB: buffer_size 16k, buffers 8 16k', exchange: 'download', upstream: KEPT, location: buffers('16k', 8) },
    { name: '1 MiB: buffer_size 16k, buffers 32 32k', exchange: 'download', upstream: KEPT, location: buffers('32k', 32) },
    { name: '1 MiB: buffering off', exchange: 'download', upstream: KEPT, location: `${KEEP} fastcgi_buffering off;` },
  ],
  upload: [
    { name: '256 KiB upload: client_body_buffer_size 16k (default)', exchange: 'upload', ...kept },
    { name: '256 KiB upload: client_body_buffer_size 512k', exchange: 'upload', upstream: KEPT, location: `${KEEP} client_body_buffer_size 512k;` },
    { name: '256 KiB upload: request_buffering off', exchange: 'upload', upstream: KEPT, location: `${KEEP} fastcgi_request_buffering off;` },
  ],
}

const ALWAYS = 'http-reuse always'
const multiplexed = (requests) => ({ app: `option mpxs-conns\n  option max-reqs ${requests}`, backend: ALWAYS })

const haproxy = {
  connections: [
    { name: 'defaults (keep-conn, http-reuse safe)' },
    { name: 'no option keep-conn', app: 'no option keep-conn' },
    { name: 'http-reuse always', backend: ALWAYS },
    { name: 'http-reuse always, mpxs-conns, max-reqs 16', ...multiplexed(16) },
  ],
  multiplexing: [
    { name: 'http-reuse always', backend: ALWAYS },
    { name: 'mpxs-conns, max-reqs 4', ...multiplexed(4) },
    { name: 'mpxs-conns, max-reqs 8', ...multiplexed(8) },
    { name: 'mpxs-conns, max-reqs 32', ...multiplexed(32) },
  ],
  // The global section is one for all: the first variant has it.
  bufsize: [
    { name: 'tune.bufsize 65536, mpxs-conns, max-reqs 16', ...multiplexed(16), global: 'tune.bufsize 65536' },
    { name: 'tune.bufsize 65536, mpxs-conns, max-reqs 32', ...multiplexed(32) },
  ],
  transport: [
    { name: 'unix socket, mpxs-conns, max-reqs 16', ...multiplexed(16) },
    { name: 'TCP on loopback, mpxs-conns, max-reqs 16', ...multiplexed(16), transport: 'tcp' },
  ],
}

const REUSE = 'enablereuse=on'
const apache2 = {
  connections: [
    { name: 'unix socket (default: a connection for each request)' },
    { name: 'unix socket, enablereuse=on', pass: REUSE },
    { name: 'TCP on loopback', transport: 'tcp' },
    { name: 'TCP on loopback, enablereuse=on', pass: REUSE, transport: 'tcp' },
  ],
  most: [
    { name: 'enablereuse=on (max= as many as threads, 64)', pass: REUSE },
    { name: 'enablereuse=on max=32', pass: `${REUSE} max=32` },
    { name: 'enablereuse=on max=8', pass: `${REUSE} max=8` },
    { name: 'enablereuse=on connectiontimeout=5', pass: `${REUSE} connectiontimeout=5` },
  ],
}

export const SETTINGS = { nginx, haproxy, apache2 }
