// What is asked of the application: five exchanges, each with the exact answer that counts as right.

const NOTE = 'as new, small scratch'
const item = (id) => ({ id, name: `article ${id}`, price: id * 1.25, tags: ['new', 'sale'], inStock: id % 3 !== 0, note: NOTE })
const bytes = (length) => Buffer.alloc(length, 'express-fastcgi ')

/** Serialised for every request, as an API would: 10 kB of JSON. */
export const DOCUMENT = { items: Array.from({ length: 93 }, (_, id) => item(id)) }
export const SMALL = 'hello world\n'
export const DOWNLOAD = bytes(1_048_576)
/** What a streamed answer is made of: the size that fs.createReadStream reads. */
export const STREAM_CHUNK = bytes(65_536)

/** `warmUp` is in requests: enough that the optimising compiler is through. */
export const CASES = {
  small: { method: 'GET', path: '/small', answer: Buffer.from(SMALL), warmUp: 40_000 },
  json: { method: 'GET', path: '/json', answer: Buffer.from(JSON.stringify(DOCUMENT)), warmUp: 40_000 },
  download: { method: 'GET', path: '/download', answer: DOWNLOAD, warmUp: 1_000 },
  stream: streamed(8_388_608),
  upload: uploaded(262_144),
}

/** An answer of many pieces; `length` is a multiple of STREAM_CHUNK's. */
export function streamed(length) {
  return { method: 'GET', path: `/stream/${length}`, answer: bytes(length), warmUp: warmUpOf(length) }
}

/** A request body, answered by its length. */
export function uploaded(length) {
  return { method: 'POST', path: '/upload', body: bytes(length), answer: Buffer.from(`${length}\n`), warmUp: warmUpOf(length) }
}

// The longer the body, the more often one request runs through the code that is to become hot.
function warmUpOf(length) {
  return Math.min(10_000, Math.max(100, Math.round(268_435_456 / length)))
}

/** The header fields a browser sends; `bare` is what a load generator sends. */
export const HEADERS = {
  browser: [
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    'Accept-Language: en-GB,en;q=0.5',
    'Accept-Encoding: gzip, deflate, br',
    'Cookie: session=s%3AqT1vN0c5b3Jr.ZXhwcmVzcy1mYXN0Y2dp; theme=dark',
    'Sec-Fetch-Mode: navigate',
  ],
  bare: [],
}

/** One request of a case as the bytes a client sends. */
export function requestBytes({ method, path, body }, headers) {
  const fields = ['Host: bench.example', ...headers]
  if (body !== undefined) fields.push('Content-Type: application/octet-stream', `Content-Length: ${body.length}`)
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`, 'latin1')
  return body === undefined ? head : Buffer.concat([head, body])
}
