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
