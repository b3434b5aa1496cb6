// What the names of CGI meta-variables mean, and where the values of the request at hand stand in its text.

import { headerName } from './header-names'

const PREFIX = 'HTTP_'

/** The meta-variables of a request, in the order received. */
export interface MetaVariables {
  /** All of them, one character per byte (latin1). */
  readonly text: string
  /** How many there are. */
  readonly length: number
  name(index: number): string
  /** A small number that stands for the name; -1 for a name that has none. */
  readonly nameIds: Int32Array
  /** Where the values begin and end in the text. */
  readonly valueStarts: Int32Array
  readonly valueEnds: Int32Array
  /** Whether a value holds a control character, a tab among them. */
  holdsControls(index: number): boolean
  /** Whether all characters of the text from `start` to `end` are visible ones of ASCII. */
  areVisible(start: number, end: number): boolean
}

/** Of a repeated variable the last one; undefined when it was not sent. For the few that have no {@link Meaning}. */
export function valueOf(variables: MetaVariables, name: string): string | undefined {
  for (let index = variables.length - 1; index >= 0; index--) {
    if (variables.name(index) === name) return variables.text.slice(variables.valueStarts[index], variables.valueEnds[index])
  }
  return undefined
}

/** What a name means, found by one look-up. */
export const enum Meaning {
  NOTHING,
  HEADER,
  BAD_HEADER,
  TRANSFER_ENCODING,
  AUTHORIZATION,
  EXPECT,
  UPGRADE,
  HOST,
  HTTP_CONTENT_LENGTH,
  CONTENT_TYPE,
  CONTENT_LENGTH,
  HTTPS,
  REQUEST_SCHEME,
  SERVER_PORT_SECURE,
  X_ORIGINAL_URL,
  /** From here on: of a repeated one the last counts, and where it stands is all that is noted at first. */
  REQUEST_METHOD,
  REQUEST_URI,
  QUERY_STRING,
  SCRIPT_NAME,
  PATH_INFO,
  SERVER_PROTOCOL,
  REMOTE_ADDR,
  REMOTE_PORT,
  SERVER_ADDR,
  LOCAL_ADDR,
  SERVER_PORT,
  SCRIPT_FILENAME,
  SERVER_SOFTWARE,
  REDIRECT_HTTP_AUTHORIZATION,
  UNENCODED_URL,
  IIS_WAS_URL_REWRITTEN,
  COUNT,
}

/** Where the values of one request stand in its text: start and end by meaning; a start of 0 is none, since a length comes first. */
const places = new Int32Array(2 * Meaning.COUNT)

export function forgetPlaces(): void {
  // Not fill(): a call into V8 costs more than this.
  for (let i = 0; i < places.length; i += 2) {
    places[i] = 0
    places[i + 1] = 0
  }
}

export function note(meaning: Meaning, start: number, end: number): void {
  places[2 * meaning] = start
  places[2 * meaning + 1] = end
}

export function startOf(meaning: Meaning): number {
  return places[2 * meaning] ?? 0
}

export function endOf(meaning: Meaning): number {
  return places[2 * meaning + 1] ?? 0
}

/** undefined when it was not sent. */
export function noted(text: string, meaning: Meaning): string | undefined {
  return cut(text, startOf(meaning), endOf(meaning))
}

export function cut(text: string, start: number, end: number): string | undefined {
  return start === 0 ? undefined : text.slice(start, end)
}

interface Variable {
  readonly meaning: Meaning
  /** Spelling of the header; `''` for what is none. */
  readonly header: string
}

/** Headers that are more than headers here. */
const SPECIAL_HEADERS = new Map<string, Meaning>([
  // The CGI variables of these two are the authority; a second one is a way to smuggle. CGI 4.1.18
  ['content-length', Meaning.HTTP_CONTENT_LENGTH],
  ['content-type', Meaning.NOTHING],
  // httpoxy, CVE-2016-5385: nginx, Caddy and h2o pass it on.
  ['proxy', Meaning.NOTHING],
  ['transfer-encoding', Meaning.TRANSFER_ENCODING],
  ['x-original-url', Meaning.X_ORIGINAL_URL],
  ['authorization', Meaning.AUTHORIZATION],
  ['expect', Meaning.EXPECT],
  ['upgrade', Meaning.UPGRADE],
  ['host', Meaning.HOST],
])

const VARIABLES: readonly (readonly [string, Meaning])[] = [
  ['REQUEST_METHOD', Meaning.REQUEST_METHOD],
  ['REQUEST_URI', Meaning.REQUEST_URI],
  ['QUERY_STRING', Meaning.QUERY_STRING],
  ['SCRIPT_NAME', Meaning.SCRIPT_NAME],
  ['PATH_INFO', Meaning.PATH_INFO],
  ['CONTENT_TYPE', Meaning.CONTENT_TYPE],
  ['CONTENT_LENGTH', Meaning.CONTENT_LENGTH],
  ['SERVER_PROTOCOL', Meaning.SERVER_PROTOCOL],
  ['HTTPS', Meaning.HTTPS],
  ['REQUEST_SCHEME', Meaning.REQUEST_SCHEME],
  ['SERVER_PORT_SECURE', Meaning.SERVER_PORT_SECURE],
  ['REMOTE_ADDR', Meaning.REMOTE_ADDR],
  ['REMOTE_PORT', Meaning.REMOTE_PORT],
  ['SERVER_ADDR', Meaning.SERVER_ADDR],
  ['LOCAL_ADDR', Meaning.LOCAL_ADDR],
  ['SERVER_PORT', Meaning.SERVER_PORT],
  ['SCRIPT_FILENAME', Meaning.SCRIPT_FILENAME],
  ['SERVER_SOFTWARE', Meaning.SERVER_SOFTWARE],
  ['REDIRECT_HTTP_AUTHORIZATION', Meaning.REDIRECT_HTTP_AUTHORIZATION],
  ['UNENCODED_URL', Meaning.UNENCODED_URL],
  ['IIS_WasUrlRewritten', Meaning.IIS_WAS_URL_REWRITTEN],
]
const known = new Map<string, Variable>(VARIABLES.map(([name, meaning]) => [name, { meaning, header: '' }]))
const NOTHING: Variable = { meaning: Meaning.NOTHING, header: '' }
/** By the number of the name. */
const byId: (Variable | undefined)[] = []

export function variableOf(variables: MetaVariables, index: number): Variable {
  const id = variables.nameIds[index] ?? -1
  return (id < 0 ? undefined : byId[id]) ?? variableByName(variables.name(index), id)
}

function variableByName(name: string, id: number): Variable {
  const found = known.get(name) ?? (name.startsWith(PREFIX) ? headerVariable(headerName(name)) : NOTHING)
  if (id >= 0) byId[id] = found
  return found
}

/** By the header it becomes, not by its own spelling: `HTTP_CONTENT-LENGTH` must not slip through as a second Content-Length. */
function headerVariable(header: string): Variable {
  return { meaning: header === '' ? Meaning.BAD_HEADER : (SPECIAL_HEADERS.get(header.toLowerCase()) ?? Meaning.HEADER), header }
}
