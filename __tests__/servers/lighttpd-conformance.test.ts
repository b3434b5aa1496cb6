// The conformance set behind lighttpd, as the printed configurations have it.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describeWith } from '../support/need'
import { freePorts } from '../support/ports'
import { until } from '../support/wait'
import { sharedFolder } from '../support/web-server'
import { Control } from './conformance/control'
import { describeConformance, type Site } from './conformance/describe'
import { Application, applicationEnvironment, applicationFile } from './conformance/start'
import { giveToLighttpd, startPrintedLighttpd } from './lighttpd'
import { lighttpdLimits } from './limits/lighttpd'
import { ask } from './small-application'

async function external(mount: string, address: (folder: string) => Promise<string>): Promise<Site> {
  const folder = sharedFolder('lighttpd')
  const listen = await address(folder)
  const application = await Application.start({ mount, listen })
  const web = await startPrintedLighttpd('lighttpd', folder, { listen, mount, app: applicationFile })
  return { port: web.ports[0]!, application, stop: () => leave(web, folder) }
}

/** The application is a child of lighttpd, and has its environment from the start script. */
async function spawned(mount: string): Promise<Site & { readonly pid: number }> {
  const folder = sharedFolder('lighttpd')
  const control = await Control.listen()
  const sockets = join(folder, 'sockets')
  mkdirSync(sockets)
  giveToLighttpd(sockets)
  const { CONFORMANCE_CONTROL: path } = applicationEnvironment(control)
  const web = await startPrintedLighttpd('lighttpd-spawn', folder, { listen: join(sockets, 'app.sock'), mount, app: applicationFile }, (text) =>
    text.replace('"NODE_ENV" => "production"', `$&, "CONFORMANCE_CONTROL" => "${path}"`),
  )
  await control.heard('listening')
  return { port: web.ports[0]!, pid: web.pid, application: { control, stop: () => Promise.resolve(control.close()) }, stop: () => leave(web, folder) }
}

async function leave(web: { stop(): Promise<void> }, folder: string): Promise<void> {
  await web.stop()
  rmSync(folder, { recursive: true, force: true })
}

describeWith('lighttpd', 'lighttpd, a unix socket', () => {
  const socket = (folder: string): Promise<string> => Promise.resolve(join(folder, 'app.sock'))
  describeConformance({ limits: lighttpdLimits, start: (mount) => external(mount, socket) })
  describeConformance({ limits: lighttpdLimits, start: (mount) => external(mount, socket), mount: '/shop' })
})

describeWith('lighttpd', 'lighttpd, a port', () => {
  describeConformance({ limits: lighttpdLimits, start: (mount) => external(mount, async () => String((await freePorts(1))[0])) })
})

describeWith('lighttpd', 'lighttpd, an application that it starts: its end', () => {
  it.each<[string, NodeJS.Signals]>([
    ['a graceful restart (SIGUSR1)', 'SIGUSR1'],
    ['a graceful stop (SIGINT)', 'SIGINT'],
  ])('%s finishes running requests, and leaves no process behind', async (_what, signal) => {
    const { port, pid, application, stop } = await spawned('')
    const { control } = application
    try {
      const [child = 0] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').map(Number)
      const key = control.newKey()
      const answer = ask(port, '/computes', { headers: { 'X-Key': key } })
      await control.arrived(key)
      process.kill(pid, signal)
      control.go(key)
      expect(await answer).toMatchObject({ status: 200, body: 'computed' })
      await until('the process to end', () => !isRunning(child))
      if (signal === 'SIGUSR1') expect((await until('the restarted lighttpd', () => ask(port, '/text').catch(() => undefined))).body).toBe('a text with an entity tag')
    } finally {
      await stop()
      await application.stop()
    }
  })
})

describeWith('lighttpd', 'lighttpd, an application that it starts', () => {
  describeConformance({ limits: lighttpdLimits, start: spawned })
  describeConformance({ limits: lighttpdLimits, start: spawned, mount: '/shop' })
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
