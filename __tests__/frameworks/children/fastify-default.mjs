// Fastify as its own documentation starts it: no host, so it listens on every address of localhost.
import Fastify from 'fastify'

const app = Fastify()
app.get('/', async () => 'hello')
await app.listen({ port: Number(process.env.PORT ?? 3000) })
// Before the line that the test waits for.
process.once('SIGTERM', () => app.close())
console.log('listening', JSON.stringify(app.addresses()))
