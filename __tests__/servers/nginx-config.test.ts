// The printed site for nginx, in front of the conformance set; and everything in it that is commented out.
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type http from 'node:http'
import https from 'node:https'
import { join, resolve } from 'node:path'
import { newFolder } from '../support/daemon'
import { describeWith } from '../support/need'
import { type Nginx, startNginx } from '../support/nginx'
import { freePorts } from '../support/ports'
import { printed, uncommented } from '../support/printed'
import { until } from '../support/wait'
import { readAnswer } from './conformance/client'
import { describeConformance } from './conformance/describe'
import { fieldsOf, Via } from './conformance/exchange'
import { makeSocketFolder, startSite } from './conformance/site'
import { Application } from './conformance/start'
import { nginxLimits as limits } from './limits/nginx'

const start = (mount: string) =>
  startSite({ server: 'nginx', mount, start: (text, folder) => startNginx({ folder, ports: 1, user: 'www-data', http: ([port]) => text(port!) }) })

describeWith('nginx', 'nginx with the printed configuration', () => {
  describeConformance({ start, limits })
})

describeWith('nginx', 'nginx with everything that the printed configuration has commented out', () => {
  const folder = newFolder('nginx')
  const listen = join(folder, 'run', 'app.sock')
  const tls = resolve(__dirname, '../fixtures/tls')
  const applications: Application[] = []
  let tlsPort: number
  let nginx: Nginx
  let via: Via

  beforeAll(async () => {
    tlsPort = (await freePorts(1))[0]!
    const text = (port: number): string => {
      const comments = ['A second process', 'TLS, here or', 'Client certificates, for', 'Nothing waits here', 'Files that nginx sends']
      return comments
        .reduce(uncommented, printed('nginx', { listen, port: String(port) }))
        .replace('listen 443', `listen ${tlsPort}`)
        .replace('/etc/ssl/certs/example.org.pem', join(tls, 'server.pem'))
        .replace('/etc/ssl/private/example.org.key', join(tls, 'server-key.pem'))
        .replace('/etc/ssl/certs/example.org-clients-ca.pem', join(tls, 'ca.pem'))
        .replace('/srv/example.org/private-files/', join(folder, 'private-files/'))
    }
    makeSocketFolder(printed('nginx', { listen }), listen)
    mkdirSync(join(folder, 'private-files'))
    writeFileSync(join(folder, 'private-files', 'a file.txt'), 'the file, not the application')
    applications.push(await Application.start({ mount: '', listen }), await Application.start({ mount: '', listen: join(folder, 'run', 'app-2.sock') }))
    nginx = await startNginx({ folder, ports: 1, user: 'www-data', http: ([port]) => text(port!) })
    via = new Via(nginx.ports[0]!, '', applications[0]!.control, false)
  })

  afterAll(async () => {
    via.leave()
    await nginx.stop()
    await Promise.all(applications.map((application) => application.stop()))
    rmSync(folder, { recursive: true, force: true })
  })

  async function certificate(client: https.RequestOptions): Promise<object> {
    const request = https.get({ host: '127.0.0.1', port: tlsPort, path: '/certificate', agent: false, rejectUnauthorized: false, ...client })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    return JSON.parse(Buffer.concat(await response.toArray()).toString()) as object
  }

  it('TLS without a client certificate', async () => {
    expect(await certificate({})).toEqual({ protocol: 'https', secure: true, authorized: false, error: null })
  })

  it('TLS with a client certificate: the application has it', async () => {
    const seen = await certificate({ cert: readFileSync(join(tls, 'client.pem')), key: readFileSync(join(tls, 'client-key.pem')) })
    expect(seen).toMatchObject({ protocol: 'https', secure: true, authorized: true, error: null, subject: { CN: expect.any(String) } })
  })

  it('X-Accel-Redirect: nginx sends the file, and the field reaches nobody', async () => {
    const answer = await via.ask({ target: '/accel' })
    expect([answer.status, answer.body.toString(), fieldsOf(answer)['x-accel-redirect']]).toEqual([200, 'the file, not the application', undefined])
  })

  it('the file cannot be had otherwise', async () => {
    expect((await via.ask({ target: '/private-files/a%20file.txt' })).status).toBe(404)
  })

  it('an upload to /live/ passes as it comes', async () => {
    const key = 'live'
    const client = await via.connect()
    client.write(via.bytes({ method: 'POST', target: '/live/x', fields: [['Content-Length', '10'], ['X-Key', key]], body: 'first' }))
    await until('one of the applications to have the request', () => applications.some(({ control }) => control.hasArrived(key)))
    client.write('last.')
    const answer = await readAnswer(client, 'POST')
    expect((JSON.parse(answer.body.toString()) as { body: string }).body).toBe('firstlast.')
  })

  it('both processes are asked; when one is gone the other has every request, and nobody notices', async () => {
    const ask = async (): Promise<number[]> => (await Promise.all(Array.from({ length: 10 }, () => via.ask({ target: '/text' })))).map(({ status }) => status)
    expect(new Set(await ask())).toEqual(new Set([200]))
    const [first, second] = applications
    // A key is told to the process that has it alone.
    const keys = Array.from({ length: 10 }, (_, index) => `before${index}`)
    await Promise.all(keys.map((key) => via.ask({ target: '/text', fields: [['X-Key', key]] })))
    expect([keys.some((key) => first!.control.hasArrived(key)), keys.some((key) => second!.control.hasArrived(key))]).toEqual([true, true])
    await first!.stop()
    expect(new Set(await ask())).toEqual(new Set([200]))
    const posted = await Promise.all(Array.from({ length: 5 }, () => via.ask({ method: 'POST', target: '/form', body: '' })))
    expect(new Set(posted.map(({ status }) => status))).toEqual(new Set([200]))
    expect(nginx.errorLog()).toContain('while connecting to upstream')
  })
})
