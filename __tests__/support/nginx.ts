// A real nginx of our own: a folder, a configuration, a process, and its error log to look at. Knows nothing of the application.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Daemon, startDaemon } from './daemon'

export type Nginx = Daemon

export interface NginxSetup {
  /** How many free ports of 127.0.0.1 the configuration needs. */
  readonly ports: number
  /** Absent: a new one. A given one is not removed by `stop`. */
  readonly folder?: string
  /** Whom its workers run as, if this is root. Absent: root too. */
  readonly user?: string
  /** The inside of `http { }`. `include fastcgi_params;` finds Debian's file as it is in nginx 1.22.1-9+deb12u11. */
  http(ports: readonly number[], folder: string): string
}

// Only the comments are left out. HTTP_HOST is Debian's own addition, and loses the port.
const fastcgiParams = `
fastcgi_param  QUERY_STRING       $query_string;
fastcgi_param  REQUEST_METHOD     $request_method;
fastcgi_param  CONTENT_TYPE       $content_type;
fastcgi_param  CONTENT_LENGTH     $content_length;
fastcgi_param  SCRIPT_NAME        $fastcgi_script_name;
fastcgi_param  REQUEST_URI        $request_uri;
fastcgi_param  DOCUMENT_URI       $document_uri;
fastcgi_param  DOCUMENT_ROOT      $document_root;
fastcgi_param  SERVER_PROTOCOL    $server_protocol;
fastcgi_param  REQUEST_SCHEME     $scheme;
fastcgi_param  HTTPS              $https if_not_empty;
fastcgi_param  GATEWAY_INTERFACE  CGI/1.1;
fastcgi_param  SERVER_SOFTWARE    nginx/$nginx_version;
fastcgi_param  REMOTE_ADDR        $remote_addr;
fastcgi_param  REMOTE_PORT        $remote_port;
fastcgi_param  REMOTE_USER        $remote_user;
fastcgi_param  SERVER_ADDR        $server_addr;
fastcgi_param  SERVER_PORT        $server_port;
fastcgi_param  SERVER_NAME        $server_name;
fastcgi_param  REDIRECT_STATUS    200;
fastcgi_param  HTTP_HOST          $host;
`

/** Starts nginx and returns when every port accepts. */
export function startNginx(setup: NginxSetup): Promise<Nginx> {
  return startDaemon('nginx', {
    ports: setup.ports,
    ...(setup.folder !== undefined && { folder: setup.folder }),
    pidFile: 'nginx.pid',
    logFile: 'error.log',
    prepare(ports, folder) {
      writeConfiguration(folder, setup.http(ports, folder), setup.user)
      return nginxArguments(folder)
    },
  })
}

/** The arguments for the configuration in a folder. */
function nginxArguments(folder: string): readonly string[] {
  return ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')]
}

function writeConfiguration(folder: string, http: string, userName = 'root'): void {
  writeFileSync(join(folder, 'error.log'), '')
  writeFileSync(join(folder, 'fastcgi_params'), fastcgiParams)
  // As root nginx would run its workers as nobody, which may not connect to a socket of mode 0660.
  const user = process.getuid?.() === 0 ? `user ${userName};` : ''
  const temporary = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'].map((name) => `${name}_temp_path ${folder}/${name};`)
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
${user}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log info;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  default_type application/octet-stream;
  client_max_body_size 64m;
${http}
}
`,
  )
}
