// A processor profile as a flame graph (SVG): a rectangle for each function in each stack, as wide as the time spent in it and in
// what it called. Stacks are merged by function; what a function belongs to gives it its colour. Pure.

/**
 * What a request's time goes to. A frame starts the block that says so of it; otherwise it belongs to the block of its caller.
 * Names are of this package's functions and of node's own on Node 24; one that is renamed falls to its caller's block.
 */
const BLOCKS = [
  { name: 'receive', title: 'reading records', starts: ({ name }) => name === 'onStreamRead' },
  { name: 'params', title: 'reading params', starts: ({ name, ours }) => ours && ['paramsRecord', 'requestHead'].includes(name) },
  { name: 'objects', title: 'making req and res', starts: ({ name, ours }) => (ours && name === 'dispatch') || name === 'parserOnIncoming' },
  { name: 'application', title: 'the application', starts: ({ url }) => url !== '' && !url.startsWith('node:') && !isOurs(url) },
  { name: 'answer', title: 'head and answer', starts: ({ url, name }, within) => within === 'application' && (/^node:_http_(outgoing|server)$/.test(url) || name === 'writeHead') },
  { name: 'write', title: 'the write', starts: ({ name, ours }) => (ours && name === 'flush') || name === 'Socket._write' || name === 'Socket._writev' },
  { name: 'settle', title: 'telling res it is done', starts: ({ name, ours }) => ours && name === 'settleAll' },
  { name: 'ticks', title: 'ticks and timers', starts: ({ name }) => ['processTicksAndRejections', 'processTimers', 'processImmediate'].includes(name) },
  { name: 'loop', title: 'native code outside JavaScript', starts: ({ name }) => name === '(program)' },
  { name: 'garbage', title: 'garbage collection', starts: ({ name }) => name === '(garbage collector)' },
]

const WIDTH = 1000
const ROW = 17
const SIDE = 10
const LEGEND_COLUMNS = 4
const LEGEND_ROW = 18
const CHARACTER = 5.6
/** What is narrower than this share of all time is left out. */
const LEAST_SHARE = 0.003

// Light and dark are chosen in here, as an <img> has no style of the page.
const COLORS = {
  receive: ['#a8c7ea', '#2c4a6e'],
  params: ['#7fb3e6', '#1f5a94'],
  objects: ['#f2c879', '#7a5410'],
  application: ['#a5d6a0', '#2c6630'],
  answer: ['#d9b8ea', '#5f3d78'],
  write: ['#f0a48f', '#8a3a26'],
  settle: ['#cfd98a', '#5a631c'],
  ticks: ['#9fd8d2', '#20615b'],
  loop: ['#d0d4d9', '#454c54'],
  garbage: ['#e0c9b5', '#64503d'],
  other: ['#eceff2', '#30363d'],
}

const colors = (index) => Object.entries(COLORS).map(([name, pair]) => `.${name} { fill: ${pair[index]} }`).join(' ')
const STYLE = `
  text { font: 10px system-ui, sans-serif; fill: #1f2328; pointer-events: none }
  .title { font-size: 12px; font-weight: 600 }
  rect { stroke: #fff; stroke-width: 0.5 }
  ${colors(0)}
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f3f6 } rect { stroke: #0d1117 }
    ${colors(1)}
  }`

const isOurs = (url) => url.includes('/dist/') && !url.includes('/node_modules/')

/**
 * @param profile what --cpu-prof writes
 * @param from and `to`: microseconds of the monotonic clock; samples outside are not counted. Idle time never is.
 * @returns the merged stacks: `{ name, where, block, self, total, children }`, in microseconds
 */
export function stacks({ nodes, samples, timeDeltas, startTime }, from = -Infinity, to = Infinity) {
  const selfTimes = new Map()
  let now = startTime
  samples.forEach((id, index) => {
    now += timeDeltas[index]
    if (now >= from && now <= to) selfTimes.set(id, (selfTimes.get(id) ?? 0) + timeDeltas[index])
  })
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const root = { name: 'all', where: '', block: 'other', self: 0, children: new Map() }
  const [{ children }] = nodes
  for (const child of children ?? []) merge(root, byId.get(child))
  return totalled(root)

  function merge(into, { id, callFrame, children }) {
    const frame = frameOf(callFrame)
    if (frame.name === '(idle)') return
    const key = `${frame.name} ${frame.where}`
    const block = BLOCKS.find(({ starts }) => starts(frame, into.block))?.name ?? into.block
    if (!into.children.has(key)) into.children.set(key, { name: frame.name, where: frame.where, block, self: 0, children: new Map() })
    const merged = into.children.get(key)
    merged.self += selfTimes.get(id) ?? 0
    for (const child of children ?? []) merge(merged, byId.get(child))
  }
}

function frameOf({ functionName, url, lineNumber }) {
  const where = url === '' ? '' : `${url.startsWith('node:') ? url : url.replace(/^.*\//, '')}:${lineNumber + 1}`
  return { name: functionName || '(anonymous)', url, where, ours: isOurs(url) }
}

function totalled({ children, ...frame }) {
  const list = [...children.values()].map(totalled).sort((a, b) => a.name.localeCompare(b.name) || b.total - a.total)
  return { ...frame, children: list, total: list.reduce((sum, { total }) => sum + total, frame.self) }
}

/** The share of each block, in the order of a request: `{ name, title, share }`. */
export function blocks(root) {
  const times = new Map()
  const add = (frame) => {
    times.set(frame.block, (times.get(frame.block) ?? 0) + frame.self)
    frame.children.forEach(add)
  }
  add(root)
  return [...BLOCKS, { name: 'other', title: 'other' }]
    .map(({ name, title }) => ({ name, title, share: (times.get(name) ?? 0) / root.total }))
    .filter(({ share }) => share >= LEAST_SHARE)
}

/**
 * @param root as `stacks` gives it
 * @param requests how many were served meanwhile
 */
export function flame(root, title, requests) {
  const least = root.total * LEAST_SHARE
  const shown = blocks(root)
  const depth = depthOf(root)
  const top = 30 + Math.ceil(shown.length / LEGEND_COLUMNS) * LEGEND_ROW + 8
  const height = top + depth * ROW + 10
  const parts = []
  draw(root, SIDE, 0)
  const legend = shown.map(({ name, title: of, share }, index) => {
    const x = SIDE + (index % LEGEND_COLUMNS) * ((WIDTH - 2 * SIDE) / LEGEND_COLUMNS)
    const y = 30 + Math.floor(index / LEGEND_COLUMNS) * LEGEND_ROW
    return `<rect x="${x}" y="${y}" width="11" height="11" class="${name}"/>${text(x + 16, y + 9, `${of} ${(100 * share).toFixed(0)} %`)}`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
${text(SIDE, 18, title, ' class="title"')}
${legend.join('\n')}
${parts.join('\n')}
</svg>
`

  function depthOf({ children }) {
    return 1 + Math.max(0, ...children.filter(({ total }) => total >= least).map(depthOf))
  }

  // The caller below, what it calls above it.
  function draw(frame, x, level) {
    const width = (frame.total / root.total) * (WIDTH - 2 * SIDE)
    const y = top + (depth - 1 - level) * ROW
    const tip = `${frame.name} ${frame.where}`.trim()
    const time = `${(100 * frame.total / root.total).toFixed(1)} %, ${(frame.total / requests).toFixed(2)} µs`
    const letters = Math.floor((width - 4) / CHARACTER)
    const label = frame.name.length <= letters ? frame.name : letters < 5 ? '' : `${frame.name.slice(0, letters - 1)}…`
    parts.push(`<g><title>${escaped(`${tip}: ${time}`)}</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW}" class="${frame.block}"/>${label === '' ? '' : text(x + 2, y + 12, label)}</g>`)
    let left = x
    for (const child of frame.children) {
      if (child.total >= least) draw(child, left, level + 1)
      left += (child.total / root.total) * (WIDTH - 2 * SIDE)
    }
  }
}

const escaped = (content) => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const text = (x, y, content, attributes = '') => `<text x="${Number(x.toFixed(1))}" y="${y}"${attributes}>${escaped(content)}</text>`
