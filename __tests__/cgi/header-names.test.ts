import { headerName, isToken } from '../../lib/cgi/header-names'

describe('the header that a meta-variable stands for (CGI 4.1.18)', () => {
  it.each([
    ['each word is capitalised', 'HTTP_USER_AGENT', 'User-Agent'],
    ['a single letter', 'HTTP_X_A', 'X-A'],
    ['digits stay', 'HTTP_1DIGIT_2B', '1digit-2b'],
    ['a usual spelling that capitals alone would miss', 'HTTP_ETAG', 'ETag'],
    ['', 'HTTP_TE', 'TE'],
    ['', 'HTTP_DNT', 'DNT'],
    ['', 'HTTP_SEC_WEBSOCKET_KEY', 'Sec-WebSocket-Key'],
    ['', 'HTTP_SEC_CH_UA_PLATFORM', 'Sec-CH-UA-Platform'],
    ['', 'HTTP_X_XSS_PROTECTION', 'X-XSS-Protection'],
    ['characters that some servers let through', 'HTTP_X.DOT', 'X.dot'],
    ['', 'HTTP_X~TILDE', 'X~tilde'],
    ['lower case in the variable', 'HTTP_x_lower', 'X-Lower'],
    ['an ordinary name to JavaScript too', 'HTTP___PROTO__', '--Proto--'],
    ['', 'HTTP_CONSTRUCTOR', 'Constructor'],
    ['', 'HTTP_HASOWNPROPERTY', 'Hasownproperty'],
  ])('%s: %s is %s', (_rule, variable, header) => {
    expect(headerName(variable)).toBe(header)
    // The second time is no different.
    expect(headerName(variable)).toBe(header)
  })

  it.each([
    ['nothing behind HTTP_', 'HTTP_'],
    ['a blank', 'HTTP_A B'],
    ['a colon', 'HTTP_A:B'],
    ['a line break', 'HTTP_A\r\nB'],
    ['a NUL', 'HTTP_A\0'],
    ['a byte above 127', 'HTTP_CAF\xc9'],
    ['a letter whose upper case is ASCII only in Unicode', 'HTTP_\xdf'],
  ])('%s cannot be in a name', (_what, variable) => {
    expect(headerName(variable)).toBe('')
    expect(headerName(variable)).toBe('')
  })

  it('is the same for the ten thousandth name as for the first: the memory for names is bounded, not their number', () => {
    for (let i = 0; i < 10_000; i++) expect(headerName(`HTTP_X_${i}`)).toBe(`X-${i}`)
    expect(headerName('HTTP_X_9999')).toBe('X-9999')
  })
})

describe('a token (RFC 9110 5.6.2)', () => {
  it.each(['GET', 'M-SEARCH', "!#$%&'*+-.^_`|~09azAZ"])('%s is one', (text) => expect(isToken(text)).toBe(true))
  it.each(['', 'A B', 'A\n', 'A:', 'A/B', '(A)', 'A"', 'A@', '\x7f', '\xe9'])('%j is none', (text) => expect(isToken(text)).toBe(false))
})
