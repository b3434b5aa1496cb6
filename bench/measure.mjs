// One comparison: every contender with one handler and one case, warmed up, then round after round in turn, so that
// whatever else the machine does falls on all of them alike.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BASELINE, CONTENDERS } from './contenders.mjs'
import { fetchOnce, load } from './load.mjs'
import { startNginx } from './nginx.mjs'
import { ApplicationProcess } from './process.mjs'

/** Longest a warm-up may take: node-fastcgi would need a minute for what the others do in three seconds. */
const WARM_UP_LIMIT_SECONDS = 5

/**
 * @param settings `node` (a binary), `handler`, `contenders` (names), `rounds`, `seconds` (of one round), `connections`
 * @param exchange a case with its `request` as bytes
 * @returns one result per contender, with `failure` instead of figures where the answer was wrong
 */
export async function compare(settings, exchange) {
  const folder = mkdtempSync(join(tmpdir(), 'efcgi-bench-'))
  const entrants = settings.contenders.map((name, index) => {
    const socket = join(folder, `${index}.sock`)
    const process = new ApplicationProcess(settings.node, name, settings.handler, socket)
    return { name, socket, process, rounds: [], failure: undefined }
  })
  let nginx
  try {
    await Promise.all(entrants.map((entrant) => failing(entrant, () => entrant.process.listening())))
    nginx = await startNginx(join(folder, 'nginx'), entrants.map(({ name, socket }) => ({ socket, pass: CONTENDERS[name].pass })))
    entrants.forEach((entrant, index) => { entrant.port = nginx.ports[index] })
    for (const entrant of entrants) await failing(entrant, () => prepare(entrant, settings, exchange), nginx)
    for (let round = 0; round < settings.rounds; round++) {
      for (const entrant of entrants) await failing(entrant, () => measureRound(entrant, settings, exchange), nginx)
    }
    return entrants.map((entrant) => summary(entrant, entrants.find(({ name }) => name === BASELINE)))
  } finally {
    await Promise.all(entrants.map((entrant) => entrant.process.stop()))
    await nginx?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A contender that fails is out of this comparison; the others go on. */
async function failing(entrant, step, nginx) {
  if (entrant.failure !== undefined) return
  try {
    await step()
  } catch (error) {
    const reasons = [error.message, nginx?.errorsOf(entrant.socket).at(-1), entrant.process.error]
    entrant.failure = reasons.filter(Boolean).join('; ')
  }
}

async function prepare(entrant, settings, exchange) {
  const answer = await fetchOnce(entrant.port, exchange.request, exchange.answer.length)
  if (!answer.equals(exchange.answer)) throw new Error('the body of the answer is not what the handler sent')
  const batch = Math.ceil(exchange.warmUp / 20)
  let seconds = 0
  let fastest = 0
  for (let sent = 0; sent < exchange.warmUp && seconds < WARM_UP_LIMIT_SECONDS; sent += batch) {
    const taken = await send(entrant, settings, exchange, batch)
    seconds += taken
    fastest = Math.max(fastest, batch / taken)
  }
  // The number is fixed from here on, so that the rounds of one contender are alike.
  entrant.requests = Math.max(2 * settings.connections, Math.round(fastest * settings.seconds))
}

async function measureRound(entrant, settings, exchange) {
  const before = await entrant.process.usage()
  const seconds = await send(entrant, settings, exchange, entrant.requests)
  const after = await entrant.process.usage()
  entrant.rounds.push({
    cpuPerRequest: (after.cpuMicroseconds - before.cpuMicroseconds) / entrant.requests,
    requestsPerSecond: entrant.requests / seconds,
    newConnections: after.connections - before.connections,
  })
}

function send(entrant, settings, exchange, requests) {
  return load({
    port: entrant.port,
    request: exchange.request,
    answerLength: exchange.answer.length,
    requests,
    connections: settings.connections,
  })
}

function summary(entrant, baseline) {
  const { name, failure, requests, rounds } = entrant
  if (failure !== undefined) return { contender: name, failure }
  // Round by round, because two figures of one round were taken under the same load.
  const ratios =
    baseline === undefined || baseline.failure !== undefined
      ? undefined
      : rounds.map((round, index) => round.cpuPerRequest / baseline.rounds[index].cpuPerRequest)
  return {
    contender: name,
    requestsPerRound: requests,
    cpuPerRequest: median(rounds.map((round) => round.cpuPerRequest)),
    ratio: ratios === undefined ? undefined : median(ratios),
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    peakMemory: entrant.process.peakMemory(),
    connectionsKept: rounds.every((round) => round.newConnections <= requests / 10),
    rounds,
  }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
