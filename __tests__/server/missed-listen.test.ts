import { EventEmitter, once } from 'node:events'
import { reportMissedListen } from '../../lib/server/missed-listen'

it('an application that is late is reported while it runs, once', async () => {
  const lines = new EventEmitter()
  reportMissedListen({ application: '/srv/app.js', isListening: () => false, write: (line) => lines.emit('line', line), afterMs: 1 })
  expect(await once(lines, 'line')).toEqual([expect.stringMatching(/^express-fastcgi: \/srv\/app\.js has not called listen\(\) for 0\.001 s; .*\n$/)])
  // Its report of the end of this process is nobody's business.
  process.off('exit', process.listeners('exit').at(-1)!)
})
