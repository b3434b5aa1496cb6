// Numbers for people, as the pages' scripts write them.
const units = ['bytes', 'KiB', 'MiB', 'GiB']

export function formatBytes(bytes) {
  const unit = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10))
  const amount = bytes / 1024 ** unit
  return `${amount.toFixed(unit === 0 || amount >= 100 ? 0 : 1)} ${units[unit]}`
}

export const formatRate = (bytesPerSecond) => `${formatBytes(bytesPerSecond)}/s`

export const formatSeconds = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`)

/** Shows a state as a coloured word; `tone` is good, bad, busy or nothing. */
export function setState(element, text, tone = '') {
  element.textContent = text
  element.className = `badge ${tone}`
}
