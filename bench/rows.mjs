// The table of what is promised: each row is one exchange with one handler, and the ratio it may cost at most.

/** The line of Node for which the lower ratios were promised; on the others nothing may be worse than node:http. */
export const JUDGED_LINE = 24

/**
 * `at most` is for JUDGED_LINE. `via` is how the web server reaches the application: over kept connections unless it says otherwise.
 */
export const ROWS = {
  small: { title: 'plain, small answer', handler: 'plain', exchange: 'small', via: 'kept', atMost: 0.65 },
  'express-small': { title: 'Express 5, small answer', handler: 'express', exchange: 'small', via: 'kept', atMost: 0.75 },
  'express-json': { title: 'Express 5, 10 kB JSON', handler: 'express', exchange: 'json', via: 'kept', atMost: 0.8 },
  download: { title: '1 MiB download, one buffer', handler: 'plain', exchange: 'download', via: 'kept', atMost: 1 },
  stream: { title: '8 MiB download, streamed', handler: 'plain', exchange: 'stream', via: 'kept', atMost: 1 },
  upload: { title: '256 KiB upload, read', handler: 'plain', exchange: 'upload', via: 'kept', atMost: 0.9 },
  'new-connection': { title: 'new connection per request', handler: 'plain', exchange: 'small', via: 'new', atMost: 0.9 },
  multiplexed: { title: 'HAProxy, 64 multiplexed', handler: 'plain', exchange: 'small', via: 'haproxy', atMost: 0.75, connections: 64 },
}

/** The ratio that a row may reach on a line of Node. */
export function boundOf(row, major) {
  return major === JUDGED_LINE ? ROWS[row].atMost : 1
}

/**
 * Who takes part in a row.
 *
 * @param contenders names, of which those that cannot serve the row are left out
 * @param known the contenders by name
 * @returns `{ name, contender, site }` each, and the name of the one that the others are measured against
 */
export function entrantsOf(row, contenders, known) {
  const { handler, exchange, via } = ROWS[row]
  if (via === 'haproxy') return multiplexing()
  const able = contenders.filter((name) => known[name].serves?.(handler, exchange) ?? true)
  const entrants = able.map((name) => {
    const { pass, keepsConnections = true, params = '' } = known[name]
    return { name, contender: name, site: { pass, kept: via === 'kept' && keepsConnections, params } }
  })
  return { entrants, baseline: 'node:http' }
}

// Here it is our own cost that we are measured against.
function multiplexing() {
  const ours = (name, multiplexed) => ({ name, contender: 'express-fastcgi', site: { multiplexed } })
  return { entrants: [ours('multiplexed', true), ours('not multiplexed', false)], baseline: 'not multiplexed' }
}
