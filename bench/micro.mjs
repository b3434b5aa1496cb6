// What single steps of the codec and of the head mapping cost, in nanoseconds, and one whole request without system calls.
// For comparing two versions on one machine.
//
// node bench/micro.mjs [FILTER]      after npm run build
import { createRequire } from 'node:module'
import { RecordReader, RecordWriter, decodeNameValuePairs, encodeNameValuePairs } from 'express-fastcgi/protocol'
import { CASES, DOWNLOAD, SMALL } from './cases.mjs'
import { inProcess, RECORDED } from './in-process.mjs'
import { median } from './statistics.mjs'

// The mapping is not a public entry point, so it is taken from dist by its place.
const require = createRequire(import.meta.url)
const { cgiResponseHead, requestHead } = require('../dist/cgi.js')
const { PairTable } = require('../dist/protocol/codec.js')

const PARAMS = 4
const STDIN = 5
const STDOUT = 6
/** The head of an Express answer as node prints it, and as it crosses CGI. */
const HTTP_HEAD =
  'HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\n' +
  'ETag: W/"c-OnT7RsMY2hkMIXTTk4U4ErOGLHE"\r\nDate: Mon, 23 Nov 2026 06:30:00 GMT\r\nConnection: close\r\n\r\n'
const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nX-Powered-By: Express\r\n\r\n'
const ROUNDS = 9
const ROUND_NANOSECONDS = 100_000_000n

const params = paramsOf(RECORDED)
const pairs = decodeNameValuePairs(params)
const json = Buffer.alloc(10_000, '{"a":1},')

const operations = {
  'read one recorded request'() {
    const reader = new RecordReader()
    return () => {
      reader.push(RECORDED)
      let bytes = 0
      while (reader.next()) bytes += reader.end - reader.start
      return bytes
    }
  },
  'read one recorded request, byte by byte'() {
    const reader = new RecordReader()
    const bytes = Array.from(RECORDED, (byte) => Buffer.from([byte]))
    return () => {
      let length = 0
      for (const byte of bytes) {
        reader.push(byte)
        while (reader.next()) length += reader.end - reader.start
      }
      return length
    }
  },
  'read 256 KiB of STDIN in pieces of 64 KiB'() {
    const reader = new RecordReader()
    const pieces = stdinPieces()
    return () => {
      let bytes = 0
      for (const piece of pieces) {
        reader.push(piece)
        while (reader.next()) bytes += reader.end - reader.start
      }
      return bytes
    }
  },
  [`decode ${pairs.length / 2} name-value pairs`]: () => () => decodeNameValuePairs(params).length,
  [`encode ${pairs.length / 2} name-value pairs`]: () => () => encodeNameValuePairs(pairs).length,
  [`request head from ${pairs.length / 2} pairs`]: () => readingHeads(),
  'response head to CGI': () => () => Object.keys(cgiResponseHead(HTTP_HEAD)).length,
  'write a head and a small answer': () => writing((writer) => {
    writer.stream(STDOUT, 1, HEAD, 'latin1')
    writer.stream(STDOUT, 1, SMALL)
  }),
  'write a head and 10 kB': () => writing((writer) => {
    writer.stream(STDOUT, 1, HEAD, 'latin1')
    writer.stream(STDOUT, 1, json)
  }),
  'write a head and 1 MiB': () => writing((writer) => {
    writer.stream(STDOUT, 1, HEAD, 'latin1')
    writer.stream(STDOUT, 1, DOWNLOAD)
  }),
}

const filter = process.argv[2] ?? ''
for (const [name, make] of Object.entries(operations)) {
  if (!name.includes(filter)) continue
  print(name, nanoseconds(make()))
}
for (const [name, answer] of [['small', SMALL], ['10 kB', CASES.json.answer.toString()]]) {
  const title = `a whole request, ${name} answer`
  if (title.includes(filter)) print(title, await wholeRequest(answer))
}

/** A body as nginx cuts it into records, and the system into pieces: the two do not coincide. */
function stdinPieces() {
  const record = Buffer.concat([Buffer.from([1, STDIN, 0, 1, 0x80, 0, 0, 0]), Buffer.alloc(32_768)])
  const bytes = Buffer.concat(Array.from({ length: 8 }, () => record))
  return Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, index) => bytes.subarray(index * 65_536, (index + 1) * 65_536))
}

function readingHeads() {
  const table = new PairTable()
  return () => {
    table.read(params)
    return requestHead(table).method.length
  }
}

function writing(answer) {
  const writer = new RecordWriter()
  return () => {
    answer(writer)
    writer.endStream(STDOUT, 1)
    writer.endRequest(1, 0, 0)
    return writer.take().length
  }
}

function paramsOf(bytes) {
  const reader = new RecordReader()
  reader.push(bytes)
  const pieces = []
  while (reader.next()) if (reader.type === PARAMS) pieces.push(Buffer.from(reader.content))
  return Buffer.concat(pieces)
}

function print(name, figure) {
  process.stdout.write(`${name.padEnd(45)}${figure.toFixed(0).padStart(9)} ns\n`)
}

/** Processor time from the first byte of a request to the last of its answer: ours and node's, without the operating system's. */
async function wholeRequest(body) {
  const length = Buffer.byteLength(body)
  const run = inProcess((_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': length })
    res.end(body)
  })
  await run(500)
  const figures = []
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    const requests = await run(150)
    const { user, system } = process.cpuUsage(before)
    figures.push((1_000 * (user + system)) / requests)
  }
  return median(figures)
}

/** The median over rounds of equal length; the first, where the compiler is still at work, is thrown away. */
function nanoseconds(operation) {
  let sink = 0
  let count = 1
  const round = () => {
    const before = process.hrtime.bigint()
    for (let index = 0; index < count; index++) sink += operation()
    return process.hrtime.bigint() - before
  }
  while (round() < ROUND_NANOSECONDS) count *= 2
  const figures = Array.from({ length: ROUNDS }, () => Number(round()) / count)
  // Used, so that no compiler may leave the work out.
  if (sink === 0) throw new Error('an operation did nothing')
  return median(figures)
}
