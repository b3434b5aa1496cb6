// Request targets and hosts: what the application sees of them, byte for byte.
import { type Question } from '../client'
import { type Exchange } from '../exchange'

const targets: Readonly<Record<string, Question>> = {
  'target-query': { target: '/a/b?x=1&y=2&x=3' },
  'target-root': { target: '/' },
  'target-bare-question-mark': { target: '/?' },
  'target-encoded': { target: '/a%20b/%C3%A9/%3Fq' },
  'target-encoded-slash': { target: '/a%2Fb%2fc' },
  'target-double-slash': { target: '//double//slash' },
  'target-dots': { target: '/dot/../up/./here' },
  'target-encoded-dots': { target: '/dot/%2e%2e/up' },
  'target-punctuation': { target: `/a;b=c/@:!$&'()*+,=~-_.` },
  'target-unsafe-punctuation': { target: '/a|b"c<d>' },
  'target-unescaped-8-bit': { target: '/caf\xc3\xa9?q=\xe9' },
  'target-fragment': { target: '/x#frag?y' },
  'target-nul': { target: '/nul%00x' },
  'target-bad-escape': { target: '/bad%zz/%2' },
  'target-encoded-percent': { target: '/100%25/%2525?p=%25' },
  'target-trailing-slash': { target: '/folder/' },
  'target-like-a-file': { target: '/index.php/x.html' },
  'target-like-a-file-of-the-server': { target: '/.htaccess' },
  'target-long': { target: `/${'long/'.repeat(600)}?${'q'.repeat(3000)}` },
  'target-query-odd': { target: '/q?a[]=1&a[]=2&=&&b=%zz&c=a+b;d=?/' },
  'host-with-port': { host: 'example.org:8080' },
  'host-in-capitals': { host: 'Example.ORG' },
  'http-1.0': { version: '1.0' },
  'http-1.0-without-host': { version: '1.0', host: null },
}

const methods = ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'FOO']

export const targetExchanges: readonly Exchange[] = [
  ...Object.entries(targets).map(([name, question]) => ({ name, run: (via) => via.outcome(question) }) satisfies Exchange),
  { name: 'target-absolute', run: (via) => via.outcome({ wholeTarget: `http://example.org${via.mount}/p?q=1` }) },
  { name: 'options-asterisk', rootOnly: true, run: (via) => via.outcome({ method: 'OPTIONS', wholeTarget: '*' }) },
  ...methods.map((method) => ({ name: `method-${method}`, run: (via) => via.outcome({ method, target: '/m' }) }) satisfies Exchange),
]
