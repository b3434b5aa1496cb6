// What the flags of req, res and socket say, at each event of a request.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Scenario, Stage } from '../scenario'
import { arrived, bytes } from './request-bodies'

export const HAPROXY_KEEPS_QUIET = 'HAProxy does not tell that a client left while nothing is sent'

/** Everything public that req says about how far it is; deprecated properties by Reflect, since applications go on reading them. */
export function reqState(req: IncomingMessage): object {
  const { complete, destroyed, closed, errored, readable, readableAborted, readableDidRead, readableEnded, readableFlowing } = req
  return { complete, aborted: Reflect.get(req, 'aborted'), destroyed, closed, errored: codeOf(errored), readable, readableAborted, readableDidRead, readableEnded, readableFlowing }
}

export function resState(res: ServerResponse): object {
  const { headersSent, writable, writableEnded, writableFinished, destroyed, closed, errored } = res
  return { headersSent, finished: Reflect.get(res, 'finished'), writable, writableEnded, writableFinished, destroyed, closed, errored: codeOf(errored), hasSocket: res.socket !== null }
}

export function socketState(socket: Duplex): object {
  const { readable, writable, destroyed, closed, errored, writableEnded, writableFinished } = socket
  return { readable, writable, destroyed, closed, errored: codeOf(errored), writableEnded, writableFinished }
}

function codeOf(error: Error | null | undefined): unknown {
  return error === null || error === undefined ? error : ((error as NodeJS.ErrnoException).code ?? error.message)
}

/** Notes the state of req and res at their events, and in the listener itself. */
function noteStates(req: IncomingMessage, res: ServerResponse, stage: Stage): void {
  const note = (moment: string) => (): void => stage.note(moment, reqState(req), resState(res))
  note('request')()
  for (const event of ['end', 'close', 'aborted']) req.on(event, note(`req ${event}`))
  for (const event of ['prefinish', 'finish', 'close']) res.on(event, note(`res ${event}`))
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'request state: at each event of a GET that is answered at once',
    app(req, res, stage) {
      noteStates(req, res, stage)
      res.end('answer', () => stage.note('end callback', reqState(req), resState(res)))
    },
    until: ['req close', 'res close'],
  },
  {
    name: 'request state: at each event of a GET that is answered a turn of the loop later',
    app(req, res, stage) {
      noteStates(req, res, stage)
      setImmediate(() => {
        stage.note('before end', reqState(req), resState(res))
        res.end('answer')
        stage.note('after end', reqState(req), resState(res))
      })
    },
    until: ['req close', 'res close'],
  },
  {
    name: 'request state: at each event of a POST that is read and then answered',
    app(req, res, stage) {
      noteStates(req, res, stage)
      req.resume()
      stage.note('resumed', reqState(req))
      req.on('end', () => {
        res.end('answer')
        stage.note('answered', reqState(req), resState(res))
      })
    },
    client: (client) => client.request({ method: 'POST', body: bytes(200_000) }),
    until: ['req close', 'res close'],
  },
  {
    name: 'request state: at each event of a POST whose answer waits for req close',
    app(req, res, stage) {
      noteStates(req, res, stage)
      req.resume()
      req.on('close', () => {
        stage.note('socket', socketState(req.socket), req.socket === res.socket)
        res.end('answer')
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'small' }),
    until: ['req close', 'res close'],
  },
  {
    name: 'request state: at each event of a POST that is never read',
    app(req, res, stage) {
      void arrived(req).then(() => {
        noteStates(req, res, stage)
        res.end('answer')
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'unread' }),
    until: ['req close', 'res close'],
  },
  {
    name: 'request state: at each event of a response in several writes',
    app(req, res, stage) {
      noteStates(req, res, stage)
      stage.note('write', res.write('one'), resState(res))
      setImmediate(() => {
        stage.note('write', res.write('two'))
        res.end()
        stage.note('ended', resState(res))
      })
    },
    until: ['req close', 'res close'],
  },
  {
    name: 'request state: at each event of a HEAD request',
    app(req, res, stage) {
      noteStates(req, res, stage)
      res.end('not sent')
    },
    client: (client) => client.request({ method: 'HEAD' }),
    until: ['req close', 'res close'],
  },
  {
    name: 'request state: of a request without body, read by nobody, after everything is over',
    app(req, res, stage) {
      res.end('answer')
      res.on('close', () => {
        setImmediate(() => {
          stage.note('later', reqState(req), resState(res))
          stage.note('read', req.read(), req.isPaused())
        })
      })
    },
    until: ['later', 'read'],
  },
  {
    name: 'request state: pause, resume, isPaused and readableFlowing say what was asked',
    app(req, res, stage) {
      const note = (text: string): void => stage.note(text, req.isPaused(), req.readableFlowing)
      note('new')
      req.pause()
      note('paused')
      req.resume()
      note('resumed')
      req.pause()
      note('paused again')
      setImmediate(() => {
        note('later')
        req.on('data', () => undefined)
        note('with a listener')
        req.resume()
        req.on('end', () => {
          note('end')
          res.end('ok')
        })
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'body' }),
  },
  {
    name: "request state: events of a reader by 'readable', which then changes to 'data'",
    app(req, res, stage) {
      stage.watch('req', req, ['pause', 'resume', 'end', 'close'])
      req.on('readable', () => undefined)
      stage.watch('res', res, ['close'])
      void arrived(req).then(() => {
        stage.note('read', String(req.read(1)), req.readableLength, req.readableFlowing)
        req.removeAllListeners('readable')
        req.on('data', (chunk: Buffer) => stage.note('data', String(chunk)))
        stage.note('changed', req.readableFlowing, req.isPaused())
        req.on('end', () => res.end('ok'))
      })
    },
    client: (client) => client.request({ method: 'POST', body: 'body' }),
    until: ['req close', 'res close'],
  },
  {
    name: 'request state: properties and their types as an application inspects them',
    app(req, res, stage) {
      stage.note('req', req.constructor.name, Object.prototype.toString.call(req), typeof req.read, req.readableHighWaterMark, req.readableEncoding, req.readableObjectMode)
      stage.note('res', res.constructor.name, Object.prototype.toString.call(res), res.statusCode, res.statusMessage, res.sendDate, res.writableHighWaterMark)
      stage.note('relations', res.req === req, res.socket === req.socket, 'statusCode' in req, req.statusCode, req.statusMessage)
      res.end()
    },
  },
]
