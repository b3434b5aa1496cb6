// What is kept of one entrant's rounds. Pure.
import { median, ratios, spread } from './statistics.mjs'

/** A round of this many requests per new connection counts as one that kept them. */
const KEPT_REQUESTS_PER_CONNECTION = 10

/**
 * @param entrant `name`, `rounds`, `requests` in each, `connections` it accepted in all, or `failure`
 * @param baseline the entrant whose cost counts as 1, if it takes part
 */
export function summary(entrant, baseline) {
  const { name, failure, requests, rounds, connections } = entrant
  if (failure !== undefined) return { contender: name, failure }
  const comparable = baseline !== undefined && baseline.failure === undefined
  const compared = comparable ? ratios(costs(rounds), costs(baseline.rounds)) : undefined
  return {
    contender: name,
    requestsPerRound: requests,
    cpuPerRequest: median(costs(rounds)),
    ratio: compared === undefined ? undefined : median(compared),
    spread: compared === undefined ? undefined : spread(compared),
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    peakMemory: entrant.process.peakMemory(),
    connections,
    // NaN where the connections are not known; then nothing can be said against them.
    connectionsKept: !rounds.some((round) => round.newConnections * KEPT_REQUESTS_PER_CONNECTION > requests),
    rounds,
  }
}

const costs = (rounds) => rounds.map((round) => round.cpuPerRequest)
