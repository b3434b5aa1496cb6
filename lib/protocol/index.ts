// The pure codec of FastCGI 1.0: what `express-fastcgi/protocol` exports.

export { ERROR_CODES, ProtocolError, type ErrorCode } from '../errors'
export * from './constants'
export { decodeNameValuePairs, encodeNameValuePairs, type NameValueList } from './pairs'
export { RecordReader } from './reader'
export {
  type BeginRequest,
  decodeBeginRequest,
  decodeEndRequest,
  encodeBeginRequest,
  encodeEndRequest,
  encodeGetValues,
  encodeGetValuesResult,
  encodeRecord,
  encodeStream,
  encodeUnknownType,
  type EndRequest,
  writeRecordHeader,
} from './records'
export { RecordWriter } from './writer'
