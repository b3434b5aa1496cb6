// What the application answers, and what the client gets of it.
import { type Question, readAnswer, sha256 } from '../client'
import { type Exchange, fieldsOf, isFromApplication, outcomeOf, type Via } from '../exchange'

const paths: Readonly<Record<string, string>> = {
  'text': '/text',
  'file': '/file',
  'nothing-204': '/nothing',
  'empty-200': '/empty',
  'untyped-answer': '/untyped',
  'status-404': '/status/404',
  'status-418': '/status/418',
  'status-429': '/status/429',
  'status-503': '/status/503',
  'status-599': '/status/599',
  'redirect-301': '/redirect/301',
  'redirect-302': '/redirect/302',
  'redirect-307': '/redirect/307',
  'redirect-308': '/redirect/308',
  'redirect-away': '/redirect-away',
  'location-with-200': '/location-200',
  'links': '/links?x=1',
  'reason': '/reason',
  'cookies-20': '/cookies',
  'repeated-answer-fields': '/repeated',
  'answer-field-8-bit': '/latin1',
  'answer-head-3k': '/large-head/3000',
  'answer-head-12k': '/large-head/12000',
  'answer-fields-90': '/many-fields/90',
  'exception': '/fails',
}

const questions: Readonly<Record<string, Question>> = {
  'created-201': { method: 'POST', target: '/created', body: '' },
  'head': { method: 'HEAD', target: '/text' },
  'head-of-download': { method: 'HEAD', target: '/download/1000000?length' },
  'range': { target: '/file', fields: [['Range', 'bytes=10-19']] },
  'range-of-generated': { target: '/text', fields: [['Range', 'bytes=2-5']] },
  'range-not-satisfiable': { target: '/file', fields: [['Range', 'bytes=1000-']] },
  'not-modified-304': { target: '/text', fields: [['If-None-Match', 'W/"19-5s1Xg0v8Pw+oiMn2xl3ZsWm07AI"']] },
}

/** The fields of one answer, those that each server may choose for itself included. */
const lengths = (name: string, question: Question): Exchange => ({
  name,
  async run(via) {
    const answer = await via.ask(question)
    return { status: answer.status, length: fieldsOf(answer)['content-length'] }
  },
})

async function etagOf(via: Via): Promise<string> {
  return String(fieldsOf(await via.ask({ target: '/text' }))['etag'])
}

export const answerExchanges: readonly Exchange[] = [
  ...Object.entries(paths).map(([name, target]) => ({ name, run: (via) => via.outcome({ target }) }) satisfies Exchange),
  ...Object.entries(questions).map(([name, question]) => ({ name, run: (via) => via.outcome(question) }) satisfies Exchange),
  lengths('content-length', { target: '/text' }),
  lengths('content-length-of-head', { method: 'HEAD', target: '/text' }),
  lengths('content-length-of-download', { target: '/download/100000?length' }),
  {
    name: 'date-and-server',
    async run(via) {
      const answer = await via.ask({ target: '/own-fields' })
      const { date, server } = fieldsOf(answer)
      return { ...outcomeOf(answer), date, server }
    },
  },
  {
    name: 'interim-answers',
    async run(via) {
      const answer = await via.ask({ target: '/interim' })
      return { interim: answer.interim, ...outcomeOf(answer) }
    },
  },
  {
    // Where a body is sent that may not be, or the length is wrong, the next answer shows it.
    name: 'kept-connection',
    async run(via) {
      const client = await via.connect()
      const etag = await etagOf(via)
      const conditional = [['If-None-Match', etag]] as const
      const questions: Question[] = [
        { target: '/text' },
        { method: 'HEAD', target: '/text' },
        { target: '/nothing' },
        { target: '/text', fields: conditional },
        { method: 'POST', target: '/upload', body: 'x'.repeat(1000) },
        { target: '/download/100000' },
        { target: '/status/404' },
        { method: 'HEAD', target: '/download/100000?length' },
        { target: '/redirect/302' },
        { target: '/text' },
      ]
      const answers: unknown[] = []
      for (const question of questions) {
        client.write(via.bytes({ ...question, keep: true }))
        const answer = await readAnswer(client, question.method ?? 'GET')
        answers.push([answer.status, isFromApplication(answer), answer.complete, sha256(answer.body)])
      }
      return { answers }
    },
  },
]
