// FASTCGI_MOUNT: an unchanged application under a path prefix.
import { askFastCGI, Workshop } from './application'

const workshop = new Workshop()
const socket = workshop.path('app.sock')
const code = `
const http = require('node:http')
http.createServer((req, res) => res.end([req.url, req.baseUrl, req.originalUrl].join(' '))).listen(3000, () => report('listening'))`

afterEach(() => workshop.clear())
afterAll(() => workshop.remove())

it.each([
  ['/shop', '/shop/a?b', '/a?b /shop /shop/a?b'],
  ['/shop/', '/shop/a?b', '/a?b /shop /shop/a?b'],
  ['/shop//', '/shop', '/ /shop /shop'],
  ['/shop', '/shopping', '/shopping  '],
  ['/a/b', '/a/b/c', '/c /a/b /a/b/c'],
  ['/', '/a', '/a  '],
  ['', '/shop/a', '/shop/a  '],
])('FASTCGI_MOUNT=%s: of %s the application sees url, baseUrl and originalUrl %s', async (mount, target, seen) => {
  const child = workshop.run(code, { env: { FASTCGI_LISTEN: socket, FASTCGI_MOUNT: mount } })
  await child.report('listening')
  expect(await askFastCGI(socket, target)).toBe(seen)
})

it('holds for every server of the process', async () => {
  const child = workshop.run(
    `const http = require('node:http')
     const listener = (req, res) => res.end(req.url)
     http.createServer(listener).listen(3000, () => {
       const second = http.createServer(listener).listen(0, () => report('listening', second.address()))
     })`,
    { env: { FASTCGI_LISTEN: socket, FASTCGI_MOUNT: '/shop' } },
  )
  const second = await child.report<{ address: string; port: number }>('listening')
  expect([await askFastCGI(socket, '/shop/a'), await askFastCGI(second as never, '/shop/a')]).toEqual(['/a', '/a'])
})
