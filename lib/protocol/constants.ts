// The numbers of FastCGI 1.0, in the order and the tables of its section 8.

/** The only version there is. FCGI 3.3 */
export const VERSION = 1

/** Bytes before the content of every record. FCGI 3.3 */
export const HEADER_LENGTH = 8

/** Largest content of one record: the length field has 16 bits. FCGI 3.3 */
export const MAX_CONTENT_LENGTH = 65_535

/** The request id of management records. FCGI 3.3 */
export const NULL_REQUEST_ID = 0

/** Record types. FCGI 8, meaning in FCGI 4 and 5. */
export const RecordType = {
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
} as const
export type RecordType = (typeof RecordType)[keyof typeof RecordType]

/** Bit of BEGIN_REQUEST's flags: the application leaves the connection open after answering. FCGI 5.1 */
export const KEEP_CONN = 1

/** Roles a web server may ask for. FCGI 8, meaning in FCGI 6. */
export const Role = { RESPONDER: 1, AUTHORIZER: 2, FILTER: 3 } as const
export type Role = (typeof Role)[keyof typeof Role]

/** How the protocol side of a request ended. FCGI 5.5 */
export const ProtocolStatus = { REQUEST_COMPLETE: 0, CANT_MPX_CONN: 1, OVERLOADED: 2, UNKNOWN_ROLE: 3 } as const
export type ProtocolStatus = (typeof ProtocolStatus)[keyof typeof ProtocolStatus]

/** Variables a web server may ask for with GET_VALUES. FCGI 4.1 */
export const ManagementVariable = {
  MAX_CONNS: 'FCGI_MAX_CONNS',
  MAX_REQS: 'FCGI_MAX_REQS',
  MPXS_CONNS: 'FCGI_MPXS_CONNS',
} as const
