// A server-sent event stream as the HTML standard defines it (section 9.2), on a plain response.
import { type Request, type Response } from 'express'

export interface EventStream {
  /** Sends one event; `data` is sent as JSON, which never holds a line break. */
  send(name: string, data: unknown, id?: number): void
  end(): void
}

/**
 * Turns the response into an event stream that ends with the client or with `stopping`, whichever is first.
 *
 * @param onClose called once, when nobody listens any more
 */
export function openEventStream(req: Request, res: Response, stopping: AbortSignal, onClose: () => void): EventStream {
  const end = (): void => void res.end()
  res.set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store, no-transform',
    // nginx gathers small output until the answer ends; this field tells it to pass on every event at once.
    'X-Accel-Buffering': 'no',
  })
  // The stream opens with a comment, so that the browser knows it is connected before anything happens.
  res.write('retry: 1000\n: connected\n\n')
  stopping.addEventListener('abort', end, { once: true })
  res.once('close', () => {
    stopping.removeEventListener('abort', end)
    onClose()
  })
  if (stopping.aborted || req.method === 'HEAD') end()
  return {
    send(name, data, id) {
      if (res.writableEnded) return
      res.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
    },
    end,
  }
}
