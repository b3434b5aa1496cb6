// Asks an application for its management variables, on a connection of its own.

import { FastCGIError, ProtocolError } from '../errors'
import { decodeNameValuePairs, encodeGetValues, RecordReader, RecordType } from '../protocol'
import { type Address, connectError, describeAddress, openSocket } from './target'

/**
 * Sends GET_VALUES and waits for the answer.
 *
 * @param timeoutMs longest wait; many applications never answer
 * @returns what the application told, possibly nothing; nothing as well when it does not know GET_VALUES
 * @throws {FastCGIError} FCGI_ERR_CONNECT, FCGI_ERR_CONNECTION_LOST or FCGI_ERR_TIMEOUT; {ProtocolError} for another record
 * @see FCGI 4.1, 4.2
 */
export function getValues(address: Address, names: readonly string[], timeoutMs: number): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const socket = openSocket(address)
    const reader = new RecordReader()
    let connected = false
    const timer = setTimeout(() => fail(new FastCGIError('FCGI_ERR_TIMEOUT', `no answer to GET_VALUES within ${timeoutMs} ms`)), timeoutMs)
    const finish = (): void => {
      clearTimeout(timer)
      socket.destroy()
    }
    const fail = (error: Error): void => {
      finish()
      reject(error)
    }
    const lost = (cause?: Error): FastCGIError =>
      new FastCGIError('FCGI_ERR_CONNECTION_LOST', `${describeAddress(address)} closed the connection without an answer to GET_VALUES`, cause)
    socket
      .on('connect', () => {
        connected = true
        socket.write(encodeGetValues(names))
      })
      .on('data', (chunk: Buffer) => {
        try {
          reader.push(chunk)
          if (!reader.next()) return
          resolve(readAnswer(reader))
          finish()
        } catch (error) {
          fail(error instanceof Error ? error : lost())
        }
      })
      .on('error', (error) => fail(connected ? lost(error) : connectError(address, error)))
      .on('close', () => fail(lost()))
  })
}

function readAnswer(reader: RecordReader): Record<string, string> {
  // An application that knows no GET_VALUES says so with UNKNOWN_TYPE; that is an answer without values. FCGI 4.2
  if (reader.type === RecordType.UNKNOWN_TYPE) return {}
  if (reader.type !== RecordType.GET_VALUES_RESULT) {
    throw new ProtocolError('FCGI_ERR_UNEXPECTED_RECORD', `record type ${reader.type} as an answer to GET_VALUES`, { section: '4.1' })
  }
  const pairs = decodeNameValuePairs(reader.content)
  const values: [string, string][] = []
  for (let i = 0; i < pairs.length; i += 2) values.push([pairs[i] ?? '', pairs[i + 1] ?? ''])
  return Object.fromEntries(values)
}
