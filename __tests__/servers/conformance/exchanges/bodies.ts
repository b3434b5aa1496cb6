// Bodies of requests.
import { type Answer, chunk, type Question, readAnswer, sha256 } from '../client'
import { type Exchange, fieldsOf, outcomeOf } from '../exchange'
import { pattern } from '../../app'

const UPLOAD_BYTES = 8 * 1_048_576

const questions: Readonly<Record<string, Question>> = {
  'form': { method: 'POST', target: '/form', fields: [['Content-Type', 'application/x-www-form-urlencoded']], body: 'a=1&b=x+y&c=%C3%A9' },
  'json': { method: 'POST', target: '/json', fields: [['Content-Type', 'application/json']], body: '{"a":[1,{"b":"\xc3\xbc"}]}' },
  'json-broken': { method: 'POST', target: '/json', fields: [['Content-Type', 'application/json']], body: '{"a":' },
  'post-empty': { method: 'POST', target: '/e', body: '' },
  'post-without-length': { method: 'POST', target: '/e' },
  'post-untyped': { method: 'POST', target: '/e', body: 'untyped' },
  'put-binary': { method: 'PUT', target: '/e', fields: [['Content-Type', 'application/octet-stream']], body: pattern(1000) },
  'delete-with-body': { method: 'DELETE', target: '/e', body: 'why' },
  'get-with-body': { method: 'GET', target: '/e', body: 'odd' },
  'length-and-chunked': { method: 'POST', target: '/e', fields: [['Content-Length', '3'], ['Transfer-Encoding', 'chunked']], body: '0\r\n\r\n' },
}

const chunked = (body: string): Question => ({ method: 'POST', target: '/upload', fields: [['Transfer-Encoding', 'chunked']], body })

/** Some of what `/upload` says of the body it got. */
function bodySeen(answer: Answer, names: readonly string[]): object {
  const seen = JSON.parse(answer.body.toString()) as Record<string, unknown>
  return { seen: Object.fromEntries(names.filter((name) => seen[name] !== undefined).map((name) => [name, seen[name]])) }
}

const chunkedExchange = (name: string, body: string): Exchange => ({
  name,
  async run(via) {
    const answer = await via.ask(chunked(body))
    return answer.status === 200 ? bodySeen(answer, ['bytes', 'sha256']) : outcomeOf(answer)
  },
})

export const bodyExchanges: readonly Exchange[] = [
  ...Object.entries(questions).map(([name, question]) => ({ name, run: (via) => via.outcome(question) }) satisfies Exchange),
  {
    name: 'upload-8-mib',
    async run(via) {
      const body = pattern(UPLOAD_BYTES)
      const outcome = await via.outcome({ method: 'POST', target: '/upload', body })
      return { ...outcome, sent: sha256(body) }
    },
  },
  chunkedExchange('chunked', '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'),
  chunkedExchange('chunked-empty', '0\r\n\r\n'),
  chunkedExchange('chunked-trailers', '5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n'),
  chunkedExchange('chunked-200k', [...[10, 150_000, 50_000].map((length) => chunk(pattern(length)).toString('latin1')), '0\r\n\r\n'].join('')),
  {
    // Whether the application sees the framing of the client, or a length that the web server counted.
    name: 'chunked-framing',
    async run(via) {
      const answer = await via.ask(chunked('5\r\nhello\r\n0\r\n\r\n'))
      return answer.status === 200 ? bodySeen(answer, ['contentLength', 'transferEncoding']) : outcomeOf(answer)
    },
  },
  {
    // The application is called while the body is on its way.
    name: 'chunked-streamed',
    async run(via) {
      const key = via.control.newKey()
      const client = await via.connect()
      client.write(via.bytes({ ...chunked(chunk('first').toString()), fields: [['Transfer-Encoding', 'chunked'], ['X-Key', key]] }))
      if (!via.neverComes) await via.control.arrived(key)
      const arrivedBeforeTheEnd = via.control.hasArrived(key)
      client.write(chunk('second')).write('0\r\n\r\n')
      const answer = await readAnswer(client, 'POST')
      return answer.status === 200 ? { arrivedBeforeTheEnd, ...bodySeen(answer, ['bytes', 'sha256']) } : outcomeOf(answer)
    },
  },
  {
    name: 'upload-streamed',
    async run(via) {
      const key = via.control.newKey()
      const client = await via.connect()
      client.write(via.bytes({ method: 'POST', target: '/upload', fields: [['Content-Length', '100000'], ['X-Key', key]], body: pattern(50_000) }))
      if (!via.neverComes) await via.control.arrived(key)
      const arrivedBeforeTheEnd = via.control.hasArrived(key)
      client.write(pattern(50_000))
      return { arrivedBeforeTheEnd, ...outcomeOf(await readAnswer(client, 'POST')) }
    },
  },
  {
    name: 'expect-100-continue',
    async run(via) {
      const client = await via.connect()
      client.write(via.bytes({ method: 'POST', target: '/e', fields: [['Expect', '100-continue'], ['Content-Length', '4']] }))
      const interim = (await client.head()).statusLine
      client.write('body')
      return { interim, ...outcomeOf(await readAnswer(client, 'POST')) }
    },
  },
  {
    name: 'early-answer',
    async run(via) {
      const client = await via.connect()
      client.write(via.bytes({ method: 'POST', target: '/early', body: pattern(1_048_576) }))
      const answer = await readAnswer(client, 'POST')
      await via.roundTrip()
      return { ...outcomeOf(answer), length: fieldsOf(answer)['content-length'] }
    },
  },
]
