// The echo of `express-fastcgi check`: only for those who know the token, and never more than they sent.
import { createServer } from 'express-fastcgi'
import { createClient } from 'express-fastcgi/client'
import { GET, serve, stopAll } from '../support/serve'

const TOKEN = 'a-token-of-this-test'
afterEach(stopAll)

async function ask(path: string, params: Record<string, string>): Promise<string> {
  const client = createClient(path)
  const request = client.request({ params: { ...GET, ...params } })
  const text = Buffer.concat(await request.stdout.toArray()).toString()
  await client.close()
  return text
}

const application = (_req: unknown, res: { end(text: string): void }): void => res.end('the application')

describe('with a token', () => {
  it('a request that has it is told of itself', async () => {
    const { path } = await serve(application, { checkToken: TOKEN })
    const text = await ask(path, { HTTP_X_FASTCGI_CHECK: TOKEN, HTTP_X_A: 'b', DOCUMENT_ROOT: '/srv' })
    expect(text).not.toContain('the application')
    expect(text).not.toContain(TOKEN)
    const seen = JSON.parse(text.split('\r\n\r\n')[1]!) as object
    expect(seen).toMatchObject({ method: 'GET', url: '/', baseUrl: '', headers: { 'x-a': 'b' }, params: { DOCUMENT_ROOT: '/srv' }, body: { bytes: 0 } })
  })

  it('of variables that a web server was configured with it is told the names only', async () => {
    const { path } = await serve(application, { checkToken: TOKEN })
    const text = await ask(path, { HTTP_X_FASTCGI_CHECK: TOKEN, DATABASE_PASSWORD: 'very secret' })
    expect(text).toContain('DATABASE_PASSWORD')
    expect(text).not.toContain('very secret')
  })

  it.each([
    ['none', {}],
    ['another', { HTTP_X_FASTCGI_CHECK: 'another-token-of-this-test' }],
    ['a part of it', { HTTP_X_FASTCGI_CHECK: TOKEN.slice(0, -1) }],
    ['an empty one', { HTTP_X_FASTCGI_CHECK: '' }],
  ])('a request that has %s is the application\'s', async (_what, params) => {
    const { path } = await serve(application, { checkToken: TOKEN })
    expect(await ask(path, params)).toContain('the application')
  })
})

it('without a token there is no echo, whatever a request brings', async () => {
  const { path } = await serve(application)
  for (const token of ['', ' ', 'undefined', TOKEN]) expect(await ask(path, { HTTP_X_FASTCGI_CHECK: token })).toContain('the application')
})

describe('a token that may be guessed is refused, and not told', () => {
  it.each(['', 'short', 'with a blank in the middle', 'fünfzehn-und-mehr-zeichen'])('%j', (checkToken) => {
    expect(() => createServer({ checkToken })).toThrow(expect.objectContaining({ code: 'FCGI_ERR_OPTION', message: expect.stringMatching(/^option checkToken must be 16 or more[^"]*$/) }))
  })

  it('in the environment too', () => {
    process.env['FASTCGI_CHECK_TOKEN'] = 'short'
    try {
      expect(() => createServer()).toThrow(/^FASTCGI_CHECK_TOKEN in the environment must be 16/)
    } finally {
      delete process.env['FASTCGI_CHECK_TOKEN']
    }
  })
})

it('FASTCGI_CHECK_TOKEN in the environment is the same as the option', async () => {
  process.env['FASTCGI_CHECK_TOKEN'] = TOKEN
  try {
    const { path } = await serve(application)
    expect(await ask(path, { HTTP_X_FASTCGI_CHECK: TOKEN })).toContain('"method":"GET"')
  } finally {
    delete process.env['FASTCGI_CHECK_TOKEN']
  }
})
