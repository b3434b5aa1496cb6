import { PassThrough } from 'node:stream'
import { Exchange, type ExchangeHost } from '../../lib/client/exchange'

const settle = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

describe('the silence of an application', () => {
  const sink = { stream: () => true, endStream: () => undefined }
  let paused = false
  const host: ExchangeHost = { abandon: () => undefined, readMore: () => undefined, get paused() { return paused } }

  beforeEach(() => {
    paused = false
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
  })
  afterEach(() => { jest.useRealTimers() })

  function exchange(body?: PassThrough): Exchange {
    const one = new Exchange({ params: {}, body }, 1_000)
    one.host = host
    one.upload.begin(sink, 1)
    return one
  }

  it('ends the request after timeoutMs', async () => {
    const one = exchange()
    jest.advanceTimersByTime(999)
    expect(one.isSettled).toBe(false)
    jest.advanceTimersByTime(1)
    await expect(one.ended).rejects.toMatchObject({ code: 'FCGI_ERR_TIMEOUT' })
  })

  it('is broken by any output', () => {
    const one = exchange()
    for (let i = 0; i < 5; i++) {
      jest.advanceTimersByTime(999)
      if (i % 2 === 0) one.receiveStdout(Buffer.from('x'))
      else one.receiveStderr(Buffer.from('x'))
    }
    expect(one.isSettled).toBe(false)
    jest.advanceTimersByTime(1_000)
    expect(one.isSettled).toBe(true)
  })

  it('is not counted while the body has not come', async () => {
    const body = new PassThrough()
    const one = exchange(body)
    jest.advanceTimersByTime(10_000)
    expect(one.isSettled).toBe(false)
    body.end('x')
    await settle()
    jest.advanceTimersByTime(1_000)
    await expect(one.ended).rejects.toMatchObject({ code: 'FCGI_ERR_TIMEOUT' })
  })

  it('is not counted while the caller does not read', () => {
    const one = exchange()
    paused = true
    jest.advanceTimersByTime(10_000)
    expect(one.isSettled).toBe(false)
    paused = false
    jest.advanceTimersByTime(1_000)
    expect(one.isSettled).toBe(true)
  })

  it('leaves no timer behind', () => {
    exchange().end({ appStatus: 0, protocolStatus: 0 })
    exchange().abort()
    expect(jest.getTimerCount()).toBe(0)
  })
})
