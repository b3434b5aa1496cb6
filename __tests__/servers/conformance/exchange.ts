// What an exchange of the conformance set is: something done with a site, and everything of the result that must be equal
// under node:http and behind every web server.
import { RawHttp } from '../../support/http-raw'
import { type Answer, type Question, readAnswer, requestBytes } from './client'
import { type Control } from './control'

/** Flat: `answer.status`, `answer.headers.etag`, `seen.url`, `seen.headers.x-a`. What is absent has no key. */
export type Outcome = Readonly<Record<string, unknown>>

export interface Exchange {
  /** What the documentation calls it. */
  readonly name: string
  /** Has no meaning for an application under a path prefix. */
  readonly rootOnly?: true
  run(via: Via): Promise<object>
}

/** A door to the application: a port of 127.0.0.1 that speaks HTTP. */
export class Via {
  private readonly open: RawHttp[] = []

  constructor(
    readonly port: number,
    /** Path prefix of the application; '' for none. */
    readonly mount: string,
    readonly control: Control,
    /** What this exchange would wait for never comes here; see `neverComes` of a limit. */
    readonly neverComes: boolean,
  ) {}

  async connect(): Promise<RawHttp> {
    const client = await RawHttp.connect(this.port)
    this.open.push(client)
    return client
  }

  bytes(question: Question): Buffer {
    return requestBytes(question, this.mount)
  }

  /** One request on a connection of its own. */
  async ask(question: Question, onData?: (sofar: string) => void): Promise<Answer> {
    const client = await this.connect()
    client.write(this.bytes(question))
    return readAnswer(client, question.method ?? 'GET', onData)
  }

  /** The same, and only what must be equal of it. */
  async outcome(question: Question): Promise<object> {
    return outcomeOf(await this.ask(question))
  }

  /** A whole request, for its effect: what the web server did before it has happened. */
  async roundTrip(): Promise<void> {
    await this.ask({ target: '/text' })
  }

  leave(): void {
    for (const client of this.open) client.leave()
  }
}

// About one connection, or about framing: each server is free to choose. Date and Server have an exchange of their own,
// Content-Length too.
const EACH_SERVERS_OWN = ['connection', 'keep-alive', 'transfer-encoding', 'date', 'server', 'content-length', 'alt-svc', 'via']
const ONE_HOP = ['connection', 'keep-alive']

/** What must be equal of an answer. One that is not from the application counts by its status alone. */
export function outcomeOf(answer: Answer): object {
  if (!isFromApplication(answer)) return { refused: answer.status }
  const { status, reason, body, complete } = answer
  const isJson = answer.head.values('content-type').join().includes('json') && complete && body.length > 0
  // Express makes the entity tag from the body, which differs where anything does.
  const headers = without(fieldsOf(answer), isJson ? [...EACH_SERVERS_OWN, 'etag'] : EACH_SERVERS_OWN)
  const content = isJson ? { seen: withoutHop(JSON.parse(body.toString()) as Record<string, unknown>) } : { body: body.toString('latin1') }
  return { answer: { status, reason, complete, headers, ...(isJson ? {} : content) }, ...(isJson ? content : {}) }
}

export function isFromApplication(answer: Answer): boolean {
  return answer.head.values('x-powered-by').length > 0
}

/** By name in lower case; a repeated one is a list. */
export function fieldsOf({ head }: Answer): Record<string, unknown> {
  const names = new Set(head.fields.map(([name]) => name.toLowerCase()))
  return Object.fromEntries([...names].map((name) => [name, head.values(name).length === 1 ? head.values(name)[0] : head.values(name)]))
}

function withoutHop(seen: Record<string, unknown>): Record<string, unknown> {
  const { headers } = seen
  if (typeof headers !== 'object' || headers === null) return seen
  return { ...seen, headers: without(headers, ONE_HOP) }
}

function without(fields: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
}

/** Nested objects as one of `a.b.c` names; lists stay as they are. */
export function flat(value: object, prefix = ''): Outcome {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
      const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      return isObject ? Object.entries(flat(inner, `${prefix}${name}.`)) : [[prefix + name, inner]]
    }),
  )
}
