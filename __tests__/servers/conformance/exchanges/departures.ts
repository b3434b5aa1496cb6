// One side leaves before the end: the client, or the application.
import { type Exchange, isFromApplication, type Via } from '../exchange'
import { pattern } from '../../app'

const cut = (name: string, target: string): Exchange => ({
  name,
  async run(via) {
    const key = via.control.newKey()
    if (via.neverComes) via.control.go(key)
    const answer = await via.ask({ target, fields: [['X-Key', key]] }, () => via.control.go(key))
    await via.roundTrip()
    return { status: answer.status, fromApplication: isFromApplication(answer), complete: answer.complete }
  },
})

/** What the application saw of a client that has left. Where it sees nothing, the end of a request that it finished. */
async function ending(via: Via, key: string): Promise<object> {
  if (via.neverComes) {
    await via.roundTrip()
    via.control.go(key)
  }
  const { writableEnded, requestDestroyed } = await via.control.ended(key)
  return { noticed: true, writableEnded, requestDestroyed }
}

export const departureExchanges: readonly Exchange[] = [
  {
    name: 'client-leaves-while-application-computes',
    async run(via) {
      const key = via.control.newKey()
      const client = await via.connect()
      client.write(via.bytes({ target: '/computes', fields: [['X-Key', key]] }))
      await via.control.arrived(key)
      client.leave()
      return ending(via, key)
    },
  },
  {
    name: 'client-leaves-while-answer-streams',
    async run(via) {
      const key = via.control.newKey()
      const client = await via.connect()
      client.write(via.bytes({ target: '/endless', fields: [['X-Key', key]] }))
      await client.head()
      client.leave()
      return ending(via, key)
    },
  },
  {
    name: 'client-leaves-during-upload',
    async run(via) {
      const key = via.control.newKey()
      const client = await via.connect()
      client.write(via.bytes({ method: 'POST', target: '/upload', fields: [['X-Key', key], ['Content-Length', '1000000']], body: pattern(100_000) }))
      if (!via.neverComes) await via.control.arrived(key)
      client.leave()
      if (via.neverComes) await via.roundTrip()
      if (!via.control.hasArrived(key)) return { noticed: false }
      return { noticed: true, ...(await via.control.ended(key)) }
    },
  },
  cut('answer-cut', '/cut'),
  cut('answer-cut-with-length', '/cut?length'),
  {
    // Ten bytes are announced, three come: the client must not take the next answer for the rest.
    name: 'answer-too-short',
    async run(via) {
      // Once is enough to be wrong; Apache, which is, now and then closes its client's connection in time.
      const taken: boolean[] = []
      for (let i = 0; i < 3; i++) {
        const client = await via.connect()
        client.write(via.bytes({ target: '/short', keep: true })).write(via.bytes({ target: '/text' }))
        taken.push((await client.rest()).includes('a text with an entity tag'))
      }
      return { nextTakenForTheRest: taken.includes(true) }
    },
  },
]
