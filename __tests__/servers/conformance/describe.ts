// The conformance set: each exchange once under node:http and once behind a web server, with one and the same application.
import { type Exchange, flat, type Outcome, Via } from './exchange'
import { exchanges } from './exchanges'
import { expected, type Limits } from './limits'
import { Application } from './start'

export interface Site {
  /** Port of 127.0.0.1 where the web server has the site `example.org`. */
  readonly port: number
  /** The application behind it, started by `Application.start({ listen, mount })` or by the web server itself. */
  readonly application: Pick<Application, 'control' | 'stop'>
  /** Ends the web server. */
  stop(): Promise<void>
}

export interface ConformanceOptions {
  /** Starts the application and the web server, which has it under `mount`. */
  start(mount: string): Promise<Site>
  readonly limits: Limits
  /** Path prefix of the application. Default: '', none. */
  readonly mount?: string
  /** Names of the exchanges to run. Default: all. */
  readonly only?: readonly string[]
}

/** Tests one site; inside a `describeWith` of the web server. */
export function describeConformance({ start, limits, mount = '', only }: ConformanceOptions): void {
  describe(mount === '' ? 'conformance' : `conformance under ${mount}`, () => {
    let direct: Application
    let site: Site | undefined

    beforeAll(async () => {
      direct = await Application.start({ mount })
      site = await start(mount)
    })

    afterAll(async () => {
      await site?.stop()
      await site?.application.stop()
      await direct.stop()
    })

    const chosen = exchanges.filter(({ name, rootOnly }) => (only?.includes(name) ?? true) && (mount === '' || rootOnly !== true))
    it.each(chosen.map((exchange) => [exchange.name, exchange] as const))('%s', async (name, exchange) => {
      const fromNode = await run(exchange, new Via(await direct.port(), mount, direct.control, false))
      const seen = await run(exchange, new Via(site!.port, mount, site!.application.control, limits.exchanges[name]?.neverComes === true))
      expect(seen).toEqual(expected(fromNode, name, limits))
      // A limit that is none any more has to go, from the documentation too.
      if (name in limits.exchanges) expect(seen).not.toEqual(expected(fromNode, name, { ...limits, exchanges: {} }))
    })

    it('every limit is one of an exchange of the set', () => {
      const names = exchanges.map(({ name }) => name)
      expect(Object.keys(limits.exchanges).filter((name) => !names.includes(name))).toEqual([])
    })
  })
}

async function run(exchange: Exchange, via: Via): Promise<Outcome> {
  try {
    return flat(await exchange.run(via))
  } catch (error) {
    // The connection ended without an answer: no more than that can be said of it.
    if (error instanceof Error && error.message.startsWith('the connection ended before')) return { refused: 0 }
    throw error
  } finally {
    via.leave()
  }
}
