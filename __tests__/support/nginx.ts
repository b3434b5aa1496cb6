// A real nginx of our own: a folder, a configuration, a process, and its error log to look at. Knows nothing of the application.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { program } from './need'
import { until } from './wait'

export interface Nginx {
  readonly pid: number
  /** Where the configuration, logs and temporary files are. Also the place for files to serve and unix sockets. */
  readonly folder: string
  /** As many as were asked for; each accepts connections. */
  readonly ports: readonly number[]
  /** Everything in the error log so far. */
  errorLog(): string
  /** Ends nginx and removes its folder. */
  stop(): Promise<void>
}

export interface NginxSetup {
  /** How many free ports of 127.0.0.1 the configuration needs. */
  readonly ports: number
  /** Absent: a new one. A given one is not removed by `stop`. */
  readonly folder?: string
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
export async function startNginx(setup: NginxSetup): Promise<Nginx> {
  const folder = setup.folder ?? mkdtempSync(join(tmpdir(), 'express-fastcgi-nginx-'))
  // Between finding a free port and nginx binding it anyone may take it; then other ports are tried.
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(setup.ports)
    writeConfiguration(folder, setup.http(ports, folder))
    const child = spawn(program('nginx'), ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const nginx = new RunningNginx(child, folder, ports, setup.folder === undefined)
    try {
      await nginx.accepting()
      return nginx
    } catch (error) {
      const log = nginx.errorLog()
      await nginx.stop()
      if (attempt < 3 && log.includes('Address already in use')) continue
      throw new Error(`nginx did not start:\n${log}`, { cause: error })
    }
  }
}

function writeConfiguration(folder: string, http: string): void {
  writeFileSync(join(folder, 'error.log'), '')
  writeFileSync(join(folder, 'fastcgi_params'), fastcgiParams)
  // As root nginx would run its workers as nobody, which may not connect to a socket of mode 0660.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
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

class RunningNginx implements Nginx {
  private stderr = ''

  constructor(
    private readonly child: ChildProcess,
    readonly folder: string,
    readonly ports: readonly number[],
    private readonly ownsFolder: boolean,
  ) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    // A jest worker that ends early must not leave nginx behind.
    process.once('exit', this.kill)
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  errorLog(): string {
    return this.stderr + readFileSync(join(this.folder, 'error.log'), 'utf8')
  }

  async accepting(): Promise<void> {
    // nginx writes the file after it bound its ports, so that what accepts then is nginx and nobody else.
    const pidFile = join(this.folder, 'nginx.pid')
    await until('the pid file of nginx', () => {
      if (this.ended()) throw new Error('nginx ended')
      return readIfThere(pidFile)?.trim() === String(this.pid)
    })
    await Promise.all(this.ports.map(connectOnce))
  }

  async stop(): Promise<void> {
    if (!this.ended()) {
      const exit = once(this.child, 'exit')
      this.kill()
      await exit
    }
    process.off('exit', this.kill)
    if (this.ownsFolder) rmSync(this.folder, { recursive: true, force: true })
  }

  private ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined
  }

  private readonly kill = (): void => {
    this.child.kill('SIGTERM')
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

async function connectOnce(port: number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
}

async function freePorts(count: number): Promise<number[]> {
  // All are held until the last is known, so that no port is found twice.
  const holders = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = net.createServer().listen(0, '127.0.0.1')
      await once(holder, 'listening')
      return holder
    }),
  )
  const ports = holders.map((holder) => (holder.address() as net.AddressInfo).port)
  await Promise.all(holders.map((holder) => once(holder.close(), 'close')))
  return ports
}
