import { encodePath, requestTarget, scriptPrefix, stripPrefix, type TargetVariables } from '../../lib/cgi/request-target'

const NONE: TargetVariables = {
  requestUri: undefined,
  isDecoded: false,
  unencodedUrl: undefined,
  originalUrl: undefined,
  scriptName: undefined,
  pathInfo: undefined,
  queryString: undefined,
}

describe('the request target (CGI 3.3)', () => {
  it.each<[rule: string, variables: Partial<TargetVariables>, url: string]>([
    ['is REQUEST_URI, byte for byte', { requestUri: '/a%2Fb//../c;d?x=%20&y', scriptName: '/other', queryString: 'z' }, '/a%2Fb//../c;d?x=%20&y'],
    ['raw bytes of it too', { requestUri: '/caf\xc3\xa9/\xe9?q=\xc3' }, '/caf\xc3\xa9/\xe9?q=\xc3'],
    ['a bare question mark is kept', { requestUri: '/?', queryString: '' }, '/?'],
    ['the absolute form is kept, as by node', { requestUri: 'http://other:81/p?q=1' }, 'http://other:81/p?q=1'],
    ['the asterisk form', { requestUri: '*', pathInfo: '/*' }, '*'],
    ['an empty REQUEST_URI is as good as none', { requestUri: '', scriptName: '/a', queryString: 'b' }, '/a?b'],
    ['UNENCODED_URL where IIS sends no REQUEST_URI', { unencodedUrl: '/a%20b?x', scriptName: '/a b' }, '/a%20b?x'],
    ['UNENCODED_URL before all: it alone is what the client sent', { unencodedUrl: '/a%2Fb', requestUri: '/a/b', originalUrl: '/a/b', isDecoded: true }, '/a%2Fb'],
    ['the URL before URL Rewrite changed it', { originalUrl: '/before', requestUri: '/after.js' }, '/before'],
    ['SCRIPT_NAME and PATH_INFO', { scriptName: '/app', pathInfo: '/a/b', queryString: 'x=1' }, '/app/a/b?x=1'],
    ['SCRIPT_NAME alone', { scriptName: '/app' }, '/app'],
    ['PATH_INFO alone', { pathInfo: '/a' }, '/a'],
    ['an empty QUERY_STRING adds no question mark', { scriptName: '/a', queryString: '' }, '/a'],
    ['the query as it is: it was never decoded', { scriptName: '/a', queryString: 'q=%20\xe9?' }, '/a?q=%20\xe9?'],
    ['the path encoded again', { scriptName: '/a b', pathInfo: '/\xc3\xa9?#%"<>\\^`{|}\0\r\n' }, '/a%20b/%C3%A9%3F%23%25%22%3C%3E%5C%5E%60%7B%7C%7D%00%0D%0A'],
    ['what may stand in a path as it is', { pathInfo: "/-._~!$&'()*+,;=:@09azAZ" }, "/-._~!$&'()*+,;=:@09azAZ"],
    ['always begins with a slash', { pathInfo: 'a' }, '/a'],
    ['is never empty', {}, '/'],
    ['not even with a query alone', { queryString: 'x' }, '/?x'],
  ])('%s', (_rule, variables, url) => {
    expect(requestTarget({ ...NONE, ...variables })).toBe(url)
  })

  it.each<[what: string, requestUri: string, queryString: string, url: string]>([
    ['a path is encoded again', '/caf\xe9 1/<x>?', '', '/caf%E9%201/%3Cx%3E?'],
    ['UTF-8 in it', '/caf\xc3\xa9', '', '/caf%C3%A9'],
    ['a percent sign that is one', '/100%/x%2', '', '/100%25/x%252'],
    ['an escape is left: IIS would have refused what decodes to one', '/a%20b', '', '/a%20b'],
    ['the query is as the client sent it', '/a b?x=%20&y=a+b"c', 'x=%20&y=a+b"c', '/a%20b?x=%20&y=a+b"c'],
    ['raw bytes of the query', '/a?x=\xe9 \t', 'x=\xe9 \t', '/a?x=%E9%20%09'],
    ['a question mark of the path', '/what?/now?x=1?', 'x=1?', '/what%3F/now?x=1?'],
    ['a query that is told nowhere else', '/a b?x y', '', '/a%20b?x%20y'],
    ['NUL', '/a\0', '', '/a%00'],
    ['nothing to be done', "/a/b-._~!$&'()*+,;=:@?q=/?", 'q=/?', "/a/b-._~!$&'()*+,;=:@?q=/?"],
  ])('REQUEST_URI of IIS, which decodes it: %s', (_what, requestUri, queryString, url) => {
    expect(requestTarget({ ...NONE, isDecoded: true, requestUri, queryString })).toBe(url)
  })

  it('every byte comes back from the encoded path', () => {
    const path = Array.from({ length: 256 }, (_byte, code) => String.fromCharCode(code)).join('')
    const encoded = encodePath(path)
    expect(encoded).toMatch(/^(?:[A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9A-F]{2})+$/)
    expect(encoded.replace(/%(..)/g, (_escape, hex: string) => String.fromCharCode(parseInt(hex, 16)))).toBe(path)
  })
})

describe('a mount prefix', () => {
  it.each([
    ['is taken off', '/app/a?x', '/app', '/a?x', '/app'],
    ['a slash at its end is ignored', '/app/a', '/app/', '/a', '/app'],
    ['the mount itself is /', '/app', '/app', '/', '/app'],
    ['the mount with its slash', '/app/', '/app', '/', '/app'],
    ['the mount with a query', '/app?x=1', '/app', '/?x=1', '/app'],
    ['of several segments', '/~user/app/a', '/~user/app', '/a', '/~user/app'],
    ['the beginning of a longer name is not the mount', '/apple', '/app', '/apple', ''],
    ['another path is left alone', '/other/app', '/app', '/other/app', ''],
    ['case counts', '/App/a', '/app', '/App/a', ''],
    ['/ means none', '/a', '/', '/a', ''],
    ['an empty one means none', '/a', '', '/a', ''],
    ['only once', '/app/app/a', '/app', '/app/a', '/app'],
    ['the asterisk form has no path', '*', '/app', '*', ''],
    ['of the absolute form it is taken off the path', 'http://h:1/app/a?x', '/app', 'http://h:1/a?x', '/app'],
    ['the mount itself, in absolute form', 'HTTP://h/app', '/app', 'HTTP://h/', '/app'],
    ['another path in absolute form is left alone', 'http://h/other', '/app', 'http://h/other', ''],
    ['an absolute form without a path is left alone', 'http://app', '/app', 'http://app', ''],
  ])('%s', (_rule, target, prefix, url, taken) => {
    expect(stripPrefix(target, prefix)).toEqual({ url, prefix: taken })
  })
})

describe("the prefix of a spawned script's URL (shared hosting)", () => {
  it.each([
    ['the script stands in the URL', '/dispatch.fcgi/a/b', '/dispatch.fcgi', '/a/b', '/dispatch.fcgi'],
    ['a rewrite hides a script in the root', '/a/b?x', '/dispatch.fcgi', '/a/b?x', ''],
    ['a rewrite hides a script in a folder', '/~user/app/a/b', '/~user/app/dispatch.fcgi', '/a/b', '/~user/app'],
    ['the folder itself', '/~user/app/', '/~user/app/dispatch.fcgi', '/', '/~user/app'],
    ['SCRIPT_NAME is decoded, the target is not', '/my%20app/d.fcgi/a', '/my app/d.fcgi', '/a', '/my%20app/d.fcgi'],
    ['the target lies elsewhere (a rewrite from outside the folder)', '/elsewhere', '/app/dispatch.fcgi', '/elsewhere', ''],
    ['no SCRIPT_NAME', '/a', '', '/a', ''],
  ])('%s', (_rule, target, scriptName, url, prefix) => {
    expect(stripPrefix(target, scriptPrefix(target, scriptName))).toEqual({ url, prefix })
  })
})
