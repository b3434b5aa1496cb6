// The subject or issuer of a certificate as web servers write it, back into its parts. Text only.

/** The parts of a name, as node's `getPeerCertificate()` gives them: repeated ones become a list. */
export type DistinguishedName = Record<string, string | string[]>

/** As node spells them; web servers differ in some. */
const SPELLINGS: Readonly<Record<string, string>> = { EMAIL: 'emailAddress', E: 'emailAddress', S: 'ST' }
/** Of the comma forms, one at a time: a name, a value with its escapes. RFC 4514 2.3 */
// Written so that each character can be matched in one way only: the text is the client's, and may be hostile.
const PART = /\s*([A-Za-z0-9.]+)\s*=((?:\\[^]|[^",+\\]|"(?:[^"\\]|\\[^])*")*)(?:[,+]|$)/y
/** No certificate has a longer one. */
const MAX_LENGTH = 65_536
const SLASH_PART = /\/([A-Za-z0-9.]+)=((?:[^/]|\/(?![A-Za-z0-9.]+=))*)/g

/**
 * Reads a distinguished name in the forms of nginx and Apache (`CN=a,O=b`, RFC 4514, the last part first), lighttpd
 * (`O = b, CN = a`) and older servers (`/O=b/CN=a`).
 *
 * @returns null-prototype, the most general part first, as node does; empty for text that is no name
 */
export function distinguishedName(text: string): DistinguishedName {
  if (text.length > MAX_LENGTH) return Object.create(null) as DistinguishedName
  const isSlashed = text.startsWith('/')
  const parts = isSlashed ? slashParts(text) : commaParts(text)
  // Blanks around '=' are OpenSSL's own form, which is in the order of the certificate.
  if (!isSlashed && !/^[^=]*\s=/.test(text)) parts.reverse()
  const name = Object.create(null) as DistinguishedName
  for (const [key, value] of parts) {
    const known = name[key]
    if (known === undefined) name[key] = value
    else if (Array.isArray(known)) known.push(value)
    else name[key] = [known, value]
  }
  return name
}

function commaParts(text: string): [key: string, value: string][] {
  const parts: [string, string][] = []
  PART.lastIndex = 0
  while (PART.lastIndex < text.length) {
    const match = PART.exec(text)
    if (match === null) return []
    parts.push([spelling(match[1] ?? ''), unescaped(match[2] ?? '')])
  }
  return parts
}

function slashParts(text: string): [key: string, value: string][] {
  return [...text.matchAll(SLASH_PART)].map(([, key = '', value = '']) => [spelling(key), utf8(value)])
}

function spelling(key: string): string {
  return SPELLINGS[key.toUpperCase()] ?? key
}

function unescaped(value: string): string {
  const trimmed = value.trim()
  // A blank that is escaped at the end is part of the value. RFC 4514 2.4
  const text = endsWithEscape(trimmed) ? `${trimmed} ` : trimmed
  const inner = text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  return utf8(inner.replace(/\\([0-9A-Fa-f]{2}|[^])/g, (_, escape: string) => (escape.length === 2 ? String.fromCharCode(parseInt(escape, 16)) : escape)))
}

function endsWithEscape(text: string): boolean {
  let backslashes = 0
  while (text[text.length - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

/** Variables are latin1, one character per byte; the bytes of a name are UTF-8. */
function utf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}
