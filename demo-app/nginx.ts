// Real nginx in front of a FastCGI socket: the configuration it needs, and the process.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const READY_WITHIN_MS = 10_000
const GRACE_MS = 2000

export interface Nginx {
  /** Path of the configuration it runs with. */
  readonly configuration: string
  close(): Promise<void>
}

export interface NginxOptions {
  /** Path of nginx itself; `undefined` when it is not installed. */
  readonly program: string | undefined
  /** A private folder: the configuration, the pid file and the temporary files go there. */
  readonly folder: string
  /** The FastCGI application's unix socket. */
  readonly socketPath: string
  /** Port on 127.0.0.1. */
  readonly port: number
  /** A URL path of the application that answers at once, to see that all of it works. */
  readonly probe: string
  /** Called when nginx ends although nobody closed it. */
  readonly onFailure: (error: Error) => void
}

const NGINX_MISSING = `nginx is not installed, and --nginx needs it.
  Debian, Ubuntu:  sudo apt-get install nginx-light
  Fedora:          sudo dnf install nginx
  macOS:           brew install nginx
Without --nginx the demo needs no web server at all.`

/** Absolute path of nginx, `undefined` when it is not installed. */
export function findNginx(): string | undefined {
  // The PATH of an ordinary user lacks sbin on Debian, where nginx is.
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin']
  return folders.map((folder) => path.join(folder, 'nginx')).find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The whole configuration. Every path is inside the folder, so it runs without any rights of its own. */
export function nginxConfiguration({ folder, socketPath, port }: Pick<NginxOptions, 'folder' | 'socketPath' | 'port'>): string {
  const temporary = (name: string): string => `${name}_temp_path ${path.join(folder, name)};`
  return `# Written by the demo of express-fastcgi. Runs as the user who started it, on the loopback interface only.
${process.getuid?.() === 0 ? `# Started by root: the workers must reach the application's socket, which is in root's private folder.\nuser ${userInfo().username};\n` : ''}daemon off;
worker_processes 1;
pid ${path.join(folder, 'nginx.pid')};
error_log stderr warn;
events { worker_connections 512; }

http {
    access_log off;
    ${['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'].map(temporary).join('\n    ')}

    upstream application {
        server unix:${socketPath};
        # Idle connections kept to the application; with fastcgi_keep_conn below, requests share them one after another.
        keepalive 8;
    }

    server {
        listen 127.0.0.1:${port};
        server_name localhost;

        # Uploads of any size, passed on as they arrive instead of being collected first.
        client_max_body_size 0;
        fastcgi_request_buffering off;

        location / {
            fastcgi_pass application;
            fastcgi_keep_conn on;
            # Answers are buffered, unless one says X-Accel-Buffering: no, as the event streams do. They may be silent for long.
            fastcgi_buffer_size 16k;
            fastcgi_buffers 8 16k;
            # A download waits in memory only: its reader sets the pace of the application.
            fastcgi_max_temp_file_size 0;
            fastcgi_read_timeout 1h;

            fastcgi_param GATEWAY_INTERFACE CGI/1.1;
            fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_param SERVER_NAME $server_name;
            fastcgi_param SERVER_ADDR $server_addr;
            fastcgi_param SERVER_PORT $server_port;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_param REMOTE_PORT $remote_port;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_SCHEME $scheme;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param HTTPS $https if_not_empty;
            # With its port, which the stock fastcgi_params of Debian leave out.
            fastcgi_param HTTP_HOST $http_host;
            # A client's "Proxy" field must never become HTTP_PROXY (httpoxy).
            fastcgi_param HTTP_PROXY "" if_not_empty;
        }
    }
}
`
}

/** Forwards what nginx writes to standard error, and keeps its end for an error message. */
function watchStandardError(child: ChildProcess): () => string {
  let tail = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    process.stderr.write(text)
    tail = (tail + text).slice(-2000)
  })
  return () => tail.trim()
}

/** Asks until the application answers through nginx, or nginx has ended. */
async function untilReady(url: string, child: ChildProcess): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    const answer = await fetch(url).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.ok === true) return true
    await delay(25)
  }
  return false
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  // QUIT lets running requests finish, TERM does not. nginx(8)
  child.kill('SIGQUIT')
  const impatience = setTimeout(() => child.kill('SIGTERM'), GRACE_MS)
  await ended
  clearTimeout(impatience)
}

/**
 * Starts nginx and waits until the application answers through it.
 *
 * @throws {Error} with what nginx said, when it does not start; with what to install, when it is not there
 */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const { program } = options
  if (program === undefined) throw new Error(NGINX_MISSING)
  const configuration = path.join(options.folder, 'nginx.conf')
  mkdirSync(options.folder, { recursive: true })
  writeFileSync(configuration, nginxConfiguration(options))
  // Its own process group: Ctrl-C in a terminal is for us, and nginx stops when we say so.
  const child = spawn(program, ['-e', 'stderr', '-p', options.folder, '-c', configuration], { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  const said = watchStandardError(child)
  const failed = new Promise<never>((_resolve, reject) => child.once('error', reject))
  const ready = await Promise.race([untilReady(`http://127.0.0.1:${options.port}${options.probe}`, child), failed])
  if (!ready) {
    await stop(child)
    throw new Error(`nginx did not start with ${configuration}: ${said()}`)
  }
  let closing = false
  child.once('exit', () => {
    if (!closing) options.onFailure(new Error(`nginx ended by itself: ${said()}`))
  })
  return {
    configuration,
    close() {
      closing = true
      return stop(child)
    },
  }
}
