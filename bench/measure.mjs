// One comparison: every entrant with one handler and one exchange, warmed up, then round after round in turn, so that
// whatever else the machine does falls on all of them alike.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONTENDERS } from './contenders.mjs'
import { startHAProxy } from './haproxy.mjs'
import { fetchOnce, load } from './load.mjs'
import { startNginx } from './nginx.mjs'
import { ApplicationProcess } from './process.mjs'
import { ProgramProcess } from './program-process.mjs'
import { summary } from './summary.mjs'

/** Longest a warm-up may take: node-fastcgi would need a minute for what the others do in three seconds. */
const WARM_UP_LIMIT_SECONDS = 3
/** A compiled program has nothing to warm up but its caches. */
const PROGRAM_WARM_UP = 2_000

/**
 * @param settings `node` (a binary), `handler`, `rounds`, `seconds` (of one round), `connections`,
 *   `entrants` (`{ name, contender, site }`), `baseline` (the name of one), `haproxy` (instead of nginx)
 * @param exchange a case with its `request` as bytes
 * @returns one result per entrant, with `failure` instead of figures where the answer was wrong
 */
export async function compare(settings, exchange) {
  return withEntrants(settings, async (entrants, webServer) => {
    for (const entrant of entrants) await failing(entrant, () => prepare(entrant, settings, exchange), webServer)
    for (let round = 0; round < settings.rounds; round++) {
      for (const entrant of entrants) await failing(entrant, () => measureRound(entrant, settings, exchange), webServer)
    }
    return entrants.map((entrant) => summary(entrant, entrants.find(({ name }) => name === settings.baseline)))
  })
}

/** Starts the entrants of `settings` and a web server in front of them, and stops all of it once `action` is through. */
export async function withEntrants(settings, action) {
  const folder = mkdtempSync(join(tmpdir(), 'efcgi-bench-'))
  const entrants = settings.entrants.map((entrant, index) => {
    const socket = join(folder, `${index}.sock`)
    return { ...entrant, socket, process: start(settings, entrant, socket), rounds: [], failure: undefined }
  })
  let webServer
  try {
    await Promise.all(entrants.map((entrant) => failing(entrant, () => entrant.process.listening())))
    webServer = await (settings.haproxy ? startHAProxy : startNginx)(join(folder, 'web-server'), entrants)
    entrants.forEach((entrant, index) => { entrant.port = webServer.ports[index] })
    return await action(entrants, webServer)
  } finally {
    await webServer?.stop()
    await Promise.all(entrants.map((entrant) => entrant.process.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
}

function start({ node, handler }, { contender }, socket) {
  const known = CONTENDERS[contender]
  return known.program === undefined ? new ApplicationProcess(node, contender, handler, socket) : new ProgramProcess(known, socket)
}

/** A contender that fails is out of this comparison; the others go on. */
async function failing(entrant, step, webServer) {
  if (entrant.failure !== undefined) return
  try {
    await step()
  } catch (error) {
    const reasons = [error.message, webServer?.errorsOf(entrant.socket).at(-1), entrant.process.error]
    entrant.failure = reasons.filter(Boolean).join('; ')
  }
}

/** Checks the answer, warms up, and settles how many requests a round has. */
export async function prepare(entrant, settings, exchange) {
  const answer = await fetchOnce(entrant.port, exchange.request, exchange.answer.length)
  if (!answer.equals(exchange.answer)) throw new Error('the body of the answer is not what the handler sent')
  const program = CONTENDERS[entrant.contender].program !== undefined
  const warmUp = Math.min(exchange.warmUp, settings.warmUp ?? Infinity, program ? PROGRAM_WARM_UP : Infinity)
  // At least one request on each connection, so that none is opened in a round.
  const batch = Math.max(settings.connections, Math.ceil(warmUp / 20))
  let seconds = 0
  let fastest = 0
  for (let sent = 0; sent < warmUp && seconds < WARM_UP_LIMIT_SECONDS; sent += batch) {
    const taken = await send(entrant, settings, exchange, batch)
    seconds += taken
    fastest = Math.max(fastest, batch / taken)
  }
  // The number is fixed from here on, so that the rounds of one contender are alike.
  entrant.requests = Math.max(settings.connections, Math.round(fastest * settings.seconds))
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
  entrant.connections = after.connections
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
