// A GET with a browser's headers as the records that nginx sends for it, on a connection that is to be kept.
import { HEADERS } from './cases.mjs'

const BEGIN_REQUEST = [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
const PARAMS = 4
const STDIN = 5

export function requestRecords(path) {
  const params = Buffer.concat(Object.entries(metaVariables(path)).map(([name, value]) => pair(name, value)))
  const bytes = [Buffer.from(BEGIN_REQUEST), header(PARAMS, params.length), params, header(PARAMS, 0), header(STDIN, 0)]
  return Buffer.concat(bytes)
}

function metaVariables(path) {
  const fields = HEADERS.browser.map((field) => field.split(': '))
  return {
    QUERY_STRING: '',
    REQUEST_METHOD: 'GET',
    CONTENT_TYPE: '',
    CONTENT_LENGTH: '',
    SCRIPT_NAME: path,
    REQUEST_URI: path,
    DOCUMENT_URI: path,
    DOCUMENT_ROOT: '/var/www/html',
    SERVER_PROTOCOL: 'HTTP/1.1',
    REQUEST_SCHEME: 'http',
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_SOFTWARE: 'nginx/1.22.1',
    REMOTE_ADDR: '127.0.0.1',
    REMOTE_PORT: '40000',
    SERVER_ADDR: '127.0.0.1',
    SERVER_PORT: '80',
    SERVER_NAME: '',
    REDIRECT_STATUS: '200',
    HTTP_HOST: 'bench.example',
    ...Object.fromEntries(fields.map(([name, value]) => [`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value])),
  }
}

// Every length here is below 128 and takes one byte. FCGI 3.4
const pair = (name, value) => Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value, 'latin1')])
const header = (type, contentLength) => Buffer.from([1, type, 0, 1, contentLength >> 8, contentLength & 255, 0, 0])
