// What the meta-variables of a Filter request say of the file to be filtered. Text only.

import { type MetaVariables, valueOf } from './meta-variables'
import { BadRequest } from './request-head'

/** The file that a web server sends a Filter behind the body. FCGI 6.4 */
export interface FilterData {
  /** Bytes; undefined when the web server did not say. */
  readonly length: number | undefined
  readonly lastModified: Date | undefined
}

const DIGITS = /^[0-9]{1,15}$/
/** The last second that a Date can have. */
const MAX_SECONDS = 8.64e12

/**
 * @throws {BadRequest} when FCGI_DATA_LENGTH is no number: the end of a file cannot be told from that of a connection then
 * @see FCGI 6.4
 */
export function filterData(variables: MetaVariables): FilterData {
  const length = valueOf(variables, 'FCGI_DATA_LENGTH') ?? ''
  if (length !== '' && !DIGITS.test(length)) throw new BadRequest('FCGI_DATA_LENGTH is not a number of bytes')
  const seconds = valueOf(variables, 'FCGI_DATA_LAST_MOD') ?? ''
  const isTime = DIGITS.test(seconds) && Number(seconds) <= MAX_SECONDS
  return { length: length === '' ? undefined : Number(length), lastModified: isTime ? new Date(Number(seconds) * 1_000) : undefined }
}
