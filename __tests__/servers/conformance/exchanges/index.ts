// All exchanges, in the order in which a page about a server has them.
import { type Exchange } from '../exchange'
import { answerExchanges } from './answers'
import { bodyExchanges } from './bodies'
import { departureExchanges } from './departures'
import { requestFieldExchanges } from './request-fields'
import { streamExchanges } from './streams'
import { targetExchanges } from './targets'

export const exchanges: readonly Exchange[] = [
  ...targetExchanges,
  ...requestFieldExchanges,
  ...bodyExchanges,
  ...answerExchanges,
  ...streamExchanges,
  ...departureExchanges,
]

/** Where the path prefix of an application shows. */
export const mountExchanges: readonly string[] = [
  ...exchanges.filter(({ name }) => /^(?:target|redirect)-/.test(name)).map(({ name }) => name),
  ...['links', 'created-201', 'location-with-200', 'form', 'text', 'status-404', 'head', 'kept-connection'],
]
