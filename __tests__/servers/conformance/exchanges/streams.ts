// Answers that take their time, and many at once.
import { readAnswer, sha256 } from '../client'
import { type Exchange, outcomeOf, type Via } from '../exchange'

const download = (name: string, target: string): Exchange => ({
  name,
  async run(via) {
    const { status, complete, body } = await via.ask({ target })
    return { status, complete, bytes: body.length, hash: sha256(body) }
  },
})

export const streamExchanges: readonly Exchange[] = [
  download('download-16-mib', '/download/16777216?length'),
  download('download-16-mib-chunked', '/download/16777216'),
  {
    // Each event is seen before the next is sent.
    name: 'events',
    async run(via) {
      const key = via.control.newKey()
      let seen = 0
      const letGo = (upTo: number): void => {
        while (seen < upTo) via.control.go(`${key} ${++seen}`)
      }
      if (via.neverComes) letGo(5)
      const client = await via.connect()
      client.write(via.bytes({ target: '/events', fields: [['X-Key', key], ['Accept', 'text/event-stream']] }))
      const oneByOne = !via.neverComes
      return { oneByOne, ...outcomeOf(await readAnswer(client, 'GET', (sofar) => letGo(sofar.split('\n\n').length - 1))) }
    },
  },
  {
    name: 'concurrent-200',
    async run(via) {
      const numbers = Array.from({ length: 200 }, (_, number) => number)
      return { answers: await Promise.all(numbers.map((number) => echoed(via, number))) }
    },
  },
]

async function echoed(via: Via, number: number): Promise<unknown> {
  const answer = await via.ask({ method: 'POST', target: `/echo?number=${number}`, body: `body ${number} `.repeat(number) })
  if (answer.status !== 200) return answer.status
  const { url, body } = JSON.parse(answer.body.toString()) as { url: string; body: string }
  return [url, body.length, body.slice(0, 9)]
}
