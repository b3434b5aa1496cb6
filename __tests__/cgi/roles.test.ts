// Text of the Authorizer and Filter roles. FCGI 6.3, 6.4

import { authorizerHead } from '../../lib/cgi/authorizer-head'
import { filterData } from '../../lib/cgi/filter-data'
import { grantHead } from '../../lib/cgi/grant-head'
import { BadRequest } from '../../lib/cgi/request-head'
import { cgiResponseHead, statusFirst } from '../../lib/cgi/response-head'
import { PairTable } from '../../lib/protocol/pairs'
import { nameValuePairs, type Pairs } from '../support/fcgi-bytes'

function variables(pairs: Pairs): PairTable {
  const table = new PairTable()
  const bytes = nameValuePairs(pairs)
  table.read(bytes, 0, bytes.length)
  return table
}

describe('the head of an Authorizer request', () => {
  const rawHeaders = (...pairs: readonly [string, string][]): string[] =>
    authorizerHead(variables([['REQUEST_METHOD', 'POST'], ['REQUEST_URI', '/'], ...pairs])).rawHeaders

  it('has all fields but those of the content, in order', () => {
    expect(
      rawHeaders(
        ['HTTP_X_A', '1'], ['CONTENT_LENGTH', '5'], ['HTTP_CONTENT_LENGTH', '5'], ['CONTENT_TYPE', 'a/b'], ['HTTP_IF_NONE_MATCH', '*'], ['HTTP_X_B', '2'],
        ['HTTP_RANGE', 'bytes=0-'], ['HTTP_IF_RANGE', '"x"'], ['HTTP_IF_MATCH', '*'], ['HTTP_TRANSFER_ENCODING', 'chunked'], ['HTTP_X_C', '3'],
      ),
    ).toEqual(['X-A', '1', 'Content-Type', 'a/b', 'X-B', '2', 'X-C', '3'])
  })

  it('says that there is no body', () => {
    expect(authorizerHead(variables({ REQUEST_METHOD: 'POST', REQUEST_URI: '/', CONTENT_LENGTH: '5' }))).toMatchObject({ contentLength: 0, bodyUnannounced: false })
  })

  it('of a repeated variable the last counts', () => {
    expect(rawHeaders(['REMOTE_USER', 'x'], ['REMOTE_PASSWD', 'y'], ['REMOTE_USER', 'a'], ['REMOTE_PASSWD', 'b'])).toEqual(['Authorization', `Basic ${btoa('a:b')}`])
  })

  it.each<Pairs>([{}, { REQUEST_URI: '' }, { QUERY_STRING: 'a', DOCUMENT_URI: '/' }, { SCRIPT_NAME: '', PATH_INFO: '' }])('without a target it is none: %j', (pairs) => {
    expect(() => authorizerHead(variables({ REQUEST_METHOD: 'GET', ...(pairs as object) }))).toThrow(BadRequest)
  })
})

describe('the file of a Filter request', () => {
  it('has a length and a time', () => {
    expect(filterData(variables({ FCGI_DATA_LENGTH: '7', FCGI_DATA_LAST_MOD: '1' }))).toEqual({ length: 7, lastModified: new Date(1_000) })
    expect(filterData(variables({}))).toEqual({ length: undefined, lastModified: undefined })
  })

  it('may be of any time that a Date can have', () => {
    expect(filterData(variables({ FCGI_DATA_LAST_MOD: '8640000000000' })).lastModified?.getTime()).toBe(8.64e15)
    expect(filterData(variables({ FCGI_DATA_LAST_MOD: '8640000000001' })).lastModified).toBeUndefined()
  })
})

describe('the head of an authorizer', () => {
  const printed = (status: string, ...fields: string[]): string => [`HTTP/1.1 ${status}`, ...fields, '', ''].join('\r\n')

  it('has Status first', () => {
    const { fields, status } = statusFirst(cgiResponseHead(printed('403 Forbidden', 'X-A: 1', 'Connection: close')))
    expect([fields, status]).toEqual(['Status: 403 Forbidden\r\nX-A: 1\r\n', { text: '\r\n', code: 403 }])
    expect(statusFirst(cgiResponseHead(printed('403'))).fields).toBe('Status: 403\r\n')
  })

  it('of a grant has nothing of its body', () => {
    const ofTheBody = ['Content-Type: a/b', 'content-length: 3', 'ETag: "x"', 'Last-Modified: x', 'Date: x', 'Content-Encoding: gzip', 'Accept-Ranges: bytes']
    const others = ['Variable-ETag: x', 'Content-Security-Policy: x', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-Content-Type: x']
    expect(grantHead(cgiResponseHead(printed('200 OK', ...ofTheBody, ...others))).fields).toBe(others.map((line) => `${line}\r\n`).join(''))
    expect(grantHead(cgiResponseHead(printed('200 OK', ...ofTheBody))).fields).toBe('')
  })
})
