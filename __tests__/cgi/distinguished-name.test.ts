// Subjects and issuers as web servers write them. Texts are variables: latin1, one character per byte.
import vm from 'node:vm'
import { type DistinguishedName, distinguishedName } from '../../lib/cgi/distinguished-name'

/** Names and values in the order given, which an object's equality does not tell. */
function entries(text: string): [string, string | string[]][] {
  return Object.entries(distinguishedName(text))
}

const utf8 = (text: string) => Buffer.from(text).toString('latin1')

describe('the form of nginx and Apache, last part first (RFC 4514 2)', () => {
  it.each<[rule: string, text: string, parts: [string, string | string[]][]]>([
    ['the most general part comes first', 'CN=Client One,O=Example,C=DE', [['C', 'DE'], ['O', 'Example'], ['CN', 'Client One']]],
    ['a repeated part is a list, in the order of the certificate', 'CN=a,OU=second,OU=first', [['OU', ['first', 'second']], ['CN', 'a']]],
    ['three of them, too', 'OU=c,OU=b,OU=a', [['OU', ['a', 'b', 'c']]]],
    ['parts of one level are joined with +', 'UID=jd+CN=Jo,O=Example', [['O', 'Example'], ['CN', 'Jo'], ['UID', 'jd']]],
    ['an escaped comma and plus belong to the value', 'O=Example\\, Inc.,OU=R\\+D', [['OU', 'R+D'], ['O', 'Example, Inc.']]],
    ['an escaped quote and backslash, too', 'CN=the \\"one\\" \\\\,O=b', [['O', 'b'], ['CN', 'the "one" \\']]],
    ['two hex digits are one byte, and bytes are UTF-8', 'OU=Z\\C3\\BCge,ST=w\\c3\\a9', [['ST', 'wé'], ['OU', 'Züge']]],
    ['bytes that are not escaped are UTF-8 as well', utf8('CN=Žofie €'), [['CN', 'Žofie €']]],
    ['blanks that are escaped are kept', 'CN=\\ a\\ ,O=b', [['O', 'b'], ['CN', ' a ']]],
    ['blanks that are not are no part of it', 'CN=a , O=b', [['O', 'b'], ['CN', 'a']]],
    ['a value in quotes may hold anything', 'CN="a, b+c=d",O=e', [['O', 'e'], ['CN', 'a, b+c=d']]],
    ['= needs no escape in a value', 'CN=a=b\\=c', [['CN', 'a=b=c']]],
    ['a value may be empty', 'CN=,O=b', [['O', 'b'], ['CN', '']]],
    ['a name may be a number', '1.3.6.1.4.1=x,CN=a', [['CN', 'a'], ['1.3.6.1.4.1', 'x']]],
  ])('%s', (_rule, text, parts) => {
    expect(entries(text)).toEqual(parts)
  })
})

describe('the form of lighttpd, in the order of the certificate', () => {
  it.each<[rule: string, text: string, parts: [string, string | string[]][]]>([
    ['blanks around =', 'O = Example, CN = Client One', [['O', 'Example'], ['CN', 'Client One']]],
    ['a value with a comma is in quotes', 'O = "Example, Inc.", CN = a', [['O', 'Example, Inc.'], ['CN', 'a']]],
    ['quotes in quotes are escaped', 'O = "R+D / \\"Labs\\"", CN = a', [['O', 'R+D / "Labs"'], ['CN', 'a']]],
    ['a repeated part is a list', 'OU = first, OU = second', [['OU', ['first', 'second']]]],
    ['escaped bytes are UTF-8', 'OU = Z\\C3\\BCge', [['OU', 'Züge']]],
  ])('%s', (_rule, text, parts) => {
    expect(entries(text)).toEqual(parts)
  })
})

describe('the slash form', () => {
  it.each<[rule: string, text: string, parts: [string, string | string[]][]]>([
    ['in the order of the certificate', '/C=DE/O=Example/CN=Client One', [['C', 'DE'], ['O', 'Example'], ['CN', 'Client One']]],
    ['a slash that begins no part belongs to the value', '/CN=http://a/b/O=c', [['CN', 'http://a/b'], ['O', 'c']]],
    ['commas are of the value', '/O=Example, Inc./CN=a', [['O', 'Example, Inc.'], ['CN', 'a']]],
    ['a repeated part is a list', '/OU=first/OU=second', [['OU', ['first', 'second']]]],
    ['bytes are UTF-8', utf8('/CN=Žofie'), [['CN', 'Žofie']]],
  ])('%s', (_rule, text, parts) => {
    expect(entries(text)).toEqual(parts)
  })
})

it.each([
  ['emailAddress', 'emailAddress'],
  ['Email', 'emailAddress'],
  ['E', 'emailAddress'],
  ['S', 'ST'],
  ['UID', 'UID'],
])('%s is what node calls %s', (written, name) => {
  expect(entries(`${written}=a`)).toEqual([[name, 'a']])
  expect(entries(`/${written}=a`)).toEqual([[name, 'a']])
})

describe('hostile text: whoever may show a certificate of their own writes it', () => {
  it.each([
    ['no text', ''],
    ['text without =', 'nonsense'],
    ['a name that no certificate has', '__proto__=polluted,CN=a'],
    ['an escape cut off', 'CN=a\\'],
    ['a quote that is not closed', 'CN="a,O=b'],
    ['nothing behind a +', 'CN=a,+'],
  ])('%s is no name', (_what, text) => {
    expect(entries(text)).toEqual([])
  })

  it('the names of Object.prototype are names like others', () => {
    const name = distinguishedName('constructor=a,toString=b,hasOwnProperty=c')
    expect(Object.getPrototypeOf(name)).toBeNull()
    expect({ ...name }).toEqual({ constructor: 'a', toString: 'b', hasOwnProperty: 'c' })
  })

  it('nothing gets into a prototype', () => {
    for (const text of ['/__proto__=polluted/CN=a', '/CN=a/__proto__=polluted', 'CN=a,__proto__=polluted']) distinguishedName(text)
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  // Each took seconds to centuries in one expression or another. The limit ends what would hang; 100 kB are read in well under 0.1 s.
  it.each([
    ['quotes', `CN=${'"'.repeat(100_000)}\\`],
    ['pairs of quotes', `CN=${'"a"'.repeat(30_000)}\\`],
    ['blanks', `CN=a${' '.repeat(100_000)}\\`],
    ['blanks at the start', `${' '.repeat(100_000)}CN`],
    ['blanks in front of =', `CN${' '.repeat(100_000)}a=b`],
    ['backslashes', `CN=${'\\'.repeat(100_001)}`],
    ['escapes', `CN=${'\\"'.repeat(50_000)}`],
    ['the same part', 'CN=a,'.repeat(20_000)],
    ['the same part with slashes', '/CN=a'.repeat(20_000)],
    ['slashes', `/CN=${'/'.repeat(100_000)}`],
    ['slashes that nearly begin a part', `/CN=${'/a'.repeat(50_000)}`],
    ['one name', 'a'.repeat(100_000)],
    ['one name behind a slash', `/${'a'.repeat(100_000)}`],
  ])('100 kB of %s', (_what, text) => {
    const read = vm.runInNewContext('read()', { read: () => distinguishedName(text) }, { timeout: 5_000 }) as DistinguishedName
    expect(Object.keys(read).length).toBeLessThan(2)
  })
})
