// Draws the event stream: one small line chart per section.chart, in SVG, so that colours follow the style sheet.
import { formatBytes, setState } from './format.js'

const live = document.querySelector('#live')
const state = document.querySelector('#state')
const count = document.querySelector('#count')
// Half a minute.
const SHOWN = 60
const samples = []
let received = 0
let paused = false

const formats = {
  delayWorst: (value) => `${value.toFixed(1)} ms`,
  delayMedian: (value) => `${value.toFixed(1)} ms`,
  requestsPerSecond: (value) => value.toFixed(value < 10 ? 1 : 0),
  rssBytes: formatBytes,
  heapBytes: formatBytes,
  cpuPercent: (value) => `${value.toFixed(0)} %`,
}
const format = (key, value) => (formats[key] ?? String)(value)
const axisFormats = { ms: (value) => `${value} ms`, '/s': (value) => `${value}/s`, bytes: formatBytes }

/** The next round number above, so that the scale does not move with every sample. */
function roundUp(value, unit) {
  if (unit === 'bytes') return 2 ** Math.ceil(Math.log2(value * 1.05))
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value)
}

const element = (name, attributes) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}

function draw(chart) {
  const svg = chart.querySelector('svg')
  const keys = chart.dataset.series.split(' ')
  const { unit } = chart.dataset
  const { width, height } = svg.getBoundingClientRect()
  if (width === 0 || samples.length === 0) return
  const box = { left: 58, right: width - 4, top: 8, bottom: height - 6 }
  const floor = { ms: 5, '/s': 5, bytes: 1024 * 1024 }[unit]
  const top = roundUp(Math.max(floor, ...samples.flatMap((sample) => keys.map((key) => sample[key]))), unit)
  const x = (index) => box.right - ((samples.length - 1 - index) / (SHOWN - 1)) * (box.right - box.left)
  const y = (value) => box.bottom - (value / top) * (box.bottom - box.top)
  const parts = []
  for (const share of [0, 0.5, 1]) {
    parts.push(element('line', { class: 'rule', x1: box.left, x2: box.right, y1: y(top * share), y2: y(top * share) }))
    const label = element('text', { x: box.left - 8, y: y(top * share) + 4, 'text-anchor': 'end' })
    label.textContent = axisFormats[unit](top * share)
    parts.push(label)
  }
  keys.forEach((key, line) => {
    const points = samples.map((sample, index) => `${x(index).toFixed(1)} ${y(sample[key]).toFixed(1)}`)
    if (line === 0) {
      const area = `M${x(0).toFixed(1)} ${box.bottom}L${points.join('L')}L${box.right} ${box.bottom}Z`
      parts.push(element('path', { class: 'area', d: area }))
    }
    parts.push(element('path', { class: `path line-${line}`, d: `M${points.join('L')}`, 'data-points': points.length }))
  })
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
  svg.replaceChildren(...parts)
  const last = samples.at(-1)
  const title = chart.querySelector('h2').textContent
  svg.setAttribute('aria-label', `${title}: ${keys.map((key) => format(key, last[key])).join(', ')}`)
}

const drawAll = () => document.querySelectorAll('.chart').forEach(draw)

function show(sample) {
  samples.push(sample)
  if (samples.length > SHOWN) samples.shift()
  for (const node of live.querySelectorAll('[data-key]')) node.textContent = format(node.dataset.key, sample[node.dataset.key])
  drawAll()
}

const events = new EventSource(live.dataset.events)
events.addEventListener('open', () => setState(state, 'live', 'good'))
events.addEventListener('error', () => setState(state, events.readyState === EventSource.CLOSED ? 'closed' : 'reconnecting', 'bad'))
events.addEventListener('sample', (event) => {
  count.textContent = received += 1
  if (!paused) show(JSON.parse(event.data))
})
new ResizeObserver(drawAll).observe(live)

document.querySelector('#pause').addEventListener('click', ({ currentTarget }) => {
  paused = !paused
  currentTarget.setAttribute('aria-pressed', String(paused))
  currentTarget.textContent = paused ? 'Continue' : 'Pause'
})
document.querySelector('#block').addEventListener('click', () => fetch(`${live.dataset.block}?ms=200`, { method: 'POST' }))
document.querySelector('#load').addEventListener('click', async ({ currentTarget }) => {
  currentTarget.disabled = true
  let left = 300
  // A browser opens six connections to one host, one of which the event stream has.
  const worker = async () => {
    while (left > 0) {
      left -= 1
      await fetch(live.dataset.ping)
    }
  }
  await Promise.allSettled(Array.from({ length: 5 }, worker))
  currentTarget.disabled = false
})
