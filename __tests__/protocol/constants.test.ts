// The numbers of FCGI 8, as literals.

import * as protocol from '../../lib/protocol'

describe('the constants of FastCGI 1.0 (FCGI 8)', () => {
  it('version 1, a header of 8 bytes, content of at most 65535, request id 0 for management', () => {
    expect(protocol.VERSION).toBe(1)
    expect(protocol.HEADER_LENGTH).toBe(8)
    expect(protocol.MAX_CONTENT_LENGTH).toBe(65535)
    expect(protocol.NULL_REQUEST_ID).toBe(0)
  })

  it('eleven record types', () => {
    expect(protocol.RecordType).toEqual({
      BEGIN_REQUEST: 1,
      ABORT_REQUEST: 2,
      END_REQUEST: 3,
      PARAMS: 4,
      STDIN: 5,
      STDOUT: 6,
      STDERR: 7,
      DATA: 8,
      GET_VALUES: 9,
      GET_VALUES_RESULT: 10,
      UNKNOWN_TYPE: 11,
    })
  })

  it('three roles', () => expect(protocol.Role).toEqual({ RESPONDER: 1, AUTHORIZER: 2, FILTER: 3 }))

  it('the flag KEEP_CONN is bit 0', () => expect(protocol.KEEP_CONN).toBe(1))

  it('four protocol statuses', () => {
    expect(protocol.ProtocolStatus).toEqual({ REQUEST_COMPLETE: 0, CANT_MPX_CONN: 1, OVERLOADED: 2, UNKNOWN_ROLE: 3 })
  })

  it('three variables of GET_VALUES', () => {
    expect(Object.values(protocol.ManagementVariable)).toEqual(['FCGI_MAX_CONNS', 'FCGI_MAX_REQS', 'FCGI_MPXS_CONNS'])
  })
})
