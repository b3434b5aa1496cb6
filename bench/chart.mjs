// The rows as a picture: one bar per line of Node, as long as what the row costs against node:http. Pure.
import { ROWS } from './rows.mjs'

const LABEL_WIDTH = 215
const PLOT_WIDTH = 440
const BAR_HEIGHT = 11
const GROUP_GAP = 12
const TOP = 66
const COLORS = ['#9db7d5', '#6f9bd1', '#2f74c0', '#174a84']

// An <img> has no style of the page, so light and dark are chosen in here.
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 10px }
  .title { font-weight: 600 }
  .grid { stroke: #d1d9e0 }
  .one { stroke: #1f2328 }
  .bound { stroke: #cf222e; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .grid { stroke: #3d444d } .one { stroke: #e6edf3 } .bound { stroke: #ff7b72 }
  }`

/** @param report as the bench writes it; only the rows are drawn */
export function chart({ results, settings, surroundings }) {
  const bars = results.filter(({ atMost, ratio }) => atMost !== undefined && ratio !== undefined)
  const rows = Object.keys(ROWS).filter((row) => bars.some((bar) => bar.row === row))
  const most = Math.max(1.2, ...bars.map(({ ratio }) => ratio))
  const x = (ratio) => Number((LABEL_WIDTH + (ratio / most) * PLOT_WIDTH).toFixed(1))
  const groupHeight = settings.versions.length * BAR_HEIGHT + GROUP_GAP
  const bottom = TOP + rows.length * groupHeight
  const width = LABEL_WIDTH + PLOT_WIDTH + 60
  const parts = [
    text(12, 22, 'Processor time per request; node:http behind the same nginx = 1 (HAProxy: ours without multiplexing)', 'title'),
    ...settings.versions.map((version, index) => legend(version, index)),
    line(LABEL_WIDTH + settings.versions.length * 90 + 4, 34, 44, 'bound'),
    text(LABEL_WIDTH + settings.versions.length * 90 + 10, 43, 'at most', 'small'),
    ...ticks(most).map((ratio) => line(x(ratio), TOP - 6, bottom, ratio === 1 ? 'one' : 'grid') + text(x(ratio), bottom + 14, ratio.toFixed(1), 'small', 'middle')),
    ...rows.map((row, index) => group(row, TOP + index * groupHeight)),
    text(12, bottom + 32, `${surroundings.date} UTC, ${surroundings.processor}; ${surroundings.programs.join(', ')}`, 'small'),
  ]
  const height = bottom + 42
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>Cost per request against node:http</title>
<style>${STYLE}
</style>
${parts.join('\n')}
</svg>
`

  function group(row, top) {
    const drawn = settings.versions.map((version, index) => {
      const bar = bars.find((candidate) => candidate.row === row && candidate.node === version)
      return bar === undefined ? '' : drawBar(bar, index, top + index * BAR_HEIGHT)
    })
    const middle = top + (settings.versions.length * BAR_HEIGHT) / 2 + 4
    return [text(LABEL_WIDTH - 8, middle, ROWS[row].title, '', 'end'), ...drawn].join('\n')
  }

  function drawBar({ ratio, atMost }, index, y) {
    const rect = `<rect x="${LABEL_WIDTH}" y="${y}" width="${(x(ratio) - LABEL_WIDTH).toFixed(1)}" height="${BAR_HEIGHT - 1}" fill="${COLORS[index % COLORS.length]}"/>`
    const label = text(x(Math.max(ratio, atMost)) + 4, y + BAR_HEIGHT - 2, ratio.toFixed(2), 'small')
    return rect + line(x(atMost), y - 0.5, y + BAR_HEIGHT - 0.5, 'bound') + label
  }
}

function legend(version, index) {
  const left = LABEL_WIDTH + index * 90
  return `<rect x="${left}" y="35" width="9" height="9" fill="${COLORS[index % COLORS.length]}"/>${text(left + 14, 43, `Node ${version}`, 'small')}`
}

const ticks = (most) => Array.from({ length: Math.floor(most / 0.2) + 1 }, (_, index) => Number((index * 0.2).toFixed(1)))
const line = (x, from, to, kind) => `<line x1="${x}" y1="${from}" x2="${x}" y2="${to}" class="${kind}"/>`

function text(x, y, content, kind, anchor = 'start') {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" class="${kind}" text-anchor="${anchor}">${escaped}</text>`
}
