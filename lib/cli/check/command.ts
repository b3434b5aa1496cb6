// `express-fastcgi check`: why does a deployment not answer? Exit status 0: it does; 1: it does not; 2: wrong usage.

import { Command } from 'commander'
import { type Address, parseTarget } from '../../client/target'
import { UsageError } from '../usage-error'
import { checkDirectly } from './direct'
import { asJson, asText, type Finding, isHealthy } from './finding'
import { userNamed } from './user'
import { checkVia } from './via'

interface Options {
  readonly as?: string
  readonly uri: string
  readonly param: readonly string[]
  readonly status?: string
  readonly timeout: string
  readonly via?: string
  readonly token?: string
  readonly insecure?: boolean
  readonly body: string
  readonly json?: boolean
  readonly quiet?: boolean
}

const UNHEALTHY = 1
/** Longer than any web server's answer has to be, and as long as a health probe may take. */
const TIMEOUT_MS = '5000'
/** Above the limits that web servers have by default. */
const BODY_BYTES = '2097152'

export function checkCommand(): Command {
  return new Command('check')
    .description('Finds out why an application does not answer over FastCGI.')
    .argument('[address]', 'where the application listens: /path, PORT, HOST:PORT, [IPV6]:PORT')
    .option('--as <user>', 'may this user connect? The one that the web server runs as, such as www-data')
    .option('--uri <path>', 'path and query of the request that is sent', '/')
    .option('--param <name=value>', 'a variable beside the usual ones; may be repeated', collect, [])
    .option('--status <code>', 'the status that the answer must have (default: any below 500)')
    .option('--via <url>', 'ask the web server too, and compare what arrived at the application')
    .option('--token <text>', "FASTCGI_CHECK_TOKEN of the application (default: that of this command's environment)")
    .option('--insecure', 'with --via: take a certificate that nobody vouches for')
    .option('--body <bytes>', 'with --via: size of the larger upload', BODY_BYTES)
    .option('--timeout <ms>', 'longest wait for each answer', TIMEOUT_MS)
    .option('--json', 'print JSON')
    .option('--quiet', 'print what is wrong only')
    .addHelpText('after', '\nExit status: 0 all is well, 1 something fails, 2 wrong usage.\n')
    .action(check)
}

async function check(address: string | undefined, options: Options): Promise<void> {
  if (address === undefined && options.via === undefined) throw new UsageError('check: give the address of an application, or --via and the URL of a site')
  const timeoutMs = positive('--timeout', options.timeout)
  const findings: Finding[] = []
  if (address !== undefined) {
    findings.push(...(await checkDirectly(addressOf(address), {
      user: options.as === undefined ? undefined : userNamed(options.as),
      uri: pathOf(options.uri),
      params: paramsOf(options.param),
      status: options.status === undefined ? undefined : positive('--status', options.status),
      timeoutMs,
    })))
  }
  if (options.via !== undefined) {
    findings.push(...(await checkVia({
      url: urlOf(options.via),
      token: tokenOf(options.token ?? process.env['FASTCGI_CHECK_TOKEN']),
      insecure: options.insecure === true,
      bodyBytes: positive('--body', options.body),
      timeoutMs,
    })))
  }
  const shown = options.quiet === true ? findings.filter(({ verdict }) => verdict !== 'ok' && verdict !== 'note') : findings
  process.stdout.write(options.json === true ? asJson(shown) : asText(shown))
  if (!isHealthy(findings)) process.exitCode = UNHEALTHY
}

function addressOf(text: string): Address {
  return parseTarget(/^[0-9]+$/.test(text) ? `:${text}` : text)
}

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value]
}

function paramsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf('=')
    if (at < 1) throw new UsageError(`--param ${JSON.stringify(pair)}: give NAME=VALUE`)
    return [pair.slice(0, at), pair.slice(at + 1)]
  }))
}

function pathOf(uri: string): string {
  if (/^\/[\x21-\x7e]*$/.test(uri)) return uri
  throw new UsageError(`--uri ${JSON.stringify(uri)}: a path begins with a slash and has no blanks; encode others (%20)`)
}

function positive(option: string, text: string): number {
  const value = Number(text)
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value) && value > 0 && value < 2 ** 31) return value
  throw new UsageError(`${option}: a whole number above 0, not ${JSON.stringify(text)}`)
}

function urlOf(text: string): URL {
  if (!URL.canParse(text)) throw new UsageError(`--via ${JSON.stringify(text)} is no URL such as http://example.org/app`)
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new UsageError(`--via ${JSON.stringify(text)}: only http:// and https:// can be asked`)
  if (url.username !== '' || url.password !== '') throw new UsageError('--via: a user and password are not sent, as Authorization is one of the headers that are checked; leave them out')
  if (url.search !== '' || url.hash !== '') throw new UsageError(`--via ${JSON.stringify(text)}: give the path alone; queries are made here`)
  return url
}

function tokenOf(token: string | undefined): string {
  if (token !== undefined && token !== '') return token
  throw new UsageError('--via needs a token: start the application with FASTCGI_CHECK_TOKEN in its environment, and give the same here by that variable or --token')
}
