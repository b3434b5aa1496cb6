// What is asked of the application: four exchanges, each with the exact answer that counts as right.

const NOTE = 'as new, small scratch'
const item = (id) => ({ id, name: `article ${id}`, price: id * 1.25, tags: ['new', 'sale'], inStock: id % 3 !== 0, note: NOTE })

/** Serialised for every request, as an API would: 10 kB of JSON. */
export const DOCUMENT = { items: Array.from({ length: 93 }, (_, id) => item(id)) }
export const SMALL = 'hello world\n'
export const DOWNLOAD = Buffer.alloc(1_048_576, 'express-fastcgi ')
const UPLOAD = Buffer.alloc(262_144, 'express-fastcgi ')
const UPLOAD_ANSWER = Buffer.from(`${UPLOAD.length}\n`)

/** `warmUp` is in requests: enough that the optimising compiler is through. */
export const CASES = {
  small: { title: 'small answer, 12 bytes', method: 'GET', path: '/small', answer: Buffer.from(SMALL), warmUp: 40_000 },
  json: { title: '10 kB JSON', method: 'GET', path: '/json', answer: Buffer.from(JSON.stringify(DOCUMENT)), warmUp: 40_000 },
  download: { title: '1 MiB download', method: 'GET', path: '/download', answer: DOWNLOAD, warmUp: 1_000 },
  upload: { title: '256 KiB upload', method: 'POST', path: '/upload', body: UPLOAD, answer: UPLOAD_ANSWER, warmUp: 1_000 },
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
